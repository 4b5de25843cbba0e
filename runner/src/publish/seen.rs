//! Copies of the board, for those who look at it.

use std::sync::Arc;
use std::time::Duration;

use super::{Board, Entry, LastRuns, Patience, Record};
use crate::account::Account;
use crate::outcome::Run;
use crate::report::LiveRow;
use crate::suite::{Check, CheckId};

/// Where a check is between two due times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nothing is under way.
    Idle,
    /// A run is due and waits for permits.
    Waiting,
    /// A run goes on.
    Running,
}

impl Stage {
    /// The word in JSON and tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Running => "running",
        }
    }
}

/// The board at one moment.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What became of every scheduled run.
    pub total: Account,
    /// Each check, in no order.
    pub checks: Vec<SeenCheck>,
}

/// What is known of a check at one moment.
#[derive(Debug, Clone)]
pub struct SeenCheck {
    /// As the suite has it now.
    pub check: Arc<Check>,
    /// Status, streaks, account, last outcome.
    pub record: Record,
    /// Whether a run is under way.
    pub stage: Stage,
    /// How long it has been at that stage.
    pub stage_age: Duration,
    /// The last run, in this process; see [`Board::last`].
    pub last: Option<Arc<Run>>,
}

impl SeenCheck {
    fn of(entry: &Entry, last: &LastRuns) -> Self {
        Self {
            check: Arc::clone(&entry.check),
            record: entry.record.clone(),
            stage: entry.stage,
            stage_age: entry.since.elapsed(),
            last: last.get(&entry.check.id),
        }
    }
}

/// The signs of life of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sign {
    /// Whether a run is under way.
    pub stage: Stage,
    /// How long it has been at that stage.
    pub age: Duration,
    /// Since its last run ended; before that, since it was added.
    pub silent_for: Duration,
    /// How long it may be.
    pub patience: Patience,
}

impl Sign {
    pub(super) fn of(entry: &Entry) -> Self {
        Self {
            stage: entry.stage,
            age: entry.since.elapsed(),
            silent_for: entry.fresh.elapsed(),
            patience: entry.patience,
        }
    }
}

/// What others see of the board.
impl Board {
    /// A copy of everything, in no order.
    #[must_use]
    pub fn seen(&self) -> Seen {
        let state = self.state();
        let seen = |entry: &Entry| SeenCheck::of(entry, &state.last);
        Seen {
            total: state.total.clone(),
            checks: state.entries.values().map(seen).collect(),
        }
    }

    /// Checks on the board.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state().entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What `choose` makes of each check that it wants, in no order, without a copy.
    pub fn choose<T>(&self, choose: impl Fn(&Check, &Record) -> Option<T>) -> Vec<T> {
        let state = self.state();
        let entries = state.entries.values();
        entries
            .filter_map(|entry| choose(&entry.check, &entry.record))
            .collect()
    }

    /// A copy of what is known of one check.
    #[must_use]
    pub fn seen_check(&self, id: &CheckId) -> Option<SeenCheck> {
        let state = self.state();
        Some(SeenCheck::of(state.entries.get(id)?, &state.last))
    }

    /// Asks something of each check, without a copy. Others wait meanwhile: it is to be a few comparisons.
    pub fn each(&self, mut ask: impl FnMut(&Check, Sign)) {
        for entry in self.state().entries.values() {
            ask(&entry.check, Sign::of(entry));
        }
    }

    /// The live table's rows, in the suite's order.
    #[must_use]
    pub fn rows(&self, checks: &[Arc<Check>]) -> Vec<LiveRow> {
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
