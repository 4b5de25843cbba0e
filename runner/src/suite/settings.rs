//! The settings that a check and `defaults:` have in common: timing, thresholds, quota, group, alerts.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::alert::{self, RawAlert};
use super::annotations;
use super::cadence;
use super::cron::Cron;
use super::fields::{Located, Reader};
use super::setting::Setting;
use super::tree::Entry;
use super::{AlertRules, Annotations, Cadence};
use crate::quota::{Quota, QuotaKind};

pub(super) const KEYS: [&str; 12] = [
    "interval",
    "schedule",
    "retry_interval",
    "timeout",
    "retries",
    "failure_threshold",
    "success_threshold",
    "quota",
    "group",
    "alert",
    "description",
    "runbook_url",
];

/// The allowed ranges.
pub(super) const INTERVALS: RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_hours(365 * 24);
pub(super) const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(24);
pub(super) const RETRIES: RangeInclusive<u64> = 0..=100;
pub(super) const THRESHOLDS: RangeInclusive<u64> = 1..=1_000;

const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
const DEFAULT_RETRIES: u64 = 1;
const DEFAULT_FAILURE_THRESHOLD: u64 = 2;
const DEFAULT_SUCCESS_THRESHOLD: u64 = 1;

/// Maximum length of the name of a group, in characters; a declared one is never longer.
pub(super) const MAX_GROUP: usize = 64;

/// The parsed settings of a check or of `defaults:`.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub(super) interval: Setting<Located<Duration>>,
    pub(super) schedule: Setting<Located<Arc<Cron>>>,
    pub(super) retry_interval: Setting<Located<Duration>>,
    pub(super) timeout: Setting<Located<Duration>>,
    retries: Setting<Located<u64>>,
    failure_threshold: Setting<Located<u64>>,
    success_threshold: Setting<Located<u64>>,
    pub(super) quota: BTreeMap<QuotaKind, Setting<Located<u64>>>,
    pub(super) group: Setting<Located<Arc<str>>>,
    pub(super) alert: Setting<RawAlert>,
    pub(super) description: Setting<Located<Arc<str>>>,
    pub(super) runbook_url: Setting<Located<Arc<str>>>,
}

/// The effective settings of a check.
pub(super) struct EffectiveSettings {
    pub(super) cadence: Cadence,
    pub(super) retry_interval: Option<Duration>,
    pub(super) timeout: Duration,
    pub(super) retries: u32,
    pub(super) failure_threshold: u32,
    pub(super) success_threshold: u32,
    pub(super) quota: Quota,
    pub(super) group: Option<Arc<str>>,
    pub(super) alert: AlertRules,
    pub(super) annotations: Annotations,
}

