//! The debounced status of a check, and its transitions.

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::outcome::{Outcome, VerdictStatus};
use canary_suite::Check;

/// The debounced status of a check, best first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The target works as expected.
    Up,
    /// The target works, but needs attention.
    Degraded,
    /// The target does not work as expected.
    Down,
    /// Not enough is known: the check is new, or its runs end without a verdict.
    #[default]
    Unknown,
}

impl Status {
    /// The status of a single outcome.
    #[must_use]
    pub fn from_outcome(outcome: &Outcome) -> Self {
        match outcome.verdict() {
            Some(VerdictStatus::Pass) => Self::Up,
            Some(VerdictStatus::Warn) => Self::Degraded,
            Some(VerdictStatus::Fail) => Self::Down,
            None => Self::Unknown,
        }
    }

    /// The name in metrics, JSON and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Number of consecutive outcomes that change a status. 0 counts as 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// To a worse status, and to unknown.
    pub failure: u32,
    /// To a better status.
    pub success: u32,
}

impl From<&Check> for Thresholds {
    fn from(check: &Check) -> Self {
        Self {
            failure: check.failure_threshold,
            success: check.success_threshold,
        }
    }
}

/// A transition between two statuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The previous status.
    pub from: Status,
    /// The new status; differs from `from`.
    pub to: Status,
    /// When the outcome that caused it was known.
    pub at: SystemTime,
    /// Summary of that outcome, as the guest wrote it.
    pub summary: String,
    /// Number of consecutive outcomes in favour of `to`; at least the threshold.
    pub consecutive: u32,
}

/// The status of a check after a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckStatus {
    /// The debounced status.
    pub status: Status,
    /// Present if this run changed the status.
    pub transition: Option<Transition>,
    /// Number of consecutive runs, up to this one, without a pass or warning.
    pub consecutive_failures: u64,
    /// When the last run with a pass or warning ended.
    pub last_success: Option<SystemTime>,
}

/// Debounces the outcomes of one check into its status.
///
/// A status gets worse when `failure` consecutive verdicts were at least as bad as the new one, and better when
/// `success` consecutive verdicts were at least as good. A run without a verdict says nothing about the target, so it
/// does not interrupt a streak of verdicts; `failure` such runs in a row make the status unknown and reset the streaks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tracker {
    status: Status,
    streaks: Streaks,
}

/// Lengths of the current streaks of verdicts, and of runs without one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Streaks {
    pass: u32,
    pass_or_warn: u32,
    warn_or_fail: u32,
    fail: u32,
    silent: u32,
}

impl Tracker {
    /// The status after all outcomes so far; unknown before the first.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Observes the next outcome, known at `at`. Returns the transition it causes, if any.
    pub fn observe(
        &mut self,
        outcome: &Outcome,
        thresholds: Thresholds,
        at: SystemTime,
    ) -> Option<Transition> {
        let from = self.status;
        self.advance(outcome.verdict(), 1, thresholds);
        let to = self.status;
        if to == from {
            return None;
        }
        let consecutive = self.streaks.supporting(from, to);
        Some(Transition {
            from,
            to,
            at,
            summary: outcome.summary(),
            consecutive,
        })
    }

    /// Observes the same verdict, or run without one, several times. Streaks only grow meanwhile, so only the final
    /// status matters.
    pub(crate) fn replay(&mut self, verdict: Option<VerdictStatus>, times: u32, thresholds: Thresholds) {
        self.advance(verdict, times, thresholds);
    }

    fn advance(&mut self, verdict: Option<VerdictStatus>, times: u32, thresholds: Thresholds) {
        if times == 0 {
            return;
        }
        self.streaks.add(verdict, times);
        if self.streaks.lacks_verdicts(thresholds) {
            self.streaks.clear_verdicts();
        }
        self.status = self.streaks.next_status(self.status, thresholds);
    }
}

impl Streaks {
    fn add(&mut self, verdict: Option<VerdictStatus>, times: u32) {
        let Some(verdict) = verdict else {
            self.silent = self.silent.saturating_add(times);
            return;
        };
        let extend = |streak: u32, continues: bool| {
            if continues {
                streak.saturating_add(times)
            } else {
                0
            }
        };
        *self = Self {
            pass: extend(self.pass, verdict == VerdictStatus::Pass),
            pass_or_warn: extend(self.pass_or_warn, verdict <= VerdictStatus::Warn),
            warn_or_fail: extend(self.warn_or_fail, verdict >= VerdictStatus::Warn),
            fail: extend(self.fail, verdict == VerdictStatus::Fail),
            silent: 0,
        };
    }

    fn lacks_verdicts(&self, thresholds: Thresholds) -> bool {
        self.silent >= thresholds.failure.max(1)
    }

    fn clear_verdicts(&mut self) {
        *self = Self {
            silent: self.silent,
            ..Self::default()
        };
    }

    fn next_status(&self, current: Status, thresholds: Thresholds) -> Status {
        let (failure, success) = (thresholds.failure.max(1), thresholds.success.max(1));
        if self.lacks_verdicts(thresholds) {
            return Status::Unknown;
        }
        let at_least_as_bad_as = match self {
            _ if self.fail >= failure => Status::Down,
            _ if self.warn_or_fail >= failure => Status::Degraded,
            _ => Status::Up,
        };
        let at_least_as_good_as = match self {
            _ if self.pass >= success => Status::Up,
            _ if self.pass_or_warn >= success => Status::Degraded,
            _ => Status::Down,
        };
        match current {
            Status::Up | Status::Degraded | Status::Down => {
                current.max(at_least_as_bad_as).min(at_least_as_good_as)
            }
            Status::Unknown if at_least_as_good_as < Status::Down => at_least_as_good_as,
            Status::Unknown if at_least_as_bad_as > Status::Up => at_least_as_bad_as,
            Status::Unknown => Status::Unknown,
        }
    }

    fn supporting(&self, from: Status, to: Status) -> u32 {
        match to {
            Status::Up => self.pass,
            Status::Degraded if from == Status::Up => self.warn_or_fail,
            Status::Degraded => self.pass_or_warn.max(self.warn_or_fail),
            Status::Down => self.fail,
            Status::Unknown => self.silent,
        }
    }
}
