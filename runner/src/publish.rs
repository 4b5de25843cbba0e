//! The one owner of what is known of every check: its status, its account and its last run.
//!
//! The service writes, one change after the other; the admin address, health and the live view read copies. Whoever
//! reads can hold nobody up: the lock is held for a few assignments, or for one copy.

mod begun;
mod last;
mod late;
mod layout;
mod patience;
mod record;
mod restored;
mod seen;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, hash_map};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::time::Instant;

pub use last::MAX_LAST_RUNS;
use last::{LastRuns, Weighed};
use late::History;
pub use late::Merged;
pub use layout::{Layout, Released};
pub use patience::Patience;
pub use record::{LastRun, Record};
pub use restored::Restored;
pub use seen::{Seen, SeenCheck, Sign, Stage};

use crate::account::{Account, MissReason};
use crate::age::Since;
use crate::clock;
use crate::outcome::Run;
use crate::status::{Standing, Status, Thresholds};
use crate::suite::{Check, CheckId};

/// Statuses, last runs, and the account of all runs. Cheap to clone; all clones are one board.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    entries: HashMap<CheckId, Entry>,
    last: LastRuns,
    stages: Stages,
    /// All runs, those of checks that are gone included.
    total: Account,
    /// Those of checks that are gone.
    retired: Account,
    /// Whether records of an earlier process may still be merged.
    expects_records: bool,
}

/// Checks by their stage, so that nobody has to count them.
#[derive(Debug, Clone, Copy, Default)]
struct Stages {
    waiting: u64,
    running: u64,
}

impl Stages {
    fn of(&mut self, stage: Stage) -> Option<&mut u64> {
        match stage {
            Stage::Idle => None,
            Stage::Waiting => Some(&mut self.waiting),
            Stage::Running => Some(&mut self.running),
        }
    }
}

#[derive(Debug)]
struct Entry {
    check: Arc<Check>,
    record: Record,
    stage: Stage,
    /// When it came to its stage.
    since: Instant,
    /// When its last run ended; before that, when it was added or got another interval.
    fresh: Instant,
    /// How long it may be silent since then.
    patience: Patience,
    /// No longer in the suite; goes when its run is over.
    is_leaving: bool,
    /// The status by the record of an earlier process.
    before: Status,
    /// Its runs, while that record may still come.
    history: Option<Box<History>>,
}

impl Entry {
    fn new(check: Arc<Check>, record: Record, patience: Patience, now: Instant) -> Self {
        Self {
            check,
            before: record.status(),
            history: None,
            record,
            stage: Stage::Idle,
            since: now,
            fresh: now,
            patience,
            is_leaving: false,
        }
    }

    fn enter(&mut self, stage: Stage, stages: &mut Stages) {
        if let Some(before) = stages.of(self.stage) {
            *before -= 1;
        }
        if let Some(now) = stages.of(stage) {
            *now += 1;
        }
        self.stage = stage;
        self.since = Instant::now();
    }
}

impl Board {
    /// What was kept of an earlier process: of checks by their id, and of all that were gone by then.
    #[must_use]
    pub fn restored(records: HashMap<CheckId, Record>, retired: Account) -> (Self, Restored) {
        let board = Self::default();
        {
            let mut state = board.state();
            state.total = retired.clone();
            state.retired = retired;
        }
        (board, Restored::from(records))
    }