impl Settings {
    /// Reads `entry` if it is a setting.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>, entry: &Entry) {
        match &*entry.key {
            "interval" => self.interval = Setting::read(reader, entry, |r, e| r.duration(e, INTERVALS)),
            "schedule" => self.schedule = Setting::read_or_none(reader, entry, cadence::schedule),
            "retry_interval" => {
                self.retry_interval = Setting::read_or_none(reader, entry, |r, e| r.duration(e, INTERVALS));
            }
            "timeout" => self.timeout = Setting::read(reader, entry, |r, e| r.duration(e, TIMEOUTS)),
            "retries" => self.retries = Setting::read(reader, entry, |r, e| r.count(e, RETRIES)),
            "failure_threshold" => {
                self.failure_threshold = Setting::read(reader, entry, |r, e| r.count(e, THRESHOLDS));
            }
            "success_threshold" => {
                self.success_threshold = Setting::read(reader, entry, |r, e| r.count(e, THRESHOLDS));
            }
            "quota" => self.quota = quota(reader, entry),
            "group" => self.group = Setting::read_or_none(reader, entry, group),
            "alert" => self.alert = Setting::read(reader, entry, alert::alert),
            "description" => {
                self.description = Setting::read_or_none(reader, entry, annotations::description);
            }
            "runbook_url" => {
                self.runbook_url = Setting::read_or_none(reader, entry, annotations::runbook_url);
            }
            _ => {}
        }
    }

    /// These settings, with those of `base` where nothing is set.
    pub(super) fn over(&self, base: &Self) -> Self {
        let mut quota = base.quota.clone();
        quota.extend(&self.quota);
        // `interval` and `schedule` replace each other.
        let has_cadence = self.interval.is_written() || self.schedule.is_written();
        let (interval, schedule) = if has_cadence {
            (self.interval, self.schedule.clone())
        } else {
            (
                self.interval.over(&base.interval),
                self.schedule.over(&base.schedule),
            )
        };
        Self {
            interval,
            schedule,
            retry_interval: self.retry_interval.over(&base.retry_interval),
            timeout: self.timeout.over(&base.timeout),
            retries: self.retries.over(&base.retries),
            failure_threshold: self.failure_threshold.over(&base.failure_threshold),
            success_threshold: self.success_threshold.over(&base.success_threshold),
            quota,
            group: self.group.over(&base.group),
            alert: match (self.alert.get(), base.alert.get()) {
                (Some(own), Some(base)) => Setting::Set(own.over(base)),
                _ => self.alert.over(&base.alert),
            },
            description: self.description.over(&base.description),
            runbook_url: self.runbook_url.over(&base.runbook_url),
        }
    }

    /// Applies the built-in defaults. A default timeout or retry interval is shortened to the interval.
    pub(super) fn effective(&self, ceiling: &Quota) -> EffectiveSettings {
        let cadence = match self.schedule.get() {
            Some(schedule) => Cadence::Cron(Arc::clone(&schedule.value)),
            None => Cadence::Every(value(self.interval, DEFAULT_INTERVAL)),
        };
        let min_interval = cadence.min_interval();
        let retry_interval = self.retry_interval.get().map(|retry| retry.value);
        let count = |written, default| u32::try_from(value(written, default)).unwrap_or(u32::MAX);
        EffectiveSettings {
            cadence,
            retry_interval: retry_interval.filter(|retry| *retry < min_interval),
            timeout: value(self.timeout, DEFAULT_TIMEOUT.min(min_interval)),
            retries: count(self.retries, DEFAULT_RETRIES),
            failure_threshold: count(self.failure_threshold, DEFAULT_FAILURE_THRESHOLD),
            success_threshold: count(self.success_threshold, DEFAULT_SUCCESS_THRESHOLD),
            quota: self.effective_quota(ceiling),
            group: text(&self.group),
            alert: self.alert.get().map(RawAlert::rules).unwrap_or_default(),
            annotations: Annotations {
                description: text(&self.description),
                runbook_url: text(&self.runbook_url),
            },
        }
    }

    fn effective_quota(&self, ceiling: &Quota) -> Quota {
        let mut quota = Quota::default();
        let set = |kind: &QuotaKind| self.quota.get(kind).and_then(Setting::get);
        for kind in &QuotaKind::ALL {
            if let Some(limit) = set(kind) {
                quota.set_limit(*kind, limit.value);
            }
        }
        if set(&QuotaKind::Fds).is_none() {
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

fn text(written: &Setting<Located<Arc<str>>>) -> Option<Arc<str>> {
    written.get().map(|located| Arc::clone(&located.value))
}

fn value<T: Copy>(written: Setting<Located<T>>, default: T) -> T {
    written.get().map_or(default, |located| located.value)
}

fn group(reader: &mut Reader<'_>, entry: &Entry) -> Option<Located<Arc<str>>> {
    let name = reader.text(entry, MAX_GROUP)?;
    Some(Located::new(entry, Arc::clone(name)))
}

/// Reads the limits by kind. `null` removes an inherited one, and `null` in place of the mapping removes all of them.
fn quota(reader: &mut Reader<'_>, entry: &Entry) -> BTreeMap<QuotaKind, Setting<Located<u64>>> {
    if entry.value.is_null() {
        return QuotaKind::ALL.map(|kind| (kind, Setting::Removed)).into();
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
    entries
        .iter()
        .filter_map(|entry| {
            let kind = known(entry)?;
            let limit = Setting::read(reader, entry, |reader, entry| limit(reader, entry, kind));
            limit.is_final().then_some((kind, limit))
        })
        .collect()
}

/// Descriptors in addition to a run's own sockets: those of concurrent DNS queries.
const FDS_OF_THE_HOST: u64 = 4;
/// Minimum memory: with less, no guest could even start.
const MIN_MEMORY: u64 = 64 << 10;
const MIN_CPU: Duration = Duration::from_millis(10);
const MAX_CPU: Duration = Duration::from_hours(24);
/// Maximum of counts, and below of bytes: sums of these do not overflow.
const MAX_COUNT: u64 = 1_000_000;
/// Minimum size in bytes: with less, not even the summary of a verdict fits.
const MIN_RECORD: u64 = 16 << 10;
const MAX_BYTES: u64 = 1 << 40;

fn limit(reader: &mut Reader<'_>, entry: &Entry, kind: QuotaKind) -> Option<Located<u64>> {
    match kind {
        QuotaKind::Cpu => {
            let cpu = reader.duration(entry, MIN_CPU..=MAX_CPU)?;
            let millis = u64::try_from(cpu.value.as_millis()).unwrap_or(u64::MAX);
            Some(Located::new(entry, millis))
        }
        QuotaKind::Memory => reader.size(entry, MIN_MEMORY..=MAX_BYTES),
        QuotaKind::BytesIn | QuotaKind::BytesOut => reader.size(entry, 0..=MAX_BYTES),
        QuotaKind::Record => reader.size(entry, MIN_RECORD..=MAX_BYTES),
        _ => reader.count(entry, 0..=MAX_COUNT),
    }
}
