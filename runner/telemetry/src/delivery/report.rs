//! Delivery statistics as plain data.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::signal::Signal;
use canary_system::io_class::IoClass;

/// Why a request was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// The spool was full, and this was the oldest.
    SpoolFull,
    /// It exceeded the maximum age.
    Expired,
    /// It could not be spooled, and memory was full.
    MemoryFull,
    /// Its file was removed by someone else.
    Removed,
    /// Its check exceeded its share when space was needed.
    OverShare,
    /// The collector refused it for good; it is in the dead letters if there is a spool.
    Rejected,
    /// The process ended, and there was no disk to store it on.
    Shutdown,
}

impl DropReason {
    /// The metric label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SpoolFull => "spool_full",
            Self::Expired => "expired",
            Self::MemoryFull => "memory_full",
            Self::Removed => "removed",
            Self::OverShare => "over_share",
            Self::Rejected => "rejected",
            Self::Shutdown => "shutdown",
        }
    }

    /// A description for people.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::SpoolFull => "the spool is full, dropping the oldest",
            Self::Expired => "they are older than the spool's maximum age",
            Self::MemoryFull => "the spool is unavailable and the memory buffer is full",
            Self::Removed => "their spool files were deleted by another process",
            Self::OverShare => "the spool is full, dropping data of checks over their share",
            Self::Rejected => "the collector rejected them",
            Self::Shutdown => "shutting down without a disk to spool them to",
        }
    }
}

/// How long a failure counts once the queue is empty: longer than the interval between exports of metrics, so that a
/// collector which is unreachable while everything is dropped at once still counts as failing.
const FAILURE_TTL: Duration = Duration::from_secs(90);

/// A snapshot of the state of delivery.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryReport {
    /// By exported signal.
    pub signals: BTreeMap<Signal, SignalReport>,
    /// Whether a spool is configured and usable.
    pub spool_is_healthy: bool,
    /// The class of the current failure of the spool's disk.
    pub spool_failure: Option<IoClass>,
    /// Disk failures of the spool by class.
    pub disk_failures: BTreeMap<IoClass, u64>,
}

impl DeliveryReport {
    /// The requests of a signal that were lost because the process ended without a disk to store them on.
    pub(super) fn lost_at_end(&self, signal: Signal) -> u64 {
        let report = self.signals.get(&signal);
        let lost = report.and_then(|report| report.dropped.get(&DropReason::Shutdown));
        lost.copied().unwrap_or_default()
    }
}

/// The delivery state of one signal; counters are since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignalReport {
    /// Attempts by result: `success`, `rejected` if the collector discarded all items of a request that it accepted, or
    /// a value of a bounded set such as `timeout`, `connect`, `http_503`, `grpc_unavailable`.
    pub exports: BTreeMap<Cow<'static, str>, u64>,
    /// Requests dropped, by reason.
    pub dropped: BTreeMap<DropReason, u64>,
    /// Spans, data points or log records that were shed in favour of other checks.
    pub dropped_items: u64,
    /// Requests stored as dead letters.
    pub dead_letters: u64,
    /// Spans, data points or log records that the collector rejected, in accepted requests or in refused ones.
    pub rejected_items: u64,
    /// Requests queued now.
    pub waiting: u64,
    /// Bytes of those on disk.
    pub spool_bytes: u64,
    /// Bytes of those in memory.
    pub memory_bytes: u64,
    /// The age of the oldest queued request.
    pub oldest_age: Option<Duration>,
    /// When an export last succeeded.
    pub last_success: Option<SystemTime>,
    /// How long all attempts have been failing; `None` if the last one succeeded, or if it was a while ago and nothing
    /// is queued.
    pub failing_for: Option<Duration>,
}

/// The counters of a [`SignalReport`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) exports: BTreeMap<Cow<'static, str>, u64>,
    pub(super) dropped: BTreeMap<DropReason, u64>,
    pub(super) dropped_items: u64,
    pub(super) dead_letters: u64,
    pub(super) rejected_items: u64,
    pub(super) last_success: Option<SystemTime>,
    /// When the current failures began, and when the last one happened.
    pub(super) failing: Option<(Instant, Instant)>,
}

impl Counters {
    pub(super) fn record_result(&mut self, code: Cow<'static, str>) {
        *self.exports.entry(code).or_default() += 1;
    }

    pub(super) fn record_drop(&mut self, reason: DropReason) {
        *self.dropped.entry(reason).or_default() += 1;
    }

    /// Records a successful attempt.
    pub(super) fn record_success(&mut self) {
        self.last_success = Some(SystemTime::now());
        self.failing = None;
    }

    /// Records a failed attempt.
    pub(super) fn record_failure(&mut self) {
        let now = Instant::now();
        let since = self.failing.map_or(now, |(since, _)| since);
        self.failing = Some((since, now));
    }

    /// How long all attempts have been failing. If everything that failed was dropped and nothing has been tried since,
    /// it is unknown whether the next attempt would fail.
    pub(super) fn failing_for(&self, has_waiting: bool) -> Option<Duration> {
        let (since, last) = self.failing?;
        (has_waiting || last.elapsed() < FAILURE_TTL).then(|| since.elapsed())
    }
}
