//! Notifiers: each sends notifications to one receiver, such as a Slack channel.
//!
//! A type of notifier is a file of this folder, which implements [`Notify`], and an entry of [`TYPES`].

pub(super) mod alertmanager;
mod discord;
#[cfg(feature = "mail")]
pub(super) mod email;
mod keys;
pub(super) mod pagerduty;
pub(super) mod slack;
mod teams;
pub(super) mod webhook;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use url::Url;

pub(super) use super::notify::Recipients;
pub(super) use keys::{Keys, parse_url};

use super::delivery_result::DeliveryResult;
use super::notification::Notification;
use super::notify::{Attempt, Notify};
use alertmanager::Alertmanager;
use canary_net::ledger::audit::InternalFds;
use canary_run::status::Status;
use canary_settings::{ConfigValue, Report, Section};
use canary_suite::{SecretRegistry, Secrets};
use discord::Discord;
#[cfg(feature = "mail")]
use email::Email;
use pagerduty::PagerDuty;
use slack::Slack;
use teams::Teams;
use webhook::Webhook;

/// All types of notifiers, in the order in which messages list them.
const TYPES: [NotifierType; 7] = [
    NotifierType::new("alertmanager", |keys| Some(Arc::new(Alertmanager::read(keys)?))),
    NotifierType::new("slack", |keys| Some(Arc::new(Slack::read(keys)?))),
    NotifierType::new("teams", |keys| Some(Arc::new(Teams::read(keys)?))),
    NotifierType::new("discord", |keys| Some(Arc::new(Discord::read(keys)?))),
    NotifierType::new("pagerduty", |keys| Some(Arc::new(PagerDuty::read(keys)?))),
    NotifierType::new("webhook", |keys| Some(Arc::new(Webhook::read(keys)?))),
    #[cfg(feature = "mail")]
    NotifierType::new("email", |keys| Some(Arc::new(Email::read(keys)?))),
    #[cfg(not(feature = "mail"))]
    NotifierType::absent("email", "mail"),
];

