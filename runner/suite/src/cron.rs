//! Cron expressions of `schedule:`. Pure: the time of day is an input.
//!
//! Of the existing crates, `croner` and `cronexpr` depend on a second `jiff`, `cron` depends on chrono and has a
//! non-standard week, and `saffron` is unmaintained; and all of them skip due times when clocks change.

pub(super) mod fields;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

pub use fields::CronError;
use fields::Fields;

/// Maximum number of due times that are counted at once: a week of minutes.
const MAX_COUNTED: u64 = 7 * 24 * 60;
/// Number of clock changes that are checked for due times that they bring closer together: those of four years.
const TRANSITIONS: usize = 8;
/// The start of these years. Any start is as good: the rules of a zone are the same for every year.
const TRANSITIONS_FROM: Timestamp = Timestamp::constant(1_767_225_600, 0);
/// The smallest difference between two instants.
const INSTANT: SignedDuration = SignedDuration::from_nanos(1);

#[cfg(any(test, feature = "test-util"))]
thread_local! {
    /// Number of calendar lookups on this thread.
    static LOOKUPS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// A cron expression in a time zone: the minutes in which a check is due.
///
/// No due time is skipped when clocks change: a local time that a day does not have, because clocks go forward, is
/// shifted forward by the change; one that occurs twice, because they go back, is due both times. Two due times that
/// fall on the same instant are one.
#[derive(Clone, PartialEq, Eq)]
pub struct Cron {
    text: Arc<str>,
    fields: Fields,
    zone: TimeZone,
    /// Its name in the suite.
    zone_name: Arc<str>,
    min_interval: Duration,
}

impl Cron {
    /// The due times of `text`, by the clocks of `zone`.
    ///
    /// # Errors
    /// The text is not a cron expression of five fields, or matches no date at all.
    pub fn new(text: &str, zone: TimeZone, zone_name: &str) -> Result<Self, CronError> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let fields = Fields::parse(&words)?;
        let cron = Self {
            fields,
            text: words.join(" ").into(),
            zone,
            zone_name: zone_name.into(),
            min_interval: fields.min_interval(),
        };
        Ok(Self {
            min_interval: cron.min_interval_with_transitions(),
            ..cron
        })
    }

    /// The first due time after an instant; none beyond the range of the calendar.
    #[must_use]
    pub fn after(&self, moment: SystemTime) -> Option<SystemTime> {
        #[cfg(any(test, feature = "test-util"))]
        LOOKUPS.set(LOOKUPS.get() + 1);
        let next = self.next(Timestamp::try_from(moment).ok()?)?;
        SystemTime::try_from(next).ok()
    }

    /// Number of calendar lookups on this thread.
    #[cfg(any(test, feature = "test-util"))]
    pub fn lookups() -> u64 {
        LOOKUPS.get()
    }

    /// The number of due times after `after` and up to and including `until`, and the last of them. At most 10,080 are
    /// counted, the first ones.
    #[must_use]
    pub fn count(&self, after: SystemTime, until: SystemTime) -> (u64, Option<SystemTime>) {
        let (mut count, mut last) = (0, None);
        while count < MAX_COUNTED
            && let Some(next) = self.after(last.unwrap_or(after)).filter(|next| *next <= until)
        {
            (count, last) = (count + 1, Some(next));
        }
        (count, last)
    }

    /// The shortest time between two due times of a day, or of one day and the next, including days on which clocks
    /// change.
    #[must_use]
    pub fn min_interval(&self) -> Duration {
        self.min_interval
    }

    /// Includes days on which clocks change; `min_interval` must be set for an ordinary day.
    fn min_interval_with_transitions(&self) -> Duration {
        let changes = self.zone.following(TRANSITIONS_FROM).take(TRANSITIONS);
        let apart =
            changes.filter_map(|change| self.min_interval_around(change.timestamp(), change.offset()));
        apart.fold(self.min_interval, Duration::min)
    }

    /// The shortest time between two due times of which a clock change shifts one.
    fn min_interval_around(&self, change: Timestamp, after: Offset) -> Option<Duration> {
        let before = self.zone.to_offset(change.checked_sub(INSTANT).ok()?);
        let moved = SignedDuration::from_secs(i64::from(after.seconds() - before.seconds()).abs());
        if self.fields.is_unaffected_by(moved) {
            return None;
        }
        let reach = moved.checked_add(SignedDuration::try_from(self.min_interval).ok()?)?;
        let end = change.checked_add(reach).ok()?;
        let mut last = self.next(change.checked_sub(reach).ok()?)?;
        let mut min_interval = self.min_interval;
        while let Some(next) = self.next(last).filter(|next| *next <= end) {
            let apart = Duration::try_from(last.duration_until(next)).ok()?;
            min_interval = min_interval.min(apart);
            last = next;
        }
        Some(min_interval)
    }

    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let mut best = self.next_in_gap(after);
        let mut offset = self.zone.to_offset(after);
        let mut earliest = minute_after(offset.to_datetime(after))?;
        let mut transitions = self.zone.following(after);
        loop {
            let found = self.in_offset(offset, earliest);
            let Some(transition) = transitions.next() else {
                return earlier(best, found);
            };
            // Local times that the change skips are shifted forward by it: until then, the old offset applies as well.
            let (end, next) = (transition.timestamp(), transition.offset());
            let left_out = end.checked_add(forward(offset, next)).ok()?;
            best = earlier(best, found.filter(|found| *found < left_out));
            if best.is_some_and(|best| best < end) || found.is_none() {
                return best;
            }
            offset = next;
            earliest = minute_after(offset.to_datetime(end.checked_sub(INSTANT).ok()?))?;
        }
    }

    /// The next of the local times that were skipped by the latest change of clocks, and so are shifted forward by it.
    fn next_in_gap(&self, after: Timestamp) -> Option<Timestamp> {
        let transition = self.zone.preceding(after.checked_add(INSTANT).ok()?).next()?;
        let changed = transition.timestamp();
        let before = self.zone.to_offset(changed.checked_sub(INSTANT).ok()?);
        let left_out = changed.checked_add(forward(before, transition.offset())).ok()?;
        if after >= left_out {
            return None;
        }
        let found = self.in_offset(before, minute_after(before.to_datetime(after))?)?;
        (found < left_out).then_some(found)
    }

    fn in_offset(&self, offset: Offset, earliest: DateTime) -> Option<Timestamp> {
        offset.to_timestamp(self.fields.at_or_after(earliest)?).ok()
    }
}

/// How far clocks go forward from one offset to another; zero when they go back.
fn forward(before: Offset, after: Offset) -> SignedDuration {
    SignedDuration::from_secs(i64::from(after.seconds() - before.seconds()).max(0))
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

/// The first whole minute after a local time.
fn minute_after(time: DateTime) -> Option<DateTime> {
    let minute = time.with().second(0).subsec_nanosecond(0).build().ok()?;
    minute.checked_add(SignedDuration::from_secs(60)).ok()
}

impl fmt::Display for Cron {
    /// The expression and the zone, such as `*/5 8-18 * * mon-fri Europe/Berlin`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.text, self.zone_name)
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cron({self})")
    }
}
