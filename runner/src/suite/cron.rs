//! When checks are due whose `schedule:` is a cron expression. Pure: the time of day is an input.
//!
//! Of the crates that do this, `croner` and `cronexpr` bring a second `jiff`, `cron` brings chrono and has no week that
//! begins as everywhere else, and `saffron` is not maintained; and each of them leaves out times when clocks change.

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

/// Due times of one stretch that are counted: those that a week has, a minute apart.
const MOST_COUNTED: u64 = 7 * 24 * 60;
/// Changes of clocks that are looked at for due times that they bring together: those of four years.
const CHANGES: usize = 8;
/// From when on. Rules of zones are for every year alike.
const CHANGES_FROM: Timestamp = Timestamp::constant(1_767_225_600, 0);
/// What separates a moment from the one before it.
const INSTANT: SignedDuration = SignedDuration::from_nanos(1);

#[cfg(test)]
thread_local! {
    /// How often a calendar was looked into on this thread.
    static LOOKS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// The minutes of a calendar in which a check is due.
///
/// There are never fewer of them than the expression says, whatever clocks are changed: a local time that a day does not
/// have, because clocks go forward, stands for the moment as much later; one that it has twice, because they go back, for
/// both. A moment that is meant twice is due once.
#[derive(Clone, PartialEq, Eq)]
pub struct Cron {
    text: Arc<str>,
    fields: Fields,
    zone: TimeZone,
    /// As the suite names it.
    zone_name: Arc<str>,
    shortest: Duration,
}

impl Cron {
    /// The minutes that `text` names, by the clocks of `zone`.
    ///
    /// # Errors
    /// The text is not a cron expression of five fields, or names no day that any year has.
    pub fn new(text: &str, zone: TimeZone, zone_name: &str) -> Result<Self, CronError> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let fields = Fields::parse(&words)?;
        let cron = Self {
            fields,
            text: words.join(" ").into(),
            zone,
            zone_name: zone_name.into(),
            shortest: fields.shortest(),
        };
        Ok(Self {
            shortest: cron.shortest_around_changes(),
            ..cron
        })
    }

    /// The first due time after a moment; nothing beyond what calendars have names for.
    #[must_use]
    pub fn after(&self, moment: SystemTime) -> Option<SystemTime> {
        #[cfg(test)]
        LOOKS.set(LOOKS.get() + 1);
        let next = self.next(Timestamp::try_from(moment).ok()?)?;
        SystemTime::try_from(next).ok()
    }

    /// How often a calendar was looked into on this thread.
    #[cfg(test)]
    pub(crate) fn looks() -> u64 {
        LOOKS.get()
    }

    /// How many due times there are after a moment and until another, that one included, and the last of them. At most
    /// 10,080 are counted, the first ones.
    #[must_use]
    pub fn count(&self, after: SystemTime, until: SystemTime) -> (u64, Option<SystemTime>) {
        let (mut count, mut last) = (0, None);
        while count < MOST_COUNTED
            && let Some(next) = self.after(last.unwrap_or(after)).filter(|next| *next <= until)
        {
            (count, last) = (count + 1, Some(next));
        }
        (count, last)
    }

    /// The shortest time between two due times of a day, or of one day and the next, clocks that are changed included.
    #[must_use]
    pub fn shortest(&self) -> Duration {
        self.shortest
    }

    /// The same, when that of an ordinary day is known.
    fn shortest_around_changes(&self) -> Duration {
        let changes = self.zone.following(CHANGES_FROM).take(CHANGES);
        let apart = changes.filter_map(|change| self.shortest_around(change.timestamp(), change.offset()));
        apart.fold(self.shortest, Duration::min)
    }

    /// The shortest time between two due times of which a change of clocks moves one.
    fn shortest_around(&self, change: Timestamp, after: Offset) -> Option<Duration> {
        let before = self.zone.to_offset(change.checked_sub(INSTANT).ok()?);
        let moved = SignedDuration::from_secs(i64::from(after.seconds() - before.seconds()).abs());
        if self.fields.is_the_same_after(moved) {
            return None;
        }
        let reach = moved.checked_add(SignedDuration::try_from(self.shortest).ok()?)?;
        let end = change.checked_add(reach).ok()?;
        let mut last = self.next(change.checked_sub(reach).ok()?)?;
        let mut shortest = self.shortest;
        while let Some(next) = self.next(last).filter(|next| *next <= end) {
            let apart = Duration::try_from(last.duration_until(next)).ok()?;
            shortest = shortest.min(apart);
            last = next;
        }
        Some(shortest)
    }

    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let mut best = self.next_of_gap(after);
        let mut offset = self.zone.to_offset(after);
        let mut earliest = minute_after(offset.to_datetime(after))?;
        let mut transitions = self.zone.following(after);
        loop {
            let found = self.in_offset(offset, earliest);
            let Some(transition) = transitions.next() else {
                return sooner(best, found);
            };
            // What the clocks leave out is as much later: up to there, the old offset counts as well.
            let (end, next) = (transition.timestamp(), transition.offset());
            let left_out = end.checked_add(forward(offset, next)).ok()?;
            best = sooner(best, found.filter(|found| *found < left_out));
            if best.is_some_and(|best| best < end) || found.is_none() {
                return best;
            }
            offset = next;
            earliest = minute_after(offset.to_datetime(end.checked_sub(INSTANT).ok()?))?;
        }
    }

    /// The next of the local times that clocks left out just before: they come as much later.
    fn next_of_gap(&self, after: Timestamp) -> Option<Timestamp> {
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

fn sooner(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
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
