//! `alert:` of a check or of `defaults:`: who is told when a check's status changes, and how often again.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::fields::{Located, Names, Reader};
use super::setting::{NONE, Setting};
use super::tree::{Entry, Kind};

pub(super) const KEYS: [&str; 2] = ["notify", "remind"];
/// From one reminder to the next.
const REMINDERS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(365 * 24);
/// Elements of `notify`.
pub(super) const MAX_NOTIFIERS: usize = 10_000;
/// Characters of the name of a notifier.
pub(super) const MAX_NOTIFIER: usize = 200;

/// Who is told of a check, and how often.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertRules {
    /// Who is told.
    pub notify: Notify,
    /// How often they are told again while the alert lasts.
    pub remind: Remind,
}

/// Which notifiers an alert goes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Notify {
    /// Every one that the runner has.
    #[default]
    All,
    /// Those with these names; at least one.
    Only(Arc<[Arc<str>]>),
    /// Nobody: the check alerts no one.
    None,
}

/// How often an alert is repeated while it lasts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Remind {
    /// As the runner's own settings say.
    #[default]
    AsTheRunner,
    /// Told once.
    Never,
    /// From one reminder to the next; at least a second.
    Every(Duration),
}

/// `alert:` as it is written.
#[derive(Debug, Clone, Default)]
pub(super) struct RawAlert {
    notify: Setting<RawNotify>,
    remind: Setting<Remind>,
}

#[derive(Debug, Clone)]
enum RawNotify {
    Only(Arc<Notifiers>),
    Nobody,
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
        Kind::Text(text) if &**text == NONE => alert.notify = Setting::Set(RawNotify::Nobody),
        Kind::Map(_) => {
            for entry in reader
                .mapping("`alert`: ", &entry.value, &KEYS)
                .unwrap_or_default()
            {
                match &*entry.key {
                    "notify" => alert.notify = Setting::of(reader, entry, notify),
                    "remind" => alert.remind = Setting::of(reader, entry, remind),
                    _ => {}
                }
            }
        }
        _ => {
            let hint = "write `none`, or such as `{ notify: [ops], remind: 4h }`".to_owned();
            reader.unexpected(entry, "`none` or a mapping", Some(hint));
            return None;
        }
    }
    Some(alert)
}

fn notify(reader: &mut Reader<'_>, entry: &Entry) -> Option<RawNotify> {
    let names = Names {
        what: "notifiers",
        without: "leave it out for every notifier, or write `alert: none` for no alerts",
        most: MAX_NOTIFIERS,
        limit: MAX_NOTIFIER,
    };
    let written = reader.names(entry, &names)?;
    let names = written.iter().map(|name| Arc::clone(&name.value)).collect();
    Some(RawNotify::Only(Arc::new(Notifiers { written, names })))
}

fn remind(reader: &mut Reader<'_>, entry: &Entry) -> Option<Remind> {
    match &entry.value.kind {
        Kind::Text(text) if &**text == NONE => Some(Remind::Never),
        _ => {
            let every = reader.duration(entry, REMINDERS)?;
            Some(Remind::Every(every.value))
        }
    }
}

impl RawAlert {
    /// These rules, with `base` where nothing is written. Rules written over `alert: none` are wanted: they do not
    /// take its silence over.
    pub(super) fn over(&self, base: &Self) -> Self {
        let inherited = match base.notify.get() {
            Some(RawNotify::Nobody) => &Setting::Inherited,
            _ => &base.notify,
        };
        Self {
            notify: self.notify.over(inherited),
            remind: self.remind.over(&base.remind),
        }
    }

    /// With the built-in defaults.
    pub(super) fn rules(&self) -> AlertRules {
        AlertRules {
            notify: match self.notify.get() {
                None => Notify::All,
                Some(RawNotify::Nobody) => Notify::None,
                Some(RawNotify::Only(notifiers)) => Notify::Only(Arc::clone(&notifiers.names)),
            },
            remind: self.remind.get().cloned().unwrap_or_default(),
        }
    }

    /// The notifiers that are named, each at its place.
    pub(super) fn notifiers(&self) -> &[Located<Arc<str>>] {
        match self.notify.get() {
            Some(RawNotify::Only(notifiers)) => &notifiers.written,
            _ => &[],
        }
    }
}
