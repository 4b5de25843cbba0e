//! The parsed form of `maintenance:`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

use super::zones;
use super::{Repetition, Scope, Times, Window};
use crate::fields::{Located, Names, Reader};
use crate::labels::labels;
use crate::names::MAX_NAME;
use crate::problem::Position;
use crate::source::Source;
use crate::suggest;
use crate::tree::{Entry, Kind, Node, quoted};

pub(crate) const KEYS: [&str; 9] = [
    "name", "checks", "labels", "from", "to", "for", "days", "at", "timezone",
];
/// Maximum number of windows of a suite.
pub(crate) const MAX_WINDOWS: usize = 1_000;
/// Maximum number of elements of `checks`.
pub(crate) const MAX_NAMED_CHECKS: usize = 10_000;
/// Maximum length in characters; the longest name of a time zone has 32.
pub(crate) const MAX_ZONE: usize = 64;
const MIN_DURATION: Duration = Duration::from_secs(1);
const MAX_DURATION: Duration = Duration::from_hours(365 * 24);
const MAX_REPEATED_DURATION: Duration = Duration::from_hours(7 * 24);
/// The names in a suite.
pub(crate) const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// A window as parsed. A field that is missing here was reported.
pub(crate) struct RawWindow {
    pub(crate) source: Arc<Source>,
    pub(crate) at: Position,
    /// Such as ``maintenance `database upgrade`: ``.
    pub(crate) subject: String,
    pub(crate) name: Option<Located<Arc<str>>>,
    /// Names of checks.
    pub(crate) checks: Option<Vec<Located<Arc<str>>>>,
    labels: BTreeMap<String, String>,
    times: Option<Times>,
}

impl RawWindow {
    /// The window, unless a problem with it was reported.
    pub(crate) fn window(&self) -> Option<Window> {
        let names = self.checks.as_ref();
        let scope = Scope {
            checks: names.map(|names| names.iter().map(|name| Arc::clone(&name.value)).collect()),
            labels: self.labels.clone(),
        };
        Some(Window::new(
            &self.name.as_ref()?.value,
            scope,
            self.times.clone()?,
        ))
    }
}

/// The windows of a file.
pub(crate) fn windows(reader: &mut Reader<'_>, source: &Arc<Source>, entry: &Entry) -> Vec<RawWindow> {
    let nodes = reader.list(entry, "windows").unwrap_or_default();
    if nodes.len() > MAX_WINDOWS {
        let message = format!(
            "`maintenance`: {} windows; allowed: up to {MAX_WINDOWS}",
            nodes.len()
        );
        reader.problem(entry.at, message);
    }
    let mut windows = Vec::new();
    for (index, node) in nodes.iter().take(MAX_WINDOWS).enumerate() {
        reader.subject = subject(node, index);
        windows.extend(window(reader, source, node));
    }
    reader.subject.clear();
    windows
}

/// By name, or by number if there is none.
fn subject(node: &Node, index: usize) -> String {
    match node.entry("name").map(|entry| &entry.value.kind) {
        Some(Kind::Text(name)) if !name.trim().is_empty() => format!("maintenance {}: ", quoted(name)),
        _ => format!("maintenance {}: ", index + 1),
    }
}

/// The time fields as parsed, each valid by itself.
#[derive(Default)]
struct RawTimes {
    from: Option<SystemTime>,
    to: Option<SystemTime>,
    duration: Option<Duration>,
    days: Option<Vec<Weekday>>,
    at: Option<Time>,
    zone: Option<TimeZone>,
}

fn window(reader: &mut Reader<'_>, source: &Arc<Source>, node: &Node) -> Option<RawWindow> {
    let node = &node.without_nulls();
    let entries = reader.mapping("", node, &KEYS)?;
    let mut raw = RawWindow {
        source: Arc::clone(source),
        at: node.at,
        subject: reader.subject.clone(),
        name: None,
        checks: None,
        labels: BTreeMap::new(),
        times: None,
    };
    let mut raw_times = RawTimes::default();
    for entry in entries {
        match &*entry.key {
            "name" => {
                raw.name = reader
                    .text(entry, MAX_NAME)
                    .map(|name| Located::new(entry, Arc::clone(name)));
            }
            "checks" => raw.checks = checks(reader, entry),
            "labels" => raw.labels = labels(reader, entry),
            _ => raw_times.read(reader, entry, node),
        }
    }
    if node.entry("name").is_none() {
        reader.problem(node.at, "`name` is missing");
    }
    raw.times = raw_times.times(reader, node);
    Some(raw)
}

fn checks(reader: &mut Reader<'_>, entry: &Entry) -> Option<Vec<Located<Arc<str>>>> {
    let names = Names {
        what: "names of checks",
        empty_hint: "leave it out for all checks",
        max: MAX_NAMED_CHECKS,
        max_chars: MAX_NAME,
    };
    reader.names(entry, &names)
}

impl RawTimes {
    fn read(&mut self, reader: &mut Reader<'_>, entry: &Entry, window: &Node) {
        match &*entry.key {
            "from" => self.from = instant(reader, entry),
            "to" => self.to = instant(reader, entry),
            "for" => {
                let repeated = window.entry("at").is_some();
                let longest = if repeated {
                    MAX_REPEATED_DURATION
                } else {
                    MAX_DURATION
                };
                self.duration = reader
                    .duration(entry, MIN_DURATION..=longest)
                    .map(|duration| duration.value);
            }
            "days" => self.days = days(reader, entry),
            "at" => self.at = time_of_day(reader, entry),
            "timezone" => self.zone = zone(reader, entry),
            _ => {}
        }
    }

