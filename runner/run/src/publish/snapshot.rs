//! Snapshots of the status store for readers.

use std::sync::Arc;
use std::time::Duration;

use super::{CheckRecord, Entry, LastRuns, SilenceLimits, StatusStore};
use crate::account::RunAccount;
use crate::outcome::Run;
use crate::report::LiveRow;
use canary_suite::{Check, CheckId};

/// The stage of a check between two due times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// No run is in flight.
    Idle,
    /// A run is due and waits for permits.
    Waiting,
    /// A run is running.
    Running,
}

impl Stage {
    /// The name in JSON and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Running => "running",
        }
    }
}

/// A copy of the status store at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The account of all runs.
    pub total: RunAccount,
    /// All checks, unordered.
    pub checks: Vec<CheckSnapshot>,
}

/// A copy of the state of a check at one moment.
#[derive(Debug, Clone)]
pub struct CheckSnapshot {
    /// The check as it is in the current suite.
    pub check: Arc<Check>,
    /// Status, streaks, account, last outcome.
    pub record: CheckRecord,
    /// Whether a run is in flight.
    pub stage: Stage,
    /// How long the check has been at that stage.
    pub stage_age: Duration,
    /// The last run in this process; see [`StatusStore::last_run`].
    pub last: Option<Arc<Run>>,
}

impl CheckSnapshot {
    fn new(entry: &Entry, last: &LastRuns) -> Self {
        Self {
            check: Arc::clone(&entry.check),
            record: entry.record.clone(),
            stage: entry.stage,
            stage_age: entry.stage_since.elapsed(),
            last: last.get(&entry.check.id),
        }
    }
}

/// Whether a check is alive: its stage, and how long it has been silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckLiveness {
    /// Whether a run is in flight.
    pub stage: Stage,
    /// How long the check has been at that stage.
    pub stage_age: Duration,
    /// The time since its last run ended; before the first run, since it was added.
    pub silent_for: Duration,
    /// How long it may be silent.
    pub limits: SilenceLimits,
}

impl CheckLiveness {
    pub(super) fn new(entry: &Entry) -> Self {
        Self {
            stage: entry.stage,
            stage_age: entry.stage_since.elapsed(),
            silent_for: entry.silent_since.elapsed(),
            limits: entry.silence_limits,
        }
    }
}

/// Read access.
impl StatusStore {
    /// A copy of everything, unordered.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let state = self.state();
        let snapshot = |entry: &Entry| CheckSnapshot::new(entry, &state.last);
        Snapshot {
            total: state.total.clone(),
            checks: state.entries.values().map(snapshot).collect(),
        }
    }

    /// The number of checks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state().entries.len()
    }

    /// Whether there are no checks.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Maps and filters all checks without copying them, unordered. The store is locked meanwhile.
    pub fn filter_map<T>(&self, map: impl Fn(&Check, &CheckRecord) -> Option<T>) -> Vec<T> {
        let state = self.state();
        let entries = state.entries.values();
        entries
            .filter_map(|entry| map(&entry.check, &entry.record))
            .collect()
    }

    /// A copy of the state of one check.
    #[must_use]
    pub fn check_snapshot(&self, id: &CheckId) -> Option<CheckSnapshot> {
        let state = self.state();
        Some(CheckSnapshot::new(state.entries.get(id)?, &state.last))
    }

    /// Calls `visit` for each check without copying it. The store is locked meanwhile, so `visit` must be cheap.
    pub fn for_each(&self, mut visit: impl FnMut(&Check, CheckLiveness)) {
        for entry in self.state().entries.values() {
            visit(&entry.check, CheckLiveness::new(entry));
        }
    }

    /// The live table's rows, in the suite's order.
    #[must_use]
    pub fn live_rows(&self, checks: &[Arc<Check>]) -> Vec<LiveRow> {
        let state = self.state();
        let row = |check: &Arc<Check>| {
            let entry = state.entries.get(&check.id);
            LiveRow {
                check: Arc::clone(check),
                status: entry.map_or_else(Default::default, |entry| entry.record.tracker.status()),
                is_running: entry.is_some_and(|entry| entry.stage != Stage::Idle),
                last: state.last.get(&check.id),
            }
        };
        checks.iter().map(row).collect()
    }
}
