//! Consistency of times: timeout, interval or schedule, retry interval.
//!
//! They are compared for each check after all layers are merged: `defaults` or a profile may be for checks that set
//! more themselves.

use std::time::Duration;

use super::fields::Reader;
use super::settings::Settings;
use super::tree::quoted;
use super::{Cadence, units};
use crate::problem::Position;

/// The settings of a check and its profile; all others are from `defaults`, or built in.
pub(super) struct Layers<'a> {
    pub(super) check: &'a Settings,
    /// With the profile's name.
    pub(super) profile: Option<(&'a str, &'a Settings)>,
}

/// Which layer a time comes from, most specific first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    Check,
    Profile,
    Defaults,
    BuiltIn,
}

/// An effective time of a check.
#[derive(Clone, Copy)]
struct Time {
    value: Duration,
    /// The position of its key, if it is set.
    key: Option<Position>,
    origin: Origin,
}

/// Reports contradictions within one layer.
pub(super) fn validate_layer(reader: &mut Reader<'_>, own: &Settings) {
    if let (Some(_), Some(schedule)) = (own.interval.get(), own.schedule.get()) {
        let hint = "remove one of them".to_owned();
        let message = "both `interval` and `schedule` are given";
        reader.problem_with(schedule.key, message, Some(hint));
    }
}

/// Reports contradictory times of a check; `all` are its merged settings. Invalid times, which were reported, are not
/// compared.
pub(super) fn validate(reader: &mut Reader<'_>, layers: &Layers<'_>, all: &Settings) {
    let has_both = all.interval.get().is_some() && all.schedule.get().is_some();
    if has_both || all.interval.is_invalid() || all.schedule.is_invalid() {
        return;
    }
    let schedule = all.schedule.get().map(|schedule| schedule.key);
    let interval = all.interval.get().map(|interval| interval.key);
    let effective = all.cadence();
    let cadence = layers.time(effective.min_interval(), schedule.or(interval));
    let (cadence_name, timeout_hint) = match effective {
        Cadence::Every(_) => ("`interval`", "raise `interval` or lower `timeout`"),
        Cadence::Cron(_) => ("the shortest time in `schedule`", "lower `timeout`"),
    };
    let mut compare = |name: &str, time: Time, hint: &str| {
        if time.value <= cadence.value {
            return;
        }
        let reported = if time.origin <= cadence.origin {
            time
        } else {
            cadence
        };
        let Some(at) = reported.key else { return };
        let shown = |time: Time| {
            let origin = layers.describe_origin(time.origin, reported.origin);
            format!("{}{origin}", units::show(time.value))
        };
        let (time, cadence) = (shown(time), shown(cadence));
        let message = format!("`{name}` ({time}) is longer than {cadence_name} ({cadence})");
        // Contradictions that many checks inherit are reported once.
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
        // A retry interval of `defaults` is for other checks as well: it is shortened instead.
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

    /// The origin of a time, unless the problem is reported there.
    fn describe_origin(&self, origin: Origin, reported: Origin) -> String {
        match origin {
            _ if origin == reported => String::new(),
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

/// Whether a layer sets a time at this key.
fn has_key(settings: &Settings, key: Position) -> bool {
    let durations = [&settings.interval, &settings.timeout, &settings.retry_interval];
    let durations = durations.into_iter().filter_map(|duration| duration.get());
    let schedule = settings.schedule.get().map(|schedule| schedule.key);
    durations
        .map(|duration| duration.key)
        .chain(schedule)
        .any(|own| own == key)
}
