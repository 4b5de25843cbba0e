//! The last run of each check, weighed: where the details of all take more than they may, the run with the most of them
//! loses them, so that no check loses any of what is within its fair share.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::outcome::Run;
use crate::suite::CheckId;

/// Bytes of the details of all last runs together, as [`Run::details_weight`] counts them, unless there are so many checks
/// that they have 8 KiB each. Without its details a run has about a kilobyte and its summary, which is always kept.
pub const MAX_LAST_RUNS: usize = 64 << 20;
/// Bytes of details for each check where there are many: more than the runs of the plugins that come along have.
const SHARE: usize = 8 << 10;

/// See the module.
#[derive(Debug)]
pub(super) struct LastRuns {
    max_bytes: usize,
    share: usize,
    /// Of details.
    bytes: usize,
    runs: HashMap<CheckId, Held>,
    /// Checks whose runs have details, by how much.
    ranks: BTreeSet<(usize, CheckId)>,
}

#[derive(Debug)]
struct Held {
    run: Weighed,
    /// How often the check's runs lost their details.
    dropped: u64,
}

/// A run, and what it weighs: known before anybody is held up.
#[derive(Debug)]
pub(super) struct Weighed {
    run: Arc<Run>,
    /// Bytes.
    details: usize,
}

impl Weighed {
    pub(super) fn of(run: &Arc<Run>) -> Self {
        Self {
            details: run.details_weight(),
            run: Arc::clone(run),
        }
    }
}

impl Default for LastRuns {
    fn default() -> Self {
        Self::within(MAX_LAST_RUNS, SHARE)
    }
}

impl LastRuns {
    pub(super) fn within(max_bytes: usize, share: usize) -> Self {
        Self {
            max_bytes,
            share,
            bytes: 0,
            runs: HashMap::new(),
            ranks: BTreeSet::new(),
        }
    }

    pub(super) fn get(&self, id: &CheckId) -> Option<Arc<Run>> {
        Some(Arc::clone(&self.runs.get(id)?.run.run))
    }

    /// Takes a check's run in place of the one before. Returns what is no longer needed.
    ///
    /// A run loses its details once at most, so that this takes the time of a few look-ups, however many checks there are.
    pub(super) fn put(&mut self, run: Weighed) -> Vec<Arc<Run>> {
        let id = run.run.check.id.clone();
        let dropped = self.runs.get(&id).map_or(0, |held| held.dropped);
        let mut released: Vec<Arc<Run>> = self.remove(&id).into_iter().collect();
        self.insert(id, Held { run, dropped });
        let most = self.max_bytes.max(self.share.saturating_mul(self.runs.len()));
        while self.bytes > most
            && let Some((_, id)) = self.ranks.last().cloned()
        {
            released.extend(self.drop_details(id));
        }
        released
    }

    pub(super) fn remove(&mut self, id: &CheckId) -> Option<Arc<Run>> {
        Some(self.take(id)?.run.run)
    }

    /// How often runs lost their details, by check; nothing of those that never did.
    pub(super) fn dropped(&self) -> BTreeMap<CheckId, u64> {
        let held = self.runs.iter().filter(|(_, held)| held.dropped > 0);
        held.map(|(id, held)| (id.clone(), held.dropped)).collect()
    }

    fn drop_details(&mut self, id: CheckId) -> Option<Arc<Run>> {
        let Held { run, dropped } = self.take(&id)?;
        let bare = Weighed::of(&Arc::new(run.run.without_details()));
        let dropped = dropped + 1;
        self.insert(id, Held { run: bare, dropped });
        Some(run.run)
    }

    fn insert(&mut self, id: CheckId, held: Held) {
        self.bytes += held.run.details;
        if held.run.details > 0 {
            self.ranks.insert((held.run.details, id.clone()));
        }
        self.runs.insert(id, held);
    }

    fn take(&mut self, id: &CheckId) -> Option<Held> {
        let held = self.runs.remove(id)?;
        self.bytes = self.bytes.saturating_sub(held.run.details);
        self.ranks.remove(&(held.run.details, id.clone()));
        Some(held)
    }
}
