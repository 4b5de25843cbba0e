//! A notifier: sends notifications to one receiver, such as a Slack channel.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::timeout;
use url::Url;

use super::alertmanager::{self, Alertmanager};
use super::delivery_result::{DeliveryResult, Failure};
use super::email::Email;
use super::notification::Notification;
use super::pagerduty::{self, PagerDuty};
use super::slack::{self, Slack};
use super::webhook::{self, Webhook};
use crate::ledger::audit::InternalFds;
use crate::status::Status;
use crate::suite::SecretRegistry;

/// A configured notifier. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Notifier {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// The statuses that begin an alert.
    pub on: BTreeSet<Status>,
    /// Time-out of one attempt.
    pub timeout: Duration,
    /// How long a notification may be queued before it is dropped.
    pub max_age: Duration,
    pub(super) kind: NotifierKind,
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
    pub(super) fn include(&self, recipient: &str) -> bool {
        let is_in = |names: &'a [String]| names.iter().any(|name| name == recipient);
        (self.only.is_empty() || is_in(self.only)) && !is_in(self.except)
    }
}

/// The service that a notifier sends to.
#[derive(Debug, Clone)]
pub(super) enum NotifierKind {
    Alertmanager(Alertmanager),
    Slack(Slack),
    PagerDuty(PagerDuty),
    Webhook(Webhook),
    Email(Email),
    /// A simulated receiver in a test.
    #[cfg(test)]
    Simulated(super::simulated::Receiver),
}

impl Notifier {
    /// Its type in the configuration.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match &self.kind {
            NotifierKind::Alertmanager(_) => "alertmanager",
            NotifierKind::Slack(_) => "slack",
            NotifierKind::PagerDuty(_) => "pagerduty",
            NotifierKind::Webhook(_) => "webhook",
            NotifierKind::Email(_) => "email",
            #[cfg(test)]
            NotifierKind::Simulated(_) => "simulated",
        }
    }

    pub(super) fn share_secrets(&mut self, known: &SecretRegistry) {
        let secrets = match &mut self.kind {
            NotifierKind::Alertmanager(Alertmanager { sender })
            | NotifierKind::Slack(Slack { sender })
            | NotifierKind::PagerDuty(PagerDuty { sender, .. })
            | NotifierKind::Webhook(Webhook { sender, .. }) => &mut sender.secrets,
            NotifierKind::Email(email) => &mut email.secrets,
            #[cfg(test)]
            NotifierKind::Simulated(_) => return,
        };
        *secrets = secrets.registered_in(known);
    }

    /// How often firing alerts are resent; none if the receiver does not expect that.
    #[must_use]
    pub fn resend_interval(&self) -> Option<Duration> {
        let is_resent = match &self.kind {
            NotifierKind::Alertmanager(_) => true,
            #[cfg(test)]
            NotifierKind::Simulated(receiver) => receiver.handles_resend(),
            _ => false,
        };
        is_resent.then_some(alertmanager::RESEND_INTERVAL)
    }

    /// Makes one attempt to send, within the timeout. `link` is shown where the service has a place for it.
    ///
    /// Cancellation: closes the connection; the receiver may have the notification.
    pub async fn send(
        &self,
        notification: &Notification,
        link: Option<&Url>,
        internal_fds: &InternalFds,
    ) -> DeliveryResult {
        self.send_to(Recipients::default(), notification, link, internal_fds)
            .await
    }

    /// Whether any of these recipients is configured.
    pub(super) fn has_recipient(&self, recipients: Recipients<'_>) -> bool {
        match &self.kind {
            NotifierKind::Email(target) => !target.addressees(recipients).is_empty(),
            _ => true,
        }
    }

    /// Like [`Notifier::send`], for some of a mail's recipients.
    pub(super) async fn send_to(
        &self,
        recipients: Recipients<'_>,
        notification: &Notification,
        link: Option<&Url>,
        internal_fds: &InternalFds,
    ) -> DeliveryResult {
        let limit = self.timeout;
        let work = async {
            match &self.kind {
                NotifierKind::Alertmanager(target) => {
                    let body = alertmanager::body([notification], link, SystemTime::now());
                    target.sender.send(body, internal_fds, limit).await
                }
                NotifierKind::Slack(target) => {
                    let body = slack::body(notification, link);
                    target.sender.send(body, internal_fds, limit).await
                }
                NotifierKind::PagerDuty(target) => {
                    let body = pagerduty::body(&target.routing_key, notification, link);
                    target.sender.send(body, internal_fds, limit).await
                }
                NotifierKind::Webhook(target) => match webhook::body(target, notification, link) {
                    Ok(body) => target.sender.send(body, internal_fds, limit).await,
                    Err(error) => DeliveryResult::Rejected(Failure {
                        code: "template".into(),
                        message: format!("cannot render the template: {}", error.message),
                    }),
                },
                NotifierKind::Email(target) => {
                    target
                        .send((notification, recipients), link, internal_fds, limit)
                        .await
                }
                #[cfg(test)]
                NotifierKind::Simulated(receiver) => receiver.receive(notification.clone()).await,
            }
        };
        // Enforces the time-out for every kind of notifier.
        timeout(limit, work)
            .await
            .unwrap_or_else(|_| DeliveryResult::timeout(limit))
    }

    /// Resends firing alerts; does nothing unless the receiver expects that.
    ///
    /// Cancellation: as for [`Notifier::send`].
    pub async fn resend_firing(
        &self,
        firing: &[&Notification],
        link: Option<&Url>,
        internal_fds: &InternalFds,
    ) -> DeliveryResult {
        #[cfg(test)]
        if let NotifierKind::Simulated(receiver) = &self.kind {
            return receiver.resend(firing);
        }
        let NotifierKind::Alertmanager(target) = &self.kind else {
            return DeliveryResult::Sent;
        };
        let body = alertmanager::body(firing.iter().copied(), link, SystemTime::now());
        let work = target.sender.send(body, internal_fds, self.timeout);
        timeout(self.timeout, work)
            .await
            .unwrap_or_else(|_| DeliveryResult::timeout(self.timeout))
    }
}
