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
    /// The first delivery after one of those.
    #[error("notifier `{notifier}` delivers again; {waiting} wait and are sent now")]
    Delivering { notifier: Arc<str>, waiting: usize },
    /// The receiver takes notifications for some only of those whom they are for, for the first time since it took one
    /// for all.
    #[error("notifier `{notifier}` does not reach everybody: {message}; {}", if *.is_final { "mend its settings" } else { "it is tried again for those that were told so for now" })]
    Partly {
        notifier: Arc<str>,
        message: String,
        is_final: bool,
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
}

impl Notice {
    /// How bad it is: what is lost is an error.
    pub(super) fn level(&self) -> Level {
        match self {
            Self::Delivering { .. } => Level::INFO,
            Self::Failing { .. } | Self::Held { .. } => Level::WARN,
            Self::Partly { .. } | Self::Refused { .. } | Self::Losing { .. } => Level::ERROR,
        }
    }
}

fn sentence(reason: &DropReason) -> &'static str {
    match reason {
        DropReason::Full => "the queue is full; dropping what later ones replace, or else the oldest",
        DropReason::Expired => "they waited for longer than `max_age`",
        DropReason::Refused => "they are refused",
    }
}
