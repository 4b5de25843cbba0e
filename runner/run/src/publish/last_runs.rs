//! The last run of each check, within a memory limit: if the details of all runs exceed it, the run with the most
//! details loses them, so that no check loses details within its fair share.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::outcome::Run;
use canary_suite::CheckId;

/// Maximum size of the details of all last runs together in bytes, as counted by `Run::details_weight`; with many
/// checks it is 8 KiB each instead. Without its details a run takes about a kilobyte and its summary, which is always
/// retained.
pub const MAX_LAST_RUN_BYTES: usize = 64 << 20;
/// Size of details in bytes that each check may always have: more than the runs of the bundled plugins have.
const BYTES_PER_CHECK: usize = 8 << 10;

/// The last runs by check, with a limit on the size of their details.
#[derive(Debug)]
pub(super) struct LastRuns {
    max_bytes: usize,
    bytes_per_check: usize,
    /// The size of all details.
    bytes: usize,
    runs: HashMap<CheckId, LastRunEntry>,
    /// Checks whose runs have details, by the size of these.
    by_size: BTreeSet<(usize, CheckId)>,
}

#[derive(Debug)]
struct LastRunEntry {
    run: SizedRun,
    /// How often the details of the check's runs were dropped.
    dropped: u64,
}

/// A run with the size of its details, which is computed before the lock is taken.
#[derive(Debug)]
pub(super) struct SizedRun {
    run: Arc<Run>,
    /// In bytes.
    details: usize,
}

impl SizedRun {
    pub(super) fn new(run: &Arc<Run>) -> Self {
        Self {
            details: run.details_weight(),
            run: Arc::clone(run),
        }
    }
}

impl Default for LastRuns {
    fn default() -> Self {
        Self::with_limits(MAX_LAST_RUN_BYTES, BYTES_PER_CHECK)
    }
}

impl LastRuns {
    pub(super) fn with_limits(max_bytes: usize, bytes_per_check: usize) -> Self {
        Self {
            max_bytes,
            bytes_per_check,
            bytes: 0,
            runs: HashMap::new(),
            by_size: BTreeSet::new(),
        }
    }

    pub(super) fn get(&self, id: &CheckId) -> Option<Arc<Run>> {
        Some(Arc::clone(&self.runs.get(id)?.run.run))
    }

    /// Replaces a check's last run. Returns the runs that are no longer needed, for the caller to drop.
    ///
    /// A run loses its details at most once, so this takes amortised logarithmic time, however many checks there are.
    pub(super) fn put(&mut self, run: SizedRun) -> Vec<Arc<Run>> {
        let id = run.run.check.id.clone();
        let dropped = self.runs.get(&id).map_or(0, |entry| entry.dropped);
        let mut released: Vec<Arc<Run>> = self.remove(&id).into_iter().collect();
        self.insert(id, LastRunEntry { run, dropped });
        let limit = self
            .max_bytes
            .max(self.bytes_per_check.saturating_mul(self.runs.len()));
        while self.bytes > limit
            && let Some((_, id)) = self.by_size.last().cloned()
        {
            released.extend(self.drop_details(id));
        }
        released
    }

    pub(super) fn remove(&mut self, id: &CheckId) -> Option<Arc<Run>> {
        Some(self.remove_entry(id)?.run.run)
    }

    /// How often the details of runs were dropped, by check, without zeros.
    pub(super) fn dropped(&self) -> BTreeMap<CheckId, u64> {
        let entries = self.runs.iter().filter(|(_, entry)| entry.dropped > 0);
        entries.map(|(id, entry)| (id.clone(), entry.dropped)).collect()
    }

    fn drop_details(&mut self, id: CheckId) -> Option<Arc<Run>> {
        let LastRunEntry { run, dropped } = self.remove_entry(&id)?;
        let without_details = SizedRun::new(&Arc::new(run.run.without_details()));
        let entry = LastRunEntry {
            run: without_details,
            dropped: dropped + 1,
        };
        self.insert(id, entry);
        Some(run.run)
    }

    fn insert(&mut self, id: CheckId, entry: LastRunEntry) {
        self.bytes += entry.run.details;
        if entry.run.details > 0 {
            self.by_size.insert((entry.run.details, id.clone()));
        }
        self.runs.insert(id, entry);
    }

    fn remove_entry(&mut self, id: &CheckId) -> Option<LastRunEntry> {
        let entry = self.runs.remove(id)?;
        self.bytes = self.bytes.saturating_sub(entry.run.details);
        self.by_size.remove(&(entry.run.details, id.clone()));
        Some(entry)
    }
}