    /// These are the checks from now on. What is known of those that stay is kept; a check that is gone leaves when
    /// its run is over.
    pub fn keep(&self, checks: &[Arc<Check>], restored: &mut Restored, now: Instant) -> Layout {
        let mut layout = Layout::default();
        let wall = clock::wall();
        let mut found = self.patience_with_new(checks, wall);
        let mut patience = |check: &Arc<Check>| {
            let found = found.remove(&check.id);
            found.unwrap_or_else(|| Patience::with(check, wall))
        };
        let mut state = self.state();
        for entry in state.entries.values_mut() {
            entry.is_leaving = true;
        }
        for check in checks {
            match state.entries.entry(check.id.clone()) {
                hash_map::Entry::Occupied(mut known) => {
                    let known = known.get_mut();
                    known.is_leaving = false;
                    if known.check.cadence != check.cadence {
                        // Its cadence begins anew.
                        (known.fresh, known.patience) = (now, patience(check));
                    }
                    known.check = Arc::clone(check);
                }
                hash_map::Entry::Vacant(place) => {
                    let mut record = restored.records.remove(&check.id).unwrap_or_default();
                    match record.account.bury() {
                        0 => {}
                        killed => layout.killed.push((check.id.clone(), killed)),
                    }
                    let account = record.account.clone();
                    place.insert(Entry::new(Arc::clone(check), record, patience(check), now));
                    state.total.absorb(&account);
                }
            }
        }
        let gone = state.retire();
        layout.gone = gone.iter().map(|entry| entry.check.id.clone()).collect();
        let runs = layout
            .gone
            .iter()
            .filter_map(|id| state.last.remove(id))
            .collect();
        drop(state);
        layout.released = Released::of(gone, runs);
        layout
    }

    /// What an earlier process knew of checks that are in the suite no longer: their runs are still accounted for. Gives
    /// every id that nothing has any more.
    pub fn retire(&self, restored: Restored) -> Vec<CheckId> {
        let mut state = self.state();
        let mut gone = restored.former;
        for (id, mut record) in restored.records {
            record.account.bury();
            state.total.absorb(&record.account);
            state.retired.absorb(&record.account);
            gone.push(id);
        }
        gone
    }

    /// Notes that a run is due; the reason when it cannot be, and this one is missed.
    ///
    /// # Errors
    /// The check's previous run still goes on, or still waits for room.
    pub fn schedule(&self, check: &Arc<Check>, at: Since) -> Result<(), MissReason> {
        let mut state = self.state();
        let State {
            entries,
            stages,
            total,
            ..
        } = &mut *state;
        let entry = entry(entries, check);
        entry.record.note_due(check, at);
        entry.record.account.schedule(1);
        total.schedule(1);
        let reason = match entry.stage {
            Stage::Idle => {
                entry.enter(Stage::Waiting, stages);
                return Ok(());
            }
            Stage::Waiting => MissReason::Overload,
            Stage::Running => MissReason::Overlap,
        };
        entry.record.account.miss(reason, 1);
        total.miss(reason, 1);
        Err(reason)
    }

    /// Notes an extra run of a check, which is none of its cadence. Says whether there can be one: not while another goes on,
    /// or waits, which is as good.
    #[must_use]
    pub fn schedule_extra(&self, id: &CheckId) -> bool {
        let mut state = self.state();
        let State {
            entries,
            stages,
            total,
            ..
        } = &mut *state;
        let entry = entries.get_mut(id).filter(|entry| entry.stage == Stage::Idle);
        if let Some(entry) = entry {
            entry.record.account.schedule(1);
            total.schedule(1);
            entry.enter(Stage::Waiting, stages);
            return true;
        }
        false
    }

    /// Notes due times that passed without anyone looking; the last of them was at `at`.
    pub fn pass(&self, check: &Arc<Check>, reason: MissReason, count: u64, at: Since) {
        let mut state = self.state();
        let State { entries, total, .. } = &mut *state;
        let entry = entry(entries, check);
        entry.record.note_due(check, at);
        for account in [&mut entry.record.account, total] {
            account.schedule(count);
            account.miss(reason, count);
        }
    }

    /// Notes that a scheduled run has its permits.
    pub fn start(&self, id: &CheckId) {
        let mut state = self.state();
        let State {
            entries,
            stages,
            total,
            ..
        } = &mut *state;
        if let Some(entry) = entries.get_mut(id) {
            entry.record.account.start();
            entry.enter(Stage::Running, stages);
            total.start();
        }
    }

