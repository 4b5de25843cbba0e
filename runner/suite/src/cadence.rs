//! When a check is due: `interval`, or `schedule`.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::cron::Cron;
use super::cron::fields::MAX_EXPRESSION_CHARS;
use super::fields::{Located, Reader};
use super::maintenance::syntax::{MAX_ZONE, zone};
use super::schema_parts::{closed, described, properties, text};
use super::tree::{Entry, Kind, quoted};
use super::units;

pub(super) const KEYS: [&str; 2] = ["cron", "timezone"];

/// The recurring due times of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cadence {
    /// A fixed time from one due time to the next.
    Every(Duration),
    /// The minutes of a cron expression, by the time of day.
    Cron(Arc<Cron>),
}

impl Cadence {
    /// The time from `from` to the `due_times`-th due time after it. [`Duration::MAX`] if there are not that many.
    #[must_use]
    pub fn time_until(&self, from: SystemTime, due_times: u32) -> Duration {
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
    pub fn min_interval(&self) -> Duration {
        match self {
            Self::Every(interval) => *interval,
            Self::Cron(cron) => cron.min_interval(),
        }
    }

    /// The fixed time from one due time to the next, if this is an interval.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        match self {
            Self::Every(interval) => Some(*interval),
            Self::Cron(_) => None,
        }
    }

    /// The cron expression, if this is one.
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

/// Reads `schedule:`: a cron expression, or a mapping of one and a time zone.
pub(super) fn schedule(reader: &mut Reader<'_>, entry: &Entry) -> Option<Located<Arc<Cron>>> {
    let entries = match &entry.value.kind {
        Kind::Text(_) => return cron(reader, entry, (TimeZone::UTC, "UTC")),
        Kind::Map(_) => reader.fields("`schedule`: ", &entry.value, &KEYS)?,
        _ => {
            let hint =
                "write a mapping such as `{ cron: \"*/5 8-18 * * mon-fri\", timezone: Europe/Berlin }`"
                    .to_owned();
            reader.unexpected(entry, "a cron expression, or a mapping with one", Some(hint));
            return None;
        }
    };
    let find = |key: &str| entries.clone().find(|entry| &*entry.key == key);
    let zone_and_name = find("timezone").and_then(|written| match &written.value.kind {
        Kind::Text(name) => Some((zone(reader, written)?, &**name)),
        _ => zone(reader, written).map(|zone| (zone, "UTC")),
    });
    let Some(expression) = find("cron") else {
        reader.problem(entry.at, "`schedule`: `cron` is missing");
        return None;
    };
    let cron = cron(
        reader,
        expression,
        zone_and_name.unwrap_or((TimeZone::UTC, "UTC")),
    )?;
    Some(Located {
        key: entry.at,
        ..cron
    })
}

/// The schema of `schedule:`.
pub(super) fn schema() -> Value {
    let cron = described(
        text(MAX_EXPRESSION_CHARS),
        "Minute, hour, day of month, month, day of week, such as `*/5 8-18 * * mon-fri`.",
    );
    let timezone = described(
        text(MAX_ZONE),
        "IANA time zone, such as `Europe/Berlin` [default: UTC].",
    );
    let keys = properties([("cron", cron.clone()), ("timezone", timezone)]);
    json!({ "anyOf": [cron, closed(keys, &["cron"])] })
}

fn cron(
    reader: &mut Reader<'_>,
    entry: &Entry,
    zone_and_name: (TimeZone, &str),
) -> Option<Located<Arc<Cron>>> {
    let text = reader.text(entry, MAX_EXPRESSION_CHARS)?;
    let (zone, name) = zone_and_name;
    Cron::new(text, zone, name)
        .map(|cron| Located::new(entry, Arc::new(cron)))
        .map_err(|error| {
            let message = format!(
                "`{}`: invalid cron expression {}: {error}",
                entry.key,
                quoted(text)
            );
            reader.problem_with(entry.value.at, message, Some(error.hint().to_owned()));
        })
        .ok()
}
