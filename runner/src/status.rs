//! The debounced state of a check, and its changes.

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::outcome::{Outcome, VerdictStatus};
use crate::suite::Check;

/// The debounced state of a check, best first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The target is as it should be.
    Up,
    /// The target works, but someone should look.
    Degraded,
    /// The target does not do what it should.
    Down,
    /// Too little is known: the check is new, or its runs end without a verdict.
    #[default]
    Unknown,
}

impl Status {
    /// What one outcome says by itself.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Self {
        match outcome.verdict() {
            Some(VerdictStatus::Pass) => Self::Up,
            Some(VerdictStatus::Warn) => Self::Degraded,
            Some(VerdictStatus::Fail) => Self::Down,
            None => Self::Unknown,
        }
    }

    /// The word in metrics, JSON and tables.
    #[must_use]
    pub fn word(self) -> &'static str {
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
        f.write_str(self.word())
    }
}

/// How many consecutive outcomes change a status. 0 counts as 1.
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

/// A change of status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The status before.
    pub from: Status,
    /// The status from now on; another than `from`.
    pub to: Status,
    /// When the outcome that tipped it was known.
    pub at: SystemTime,
    /// Of that outcome; as the guest wrote it.
    pub summary: String,
    /// How many outcomes in a row spoke for `to`; at least the threshold.
    pub consecutive: u32,
}

/// How a check stands after a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// From now on.
    pub status: Status,
    /// Set when this run changed the status.
    pub transition: Option<Transition>,
    /// Runs in a row, up to this one, that were not well: any outcome but pass and warn.
    pub consecutive_failures: u64,
    /// When the last run ended that was well.
    pub last_success: Option<SystemTime>,
}

/// Turns the outcomes of one check into its status.
///
/// A status gets worse when `failure` verdicts in a row were at least as bad as the new one, and better when
/// `success` verdicts in a row were at least as good. A run without a verdict says nothing about the target,
/// so it breaks no row of verdicts; `failure` such runs in a row make the status unknown, and what was learned
/// before is forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tracker {
    status: Status,
    streaks: Streaks,
}

/// Lengths of the latest rows of verdicts, and of runs without one.
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
    /// The status by all outcomes so far; unknown before the first.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Takes the next outcome, known at `at`, and tells when it changes the status.
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
        let consecutive = self.streaks.behind(from, to);
        Some(Transition {
            from,
            to,
            at,
            summary: outcome.summary(),
            consecutive,
        })
    }

    /// Takes the same verdict, or run without one, several times. Rows only grow meanwhile, so that the status after
    /// the last tells all.
    pub fn replay(&mut self, verdict: Option<VerdictStatus>, times: u32, thresholds: Thresholds) {
        self.advance(verdict, times, thresholds);
    }

    fn advance(&mut self, verdict: Option<VerdictStatus>, times: u32, thresholds: Thresholds) {
        if times == 0 {
            return;
        }
        self.streaks.add(verdict, times);
        if self.streaks.is_silent(thresholds) {
            self.streaks.forget_verdicts();
        }
        self.status = self.streaks.judge(self.status, thresholds);
    }
}

impl Streaks {
    fn add(&mut self, verdict: Option<VerdictStatus>, times: u32) {
        let Some(verdict) = verdict else {
            self.silent = self.silent.saturating_add(times);
            return;
        };
        let go_on = |streak: u32, goes_on: bool| if goes_on { streak.saturating_add(times) } else { 0 };
        *self = Self {
            pass: go_on(self.pass, verdict == VerdictStatus::Pass),
            pass_or_warn: go_on(self.pass_or_warn, verdict <= VerdictStatus::Warn),
            warn_or_fail: go_on(self.warn_or_fail, verdict >= VerdictStatus::Warn),
            fail: go_on(self.fail, verdict == VerdictStatus::Fail),
            silent: 0,
        };
    }

    fn is_silent(&self, thresholds: Thresholds) -> bool {
        self.silent >= thresholds.failure.max(1)
    }

    fn forget_verdicts(&mut self) {
        *self = Self {
            silent: self.silent,
            ..Self::default()
        };
    }

    fn judge(&self, now: Status, thresholds: Thresholds) -> Status {
        let (failure, success) = (thresholds.failure.max(1), thresholds.success.max(1));
        if self.is_silent(thresholds) {
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
        match now {
            Status::Up | Status::Degraded | Status::Down => {
                now.max(at_least_as_bad_as).min(at_least_as_good_as)
            }
            Status::Unknown if at_least_as_good_as < Status::Down => at_least_as_good_as,
            Status::Unknown if at_least_as_bad_as > Status::Up => at_least_as_bad_as,
            Status::Unknown => Status::Unknown,
        }
    }

    fn behind(&self, from: Status, to: Status) -> u32 {
        match to {
            Status::Up => self.pass,
            Status::Degraded if from == Status::Up => self.warn_or_fail,
            Status::Degraded => self.pass_or_warn.max(self.warn_or_fail),
            Status::Down => self.fail,
            Status::Unknown => self.silent,
        }
    }
}