    /// Notes that a scheduled run will not start, since the runner goes down.
    pub fn abandon(&self, id: &CheckId) {
        let mut state = self.state();
        let State {
            entries,
            stages,
            total,
            ..
        } = &mut *state;
        if let Some(entry) = entries.get_mut(id) {
            entry.record.account.miss(MissReason::Shutdown, 1);
            entry.enter(Stage::Idle, stages);
            total.miss(MissReason::Shutdown, 1);
        }
        let left = state.let_go(id);
        drop(state);
        drop(left);
    }

    /// Records the one outcome of a run that was started.
    pub fn publish(&self, run: &Arc<Run>, now: SystemTime) -> Standing {
        let weighed = Weighed::of(run);
        let patience = self.patience_after(run, now);
        let mut state = self.state();
        let State {
            entries,
            last,
            stages,
            total,
            expects_records,
            ..
        } = &mut *state;
        let entry = entry(entries, &run.check);
        if *expects_records {
            entry.history.get_or_insert_default().push(run.outcome.verdict());
        }
        entry.record.account.finish(&run.outcome);
        total.finish(&run.outcome);
        entry.enter(Stage::Idle, stages);
        (entry.fresh, entry.patience) = (entry.since, patience);
        let standing = entry.record.take(run, Thresholds::from(run.check.as_ref()), now);
        let replaced = last.put(weighed);
        let left = state.let_go(&run.check.id);
        drop(state);
        // What takes long to release holds nobody up.
        drop((replaced, left));
        standing
    }

    /// What became of every scheduled run.
    #[must_use]
    pub fn account(&self) -> Account {
        self.state().total.clone()
    }

    /// What became of the runs of checks that are gone.
    #[must_use]
    pub fn retired(&self) -> Account {
        self.state().retired.clone()
    }

    /// What is to be kept of a check.
    #[must_use]
    pub fn record(&self, id: &CheckId) -> Option<Record> {
        Some(self.state().entries.get(id)?.record.clone())
    }

    /// Runs that are under way or wait for a permit, by the stages of the checks.
    #[must_use]
    pub fn under_way(&self) -> u64 {
        let Stages { waiting, running } = self.state().stages;
        waiting + running
    }

    /// Whether every due time is accounted for: by the account itself, by the stages of the checks, and by `tasks`, the
    /// runs that exist.
    #[must_use]
    pub fn holds(&self, tasks: u64) -> bool {
        let state = self.state();
        let Stages { waiting, running } = state.stages;
        state.total.holds(waiting, running) && waiting + running == tasks
    }

    /// The last run of a check, in this process; without details where those of all checks took more than
    /// [`MAX_LAST_RUNS`].
    #[must_use]
    pub fn last(&self, id: &CheckId) -> Option<Arc<Run>> {
        self.state().last.get(id)
    }

    /// How often last runs lost their details, by check.
    #[must_use]
    pub fn dropped_details(&self) -> BTreeMap<CheckId, u64> {
        self.state().last.dropped()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every section is a few assignments.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn entry<'a>(entries: &'a mut HashMap<CheckId, Entry>, check: &Arc<Check>) -> &'a mut Entry {
    entries.entry(check.id.clone()).or_insert_with(|| {
        let patience = Patience::with(check, clock::wall());
        Entry::new(Arc::clone(check), Record::default(), patience, Instant::now())
    })
}

impl State {
    /// A check whose run is over goes, if it is in the suite no longer. Returns its last run.
    fn let_go(&mut self, id: &CheckId) -> Option<Arc<Run>> {
        self.entries.get(id).filter(|entry| entry.is_leaving)?;
        let entry = self.entries.remove(id)?;
        self.retired.absorb(&entry.record.account);
        self.last.remove(id)
    }

    fn retire(&mut self) -> Vec<Entry> {
        let leaves = |_: &CheckId, entry: &mut Entry| entry.is_leaving && entry.stage == Stage::Idle;
        let gone: Vec<Entry> = self.entries.extract_if(leaves).map(|(_, entry)| entry).collect();
        for entry in &gone {
            self.retired.absorb(&entry.record.account);
        }
        gone
    }
}
