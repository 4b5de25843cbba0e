//! Delivery statistics of notifiers, as plain data: alerting writes them; health and telemetry read them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

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
    /// Of a notifier of this type that has not sent anything yet.
    #[must_use]
    pub fn new(kind: &'static str) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }

    /// Counts a notification that was dropped.
    pub fn count_dropped(&mut self, reason: DropReason) {
        *self.dropped.entry(reason).or_default() += 1;
    }

    /// Counts a failed attempt that says nothing about the receiver as a whole.
    pub fn count_failure(&mut self, code: Cow<'static, str>) {
        *self.failed.entry(code).or_default() += 1;
    }

    /// Counts a failed attempt after which the receiver is considered as failing.
    pub fn record_failure(&mut self, code: Cow<'static, str>, message: &str, now: Instant) {
        self.count_failure(code);
        let since = self.failing.as_ref().map_or(now, |failing| failing.since);
        self.failing = Some(Failing {
            since,
            message: message.to_owned(),
        });
    }
}

/// The component name of a notifier's worker in health reports.
#[must_use]
pub fn component_name(notifier: &str) -> Arc<str> {
    format!("notifier {notifier}").into()
}

/// A cheap handle that reads the statistics of all notifiers.
#[derive(Clone)]
pub struct AlertReports(Arc<dyn Fn() -> AlertReport + Send + Sync>);

impl AlertReports {
    /// A handle that reads them by `read`, which must not block.
    pub fn new(read: impl Fn() -> AlertReport + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// The statistics at this moment.
    #[must_use]
    pub fn now(&self) -> AlertReport {
        (self.0)()
    }
}

impl fmt::Debug for AlertReports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AlertReports").finish_non_exhaustive()
    }
}
