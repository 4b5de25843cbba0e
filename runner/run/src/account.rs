//! Run accounting. No due run may get lost: scheduled = finished + missed + in flight, always, and across restarts.
//!
//! Counters saturate instead of overflowing, since a row on disk can hold any number.

mod outcome_counts;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::outcome::{Outcome, VerdictStatus};

/// All values of [`Outcome::as_str`].
pub const OUTCOMES: [&str; 5] = ["pass", "warn", "fail", "stopped", "faulted"];

/// Why a scheduled run has no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissReason {
    /// The check's previous run was still running.
    Overlap,
    /// The check's previous run was still waiting for a permit.
    Overload,
    /// The machine was suspended, or the clock jumped.
    ClockJump,
    /// The runner shut down before the run started.
    Shutdown,
    /// The runner was killed before the run's outcome was recorded.
    Killed,
    /// No runner was running: between its end and its next start.
    Absent,
}

impl MissReason {
    /// All reasons.
    pub const ALL: [Self; 6] = [
        Self::Overlap,
        Self::Overload,
        Self::ClockJump,
        Self::Shutdown,
        Self::Killed,
        Self::Absent,
    ];

    /// The name in metrics and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
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

/// Counters of the runs of one check, or of all checks. They start with the persistent state of the runner, which may
/// be older than the process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunAccount {
    scheduled: u64,
    started: u64,
    #[serde(with = "outcome_counts")]
    finished: BTreeMap<&'static str, u64>,
    missed: BTreeMap<MissReason, u64>,
}

impl RunAccount {
    /// Counts due times, including those that are missed at once.
    pub(crate) fn record_scheduled(&mut self, due_times: u64) {
        add(&mut self.scheduled, due_times);
    }

    /// Counts a scheduled run that got its permits.
    pub(crate) fn record_started(&mut self) {
        add(&mut self.started, 1);
    }

    /// Counts a started run that ended.
    pub(crate) fn record_finished(&mut self, outcome: &Outcome) {
        add(self.finished.entry(outcome.as_str()).or_default(), 1);
    }

    /// Counts scheduled runs that will never have an outcome.
    pub fn record_missed(&mut self, reason: MissReason, due_times: u64) {
        if due_times > 0 {
            add(self.missed.entry(reason).or_default(), due_times);
        }
    }

    /// Counts due times that passed while no runner was running.
    pub(crate) fn record_absent(&mut self, due_times: u64) {
        self.record_scheduled(due_times);
        self.record_missed(MissReason::Absent, due_times);
    }

    /// Counts the runs that were in flight when the runner was killed as missed, and returns how many there were.
    pub(crate) fn count_killed(&mut self) -> u64 {
        let killed = self.in_flight();
        self.record_missed(MissReason::Killed, killed);
        self.started = self.total_finished();
        killed
    }

    /// Adds the counts of another account.
    pub fn merge(&mut self, other: &Self) {
        add(&mut self.scheduled, other.scheduled);
        add(&mut self.started, other.started);
        for (word, count) in &other.finished {
            add(self.finished.entry(word).or_default(), *count);
        }
        for (reason, count) in &other.missed {
            self.record_missed(*reason, *count);
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

    /// Runs finished so far, by [`Outcome::as_str`].
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
    pub fn total_finished(&self) -> u64 {
        sum(self.finished.values())
    }

    /// Runs so far with a verdict about their target: neither stopped by the host nor ended by a plugin fault.
    #[must_use]
    pub fn verdicts(&self) -> u64 {
        let verdicts = [VerdictStatus::Pass, VerdictStatus::Warn, VerdictStatus::Fail];
        let count = |verdict: VerdictStatus| self.finished.get(verdict.as_str());
        sum(verdicts.into_iter().filter_map(count))
    }

    /// Due times missed so far, whatever the reason.
    #[must_use]
    pub fn total_missed(&self) -> u64 {
        sum(self.missed.values())
    }

    /// Scheduled runs that wait for permits or are running, derived from the counters.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        let ended = self.total_finished().saturating_add(self.total_missed());
        self.scheduled.saturating_sub(ended)
    }

    /// Whether every due time is accounted for, given how many runs are `waiting` for permits and `running` according
    /// to an independent count, such as the number of existing tasks.
    #[must_use]
    pub fn is_balanced(&self, waiting: u64, running: u64) -> bool {
        let (finished, missed) = (self.total_finished(), self.total_missed());
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
