//! Notices about notifiers for the operator, logged once for each change and not for each notification.

use std::sync::Arc;

use tracing::Level;

use canary_outbound::alert_report::DropReason;

/// A change in how a notifier's deliveries go; `Display` is the log line.
#[derive(Debug, thiserror::Error)]
pub(super) enum Notice {
    /// The first of a series of temporary failures.
    #[error("notifier `{notifier}` failed: {message}; retrying ({waiting} queued)")]
    Failing {
        notifier: Arc<str>,
        message: String,
        waiting: usize,
    },
    /// The first of a series of failures that waiting does not fix.
    #[error("notifier `{notifier}` failed: {message}; fix its configuration ({waiting} queued)")]
    Blocked {
        notifier: Arc<str>,
        message: String,
        waiting: usize,
    },
    /// One notification fails while the receiver accepts others; logged for the first of the queued ones.
    #[error(
        "notifier `{notifier}` cannot deliver notification `{id}`: {message}; sending others first, \
         retrying it later"
    )]
    FaultyNotification {
        notifier: Arc<str>,
        id: String,
        message: String,
    },
    /// The first delivery after a series of failures.
    #[error("notifier `{notifier}` recovered; sending {waiting} queued")]
    Recovered { notifier: Arc<str>, waiting: usize },
    /// A notification does not reach one of its recipients, for the first time since one did.
    #[error("notifier `{notifier}` does not reach all recipients: {message}; {}", if *.is_temporary { "retrying" } else { "fix its configuration" })]
    PartlySent {
        notifier: Arc<str>,
        message: String,
        is_temporary: bool,
    },
    /// The receiver refused a notification for good, for the first time since the last delivery.
    #[error("notifier `{notifier}`: notification `{id}` was rejected and dropped: {message}")]
    Refused {
        notifier: Arc<str>,
        id: String,
        message: String,
    },
    /// Notifications are dropped, for the first time since the last delivery.
    #[error("notifier `{notifier}` is dropping notifications: {}", describe(.reason))]
    Dropping { notifier: Arc<str>, reason: DropReason },
    /// Notifications of an earlier process were queued for a notifier that no longer exists.
    #[error("dropped {count} queued notifications of notifier `{notifier}`, which is no longer configured")]
    Removed { notifier: Arc<str>, count: u64 },
    /// Stored notifications cannot be parsed.
    #[error("dropped {count} queued notifications that cannot be read")]
    Unreadable { count: u64 },
    /// Stored alerts cannot be parsed.
    #[error("cannot read {count} stored alerts; no resolved notifications will be sent for them")]
    UnreadableAlerts { count: u64 },
}

impl Notice {
    /// The log level: losses are errors.
    pub(super) fn level(&self) -> Level {
        match self {
            Self::Recovered { .. } => Level::INFO,
            Self::Failing { .. } | Self::Blocked { .. } | Self::FaultyNotification { .. } => Level::WARN,
            Self::PartlySent { .. }
            | Self::Refused { .. }
            | Self::Dropping { .. }
            | Self::Removed { .. }
            | Self::Unreadable { .. }
            | Self::UnreadableAlerts { .. } => Level::ERROR,
        }
    }
}

fn describe(reason: &DropReason) -> &'static str {
    match reason {
        DropReason::Full => "queue full, dropping superseded ones first, then the oldest",
        DropReason::Expired => "they are older than `max_age`",
        DropReason::Refused => "they are rejected by the receiver",
        DropReason::Removed => "it is no longer configured",
        DropReason::Unreadable => "they are damaged on disk",
    }
}
