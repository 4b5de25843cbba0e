//! One way to tell somebody.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::timeout;
use url::Url;

use super::alertmanager::{self, Alertmanager};
use super::answer::{Answer, Failure};
use super::email::Email;
use super::notification::Notification;
use super::pagerduty::{self, PagerDuty};
use super::slack::{self, Slack};
use super::webhook::{self, Webhook};
use crate::ledger::audit::Reserve;
use crate::status::Status;
use crate::suite::KnownSecrets;

/// One way to tell somebody. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Notifier {
    /// As the operator named it.
    pub name: Arc<str>,
    /// The statuses that begin an alert.
    pub on: BTreeSet<Status>,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How long a notification may wait before it is given up.
    pub max_age: Duration,
    pub(super) way: Way,
}

/// Which of the receivers of a mail get it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Recipients<'a> {
    /// These, or all if none is named.
    pub(super) only: &'a [String],
    /// But none of these.
    pub(super) except: &'a [String],
}

impl<'a> Recipients<'a> {
    pub(super) fn include(&self, receiver: &str) -> bool {
        let is_in = |names: &'a [String]| names.iter().any(|name| name == receiver);
        (self.only.is_empty() || is_in(self.only)) && !is_in(self.except)
    }
}

/// How.
#[derive(Debug, Clone)]
pub(super) enum Way {
    Alertmanager(Alertmanager),
    Slack(Slack),
    PagerDuty(PagerDuty),
    Webhook(Webhook),
    Email(Email),
    /// A receiver in a test.
    #[cfg(test)]
    Simulated(super::simulated::Receiver),
}

impl Notifier {
    /// Its type, as settings name it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.way {
            Way::Alertmanager(_) => "alertmanager",
            Way::Slack(_) => "slack",
            Way::PagerDuty(_) => "pagerduty",
            Way::Webhook(_) => "webhook",
            Way::Email(_) => "email",
            #[cfg(test)]
            Way::Simulated(_) => "simulated",
        }
    }

    pub(super) fn share_secrets(&mut self, known: &KnownSecrets) {
        let secrets = match &mut self.way {
            Way::Alertmanager(Alertmanager { endpoint })
            | Way::Slack(Slack { endpoint })
            | Way::PagerDuty(PagerDuty { endpoint, .. })
            | Way::Webhook(Webhook { endpoint, .. }) => &mut endpoint.secrets,
            Way::Email(email) => &mut email.secrets,
            #[cfg(test)]
            Way::Simulated(_) => return,
        };
        *secrets = secrets.shared(known);
    }

    /// From one telling of all that fires to the next, for those that want that.
    #[must_use]
    pub fn refresh(&self) -> Option<Duration> {
        let is_refreshed = match &self.way {
            Way::Alertmanager(_) => true,
            #[cfg(test)]
            Way::Simulated(receiver) => receiver.is_refreshed(),
            _ => false,
        };
        is_refreshed.then_some(alertmanager::REFRESH)
    }

    /// Tries once to deliver, within the time-out. `link` is shown where there is a place for it.
    ///
    /// Cancellation: closes the connection; the receiver may have the notification.
    pub async fn deliver(
        &self,
        notification: &Notification,
        link: Option<&Url>,
        reserve: &Reserve,
    ) -> Answer {
        self.deliver_to(Recipients::default(), notification, link, reserve)
            .await
    }

    /// Whether anybody is left of its receivers.
    pub(super) fn has_any_of(&self, recipients: Recipients<'_>) -> bool {
        match &self.way {
            Way::Email(way) => !way.receivers(recipients).is_empty(),
            _ => true,
        }
    }

    /// As [`Notifier::deliver`], for some of the receivers of a mail.
    pub(super) async fn deliver_to(
        &self,
        recipients: Recipients<'_>,
        notification: &Notification,
        link: Option<&Url>,
        reserve: &Reserve,
    ) -> Answer {
        let limit = self.timeout;
        let work = async {
            match &self.way {
                Way::Alertmanager(way) => {
                    let body = alertmanager::body([notification], link, SystemTime::now());
                    way.endpoint.send(body, reserve, limit).await
                }
                Way::Slack(way) => {
                    let body = slack::body(notification, link);
                    way.endpoint.send(body, reserve, limit).await
                }
                Way::PagerDuty(way) => {
                    let body = pagerduty::body(&way.routing_key, notification, link);
                    way.endpoint.send(body, reserve, limit).await
                }
                Way::Webhook(way) => match webhook::body(way, notification, link) {
                    Ok(body) => way.endpoint.send(body, reserve, limit).await,
                    Err(error) => Answer::Rejected(Failure {
                        word: "template".into(),
                        message: format!("the template does not render: {}", error.message),
                    }),
                },
                Way::Email(way) => way.send((notification, recipients), link, reserve, limit).await,
                #[cfg(test)]
                Way::Simulated(receiver) => receiver.receive(notification.clone()).await,
            }
        };
        // Whatever a notifier does, it does no longer than this.
        timeout(limit, work)
            .await
            .unwrap_or_else(|_| Answer::timeout(limit))
    }

    /// Tells once more what fires; nothing for those that do not want that.
    ///
    /// Cancellation: as of [`Notifier::deliver`].
    pub async fn tell_again(
        &self,
        standing: &[&Notification],
        link: Option<&Url>,
        reserve: &Reserve,
    ) -> Answer {
        #[cfg(test)]
        if let Way::Simulated(receiver) = &self.way {
            return receiver.refresh(standing);
        }
        let Way::Alertmanager(way) = &self.way else {
            return Answer::Delivered;
        };
        let body = alertmanager::body(standing.iter().copied(), link, SystemTime::now());
        let work = way.endpoint.send(body, reserve, self.timeout);
        timeout(self.timeout, work)
            .await
            .unwrap_or_else(|_| Answer::timeout(self.timeout))
    }
}
