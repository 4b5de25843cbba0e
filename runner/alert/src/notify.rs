//! The interface of a service that notifications are sent to.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use url::Url;

use super::delivery_result::DeliveryResult;
use super::notification::Notification;
use canary_net::ledger::audit::InternalFds;
use canary_suite::Secrets;

/// An attempt to send that is under way.
pub(super) type Sending<'a> = Pin<Box<dyn Future<Output = DeliveryResult> + Send + 'a>>;

/// A service that notifications are sent to, with the settings of one notifier. `Debug` shows no secret.
pub(super) trait Notify: fmt::Debug + Send + Sync {
    /// Makes one attempt to send. The caller enforces the time-out too.
    ///
    /// Cancellation: closes the connection; the receiver may have the notification.
    fn send<'a>(&'a self, notification: &'a Notification, attempt: Attempt<'a>) -> Sending<'a>;

    /// How often firing alerts are resent; none if the receiver does not expect that.
    fn resend_interval(&self) -> Option<Duration> {
        None
    }

    /// Resends firing alerts; called only if there is a [`Notify::resend_interval`].
    ///
    /// Cancellation: as for [`Notify::send`].
    fn resend<'a>(&'a self, _firing: &'a [&'a Notification], _attempt: Attempt<'a>) -> Sending<'a> {
        Box::pin(std::future::ready(DeliveryResult::Sent))
    }

    /// Whether any of these recipients is configured.
    fn has_recipient(&self, _recipients: Recipients<'_>) -> bool {
        true
    }
}

/// What an attempt to send needs besides the notification.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt<'a> {
    /// Which recipients get it, if the service distinguishes them.
    #[cfg_attr(
        not(feature = "mail"),
        allow(dead_code, reason = "only mail distinguishes recipients")
    )]
    pub(super) recipients: Recipients<'a>,
    /// Shown where the service has a place for it.
    pub(super) link: Option<&'a Url>,
    /// Secrets to redact from what the receiver answers, which may quote the request.
    pub(super) secrets: &'a Secrets,
    /// Accounts for the file descriptor of the connection.
    pub(super) internal_fds: &'a InternalFds,
    /// Time-out.
    pub(super) limit: Duration,
}

/// Which of a mail's recipients get it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Recipients<'a> {
    /// These, or all if empty.
    pub(super) only: &'a [String],
    /// But none of these.
    pub(super) except: &'a [String],
}

impl<'a> Recipients<'a> {
    #[cfg_attr(
        not(feature = "mail"),
        allow(dead_code, reason = "only mail distinguishes recipients")
    )]
    pub(super) fn include(&self, recipient: &str) -> bool {
        let is_in = |names: &'a [String]| names.iter().any(|name| name == recipient);
        (self.only.is_empty() || is_in(self.only)) && !is_in(self.except)
    }
}
