//! Notices about notifiers for the operator, logged once for each change and not for each notification.

use std::sync::Arc;

use tracing::Level;

use super::report::DropReason;

/// A change in how a notifier's deliveries go; `Display` is the log line.
#[derive(Debug, thiserror::Error)]
pub(super) enum Notice {
    /// The first of a series of temporary failures.
    #[error("notifier `{notifier}` does not deliver: {message}; {waiting} wait and are sent later")]
    Failing {
        notifier: Arc<str>,
        message: String,
        waiting: usize,
    },
    /// The first of a series of failures that waiting does not fix.
    #[error(
        "notifier `{notifier}` does not deliver: {message}; mend its settings, until then {waiting} wait"
    )]
    Blocked {
        notifier: Arc<str>,
        message: String,
        waiting: usize,
    },
    /// One notification fails while the receiver accepts others; logged for the first of the queued ones.
    #[error(
        "notifier `{notifier}` does not deliver the notification `{id}`: {message}; it is retried later, and the others go \
         ahead"
    )]
    FaultyNotification {
        notifier: Arc<str>,
        id: String,
        message: String,
    },
    /// The first delivery after a series of failures.
    #[error("notifier `{notifier}` delivers again; {waiting} wait and are sent now")]
    Recovered { notifier: Arc<str>, waiting: usize },
    /// A notification does not reach one of its recipients, for the first time since one did.
    #[error("notifier `{notifier}` does not reach everybody: {message}; {}", if *.is_temporary { "it is tried again for this one" } else { "mend its settings" })]
    PartlySent {
        notifier: Arc<str>,
        message: String,
        is_temporary: bool,
    },
    /// The receiver refused a notification for good, for the first time since the last delivery.
    #[error("notifier `{notifier}`: the notification `{id}` is refused and given up: {message}")]
    Refused {
        notifier: Arc<str>,
        id: String,
        message: String,
    },
    /// Notifications are dropped, for the first time since the last delivery.
    #[error("notifier `{notifier}` loses notifications: {}", describe(.reason))]
    Dropping { notifier: Arc<str>, reason: DropReason },
    /// Notifications of an earlier process were queued for a notifier that no longer exists.
    #[error(
        "{count} notifications waited for the notifier `{notifier}`, which the settings no longer name; they are dropped"
    )]
    Removed { notifier: Arc<str>, count: u64 },
    /// Stored notifications cannot be parsed.
    #[error("{count} notifications that waited cannot be read; they are dropped")]
    Unreadable { count: u64 },
    /// Stored alerts cannot be parsed.
    #[error("{count} alerts that were firing cannot be read; nobody is notified of their end")]
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
        DropReason::Full => "the queue is full; dropping what later ones replace, or else the oldest",
        DropReason::Expired => "they waited for longer than `max_age`",
        DropReason::Refused => "they are refused",
        DropReason::Removed => "the settings no longer name it",
        DropReason::Unreadable => "they are damaged on disk",
    }
}
