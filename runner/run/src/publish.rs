//! The status store: the single owner of every check's status, run account and last run.
//!
//! The service writes, one change after the other; the admin API, health and the live view read copies. Readers cannot
//! block the service for long: the lock is held for a few assignments, or for one copy.

mod apply_result;
mod cadence;
mod last_runs;
mod merge;
mod record;
mod restored;
mod silence;
mod snapshot;
mod stage_counts;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, hash_map};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::time::Instant;

pub use apply_result::{ApplyResult, DeferredDrop};
pub use last_runs::MAX_LAST_RUN_BYTES;
use last_runs::{LastRuns, SizedRun};
pub use merge::MergeResult;
use merge::VerdictHistory;
pub use record::{CheckRecord, LastRun};
pub use restored::Restored;
pub use silence::SilenceLimits;
pub use snapshot::{CheckLiveness, CheckSnapshot, Snapshot, Stage};
use stage_counts::StageCounts;

use crate::account::{MissReason, RunAccount};
use crate::outcome::Run;
use crate::status::{CheckStatus, Status, Thresholds};
use canary_suite::{Check, CheckId};
use canary_system::age::Since;
use canary_system::clock;

/// The statuses and last runs of all checks, and the account of all runs. Cheap to clone; clones share the store.
#[derive(Debug, Clone, Default)]
pub struct StatusStore(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    entries: HashMap<CheckId, Entry>,
    last: LastRuns,
    stages: StageCounts,
    /// The account of all runs, including those of removed checks.
    total: RunAccount,
    /// The account of removed checks.
    archived: RunAccount,
    /// Whether records of an earlier process may still be merged.
    expects_records: bool,
}

#[derive(Debug)]
struct Entry {
    check: Arc<Check>,
    record: CheckRecord,
    stage: Stage,
    /// When it entered its stage.
    stage_since: Instant,
    /// When its last run ended; before the first run, when it was added or got another cadence.
    silent_since: Instant,
    /// How long it may be silent from then on.
    silence_limits: SilenceLimits,
    /// It is no longer in the suite, and is removed when its run ends.
    is_removed: bool,
    /// The status according to the record of an earlier process.
    status_before: Status,
    /// The verdicts of this process, while that record may still be merged.
    history: Option<Box<VerdictHistory>>,
}

impl Entry {
    fn new(check: Arc<Check>, record: CheckRecord, silence_limits: SilenceLimits, now: Instant) -> Self {
        Self {
            check,
            status_before: record.status(),
            history: None,
            record,
            stage: Stage::Idle,
            stage_since: now,
            silent_since: now,
            silence_limits,
            is_removed: false,
        }
    }
}

/// An entry that changes, with what the store counts for all checks.
struct EntryMut<'s> {
    entry: &'s mut Entry,
    stages: &'s mut StageCounts,
    total: &'s mut RunAccount,
}

impl EntryMut<'_> {
    /// Records in the account of the check and in that of all runs.
    fn count(&mut self, change: impl Fn(&mut RunAccount)) {
        change(&mut self.entry.record.account);
        change(self.total);
    }

    fn enter(&mut self, stage: Stage) {
        if let Some(before) = self.stages.get_mut(self.entry.stage) {
            *before -= 1;
        }
        if let Some(now) = self.stages.get_mut(stage) {
            *now += 1;
        }
        self.entry.stage = stage;
        self.entry.stage_since = Instant::now();
    }
}

impl StatusStore {
    /// Restores the state of an earlier process: the records of checks by id, and the account of checks that had been
    /// removed by then.
    #[must_use]
    pub fn from_records(records: HashMap<CheckId, CheckRecord>, archived: RunAccount) -> (Self, Restored) {
        let store = Self::default();
        {
            let mut state = store.state();
            state.total = archived.clone();
            state.archived = archived;
        }
        (store, Restored::from(records))
    }

