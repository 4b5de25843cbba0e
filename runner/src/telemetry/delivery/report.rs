//! What became of every request, as plain numbers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::io_class::IoClass;
use crate::telemetry::settings::Signal;

/// Why a request was never delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// The spool held more bytes than it may, and this was the oldest.
    SpoolFull,
    /// It waited in vain for longer than it may.
    Expired,
    /// Nothing could be kept on disk, and memory held more than it may.
    MemoryFull,
    /// Somebody removed its file.
    Removed,
    /// Its check had more waiting than its share when room was needed.
    OverShare,
    /// The collector refused it for good; it is among the dead letters if there is a spool.
    Rejected,
    /// The process ended, and there was no disk to keep it on.
    Shutdown,
}

impl DropReason {
    /// The word in metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
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

    /// For a person.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::SpoolFull => "the spool is full and the oldest make room",
            Self::Expired => "they waited longer than the spool keeps them",
            Self::MemoryFull => "nothing can be kept on disk and memory for them is full",
            Self::Removed => "their files in the spool were removed by someone else",
            Self::OverShare => "the spool is full, and some checks have more in it than their share",
            Self::Rejected => "the collector refuses them",
            Self::Shutdown => "there is no disk to keep them on",
        }
    }
}

/// How long a failed attempt counts once nothing waits any more: longer than from one export of metrics to the next, so that
/// a collector which is away for what is dropped at once is still known to be.
const FORGOTTEN: Duration = Duration::from_secs(90);

/// The state of delivery at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryReport {
    /// Each signal that is exported.
    pub signals: BTreeMap<Signal, SignalReport>,
    /// Whether a spool is set and can be used.
    pub spool_is_well: bool,
    /// What is the matter with the spool's disk.
    pub spool_trouble: Option<IoClass>,
    /// How many times the spool's disk failed, by what the matter was.
    pub disk_failures: BTreeMap<IoClass, u64>,
}

/// The state of one signal's delivery; counts are since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignalReport {
    /// Attempts by result: `success`, `rejected` where the collector threw away all that was in a request that it took, or
    /// a word of a bounded set such as `timeout`, `connect`, `http_503`, `grpc_unavailable`.
    pub exports: BTreeMap<Cow<'static, str>, u64>,
    /// Requests that were never delivered.
    pub dropped: BTreeMap<DropReason, u64>,
    /// Spans, data points or log records that made room for those of other checks.
    pub dropped_items: u64,
    /// Requests laid among the dead letters.
    pub dead_letters: u64,
    /// Spans, data points or log records that the collector rejected, of requests that it accepted or in parts that it
    /// refused.
    pub rejected_items: u64,
    /// Requests that wait now.
    pub waiting: u64,
    /// Bytes of those on disk.
    pub spool_bytes: u64,
    /// Bytes of those in memory.
    pub memory_bytes: u64,
    /// How long the oldest of those has waited.
    pub oldest_age: Option<Duration>,
    /// When an export was last accepted.
    pub last_success: Option<SystemTime>,
    /// How long every attempt has failed; none when the last one did not, or when it was a while ago and nothing waits.
    pub failing_for: Option<Duration>,
}

/// The part of a [`SignalReport`] that is counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) exports: BTreeMap<Cow<'static, str>, u64>,
    pub(super) dropped: BTreeMap<DropReason, u64>,
    pub(super) dropped_items: u64,
    pub(super) dead_letters: u64,
    pub(super) rejected_items: u64,
    pub(super) last_success: Option<SystemTime>,
    /// When attempts began to fail, and when the last one did.
    pub(super) failing: Option<(Instant, Instant)>,
}

impl Tally {
    pub(super) fn export(&mut self, word: Cow<'static, str>) {
        *self.exports.entry(word).or_default() += 1;
    }

    pub(super) fn lose(&mut self, reason: DropReason) {
        *self.dropped.entry(reason).or_default() += 1;
    }

    /// The collector answered as it should.
    pub(super) fn succeed(&mut self) {
        self.last_success = Some(SystemTime::now());
        self.failing = None;
    }

    /// The collector did not.
    pub(super) fn fail(&mut self) {
        let now = Instant::now();
        let since = self.failing.map_or(now, |(since, _)| since);
        self.failing = Some((since, now));
    }

    /// How long every attempt has failed. When all that failed was dropped and nothing has been tried since, it is not
    /// known whether the next attempt would.
    pub(super) fn failing_for(&self, has_waiting: bool) -> Option<Duration> {
        let (since, last) = self.failing?;
        (has_waiting || last.elapsed() < FORGOTTEN).then(|| since.elapsed())
    }
}
