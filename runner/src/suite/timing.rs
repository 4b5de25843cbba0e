//! What times mean to each other: a time-out, an interval or a schedule, a retry interval.
//!
//! They are compared for each check once everything is laid over everything: what `defaults` or a profile say may be for
//! checks that say more.

use std::time::Duration;

use super::error::Position;
use super::fields::Reader;
use super::settings::{Effective, Settings};
use super::tree::quoted;
use super::{Cadence, units};

/// What a check and its profile say; all else is from `defaults`, or built in.
pub(super) struct Layers<'a> {
    pub(super) check: &'a Settings,
    /// With the profile's name.
    pub(super) profile: Option<(&'a str, &'a Settings)>,
}

/// Where a time comes from, what is written for the fewest checks first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    Check,
    Profile,
    Defaults,
    BuiltIn,
}

/// A time that holds for a check.
#[derive(Clone, Copy)]
struct Time {
    value: Duration,
    /// Of its key, where it is written.
    key: Option<Position>,
    origin: Origin,
}

/// What contradicts itself in one layer.
pub(super) fn judge_layer(reader: &mut Reader<'_>, own: &Settings) {
    if let (Some(_), Some(schedule)) = (own.interval.get(), own.schedule.get()) {
        let hint = "keep the one that says when the check is due".to_owned();
        let message = "both `interval` and `schedule` are given";
        reader.problem_with(schedule.key, message, Some(hint));
    }
}

/// Times of a check that contradict each other; `all` are its settings with everything laid over everything. Nothing is
/// compared with what is wrong by itself, which was reported.
pub(super) fn judge(reader: &mut Reader<'_>, layers: &Layers<'_>, all: &Settings, effective: &Effective) {
    let is_twofold = all.interval.get().is_some() && all.schedule.get().is_some();
    if is_twofold || all.interval.is_invalid() || all.schedule.is_invalid() {
        return;
    }
    let schedule = all.schedule.get().map(|schedule| schedule.key);
    let interval = all.interval.get().map(|interval| interval.key);
    let cadence = layers.time(effective.cadence.shortest(), schedule.or(interval));
    let (cadence_words, timeout_hint) = match effective.cadence {
        Cadence::Every(_) => ("`interval`", "raise `interval` or lower `timeout`"),
        Cadence::Cron(_) => ("the shortest time in `schedule`", "lower `timeout`"),
    };
    let mut compare = |name: &str, time: Time, hint: &str| {
        if time.value <= cadence.value {
            return;
        }
        let blamed = if time.origin <= cadence.origin {
            time
        } else {
            cadence
        };
        let Some(at) = blamed.key else { return };
        let shown = |time: Time| {
            let origin = layers.in_words(time.origin, blamed.origin);
            format!("{}{origin}", units::show(time.value))
        };
        let (time, cadence) = (shown(time), shown(cadence));
        let message = format!("`{name}` ({time}) is longer than {cadence_words} ({cadence})");
        // What many checks have in common is said of the first.
        if reader.report.is_first(at, &message) {
            reader.problem_with(at, message, Some(hint.to_owned()));
        }
    };
    if let Some(timeout) = all.timeout.get() {
        let timeout = layers.time(timeout.value, Some(timeout.key));
        compare("timeout", timeout, timeout_hint);
    }
    if let Some(retry) = all.retry_interval.get() {
        let retry = layers.time(retry.value, Some(retry.key));
        // One that `defaults` have for other checks gives way.
        if retry.origin < Origin::Defaults {
            let hint = "lower it, or leave it out to run no sooner than that";
            compare("retry_interval", retry, hint);
        }
    }
}

impl Layers<'_> {
    fn time(&self, value: Duration, key: Option<Position>) -> Time {
        let origin = key.map_or(Origin::BuiltIn, |key| self.origin(key));
        Time { value, key, origin }
    }

    fn origin(&self, key: Position) -> Origin {
        if has_key(self.check, key) {
            return Origin::Check;
        }
        match self.profile {
            Some((_, profile)) if has_key(profile, key) => Origin::Profile,
            _ => Origin::Defaults,
        }
    }

    /// Where a time comes from when not from where the problem is.
    fn in_words(&self, origin: Origin, blamed: Origin) -> String {
        match origin {
            _ if origin == blamed => String::new(),
            Origin::Check => String::new(),
            Origin::Profile => {
                let name = self.profile.map_or("", |(name, _)| name);
                format!(", from the profile {}", quoted(name))
            }
            Origin::Defaults => ", from `defaults`".to_owned(),
            Origin::BuiltIn => ", the default".to_owned(),
        }
    }
}

/// Whether a layer has a time with this key.
fn has_key(settings: &Settings, key: Position) -> bool {
    let durations = [&settings.interval, &settings.timeout, &settings.retry_interval];
    let durations = durations.into_iter().filter_map(|duration| duration.get());
    let schedule = settings.schedule.get().map(|schedule| schedule.key);
    durations
        .map(|duration| duration.key)
        .chain(schedule)
        .any(|own| own == key)
}
