//! What is kept of a check through restarts.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize};

use crate::account::Account;
use crate::age::Since;
use crate::outcome::Run;
use crate::status::{Standing, Status, Thresholds, Tracker};
use crate::suite::Check;

/// A check's status, streaks, account and last outcome.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// What became of its runs.
    pub account: Account,
    /// Its status, and the rows of outcomes behind it.
    pub tracker: Tracker,
    /// Runs in a row that were not well.
    pub failures: u64,
    /// The last due time, whatever became of it; of a check that was not due yet, the time from which the next follows.
    #[serde(deserialize_with = "since::optional")]
    pub last_due: Option<Since>,
    /// Its interval at that time; zero where a cron expression took its place.
    pub interval: Duration,
    /// Its cron expression and time zone at that time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// When the status changed last.
    pub changed: Option<SystemTime>,
    /// When the last run ended.
    pub last_finish: Option<SystemTime>,
    /// When the last run ended that was well.
    pub last_success: Option<SystemTime>,
    /// Of the last run that ended.
    pub last: Option<LastRun>,
}

/// A run in a few words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastRun {
    /// `pass`, `warn`, `fail`, `stopped` or `faulted`.
    pub outcome: String,
    /// Why it did not complete.
    pub cause: Option<String>,
    /// One line for a person, secrets cut out.
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

impl Record {
    /// The status by all outcomes so far.
    #[must_use]
    pub fn status(&self) -> Status {
        self.tracker.status()
    }

    pub(super) fn note_due(&mut self, check: &Check, at: Since) {
        self.last_due = Some(at);
        self.interval = check.cadence.interval().unwrap_or_default();
        self.cron = check.cadence.cron().map(ToString::to_string);
    }

    /// Whether the check was due at the same times as now.
    pub(super) fn has_cadence_of(&self, check: &Check) -> bool {
        let cron = check.cadence.cron().map(ToString::to_string);
        (self.interval, &self.cron) == (check.cadence.interval().unwrap_or_default(), &cron)
    }

    /// Whether it is known when the check was last due by its cadence.
    pub(super) fn is_in_cadence_of(&self, check: &Check) -> bool {
        self.last_due.is_some() && self.has_cadence_of(check)
    }

    pub(super) fn take(&mut self, run: &Run, thresholds: Thresholds, now: SystemTime) -> Standing {
        let transition = self.tracker.observe(&run.outcome, thresholds, now);
        if transition.is_some() {
            self.changed = Some(now);
        }
        match run.outcome.is_good() {
            true => (self.failures, self.last_success) = (0, Some(now)),
            false => self.failures = self.failures.saturating_add(1),
        }
        self.last_finish = Some(now);
        self.last = Some(LastRun::of(run));
        Standing {
            status: self.tracker.status(),
            transition,
            consecutive_failures: self.failures,
            last_success: self.last_success,
        }
    }
}

impl LastRun {
    fn of(run: &Run) -> Self {
        Self {
            outcome: run.outcome.word().to_owned(),
            cause: run.outcome.cause().map(str::to_owned),
            summary: run.outcome.summary(),
            duration: run.duration,
            lag: run.lag,
            attempts: run.attempts,
            trace_id: hex::encode(run.trace.trace_id),
        }
    }
}

/// Moments that older versions wrote as a time of day.
mod since {
    use super::{Deserialize, Deserializer, Since, SystemTime};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Since(Since),
        TimeOfDay(SystemTime),
    }

    pub(super) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Since>, D::Error> {
        let written = Option::<Written>::deserialize(deserializer)?;
        Ok(written.map(|written| match written {
            Written::Since(since) => since,
            Written::TimeOfDay(wall) => Since::at(wall),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_due_time_that_an_older_version_kept_is_read() {
        let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_014_400);
        let older = serde_json::json!({ "last_due": noon });
        let record: Record = serde_json::from_value(older).unwrap();
        assert_eq!(record.last_due, Some(Since::at(noon)));
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    }
}
