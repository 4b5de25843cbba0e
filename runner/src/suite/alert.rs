//! `alert:` of a check or of `defaults:`: which notifiers an alert goes to, and how often it is repeated.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::fields::{Located, Names, Reader};
use super::setting::{NONE, Setting};
use super::tree::{Entry, Kind};

pub(super) const KEYS: [&str; 2] = ["notify", "remind"];
/// Allowed reminder intervals.
const REMIND_INTERVALS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(365 * 24);
/// Maximum number of elements of `notify`.
pub(super) const MAX_NOTIFIERS: usize = 10_000;
/// Maximum length of a notifier's name, in characters.
pub(super) const MAX_NOTIFIER: usize = 200;

/// Where the alerts of a check go, and how often they are repeated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertRules {
    /// The notifiers that receive them.
    pub notify: Notify,
    /// How often a firing alert is repeated.
    pub remind: Remind,
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
pub enum Remind {
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
    remind: Setting<Remind>,
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
                    "remind" => alert.remind = Setting::read(reader, entry, remind),
                    _ => {}
                }
            }
        }
        _ => {
            let hint = "write `none`, or a mapping such as `{ notify: [ops], remind: 4h }`".to_owned();
            reader.unexpected(entry, "`none` or a mapping", Some(hint));
            return None;
        }
    }
    Some(alert)
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

fn remind(reader: &mut Reader<'_>, entry: &Entry) -> Option<Remind> {
    match &entry.value.kind {
        Kind::Text(text) if &**text == NONE => Some(Remind::Never),
        _ => {
            let every = reader.duration(entry, REMIND_INTERVALS)?;
            Some(Remind::Every(every.value))
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
            remind: self.remind.over(&base.remind),
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
            remind: self.remind.get().cloned().unwrap_or_default(),
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