    /// Once or repeating, depending on which keys are set.
    fn times(self, reader: &mut Reader<'_>, window: &Node) -> Option<Times> {
        match (window.entry("from"), window.entry("at")) {
            (Some(from), None) => self.once(reader, window, from),
            (None, Some(at)) => self.repeating(reader, window, at),
            (Some(_), Some(at)) => {
                let hint = "use `from` for a single window, `at` for a recurring one".to_owned();
                reader.problem_with(at.at, "both `from` and `at` are given", Some(hint));
                None
            }
            (None, None) => {
                let hint = "write `from` and `to` for a single window, `at` and `for` for a recurring one"
                    .to_owned();
                reader.problem_with(window.at, "neither `from` nor `at` is given", Some(hint));
                None
            }
        }
    }

    fn once(self, reader: &mut Reader<'_>, window: &Node, from: &Entry) -> Option<Times> {
        for stray in ["days", "timezone"].iter().filter_map(|key| window.entry(key)) {
            let hint = "`from` and `to` contain date and offset themselves".to_owned();
            reader.problem_with(stray.at, format!("`{}` requires `at`", stray.key), Some(hint));
        }
        match (window.entry("to"), window.entry("for")) {
            (Some(to), None) => {
                let (from, end) = self.from.zip(self.to)?;
                let duration = end
                    .duration_since(from)
                    .ok()
                    .filter(|duration| !duration.is_zero());
                if duration.is_none() {
                    reader.problem(to.value.at, "`to` is not after `from`");
                }
                Some(Times::Once {
                    from,
                    duration: duration?,
                })
            }
            (None, Some(_)) => {
                let (from, duration) = self.from.zip(self.duration)?;
                Some(Times::Once { from, duration })
            }
            (Some(_), Some(duration)) => {
                reader.problem(duration.at, "both `to` and `for` are given");
                None
            }
            (None, None) => {
                let hint = "write `to: ..`, or `for: 2h`".to_owned();
                reader.problem_with(from.at, "`to` is missing", Some(hint));
                None
            }
        }
    }

    fn repeating(self, reader: &mut Reader<'_>, window: &Node, at: &Entry) -> Option<Times> {
        if let Some(to) = window.entry("to") {
            let hint = "set the duration: `for: 1h`".to_owned();
            reader.problem_with(to.at, "`to` requires `from`", Some(hint));
        } else if window.entry("for").is_none() {
            let hint = "set the duration: `for: 1h`".to_owned();
            reader.problem_with(at.at, "`for` is missing", Some(hint));
        }
        Some(Times::Repeating(Repetition {
            days: self.days.unwrap_or_else(|| DAYS.map(|(_, day)| day).to_vec()),
            at: self.at?,
            duration: self.duration?,
            zone: self.zone.unwrap_or(TimeZone::UTC),
        }))
    }
}

fn instant(reader: &mut Reader<'_>, entry: &Entry) -> Option<SystemTime> {
    let text = reader.raw_text(entry)?;
    let moment = text.parse::<Timestamp>().ok();
    let moment = moment.and_then(|moment| SystemTime::try_from(moment).ok());
    if moment.is_none() {
        let message = format!("`{}`: invalid timestamp {}", entry.key, quoted(text));
        let hint = "write date, time and offset, such as `2026-12-24T18:00:00+01:00`".to_owned();
        reader.problem_with(entry.value.at, message, Some(hint));
    }
    moment
}

fn days(reader: &mut Reader<'_>, entry: &Entry) -> Option<Vec<Weekday>> {
    let words = Names {
        what: "days",
        empty_hint: "leave it out for every day",
        max: DAYS.len(),
        max_chars: MAX_NAME,
    };
    let words = reader.names(entry, &words)?;
    let mut days = Vec::with_capacity(words.len());
    for word in words {
        match DAYS.iter().find(|(day, _)| *day == &*word.value) {
            Some((_, day)) => days.push(*day),
            None => {
                let message = format!("`days`: invalid day {}", quoted(&word.value));
                let hint = suggest::hint(&word.value, DAYS.map(|(day, _)| day));
                reader.problem_with(word.at, message, hint);
            }
        }
    }
    Some(days)
}

fn time_of_day(reader: &mut Reader<'_>, entry: &Entry) -> Option<Time> {
    let text = reader.raw_text(entry)?;
    let time = hours_and_minutes(text);
    if time.is_none() {
        let message = format!("`at`: invalid time of day {}", quoted(text));
        let hint = "write hours and minutes, such as `\"02:00\"`".to_owned();
        reader.problem_with(entry.value.at, message, Some(hint));
    }
    time
}

/// `00:00` to `23:59`.
fn hours_and_minutes(text: &str) -> Option<Time> {
    let number = |digits: &str| {
        let plain = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        digits.parse::<i8>().ok().filter(|_| plain)
    };
    let (hours, minutes) = text.split_once(':')?;
    Time::new(number(hours)?, number(minutes)?, 0, 0).ok()
}

pub(crate) fn zone(reader: &mut Reader<'_>, entry: &Entry) -> Option<TimeZone> {
    let name = reader.text(entry, MAX_ZONE)?;
    let zone = zones::find(name);
    if zone.is_none() {
        let known = zones::names();
        let hint = match suggest::closest(name, known.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "write an IANA name, such as `Europe/Berlin`".to_owned(),
        };
        let message = format!("`timezone`: unknown time zone {}", quoted(name));
        reader.problem_with(entry.value.at, message, Some(hint));
    }
    zone
}
