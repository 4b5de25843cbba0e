//! Windows of maintenance: times in which alerts are held back while checks go on.

pub(super) mod written;
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

/// Days that are looked back, whatever a window says of its length.
const MAX_DAYS: i64 = 7;

/// When the alerts of which checks are held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    name: Arc<str>,
    scope: Scope,
    times: Times,
}

/// Which checks a window is for: those that both fields allow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Names of checks; absent: all of them.
    pub checks: Option<BTreeSet<Arc<str>>>,
    /// Labels that a check must have, each with this value.
    pub labels: BTreeMap<String, String>,
}

/// When a window is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Times {
    /// From a moment on.
    Once {
        /// The moment.
        from: SystemTime,
        /// How long it stays open.
        lasts: Duration,
    },
    /// Again and again.
    Repeating(Repetition),
}

/// A window that opens at the same local time on certain days.
///
/// A local time that a day does not have, because clocks go forward, stands for the moment as much later; one that
/// it has twice, because they go back, for the first of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repetition {
    /// Days of the week on which it opens.
    pub days: Vec<Weekday>,
    /// When it opens, by the clocks of `zone`.
    pub at: Time,
    /// How long it stays open, as a stopwatch has it; up to seven days, so that it may still be open when it
    /// opens again.
    pub lasts: Duration,
    /// Whose clocks and days are meant.
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

    /// Whether it is open at `now`, for whichever checks.
    #[must_use]
    pub fn is_open(&self, now: SystemTime) -> bool {
        self.times.hold(now)
    }

    /// Whether the alerts of `check` are held back at `now`. The start of a window belongs to it, its end does not.
    #[must_use]
    pub fn covers(&self, check: &Check, now: SystemTime) -> bool {
        self.scope.holds(check) && self.times.hold(now)
    }
}

impl Scope {
    fn holds(&self, check: &Check) -> bool {
        let named = self.checks.as_ref();
        named.is_none_or(|names| names.contains(check.name.as_str()))
            && self
                .labels
                .iter()
                .all(|(label, value)| check.labels.get(label) == Some(value))
    }
}

impl Times {
    fn hold(&self, now: SystemTime) -> bool {
        match self {
            Self::Once { from, lasts } => is_within(*from, *lasts, now),
            // No clock shows a year that a calendar has no name for.
            Self::Repeating(repetition) => {
                Timestamp::try_from(now).is_ok_and(|timestamp| repetition.is_open(timestamp, now))
            }
        }
    }
}

impl Repetition {
    fn is_open(&self, timestamp: Timestamp, now: SystemTime) -> bool {
        let today = self.zone.to_datetime(timestamp).date();
        let whole_days = i64::try_from(self.lasts.as_secs() / (24 * 60 * 60)).unwrap_or(i64::MAX);
        // Where clocks change at midnight, an instant is up to a day away from where its date seems to put it.
        let days = (-2 - whole_days.min(MAX_DAYS))..=1;
        days.filter_map(|offset| today.checked_add(Span::new().days(offset)).ok())
            .filter(|date| self.days.contains(&date.weekday()))
            .filter_map(|date| self.opens(date))
            .any(|start| is_within(start, self.lasts, now))
    }

    fn opens(&self, date: Date) -> Option<SystemTime> {
        let start = self.zone.to_timestamp(date.to_datetime(self.at)).ok()?;
        SystemTime::try_from(start).ok()
    }
}

/// Whether `now` is in the window that opens at `start`: its first moment is, its end is not.
fn is_within(start: SystemTime, lasts: Duration, now: SystemTime) -> bool {
    now.duration_since(start).is_ok_and(|since| since < lasts)
}
