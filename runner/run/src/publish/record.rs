//! The persistent record of a check.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize};

use crate::account::RunAccount;
use crate::outcome::Run;
use crate::status::{CheckStatus, Status, Thresholds, Tracker};
use canary_suite::Check;
use canary_system::age::Since;

/// A check's status, streaks, run account and last outcome, as persisted across restarts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckRecord {
    /// The account of its runs.
    pub account: RunAccount,
    /// Its status, and the streaks of outcomes that determine it.
    pub tracker: Tracker,
    /// Consecutive unsuccessful runs.
    pub failures: u64,
    /// The last due time, whether it was run or missed; for a check that was not due yet, the time that its first due
    /// time is derived from.
    #[serde(deserialize_with = "since::optional")]
    pub last_due: Option<Since>,
    /// Its interval at that time; zero if it had a cron expression.
    pub interval: Duration,
    /// Its cron expression and time zone at that time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// When the status last changed.
    pub changed: Option<SystemTime>,
    /// When the last run ended.
    pub last_finish: Option<SystemTime>,
    /// When the last successful run ended.
    pub last_success: Option<SystemTime>,
    /// The last run that ended.
    pub last: Option<LastRun>,
}

/// A summary of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastRun {
    /// `pass`, `warn`, `fail`, `stopped` or `faulted`.
    pub outcome: String,
    /// Why it did not complete.
    pub cause: Option<String>,
    /// One line for people, secrets redacted.
    pub summary: String,
    /// From the first attempt's start to the outcome.
    pub duration: Duration,
    /// From the due time to the first attempt's start.
    pub lag: Duration,
    /// 1 for a run without retries.
    pub attempts: u32,
    /// Lower-case hexadecimal.
    pub trace_id: String,
}

impl CheckRecord {
    /// The status according to all outcomes so far.
    #[must_use]
    pub fn status(&self) -> Status {
        self.tracker.status()
    }

    pub(super) fn record_due(&mut self, check: &Check, at: Since) {
        self.last_due = Some(at);
        self.interval = check.cadence.interval().unwrap_or_default();
        self.cron = check.cadence.cron().map(ToString::to_string);
    }

    /// Whether the recorded cadence is the one of `check`.
    pub(super) fn has_cadence_of(&self, check: &Check) -> bool {
        let cron = check.cadence.cron().map(ToString::to_string);
        (self.interval, &self.cron) == (check.cadence.interval().unwrap_or_default(), &cron)
    }

    /// Whether the last due time by the current cadence is known.
    pub(super) fn is_in_cadence_of(&self, check: &Check) -> bool {
        self.last_due.is_some() && self.has_cadence_of(check)
    }

    /// Records a run, and returns the resulting status.
    pub(super) fn record_run(&mut self, run: &Run, thresholds: Thresholds, now: SystemTime) -> CheckStatus {
        let transition = self.tracker.observe(&run.outcome, thresholds, now);
        if transition.is_some() {
            self.changed = Some(now);
        }
        if run.outcome.is_good() {
            (self.failures, self.last_success) = (0, Some(now));
        } else {
            self.failures = self.failures.saturating_add(1);
        }
        self.last_finish = Some(now);
        self.last = Some(LastRun::new(run));
        CheckStatus {
            status: self.tracker.status(),
            transition,
            consecutive_failures: self.failures,
            last_success: self.last_success,
        }
    }
}

impl LastRun {
    fn new(run: &Run) -> Self {
        Self {
            outcome: run.outcome.as_str().to_owned(),
            cause: run.outcome.cause().map(str::to_owned),
            summary: run.outcome.summary(),
            duration: run.duration,
            lag: run.lag,
            attempts: run.attempts,
            trace_id: hex::encode(run.trace.trace_id),
        }
    }
}

/// Deserialisation of moments, which older versions wrote as a wall-clock time.
mod since {
    use super::{Deserialize, Deserializer, Since, SystemTime};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum StoredMoment {
        Since(Since),
        TimeOfDay(SystemTime),
    }

    pub(super) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Since>, D::Error> {
        let stored = Option::<StoredMoment>::deserialize(deserializer)?;
        Ok(stored.map(|stored| match stored {
            StoredMoment::Since(since) => since,
            StoredMoment::TimeOfDay(wall) => Since::at(wall),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_due_time_that_an_older_version_wrote_is_read() {
        let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_014_400);
        let older = serde_json::json!({ "last_due": noon });
        let record: CheckRecord = serde_json::from_value(older).unwrap();
        assert_eq!(record.last_due, Some(Since::at(noon)));
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<CheckRecord>(&text).unwrap(), record);
    }
}