/// Reads the keys of a notifier. Reads all of them even if some are invalid, so that all problems are reported at once.
pub(super) type Read = fn(&mut Keys<'_>) -> Option<Arc<dyn Notify>>;

/// A type of notifier.
#[derive(Clone, Copy)]
pub(super) struct NotifierType {
    /// Its name in the configuration and in metrics.
    name: &'static str,
    /// Or the feature that this program was built without.
    read: Result<Read, &'static str>,
}

impl NotifierType {
    const fn new(name: &'static str, read: Read) -> Self {
        Self { name, read: Ok(read) }
    }

    #[cfg(any(test, not(feature = "mail")))]
    const fn absent(name: &'static str, feature: &'static str) -> Self {
        Self {
            name,
            read: Err(feature),
        }
    }

    /// Reads the `type` of a section, which determines the keys it may have: its name, and how to read them.
    pub(super) fn of(section: &mut Section, report: &mut Report) -> Option<(&'static str, Read)> {
        let Some(word) = section.value("type") else {
            let problem = section.problem("`type` is missing");
            report.add(problem.hint(format!("write {}", Self::alternatives())));
            return None;
        };
        let found = word.one_of("notifier type", &TYPES.map(|one| (one.name, one)), report)?;
        found.reader(&word, report)
    }

    fn reader(self, word: &ConfigValue, report: &mut Report) -> Option<(&'static str, Read)> {
        match self.read {
            Ok(read) => Some((self.name, read)),
            Err(feature) => {
                let name = self.name;
                let problem = word.problem(format!("this program was built without `{name}` notifiers"));
                report.add(problem.hint(format!("use one with the feature `{feature}`")));
                None
            }
        }
    }

    /// The names of all types, as a message lists them.
    pub(super) fn alternatives() -> String {
        alternatives(&TYPES.map(|one| one.name))
    }
}

/// A list of words such as `` `a`, `b` or `c` ``.
fn alternatives(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// A configured notifier. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Notifier {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// The statuses that begin an alert.
    pub statuses: BTreeSet<Status>,
    /// Time-out of one attempt.
    pub timeout: Duration,
    /// How long a notification may be queued before it is dropped.
    pub max_age: Duration,
    /// The name of its type.
    pub(super) type_name: &'static str,
    /// Secrets of its settings, which are redacted from what its receiver answers.
    pub(super) secrets: Secrets,
    /// The service that it sends to.
    pub(super) service: Arc<dyn Notify>,
}

impl Notifier {
    /// Its type in the configuration.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }

    pub(super) fn share_secrets(&mut self, known: &SecretRegistry) {
        self.secrets = self.secrets.registered_in(known);
    }

    /// How often firing alerts are resent; none if the receiver does not expect that.
    #[must_use]
    pub(crate) fn resend_interval(&self) -> Option<Duration> {
        self.service.resend_interval()
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
        self.service.has_recipient(recipients)
    }

    /// Like [`Notifier::send`], for some of a mail's recipients.
    pub(super) async fn send_to(
        &self,
        recipients: Recipients<'_>,
        notification: &Notification,
        link: Option<&Url>,
        internal_fds: &InternalFds,
    ) -> DeliveryResult {
        let attempt = Attempt {
            recipients,
            ..self.attempt(link, internal_fds)
        };
        // Enforces the time-out for every type of notifier.
        timeout(self.timeout, self.service.send(notification, attempt))
            .await
            .unwrap_or_else(|_| DeliveryResult::timeout(self.timeout))
    }

    /// Resends firing alerts; does nothing unless the receiver expects that.
    ///
    /// Cancellation: as for [`Notifier::send`].
    pub(crate) async fn resend_firing(
        &self,
        firing: &[&Notification],
        link: Option<&Url>,
        internal_fds: &InternalFds,
    ) -> DeliveryResult {
        let attempt = self.attempt(link, internal_fds);
        timeout(self.timeout, self.service.resend(firing, attempt))
            .await
            .unwrap_or_else(|_| DeliveryResult::timeout(self.timeout))
    }

    /// An attempt that all recipients get.
    fn attempt<'a>(&'a self, link: Option<&'a Url>, internal_fds: &'a InternalFds) -> Attempt<'a> {
        Attempt {
            recipients: Recipients::default(),
            link,
            secrets: &self.secrets,
            internal_fds,
            limit: self.timeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use super::*;
    use canary_suite::Environment;

    #[test]
    fn a_list_of_alternatives_ends_with_or() {
        assert_eq!(alternatives(&["a"]), "`a`");
        assert_eq!(alternatives(&["a", "b"]), "`a` or `b`");
        assert_eq!(alternatives(&["a", "b", "c"]), "`a`, `b` or `c`");
    }

    /// An environment in which each variable is `email`.
    struct Mail;

    impl Environment for Mail {
        fn variable(&self, _name: &str) -> Option<String> {
            Some("email".to_owned())
        }

        fn file(&self, _path: &Path) -> io::Result<Vec<u8>> {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    #[test]
    fn a_type_that_was_not_built_is_called_so() {
        let word = ConfigValue::variable("TYPE", &Mail).unwrap();
        let mut report = Report::default();
        let found = NotifierType::absent("email", "mail").reader(&word, &mut report);
        assert!(found.is_none());
        let problems = report.finish(()).unwrap_err().to_string();
        assert!(
            problems.contains("this program was built without `email` notifiers"),
            "{problems}"
        );
        assert!(problems.contains("the feature `mail`"), "{problems}");
    }

    #[test]
    fn every_type_is_documented() {
        let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/alerts.md");
        let manual = std::fs::read_to_string(manual).unwrap();
        for NotifierType { name, .. } in TYPES {
            assert!(manual.contains(&format!("\n| `{name}` | ")), "{name}");
        }
    }
}
