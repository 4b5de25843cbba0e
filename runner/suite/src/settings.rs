//! The settings that a check, a profile and `defaults:` have in common: timing, thresholds, quota, group, alerts. Each
//! is declared once, in the table below.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::alert::{self, RawAlert};
use super::annotations;
use super::cadence;
use super::cron::Cron;
use super::fields::{Located, Reader};
use super::schema_parts::{self, closed, described};
use super::setting::Setting;
use super::tree::Entry;
use super::{Annotations, Cadence, Check, units};
use canary_record::quota::{Quota, QuotaKind, Unit};

/// The allowed ranges.
const INTERVALS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_hours(365 * 24);
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(24);
const RETRIES: RangeInclusive<u64> = 0..=100;
const THRESHOLDS: RangeInclusive<u64> = 1..=1_000;

const DEFAULT_ENABLED: bool = true;
const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum length of the name of a group, in characters; a declared one is never longer.
const MAX_GROUP: usize = 64;

/// Declares the settings: for each the type of its state in a layer, how an entry is read, its built-in default, and
/// its schema. The comment and the default are the description for editors. `in check` is for a setting that a check
/// has under the same name, with that default; [`Settings::apply`] does the others.
macro_rules! settings {
    (|$reader:ident, $entry:ident| $(
        $(#[doc = $doc:literal])+
        $key:ident: $state:ty {
            read: $read:expr,
            $(default: $default:expr,)?
            $(default in check: $applied:expr,)?
            schema: $schema:expr,
        }
    )*) => {
        pub(super) const KEYS: [&str; [$(stringify!($key)),*].len()] = [$(stringify!($key)),*];

        /// The parsed settings of a check, a profile or `defaults:`.
        #[derive(Debug, Clone, Default)]
        pub(super) struct Settings {
            $($(#[doc = $doc])+ pub(super) $key: $state,)*
        }

        impl Settings {
            /// Reads an entry, if it is a setting.
            pub(super) fn read(&mut self, $reader: &mut Reader<'_>, $entry: &Entry) {
                match &*$entry.key {
                    $(stringify!($key) => self.$key = $read,)*
                    _ => {}
                }
            }

            /// Each setting, or that of `base` where nothing is set.
            fn each_over(&self, base: &Self) -> Self {
                Self { $($key: self.$key.over(&base.$key),)* }
            }

            fn apply_each(&self, check: &mut Check) {
                $($(check.$key = value(self.$key, $applied);)?)*
            }
        }

        /// The schemas of all settings, by key.
        pub(super) fn schema() -> Map<String, Value> {
            let mut schemas = Map::new();
            $({
                let defaults: &[String] = &[$(Show::show(&$default),)? $(Show::show(&$applied),)?];
                let description = description(concat!($($doc),+), defaults.first());
                schemas.insert(stringify!($key).to_owned(), described($schema, &description));
            })*
            schemas
        }
    };
}

settings! { |reader, entry|
    /// Whether the check is part of the suite. If not, it is only validated.
    enabled: Setting<bool> {
        read: Setting::read(reader, entry, |reader, entry| reader.flag(entry)),
        default: DEFAULT_ENABLED,
        schema: json!({ "type": "boolean" }),
    }
    /// Interval between runs.
    interval: Setting<Located<Duration>> {
        read: Setting::read(reader, entry, |reader, entry| reader.duration(entry, INTERVALS)),
        default: DEFAULT_INTERVAL,
        schema: schema_parts::duration(),
    }
    /// Due times as a cron expression, instead of `interval`.
    schedule: Setting<Located<Arc<Cron>>> {
        read: Setting::read_or_none(reader, entry, cadence::schedule),
        schema: cadence::schema(),
    }
    /// Interval while a status change is not confirmed.
    retry_interval: Setting<Located<Duration>> {
        read: Setting::read_or_none(reader, entry, |reader, entry| reader.duration(entry, INTERVALS)),
        default: "the next due time",
        schema: schema_parts::duration(),
    }
    /// Timeout of one attempt.
    timeout: Setting<Located<Duration>> {
        read: Setting::read(reader, entry, |reader, entry| reader.duration(entry, TIMEOUTS)),
        default: DEFAULT_TIMEOUT,
        schema: schema_parts::duration(),
    }
    /// Maximum retries after the first attempt.
    retries: Setting<Located<u32>> {
        read: Setting::read(reader, entry, |reader, entry| count(reader, entry, RETRIES)),
        default in check: 1,
        schema: schema_parts::count(RETRIES),
    }
    /// Consecutive failures until a check is down.
    failure_threshold: Setting<Located<u32>> {
        read: Setting::read(reader, entry, |reader, entry| count(reader, entry, THRESHOLDS)),
        default in check: 2,
        schema: schema_parts::count(THRESHOLDS),
    }
    /// Consecutive successes until a check is up.
    success_threshold: Setting<Located<u32>> {
        read: Setting::read(reader, entry, |reader, entry| count(reader, entry, THRESHOLDS)),
        default in check: 1,
        schema: schema_parts::count(THRESHOLDS),
    }
    /// Limits of one attempt.
    quota: QuotaLimits {
        read: QuotaLimits::read(reader, entry),
        schema: quota_schema(),
    }
    /// One of `groups`, whose concurrency limit the check shares.
    group: Setting<Located<Arc<str>>> {
        read: Setting::read_or_none(reader, entry, group),
        schema: schema_parts::text(MAX_GROUP),
    }
    /// Notifiers and reminders for status changes, or `none`.
    alert: Setting<RawAlert> {
        read: Setting::read(reader, entry, alert::alert),
        schema: alert::schema(),
    }
    /// Description of the check, shown in notifications.
    description: Setting<Located<Arc<str>>> {
        read: Setting::read_or_none(reader, entry, annotations::description),
        schema: schema_parts::text(annotations::MAX_DESCRIPTION),
    }
    /// Link shown in notifications, such as `https://wiki.example.com/runbooks/website`.
    runbook_url: Setting<Located<Arc<str>>> {
        read: Setting::read_or_none(reader, entry, annotations::runbook_url),
        schema: annotations::runbook_url_schema(),
    }
}

impl Settings {
    /// These settings, with those of `base` where nothing is set.
    pub(super) fn over(&self, base: &Self) -> Self {
        let mut merged = self.each_over(base);
        // `interval` and `schedule` replace each other.
        if self.interval.is_written() || self.schedule.is_written() {
            merged.interval = self.interval;
            merged.schedule = self.schedule.clone();
        }
        if let (Some(own), Some(base)) = (self.alert.get(), base.alert.get()) {
            merged.alert = Setting::Set(own.over(base));
        }
        merged
    }

    /// Whether a check with these settings is part of the suite.
    pub(super) fn is_enabled(&self) -> bool {
        self.enabled.get().copied().unwrap_or(DEFAULT_ENABLED)
    }

    /// When a check with these settings is due.
    pub(super) fn cadence(&self) -> Cadence {
        match self.schedule.get() {
            Some(schedule) => Cadence::Cron(Arc::clone(&schedule.value)),
            None => Cadence::Every(value(self.interval, DEFAULT_INTERVAL)),
        }
    }

    /// Sets what a check has of these settings, or the built-in defaults. A default timeout or retry interval is
    /// shortened to the interval.
    pub(super) fn apply(&self, check: &mut Check, ceiling: &Quota) {
        self.apply_each(check);
        check.cadence = self.cadence();
        let min_interval = check.cadence.min_interval();
        let retry_interval = self.retry_interval.get().map(|retry| retry.value);
        check.retry_interval = retry_interval.filter(|retry| *retry < min_interval);
        check.timeout = value(self.timeout, DEFAULT_TIMEOUT.min(min_interval));
        check.quota = self.quota.effective(ceiling);
        check.group = text(&self.group);
        check.alert = self.alert.get().map(RawAlert::rules).unwrap_or_default();
        check.annotations = Annotations {
            description: text(&self.description),
            runbook_url: text(&self.runbook_url),
        };
    }
}

fn text(written: &Setting<Located<Arc<str>>>) -> Option<Arc<str>> {
    written.get().map(|located| Arc::clone(&located.value))
}

fn value<T: Copy>(written: Setting<Located<T>>, default: T) -> T {
    written.get().map_or(default, |located| located.value)
}

fn count(reader: &mut Reader<'_>, entry: &Entry, range: RangeInclusive<u64>) -> Option<Located<u32>> {
    let count = reader.count(entry, range)?;
    Some(Located::new(
        entry,
        u32::try_from(count.value).unwrap_or(u32::MAX),
    ))
}

fn group(reader: &mut Reader<'_>, entry: &Entry) -> Option<Located<Arc<str>>> {
    let name = reader.text(entry, MAX_GROUP)?;
    Some(Located::new(entry, Arc::clone(name)))
}

/// A built-in default, for a description.
trait Show {
    fn show(&self) -> String;
}

impl Show for Duration {
    fn show(&self) -> String {
        units::show(*self)
    }
}

impl Show for bool {
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Show for u32 {
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Show for &str {
    fn show(&self) -> String {
        (*self).to_owned()
    }
}

/// A sentence, with the default in it if there is one.
fn description(sentence: &str, default: Option<&String>) -> String {
    let sentence = sentence.trim();
    match default {
        Some(default) => format!("{} [default: {default}].", sentence.trim_end_matches('.')),
        None => sentence.to_owned(),
    }
}

/// The limits of `quota:`, by kind.
#[derive(Debug, Clone, Default)]
pub(super) struct QuotaLimits(BTreeMap<QuotaKind, Setting<Located<u64>>>);

impl QuotaLimits {
    /// Reads the limits. `null` removes an inherited one, and `null` in place of the mapping removes all of them.
    fn read(reader: &mut Reader<'_>, entry: &Entry) -> Self {
        if entry.value.is_null() {
            return Self(QuotaKind::ALL.map(|kind| (kind, Setting::Removed)).into());
        }
        let keys = QuotaKind::ALL.map(QuotaKind::as_str);
        let entries = reader
            .mapping("`quota`: ", &entry.value, &keys)
            .unwrap_or_default();
        let known = |entry: &Entry| {
            QuotaKind::ALL
                .into_iter()
                .find(|kind| kind.as_str() == &*entry.key)
        };
        let limits = entries.iter().filter_map(|entry| {
            let kind = known(entry)?;
            let limit = Setting::read(reader, entry, |reader, entry| limit(reader, entry, kind));
            limit.is_final().then_some((kind, limit))
        });
        Self(limits.collect())
    }

    fn over(&self, base: &Self) -> Self {
        let mut limits = base.0.clone();
        limits.extend(&self.0);
        Self(limits)
    }

    /// The limits that are set.
    pub(super) fn iter(&self) -> impl Iterator<Item = (QuotaKind, Located<u64>)> {
        let limits = self.0.iter();
        limits.filter_map(|(kind, limit)| Some((*kind, *limit.get()?)))
    }

    /// The limit of one kind, if it is set.
    pub(super) fn get(&self, kind: QuotaKind) -> Option<Located<u64>> {
        self.0.get(&kind).and_then(|limit| limit.get().copied())
    }

    /// The built-in limits with these in place of them, none above the ceiling.
    fn effective(&self, ceiling: &Quota) -> Quota {
        let mut quota = Quota::default();
        for (kind, limit) in self.iter() {
            quota.set_limit(kind, limit.value);
        }
        if !self.iter().any(|(kind, _)| kind == QuotaKind::Fds) {
            // A socket is a descriptor: more sockets are useless without more descriptors, and names must still
            // resolve.
            quota.fds = quota.fds.max(quota.sockets.saturating_add(FDS_OF_THE_HOST));
        }
        for kind in QuotaKind::ALL {
            quota.set_limit(kind, quota.limit(kind).min(ceiling.limit(kind)));
        }
        quota
    }
}

/// Descriptors in addition to a run's own sockets: those of concurrent DNS queries.
const FDS_OF_THE_HOST: u64 = 4;

fn limit(reader: &mut Reader<'_>, entry: &Entry, kind: QuotaKind) -> Option<Located<u64>> {
    let range = kind.range();
    match kind.unit() {
        Unit::Count => reader.count(entry, range),
        Unit::Bytes => reader.size(entry, range),
        Unit::Millis => {
            let (low, high) = (*range.start(), *range.end());
            let range = Duration::from_millis(low)..=Duration::from_millis(high);
            let limit = reader.duration(entry, range)?;
            let millis = u64::try_from(limit.value.as_millis()).unwrap_or(u64::MAX);
            Some(Located::new(entry, millis))
        }
    }
}

fn quota_schema() -> Value {
    let default = Quota::default();
    let limits = QuotaKind::ALL.map(|kind| {
        let schema = match kind.unit() {
            Unit::Count => schema_parts::count(kind.range()),
            Unit::Bytes => schema_parts::size(),
            Unit::Millis => schema_parts::duration(),
        };
        let default = kind.format_value(default.limit(kind));
        let description = description(kind.description(), Some(&default));
        (kind.as_str(), described(schema, &description))
    });
    closed(schema_parts::properties(limits), &[]).into()
}