    /// Replaces the set of checks. Checks that stay retain their state; a check that is no longer in the suite is
    /// removed once its run has ended.
    pub fn apply_suite(&self, checks: &[Arc<Check>], restored: &mut Restored, now: Instant) -> ApplyResult {
        let mut applied = ApplyResult::default();
        let wall = clock::wall();
        let mut precomputed = self.limits_of_new_crons(checks, wall);
        let mut limits = |check: &Arc<Check>| {
            let precomputed = precomputed.remove(&check.id);
            precomputed.unwrap_or_else(|| SilenceLimits::new(check, wall))
        };
        let mut state = self.state();
        for entry in state.entries.values_mut() {
            entry.is_removed = true;
        }
        for check in checks {
            match state.entries.entry(check.id.clone()) {
                hash_map::Entry::Occupied(mut known) => {
                    let known = known.get_mut();
                    known.is_removed = false;
                    if known.check.cadence != check.cadence {
                        // The new cadence starts now.
                        (known.silent_since, known.silence_limits) = (now, limits(check));
                    }
                    known.check = Arc::clone(check);
                }
                hash_map::Entry::Vacant(vacant) => {
                    let mut record = restored.records.remove(&check.id).unwrap_or_default();
                    match record.account.count_killed() {
                        0 => {}
                        killed => applied.killed.push((check.id.clone(), killed)),
                    }
                    let account = record.account.clone();
                    vacant.insert(Entry::new(Arc::clone(check), record, limits(check), now));
                    state.total.merge(&account);
                }
            }
        }
        let gone = state.remove_idle();
        applied.removed = gone.iter().map(|entry| entry.check.id.clone()).collect();
        let runs = applied
            .removed
            .iter()
            .filter_map(|id| state.last.remove(id))
            .collect();
        drop(state);
        applied.deferred_drop = DeferredDrop::new(gone, runs);
        applied
    }

    /// Archives the accounts of restored checks that are no longer in the suite. Returns the ids whose rows can be
    /// deleted.
    pub fn archive_removed(&self, restored: Restored) -> Vec<CheckId> {
        let mut state = self.state();
        let mut removed = restored.former_ids;
        for (id, mut record) in restored.records {
            record.account.count_killed();
            state.total.merge(&record.account);
            state.archived.merge(&record.account);
            removed.push(id);
        }
        removed
    }

    /// Records that a run is due. If it cannot run, it is counted as missed and the reason is returned.
    ///
    /// # Errors
    /// The check's previous run is still running, or still waiting for a permit.
    pub fn schedule(&self, check: &Arc<Check>, at: Since) -> Result<(), MissReason> {
        let mut state = self.state();
        let mut entry = state.entry_or_new(check);
        entry.entry.record.record_due(check, at);
        entry.count(|account| account.record_scheduled(1));
        let reason = match entry.entry.stage {
            Stage::Idle => {
                entry.enter(Stage::Waiting);
                return Ok(());
            }
            Stage::Waiting => MissReason::Overload,
            Stage::Running => MissReason::Overlap,
        };
        entry.count(|account| account.record_missed(reason, 1));
        Err(reason)
    }

    /// Schedules an extra run of a check, outside its cadence. Returns false if another run of it is running or
    /// waiting, which serves the same purpose.
    #[must_use]
    pub fn schedule_extra(&self, id: &CheckId) -> bool {
        let mut state = self.state();
        let Some(mut idle) = state.entry(id).filter(|known| known.entry.stage == Stage::Idle) else {
            return false;
        };
        idle.count(|account| account.record_scheduled(1));
        idle.enter(Stage::Waiting);
        true
    }

    /// Records due times that passed without being handled; the last of them was at `at`.
    pub fn record_missed(&self, check: &Arc<Check>, reason: MissReason, count: u64, at: Since) {
        let mut state = self.state();
        let mut entry = state.entry_or_new(check);
        entry.entry.record.record_due(check, at);
        entry.count(|account| {
            account.record_scheduled(count);
            account.record_missed(reason, count);
        });
    }

    /// Records that a scheduled run has its permits.
    pub fn start(&self, id: &CheckId) {
        if let Some(mut entry) = self.state().entry(id) {
            entry.count(RunAccount::record_started);
            entry.enter(Stage::Running);
        }
    }

    /// Records that a scheduled run will not start because the runner is shutting down.
    pub fn abandon(&self, id: &CheckId) {
        let mut state = self.state();
        if let Some(mut entry) = state.entry(id) {
            entry.count(|account| account.record_missed(MissReason::Shutdown, 1));
            entry.enter(Stage::Idle);
        }
        let removed = state.release(id);
        drop(state);
        drop(removed);
    }

