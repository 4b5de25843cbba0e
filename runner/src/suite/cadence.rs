//! When a check is due again and again: `interval`, or `schedule`.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::tz::TimeZone;

use super::cron::Cron;
use super::cron::fields::MAX_TEXT;
use super::fields::{Located, Reader};
use super::maintenance::written::zone;
use super::tree::{Entry, Kind, quoted};
use super::units;

pub(super) const KEYS: [&str; 2] = ["cron", "timezone"];

/// When a check is due again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cadence {
    /// A fixed time from one due time to the next.
    Every(Duration),
    /// In the minutes that a cron expression names, by the time of day.
    Cron(Arc<Cron>),
}

impl Cadence {
    /// The time from a moment to the due time that is so many after it, by a cron expression; so many intervals. The
    /// longest time that there is, if there are no more due times.
    #[must_use]
    pub fn reach(&self, from: SystemTime, due_times: u32) -> Duration {
        let cron = match self {
            Self::Every(interval) => return interval.saturating_mul(due_times),
            Self::Cron(cron) => cron,
        };
        let last = (0..due_times).try_fold(from, |at, _| cron.after(at));
        let reach = last.and_then(|last| last.duration_since(from).ok());
        reach.unwrap_or(Duration::MAX)
    }

    /// The shortest time from one due time to the next.
    #[must_use]
    pub fn shortest(&self) -> Duration {
        match self {
            Self::Every(interval) => *interval,
            Self::Cron(cron) => cron.shortest(),
        }
    }

    /// The fixed time from one due time to the next, if there is one.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        match self {
            Self::Every(interval) => Some(*interval),
            Self::Cron(_) => None,
        }
    }

    /// The cron expression, if there is one.
    #[must_use]
    pub fn cron(&self) -> Option<&Arc<Cron>> {
        match self {
            Self::Every(_) => None,
            Self::Cron(cron) => Some(cron),
        }
    }
}

impl fmt::Display for Cadence {
    /// Such as `30s`, or `*/5 8-18 * * mon-fri Europe/Berlin`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(interval) => f.write_str(&units::show(*interval)),
            Self::Cron(cron) => cron.fmt(f),
        }
    }
}

/// Reads `schedule:`, which is a cron expression, or one and a time zone.
pub(super) fn schedule(reader: &mut Reader<'_>, entry: &Entry) -> Option<Located<Arc<Cron>>> {
    let entries = match &entry.value.kind {
        Kind::Text(_) => return cron(reader, entry, (TimeZone::UTC, "UTC")),
        Kind::Map(_) => reader.fields("`schedule`: ", &entry.value, &KEYS)?,
        _ => {
            let hint =
                "write such as `{ cron: \"*/5 8-18 * * mon-fri\", timezone: Europe/Berlin }`".to_owned();
            reader.unexpected(entry, "a cron expression, or a mapping with one", Some(hint));
            return None;
        }
    };
    let find = |key: &str| entries.clone().find(|entry| &*entry.key == key);
    let place = find("timezone").and_then(|written| match &written.value.kind {
        Kind::Text(name) => Some((zone(reader, written)?, &**name)),
        _ => zone(reader, written).map(|zone| (zone, "UTC")),
    });
    let Some(expression) = find("cron") else {
        reader.problem(entry.at, "`schedule`: `cron` is missing");
        return None;
    };
    let cron = cron(reader, expression, place.unwrap_or((TimeZone::UTC, "UTC")))?;
    Some(Located {
        key: entry.at,
        ..cron
    })
}

fn cron(reader: &mut Reader<'_>, entry: &Entry, place: (TimeZone, &str)) -> Option<Located<Arc<Cron>>> {
    let text = reader.text(entry, MAX_TEXT)?;
    let (zone, name) = place;
    Cron::new(text, zone, name)
        .map(|cron| Located::of(entry, Arc::new(cron)))
        .map_err(|error| {
            let message = format!(
                "`{}`: {} is not a cron expression: {error}",
                entry.key,
                quoted(text)
            );
            reader.problem_with(entry.value.at, message, Some(error.hint().to_owned()));
        })
        .ok()
}
