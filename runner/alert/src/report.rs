//! Delivery statistics of notifiers, as plain data.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::delivery_result::Failure;
use super::notification::truncate;

/// Removed notifiers that are counted by name; the others are counted together.
const MAX_REMOVED: usize = 16;
/// Name for the other removed notifiers; no notifier can have it.
const OTHER_NOTIFIERS: &str = "(others)";
/// Characters of the name of a removed notifier.
const MAX_NAME: usize = 64;

/// Why a notification was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// The queue was full.
    Full,
    /// It was queued for longer than `max_age`.
    Expired,
    /// Its receiver refused it for its content.
    Refused,
    /// Its notifier is no longer configured.
    Removed,
    /// Its stored row cannot be parsed.
    Unreadable,
}

impl DropReason {
    /// The label value in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "queue_full",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::Removed => "notifier_removed",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Statistics of all notifiers at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertReport {
    /// By name.
    pub notifiers: BTreeMap<Arc<str>, NotifierReport>,
    /// Stored notifications that no notifier can send.
    pub discarded: Discarded,
}

/// Stored notifications that nobody can send any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discarded {
    /// Number for each removed notifier, by name; at most 17 names.
    pub removed: BTreeMap<Arc<str>, u64>,
    /// Number of rows that cannot be parsed.
    pub unreadable: u64,
}

impl Discarded {
    pub(super) fn count_removed(&mut self, notifier: &str) {
        let name = truncate(notifier, MAX_NAME);
        let is_counted = self.removed.len() < MAX_REMOVED || self.removed.contains_key(name.as_str());
        let name = if is_counted {
            name.as_str()
        } else {
            OTHER_NOTIFIERS
        };
        *self.removed.entry(name.into()).or_default() += 1;
    }
}

/// Statistics of one notifier; counts are since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotifierReport {
    /// Its type, such as `slack`.
    pub kind: &'static str,
    /// Notifications that its receiver accepted.
    pub delivered: u64,
    /// Failed attempts, by code of a bounded set such as `timeout`, `connect`, `http_503`, `smtp_550`.
    pub failed: BTreeMap<Cow<'static, str>, u64>,
    /// Notifications that were dropped.
    pub dropped: BTreeMap<DropReason, u64>,
    /// Queued notifications.
    pub waiting: u64,
    /// How long the oldest of them has been queued.
    pub oldest_age: Option<Duration>,
    /// The longest time that a check's notification has been queued in this process, without those deferred on purpose.
    pub late: Option<Duration>,
    /// Firing alerts that it was notified of.
    pub firing: u64,
    /// The failures since the last accepted notification; absent without one.
    pub failing: Option<Failing>,
}

/// A series of failures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// When it began.
    pub since: Instant,
    /// Why the last attempt failed, without secrets.
    pub message: String,
}

impl NotifierReport {
    pub(super) fn new(kind: &'static str) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }

    pub(super) fn count_dropped(&mut self, reason: DropReason) {
        *self.dropped.entry(reason).or_default() += 1;
    }

    /// Counts a failed attempt that says nothing about the receiver as a whole.
    pub(super) fn count_failure(&mut self, failure: &Failure) {
        *self.failed.entry(failure.code.clone()).or_default() += 1;
    }

    pub(super) fn record_failure(&mut self, failure: &Failure, now: Instant) {
        self.count_failure(failure);
        let since = self.failing.as_ref().map_or(now, |failing| failing.since);
        self.failing = Some(Failing {
            since,
            message: failure.message.clone(),
        });
    }
}
