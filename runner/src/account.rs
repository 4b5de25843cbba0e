//! What became of every scheduled run. Nothing that was due may vanish: scheduled = finished + missed + those
//! still under way, always, and through restarts.
//!
//! Counts that are kept for ever end at the largest number: a row on disk can have any.

mod kept;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::outcome::{Outcome, VerdictStatus};

/// Every [`Outcome::word`].
pub const OUTCOMES: [&str; 5] = ["pass", "warn", "fail", "stopped", "faulted"];

/// Why a due time passed without an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissReason {
    /// The check's previous run was still under way.
    Overlap,
    /// The runner had no room for it in time.
    Overload,
    /// The runner was asleep, or the clock jumped.
    ClockJump,
    /// The runner went down before it started.
    Shutdown,
    /// The runner was killed before the run's outcome was recorded.
    Killed,
    /// The runner was not there: between its end and its next start.
    Absent,
}

impl MissReason {
    /// Each.
    pub const ALL: [Self; 6] = [
        Self::Overlap,
        Self::Overload,
        Self::ClockJump,
        Self::Shutdown,
        Self::Killed,
        Self::Absent,
    ];

    /// The word in metrics and JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Overlap => "overlap",
            Self::Overload => "overload",
            Self::ClockJump => "clock_jump",
            Self::Shutdown => "shutdown",
            Self::Killed => "killed",
            Self::Absent => "absent",
        }
    }
}

/// The runs of one check, or of all: since the runner's state began, which may be before its start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    scheduled: u64,
    started: u64,
    #[serde(with = "kept")]
    finished: BTreeMap<&'static str, u64>,
    missed: BTreeMap<MissReason, u64>,
}

impl Account {
    /// Due times came, those that are missed at once included.
    pub fn schedule(&mut self, due_times: u64) {
        add(&mut self.scheduled, due_times);
    }

    /// A scheduled run got its permits.
    pub fn start(&mut self) {
        add(&mut self.started, 1);
    }

    /// A started run ended.
    pub fn finish(&mut self, outcome: &Outcome) {
        add(self.finished.entry(outcome.word()).or_default(), 1);
    }

    /// Scheduled runs have no outcome, and never will.
    pub fn miss(&mut self, reason: MissReason, due_times: u64) {
        if due_times > 0 {
            add(self.missed.entry(reason).or_default(), due_times);
        }
    }

    /// Due times passed while no runner was there.
    pub fn pass(&mut self, due_times: u64) {
        self.schedule(due_times);
        self.miss(MissReason::Absent, due_times);
    }

    /// Whatever was under way when the runner was killed is missed for that; says how many runs that were.
    pub fn bury(&mut self) -> u64 {
        let killed = self.under_way();
        self.miss(MissReason::Killed, killed);
        self.started = self.finished_in_all();
        killed
    }

    /// Adds what became of the runs of another check.
    pub fn absorb(&mut self, other: &Self) {
        add(&mut self.scheduled, other.scheduled);
        add(&mut self.started, other.started);
        for (word, count) in &other.finished {
            add(self.finished.entry(word).or_default(), *count);
        }
        for (reason, count) in &other.missed {
            self.miss(*reason, *count);
        }
    }

    /// Due times so far.
    #[must_use]
    pub fn scheduled(&self) -> u64 {
        self.scheduled
    }

    /// Runs started so far.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.started
    }

    /// Runs finished so far, by [`Outcome::word`].
    #[must_use]
    pub fn finished(&self) -> &BTreeMap<&'static str, u64> {
        &self.finished
    }

    /// Due times missed so far.
    #[must_use]
    pub fn missed(&self) -> &BTreeMap<MissReason, u64> {
        &self.missed
    }

    /// Runs finished so far, whatever their outcome.
    #[must_use]
    pub fn finished_in_all(&self) -> u64 {
        sum(self.finished.values())
    }

    /// Runs so far that say something of their target: neither stopped by the host nor ended by a broken plugin.
    #[must_use]
    pub fn verdicts(&self) -> u64 {
        let verdicts = [VerdictStatus::Pass, VerdictStatus::Warn, VerdictStatus::Fail];
        let count = |verdict: VerdictStatus| self.finished.get(verdict.word());
        sum(verdicts.into_iter().filter_map(count))
    }

    /// Due times missed so far, whatever the reason.
    #[must_use]
    pub fn missed_in_all(&self) -> u64 {
        sum(self.missed.values())
    }

    /// Scheduled runs that wait for permits or go on, by this account itself.
    #[must_use]
    pub fn under_way(&self) -> u64 {
        let ended = self.finished_in_all().saturating_add(self.missed_in_all());
        self.scheduled.saturating_sub(ended)
    }

    /// Whether every due time is accounted for, given how many runs are `waiting` for permits and `running`
    /// by another count than this one, such as the tasks that exist.
    #[must_use]
    pub fn holds(&self, waiting: u64, running: u64) -> bool {
        let (finished, missed) = (self.finished_in_all(), self.missed_in_all());
        self.scheduled == sum(&[finished, missed, waiting, running])
            && self.started == sum(&[finished, running])
    }
}

fn add(count: &mut u64, more: u64) {
    *count = count.saturating_add(more);
}

fn sum<'a>(counts: impl IntoIterator<Item = &'a u64>) -> u64 {
    counts
        .into_iter()
        .fold(0, |sum, count| sum.saturating_add(*count))
}
