//! What a check and `defaults:` have in common: timing, thresholds, quota, group, alerts.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::AlertRules;
use super::alert::{self, RawAlert};
use super::fields::{Located, Reader};
use super::tree::Entry;
use crate::quota::{Quota, QuotaKind};

pub(super) const KEYS: [&str; 8] = [
    "interval",
    "timeout",
    "retries",
    "failure_threshold",
    "success_threshold",
    "quota",
    "group",
    "alert",
];

/// The ranges that a suite may choose from.
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

/// Characters of the name of a group; a declared one is never longer.
pub(super) const MAX_GROUP: usize = 64;

/// What is written, in a check or in `defaults:`.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub(super) interval: Option<Located<Duration>>,
    pub(super) timeout: Option<Located<Duration>>,
    retries: Option<Located<u64>>,
    failure_threshold: Option<Located<u64>>,
    success_threshold: Option<Located<u64>>,
    pub(super) quota: BTreeMap<QuotaKind, Located<u64>>,
    pub(super) group: Option<Located<Arc<str>>>,
    pub(super) alert: Option<RawAlert>,
}

/// What holds for a check.
pub(super) struct Effective {
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) retries: u32,
    pub(super) failure_threshold: u32,
    pub(super) success_threshold: u32,
    pub(super) quota: Quota,
    pub(super) group: Option<Arc<str>>,
    pub(super) alert: AlertRules,
}

impl Settings {
    /// Takes `entry` in when it is a setting.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>, entry: &Entry) {
        match &*entry.key {
            "interval" => self.interval = reader.duration(entry, INTERVALS),
            "timeout" => self.timeout = reader.duration(entry, TIMEOUTS),
            "retries" => self.retries = reader.count(entry, RETRIES),
            "failure_threshold" => self.failure_threshold = reader.count(entry, THRESHOLDS),
            "success_threshold" => self.success_threshold = reader.count(entry, THRESHOLDS),
            "quota" => self.quota = quota(reader, entry),
            "group" => {
                let name = reader.text(entry, MAX_GROUP);
                self.group = name.map(|name| Located::of(entry, Arc::clone(name)));
            }
            "alert" => self.alert = alert::alert(reader, entry),
            _ => {}
        }
    }

    /// These settings, with `base` where nothing is written.
    pub(super) fn over(&self, base: &Self) -> Self {
        let mut quota = base.quota.clone();
        quota.extend(&self.quota);
        Self {
            interval: self.interval.or(base.interval),
            timeout: self.timeout.or(base.timeout),
            retries: self.retries.or(base.retries),
            failure_threshold: self.failure_threshold.or(base.failure_threshold),
            success_threshold: self.success_threshold.or(base.success_threshold),
            quota,
            group: self.group.as_ref().or(base.group.as_ref()).cloned(),
            alert: match &self.alert {
                Some(alert) => Some(alert.over(base.alert.as_ref())),
                None => base.alert.clone(),
            },
        }
    }

    /// With the built-in defaults. A time-out that nobody wrote gives way to a short interval.
    pub(super) fn effective(&self, ceiling: &Quota) -> Effective {
        let interval = value(self.interval, DEFAULT_INTERVAL);
        let count = |written, default| u32::try_from(value(written, default)).unwrap_or(u32::MAX);
        Effective {
            interval,
            timeout: value(self.timeout, DEFAULT_TIMEOUT.min(interval)),
            retries: count(self.retries, DEFAULT_RETRIES),
            failure_threshold: count(self.failure_threshold, DEFAULT_FAILURE_THRESHOLD),
            success_threshold: count(self.success_threshold, DEFAULT_SUCCESS_THRESHOLD),
            quota: self.effective_quota(ceiling),
            group: self.group.as_ref().map(|group| Arc::clone(&group.value)),
            alert: self.alert.as_ref().map(RawAlert::rules).unwrap_or_default(),
        }
    }

    fn effective_quota(&self, ceiling: &Quota) -> Quota {
        let mut quota = Quota::default();
        for (kind, limit) in &self.quota {
            quota.set_limit(*kind, limit.value);
        }
        if !self.quota.contains_key(&QuotaKind::Fds) {
            // A socket is a descriptor: more of the one are of no use without the other, and names must resolve.
            quota.fds = quota.fds.max(quota.sockets.saturating_add(FDS_OF_THE_HOST));
        }
        for kind in QuotaKind::ALL {
            quota.set_limit(kind, quota.limit(kind).min(ceiling.limit(kind)));
        }
        quota
    }
}

fn value<T>(written: Option<Located<T>>, default: T) -> T {
    written.map_or(default, |located| located.value)
}

fn quota(reader: &mut Reader<'_>, entry: &Entry) -> BTreeMap<QuotaKind, Located<u64>> {
    let keys = QuotaKind::ALL.map(QuotaKind::key);
    let entries = reader
        .mapping("`quota`: ", &entry.value, &keys)
        .unwrap_or_default();
    let known = |entry: &Entry| QuotaKind::ALL.into_iter().find(|kind| kind.key() == &*entry.key);
    entries
        .iter()
        .filter_map(|entry| {
            let kind = known(entry)?;
            Some((kind, limit(reader, entry, kind)?))
        })
        .collect()
}

/// Descriptors beside a run's own sockets: those of the questions that it may ask at once.
const FDS_OF_THE_HOST: u64 = 4;
/// Below these no guest could even start.
const MIN_MEMORY: u64 = 64 << 10;
const MIN_CPU: Duration = Duration::from_millis(10);
const MAX_CPU: Duration = Duration::from_hours(24);
/// Of counts, and of bytes: what still fits every sum.
const MAX_COUNT: u64 = 1_000_000;
/// Bytes; with less, not even the summary of a verdict has room.
const MIN_RECORD: u64 = 16 << 10;
const MAX_BYTES: u64 = 1 << 40;

fn limit(reader: &mut Reader<'_>, entry: &Entry, kind: QuotaKind) -> Option<Located<u64>> {
    match kind {
        QuotaKind::Cpu => {
            let cpu = reader.duration(entry, MIN_CPU..=MAX_CPU)?;
            let millis = u64::try_from(cpu.value.as_millis()).unwrap_or(u64::MAX);
            Some(Located::of(entry, millis))
        }
        QuotaKind::Memory => reader.size(entry, MIN_MEMORY..=MAX_BYTES),
        QuotaKind::BytesIn | QuotaKind::BytesOut => reader.size(entry, 0..=MAX_BYTES),
        QuotaKind::Record => reader.size(entry, MIN_RECORD..=MAX_BYTES),
        _ => reader.count(entry, 0..=MAX_COUNT),
    }
}
