//! How notifications fare, as plain numbers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::answer::Failure;
use super::notification::bounded;

/// Notifiers that are no longer there and still named; the others are counted together.
const MAX_REMOVED: usize = 16;
/// What those are counted under; no notifier can be named so.
const OTHERS: &str = "(others)";
/// Characters of the name of a notifier that is no longer there.
const MAX_NAME: usize = 64;

/// Why a notification was never delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// More waited than may wait, and this made room.
    Full,
    /// It waited in vain for longer than `max_age`.
    Expired,
    /// Its receiver refused it for what it says.
    Refused,
    /// The settings no longer name the notifier that it waited for.
    Removed,
    /// On disk it is damaged.
    Unreadable,
}

impl DropReason {
    /// The word in metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Full => "queue_full",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::Removed => "notifier_removed",
            Self::Unreadable => "unreadable",
        }
    }
}

/// The state of all notifiers at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertReport {
    /// By name.
    pub notifiers: BTreeMap<Arc<str>, NotifierReport>,
    /// What an earlier process left for none of them.
    pub forgotten: Forgotten,
}

/// Notifications on disk that nobody can deliver any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// For notifiers that the settings no longer name, by these names, of which there are 17 at most.
    pub removed: BTreeMap<Arc<str>, u64>,
    /// Those that are damaged.
    pub unreadable: u64,
}

impl Forgotten {
    pub(super) fn remove(&mut self, notifier: &str) {
        let name = bounded(notifier, MAX_NAME);
        let is_counted = self.removed.len() < MAX_REMOVED || self.removed.contains_key(name.as_str());
        let name = if is_counted { name.as_str() } else { OTHERS };
        *self.removed.entry(name.into()).or_default() += 1;
    }
}

/// The state of one notifier; counts are since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotifierReport {
    /// Its type, such as `slack`.
    pub kind: &'static str,
    /// Notifications that its receiver took.
    pub delivered: u64,
    /// Attempts that failed, by a word of a bounded set such as `timeout`, `connect`, `http_503`, `smtp_550`.
    pub failed: BTreeMap<Cow<'static, str>, u64>,
    /// Notifications that were never delivered.
    pub dropped: BTreeMap<DropReason, u64>,
    /// Notifications that wait now.
    pub waiting: u64,
    /// How long the oldest of those has waited.
    pub oldest_age: Option<Duration>,
    /// How long this process has had the one that has waited longest, of those that are not left alone on purpose.
    pub late: Option<Duration>,
    /// Alerts that it was told of and that are not over.
    pub firing: u64,
    /// The failures since the last notification that its receiver took; absent without one.
    pub failing: Option<Failing>,
}

/// A row of failures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// When the first of them was.
    pub since: Instant,
    /// Why the last one failed, without secrets.
    pub message: String,
}

impl NotifierReport {
    pub(super) fn new(kind: &'static str) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }

    pub(super) fn lose(&mut self, reason: DropReason) {
        *self.dropped.entry(reason).or_default() += 1;
    }

    /// Counts an attempt that failed, though the receiver takes others.
    pub(super) fn count(&mut self, failure: &Failure) {
        *self.failed.entry(failure.word.clone()).or_default() += 1;
    }

    pub(super) fn fail(&mut self, failure: &Failure, now: Instant) {
        self.count(failure);
        let since = self.failing.as_ref().map_or(now, |failing| failing.since);
        self.failing = Some(Failing {
            since,
            message: failure.message.clone(),
        });
    }
}
