//! `alert:` of a check or of `defaults:`: which notifiers an alert goes to, and how often it is repeated.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::fields::{Located, Names, Reader};
use super::schema_parts::{self, closed, described, names, properties, text};
use super::setting::{NONE, Setting};
use super::tree::{Entry, Kind};

pub(super) const KEYS: [&str; 2] = ["notify", "repeat_interval"];
/// Allowed reminder intervals.
const REPEAT_INTERVALS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(365 * 24);
/// Maximum number of elements of `notify`.
const MAX_NOTIFIERS: usize = 10_000;
/// Maximum length of a notifier's name, in characters.
const MAX_NOTIFIER: usize = 200;

/// Where the alerts of a check go, and how often they are repeated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertRules {
    /// The notifiers that receive them.
    pub notify: Notify,
    /// How often a firing alert is repeated.
    pub repeat_interval: RepeatInterval,
}

/// Which notifiers an alert goes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Notify {
    /// Every notifier of the runner.
    #[default]
    All,
    /// Those with these names; at least one.
    Only(Arc<[Arc<str>]>),
    /// None: the check has no alerts.
    None,
}

/// How often a firing alert is repeated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RepeatInterval {
    /// As the runner's own settings say.
    #[default]
    Inherit,
    /// Not at all.
    Never,
    /// At this interval; at least a second.
    Every(Duration),
}

/// `alert:` before defaults are applied.
#[derive(Debug, Clone, Default)]
pub(super) struct RawAlert {
    notify: Setting<RawNotify>,
    repeat_interval: Setting<RepeatInterval>,
}

#[derive(Debug, Clone)]
enum RawNotify {
    Only(Arc<Notifiers>),
    None,
}

#[derive(Debug)]
struct Notifiers {
    written: Vec<Located<Arc<str>>>,
    names: Arc<[Arc<str>]>,
}

/// Reads `none`, or a mapping.
pub(super) fn alert(reader: &mut Reader<'_>, entry: &Entry) -> Option<RawAlert> {
    let mut alert = RawAlert::default();
    match &entry.value.kind {
        Kind::Text(text) if &**text == NONE => alert.notify = Setting::Set(RawNotify::None),
        Kind::Map(_) => {
            for entry in reader
                .mapping("`alert`: ", &entry.value, &KEYS)
                .unwrap_or_default()
            {
                match &*entry.key {
                    "notify" => alert.notify = Setting::read(reader, entry, notify),
                    "repeat_interval" => {
                        alert.repeat_interval = Setting::read(reader, entry, repeat_interval);
                    }
                    _ => {}
                }
            }
        }
        _ => {
            let hint =
                "write `none`, or a mapping such as `{ notify: [ops], repeat_interval: 4h }`".to_owned();
            reader.unexpected(entry, "`none` or a mapping", Some(hint));
            return None;
        }
    }
    Some(alert)
}

/// The schema of `alert:`.
pub(super) fn schema() -> Value {
    let notifier = described(text(MAX_NOTIFIER), "The name of a notifier.");
    let repeat_interval = json!({ "anyOf": [schema_parts::duration(), { "const": NONE }] });
    let rules = properties([
        (
            "notify",
            described(
                names(MAX_NOTIFIERS, notifier),
                "Notifiers to notify [default: all].",
            ),
        ),
        (
            "repeat_interval",
            described(
                repeat_interval,
                "Interval between reminders, or `none` [default: the runner's setting].",
            ),
        ),
    ]);
    json!({ "anyOf": [{ "const": NONE }, closed(rules, &[])] })
}

fn notify(reader: &mut Reader<'_>, entry: &Entry) -> Option<RawNotify> {
    let names = Names {
        what: "notifiers",
        empty_hint: "leave it out for every notifier, or write `alert: none` for no alerts",
        max: MAX_NOTIFIERS,
        max_chars: MAX_NOTIFIER,
    };
    let written = reader.names(entry, &names)?;
    let names = written.iter().map(|name| Arc::clone(&name.value)).collect();
    Some(RawNotify::Only(Arc::new(Notifiers { written, names })))
}

fn repeat_interval(reader: &mut Reader<'_>, entry: &Entry) -> Option<RepeatInterval> {
    match &entry.value.kind {
        Kind::Text(text) if &**text == NONE => Some(RepeatInterval::Never),
        _ => {
            let every = reader.duration(entry, REPEAT_INTERVALS)?;
            Some(RepeatInterval::Every(every.value))
        }
    }
}

impl RawAlert {
    /// These rules, with `base` where nothing is set. Rules that are set over `alert: none` do not inherit its `none`.
    pub(super) fn over(&self, base: &Self) -> Self {
        let inherited = match base.notify.get() {
            Some(RawNotify::None) => &Setting::Inherited,
            _ => &base.notify,
        };
        Self {
            notify: self.notify.over(inherited),
            repeat_interval: self.repeat_interval.over(&base.repeat_interval),
        }
    }

    /// Applies the built-in defaults.
    pub(super) fn rules(&self) -> AlertRules {
        AlertRules {
            notify: match self.notify.get() {
                None => Notify::All,
                Some(RawNotify::None) => Notify::None,
                Some(RawNotify::Only(notifiers)) => Notify::Only(Arc::clone(&notifiers.names)),
            },
            repeat_interval: self.repeat_interval.get().cloned().unwrap_or_default(),
        }
    }

    /// The notifiers that are named, with their positions.
    pub(super) fn notifiers(&self) -> &[Located<Arc<str>>] {
        match self.notify.get() {
            Some(RawNotify::Only(notifiers)) => &notifiers.written,
            _ => &[],
        }
    }
}