    /// Records the outcome of a run that was started, exactly once per run.
    pub fn publish(&self, run: &Arc<Run>, now: SystemTime) -> CheckStatus {
        // Both take long enough to be computed outside of the lock.
        let sized = SizedRun::new(run);
        let limits = self.limits_after(run, now);
        let mut state = self.state();
        let expects_records = state.expects_records;
        let mut entry = state.entry_or_new(&run.check);
        entry.count(|account| account.record_finished(&run.outcome));
        entry.enter(Stage::Idle);
        let entry = entry.entry;
        if expects_records {
            entry.history.get_or_insert_default().push(run.outcome.verdict());
        }
        (entry.silent_since, entry.silence_limits) = (entry.stage_since, limits);
        let status = entry
            .record
            .record_run(run, Thresholds::from(run.check.as_ref()), now);
        let replaced = state.last.put(sized);
        let removed = state.release(&run.check.id);
        drop(state);
        // Freeing large runs must not block others.
        drop((replaced, removed));
        status
    }

    /// The account of all runs.
    #[must_use]
    pub fn total_account(&self) -> RunAccount {
        self.state().total.clone()
    }

    /// The account of the runs of removed checks.
    #[must_use]
    pub fn archived_account(&self) -> RunAccount {
        self.state().archived.clone()
    }

    /// The record of a check, to be persisted.
    #[must_use]
    pub fn record(&self, id: &CheckId) -> Option<CheckRecord> {
        Some(self.state().entries.get(id)?.record.clone())
    }

    /// Runs that are running or wait for a permit, according to the stages of the checks.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        let StageCounts { waiting, running } = self.state().stages;
        waiting + running
    }

    /// Whether every due time is accounted for: the account agrees with the stages of the checks, and these with
    /// `tasks`, the number of existing run tasks.
    #[must_use]
    pub fn is_balanced(&self, tasks: u64) -> bool {
        let state = self.state();
        let StageCounts { waiting, running } = state.stages;
        state.total.is_balanced(waiting, running) && waiting + running == tasks
    }

    /// The last run of a check in this process, possibly without details: those of all checks together are limited to
    /// [`MAX_LAST_RUN_BYTES`].
    #[must_use]
    pub fn last_run(&self, id: &CheckId) -> Option<Arc<Run>> {
        self.state().last.get(id)
    }

    /// How often the details of last runs were dropped, by check.
    #[must_use]
    pub fn dropped_details(&self) -> BTreeMap<CheckId, u64> {
        self.state().last.dropped()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A critical section is a few assignments and cannot leave the state inconsistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The entry of a check that the store has.
    fn entry(&mut self, id: &CheckId) -> Option<EntryMut<'_>> {
        Some(EntryMut {
            entry: self.entries.get_mut(id)?,
            stages: &mut self.stages,
            total: &mut self.total,
        })
    }

    fn entry_or_new(&mut self, check: &Arc<Check>) -> EntryMut<'_> {
        let entry = self.entries.entry(check.id.clone()).or_insert_with(|| {
            let limits = SilenceLimits::new(check, clock::wall());
            Entry::new(Arc::clone(check), CheckRecord::default(), limits, Instant::now())
        });
        EntryMut {
            entry,
            stages: &mut self.stages,
            total: &mut self.total,
        }
    }

    /// Removes a check whose run has ended, if it is no longer in the suite. Returns its last run.
    fn release(&mut self, id: &CheckId) -> Option<Arc<Run>> {
        self.entries.get(id).filter(|entry| entry.is_removed)?;
        let entry = self.entries.remove(id)?;
        self.archived.merge(&entry.record.account);
        self.last.remove(id)
    }

    /// Removes the checks that are no longer in the suite and have no run.
    fn remove_idle(&mut self) -> Vec<Entry> {
        let leaves = |_: &CheckId, entry: &mut Entry| entry.is_removed && entry.stage == Stage::Idle;
        let gone: Vec<Entry> = self.entries.extract_if(leaves).map(|(_, entry)| entry).collect();
        for entry in &gone {
            self.archived.merge(&entry.record.account);
        }
        gone
    }
}
