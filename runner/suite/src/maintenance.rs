//! Maintenance windows: times in which alerts are suppressed while checks go on.

pub(super) mod syntax;
mod zones;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::Check;

/// Maximum number of days to look back, regardless of the length of a window.
const MAX_LOOKBACK_DAYS: i64 = 7;

/// A maintenance window: when the alerts of which checks are suppressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    name: Arc<str>,
    scope: Scope,
    times: Times,
}

/// The checks that a window applies to: those that match both fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Names of checks; absent: all.
    pub checks: Option<BTreeSet<Arc<str>>>,
    /// Labels that a check must have, each with this value.
    pub labels: BTreeMap<String, String>,
}

/// When a window is active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Times {
    /// Once.
    Once {
        /// The start.
        from: SystemTime,
        /// How long it stays active.
        duration: Duration,
    },
    /// Repeatedly.
    Repeating(Repetition),
}

/// A window that starts at the same local time on certain days.
///
/// A local time that a day does not have, because clocks go forward, is shifted forward by the change; of one that
/// occurs twice, because they go back, the first is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repetition {
    /// Days of the week on which it starts.
    pub days: Vec<Weekday>,
    /// When it starts, by the clocks of `zone`.
    pub at: Time,
    /// How long it stays active, in elapsed time; up to seven days, so that it may still be active when it starts
    /// again.
    pub duration: Duration,
    /// The time zone of the days and of the start.
    pub zone: TimeZone,
}

impl Window {
    /// A window for the checks of `scope`.
    #[must_use]
    pub fn new(name: &str, scope: Scope, times: Times) -> Self {
        Self {
            name: name.into(),
            scope,
            times,
        }
    }

    /// Unique in the suite.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is active at `now`, for any check.
    #[must_use]
    pub fn is_open(&self, now: SystemTime) -> bool {
        self.times.contains(now)
    }

    /// Whether the alerts of `check` are suppressed at `now`. The start of a window is included, its end is not.
    #[must_use]
    pub fn covers(&self, check: &Check, now: SystemTime) -> bool {
        self.scope.matches(check) && self.times.contains(now)
    }
}

impl Scope {
    fn matches(&self, check: &Check) -> bool {
        let named = self.checks.as_ref();
        named.is_none_or(|names| names.contains(check.name.as_str()))
            && self
                .labels
                .iter()
                .all(|(label, value)| check.labels.get(label) == Some(value))
    }
}

impl Times {
    fn contains(&self, now: SystemTime) -> bool {
        match self {
            Self::Once { from, duration } => is_within(*from, *duration, now),
            // A time outside of the range of the calendar is in no window.
            Self::Repeating(repetition) => {
                Timestamp::try_from(now).is_ok_and(|timestamp| repetition.is_open(timestamp, now))
            }
        }
    }
}

impl Repetition {
    fn is_open(&self, timestamp: Timestamp, now: SystemTime) -> bool {
        let today = self.zone.to_datetime(timestamp).date();
        let whole_days = i64::try_from(self.duration.as_secs() / (24 * 60 * 60)).unwrap_or(i64::MAX);
        // If clocks change at midnight, an instant is up to a day away from where its date suggests.
        let days = (-2 - whole_days.min(MAX_LOOKBACK_DAYS))..=1;
        days.filter_map(|offset| today.checked_add(Span::new().days(offset)).ok())
            .filter(|date| self.days.contains(&date.weekday()))
            .filter_map(|date| self.start_on(date))
            .any(|start| is_within(start, self.duration, now))
    }

    fn start_on(&self, date: Date) -> Option<SystemTime> {
        let start = self.zone.to_timestamp(date.to_datetime(self.at)).ok()?;
        SystemTime::try_from(start).ok()
    }
}

/// Whether `now` is in the window that starts at `start`, which is included; its end is not.
fn is_within(start: SystemTime, duration: Duration, now: SystemTime) -> bool {
    now.duration_since(start).is_ok_and(|since| since < duration)
}
