//! Copies of the board, for those who look at it.

use std::sync::Arc;
use std::time::Duration;

use super::{Entry, Record};
use crate::account::Account;
use crate::outcome::Run;
use crate::suite::Check;

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
    /// The last run, in this process.
    pub last: Option<Arc<Run>>,
}

impl SeenCheck {
    pub(super) fn of(entry: &Entry) -> Self {
        Self {
            check: Arc::clone(&entry.check),
            record: entry.record.clone(),
            stage: entry.stage,
            stage_age: entry.since.elapsed(),
            last: entry.last.clone(),
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
}

impl Sign {
    pub(super) fn of(entry: &Entry) -> Self {
        Self {
            stage: entry.stage,
            age: entry.since.elapsed(),
            silent_for: entry.fresh.elapsed(),
        }
    }
}
