//! What an operator should hear of notifiers, each thing once and not once a notification.

use std::sync::Arc;

use tracing::Level;

use super::report::DropReason;

/// A change of how deliveries go; `Display` is the line.
#[derive(Debug, thiserror::Error)]
pub(super) enum Notice {
    /// The first failure of a row.
    #[error("notifier `{notifier}` does not deliver: {message}; {waiting} wait and are sent later")]
    Failing {
        notifier: Arc<str>,
        message: String,
        waiting: usize,
    },
    /// The first failure of a row, where waiting does not help.
    #[error(
        "notifier `{notifier}` does not deliver: {message}; mend its settings, until then {waiting} wait"
    )]
    Held {
        notifier: Arc<str>,
        message: String,
        waiting: usize,
    },
    /// One notification fails and the receiver takes others, for the first time since none of those that wait did.
    #[error(
        "notifier `{notifier}` does not deliver the notification `{id}`: {message}; it is retried later, and the others go \
         ahead"
    )]
    AtFault {
        notifier: Arc<str>,
        id: String,
        message: String,
    },
    /// The first delivery after one of those.
    #[error("notifier `{notifier}` delivers again; {waiting} wait and are sent now")]
    Delivering { notifier: Arc<str>, waiting: usize },
    /// A notification does not reach one of those whom it is for, for the first time since one did.
    #[error("notifier `{notifier}` does not reach everybody: {message}; {}", if *.is_for_now { "it is tried again for this one" } else { "mend its settings" })]
    Partly {
        notifier: Arc<str>,
        message: String,
        is_for_now: bool,
    },
    /// The receiver refused a notification that it will not take, for the first time since the last delivery.
    #[error("notifier `{notifier}`: the notification `{id}` is refused and given up: {message}")]
    Refused {
        notifier: Arc<str>,
        id: String,
        message: String,
    },
    /// Notifications are lost, for the first time since the last delivery.
    #[error("notifier `{notifier}` loses notifications: {}", sentence(.reason))]
    Losing { notifier: Arc<str>, reason: DropReason },
    /// Notifications of an earlier process wait for a notifier that is not there.
    #[error(
        "{count} notifications waited for the notifier `{notifier}`, which the settings no longer name; they are dropped"
    )]
    Removed { notifier: Arc<str>, count: u64 },
    /// Notifications of an earlier process are damaged.
    #[error("{count} notifications that waited cannot be read; they are dropped")]
    Unreadable { count: u64 },
    /// Alerts of an earlier process are damaged.
    #[error("{count} alerts that were firing cannot be read; nobody is notified of their end")]
    UnreadableAlerts { count: u64 },
}

impl Notice {
    /// How bad it is: what is lost is an error.
    pub(super) fn level(&self) -> Level {
        match self {
            Self::Delivering { .. } => Level::INFO,
            Self::Failing { .. } | Self::Held { .. } | Self::AtFault { .. } => Level::WARN,
            Self::Partly { .. }
            | Self::Refused { .. }
            | Self::Losing { .. }
            | Self::Removed { .. }
            | Self::Unreadable { .. }
            | Self::UnreadableAlerts { .. } => Level::ERROR,
        }
    }
}

fn sentence(reason: &DropReason) -> &'static str {
    match reason {
        DropReason::Full => "the queue is full; dropping what later ones replace, or else the oldest",
        DropReason::Expired => "they waited for longer than `max_age`",
        DropReason::Refused => "they are refused",
        DropReason::Removed => "the settings no longer name it",
        DropReason::Unreadable => "they are damaged on disk",
    }
}
