//! Mail, by SMTP (RFC 5321).

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use lettre::Message;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use url::{Host, Url};

use super::answer::{Answer, Failure, Unreached, excerpt};
use super::notification::{Notification, bounded};
use super::notifier::Recipients;
use super::smtp::{Conversation, Envelope, Left, Reply, SmtpError, Step, client_name};
use crate::ledger::audit::Reserve;
use crate::suite::Secrets;
use crate::wire::{self, Cause, TlsClient, TlsFiles, dial};

/// Characters of a subject.
const MAX_SUBJECT: usize = 200;
/// Digits of a hash in a message's id.
const ID_DIGITS: usize = 32;

/// A mail server and who gets mail through it. `Debug` does not show the password.
#[derive(Clone)]
pub(super) struct Email {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: TlsMode,
    /// User and password.
    pub(super) login: Option<(String, String)>,
    pub(super) from: Mailbox,
    pub(super) to: Vec<Mailbox>,
    /// Certificates that the server's chain may end in.
    pub(super) files: TlsFiles,
    /// What must not be told of an answer.
    pub(super) secrets: Secrets,
}

/// How a session is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsMode {
    /// By `STARTTLS`, without which there is no mail.
    Starttls,
    /// From the first byte.
    Implicit,
    /// Not at all.
    None,
}

impl TlsMode {
    /// The port, unless told otherwise.
    pub(super) fn port(self) -> u16 {
        match self {
            Self::Starttls => 587,
            Self::Implicit => 465,
            Self::None => 25,
        }
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Email")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("ca", &self.files.ca)
            .finish_non_exhaustive()
    }
}

impl Email {
    /// Sends one mail in a session of its own, to these of its receivers.
    ///
    /// Cancellation: closes the connection; the mail may be on its way.
    pub(super) async fn send(
        &self,
        (notification, recipients): (&Notification, Recipients<'_>),
        link: Option<&Url>,
        reserve: &Reserve,
        limit: Duration,
    ) -> Answer {
        let message = match self.message(notification, link) {
            Ok(message) => message.formatted(),
            Err(error) => return Answer::Rejected(failure("message", error.to_string())),
        };
        let to = self.receivers(recipients);
        if to.is_empty() {
            // Another process wrote to others.
            return Answer::Delivered;
        }
        let mail = Envelope {
            from: self.from.email.as_ref(),
            to: &to,
            message: &message,
        };
        let deadline = Instant::now() + limit;
        let _held = reserve.hold();
        match self.session(&mail, deadline, reserve).await {
            Ok(left) => self.taken(&left),
            // The others have it, and wait for nothing.
            Err(SmtpError::NobodyTaken { left, .. }) if !recipients.only.is_empty() => self.taken(&left),
            Err(error) => self.judge(error),
        }
    }

    pub(super) fn receivers(&self, recipients: Recipients<'_>) -> Vec<&str> {
        let all = self.to.iter().map(|mailbox| -> &str { mailbox.email.as_ref() });
        all.filter(|receiver| recipients.include(receiver)).collect()
    }

    /// Connects, protects the session as the settings want it, and hands the mail over.
    async fn session(
        &self,
        mail: &Envelope<'_>,
        deadline: Instant,
        reserve: &Reserve,
    ) -> Result<Vec<Left>, SmtpError> {
        let host = self.host()?;
        let client = match self.tls {
            TlsMode::None => None,
            TlsMode::Starttls | TlsMode::Implicit => {
                Some(TlsClient::new(&host, &self.files, None, deadline).await?)
            }
        };
        let stream = dial(&host, self.port, deadline, reserve).await?;
        match client {
            None => {
                let mut plain = Conversation::new(stream);
                plain.greet().await?;
                self.hand_over(plain, mail).await
            }
            Some(client) if self.tls == TlsMode::Implicit => {
                let mut protected = Conversation::new(client.handshake(stream, deadline).await?);
                protected.greet().await?;
                self.hand_over(protected, mail).await
            }
            Some(client) => {
                let mut plain = Conversation::new(stream);
                plain.greet().await?;
                let extensions = plain.hello(&client_name()).await?;
                let stream = plain.starttls(&extensions).await?;
                let protected = Conversation::new(client.handshake(stream, deadline).await?);
                self.hand_over(protected, mail).await
            }
        }
    }

    async fn hand_over<S>(
        &self,
        mut server: Conversation<S>,
        mail: &Envelope<'_>,
    ) -> Result<Vec<Left>, SmtpError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let extensions = server.hello(&client_name()).await?;
        if let Some((user, password)) = &self.login {
            server.log_in(&extensions, user, password).await?;
        }
        server.send(&extensions, mail).await
    }

    fn host(&self) -> Result<Host<&str>, wire::Failure> {
        let name = self.host.as_str();
        match name.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => Ok(Host::Ipv4(ip)),
            Ok(IpAddr::V6(ip)) => Ok(Host::Ipv6(ip)),
            Err(_) if name.contains(['\r', '\n', '\0', ' ']) => {
                let message = format!("`{name}` is not the name of a host");
                Err(wire::Failure::new(Cause::Settings, message))
            }
            Err(_) => Ok(Host::Domain(name)),
        }
    }

    /// The mails of one alert are one thread: each refers to the first.
    pub(super) fn message(
        &self,
        notification: &Notification,
        link: Option<&Url>,
    ) -> Result<Message, lettre::error::Error> {
        let first = self.message_id(&format!("{}/1", notification.alert));
        let subject = format!("[canary] {}", notification.title());
        let mut builder = Message::builder()
            .from(self.from.clone())
            .message_id(Some(self.message_id(&notification.id())))
            .date(notification.at)
            .subject(bounded(&subject, MAX_SUBJECT))
            .header(ContentType::TEXT_PLAIN)
            // RFC 3834: nobody's holiday notice should answer.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        if notification.number > 1 {
            builder = builder.in_reply_to(first.clone()).references(first);
        }
        for mailbox in &self.to {
            builder = builder.to(mailbox.clone());
        }
        builder.body(text(notification, link))
    }

    /// The same whenever the same notification is sent, so that one that arrives twice is known as one.
    fn message_id(&self, of: &str) -> String {
        let hash = hex::encode(Sha256::digest(of));
        let short = hash.get(..ID_DIGITS).unwrap_or(&hash);
        format!("<{short}.canary@{}>", self.from.email.domain())
    }

    /// What the server has taken, though perhaps not for everybody: of a 4xx it says that it may be later.
    fn taken(&self, left: &[Left]) -> Answer {
        let Some(first) = left.first() else {
            return Answer::Delivered;
        };
        let each: Vec<_> = left.iter().map(ToString::to_string).collect();
        let unreached = left.iter().map(|left| Unreached {
            receiver: left.receiver.clone(),
            failure: self.taken_for_none_of(&left.reply, &left.to_string()),
            is_for_now: left.reply.code < 500,
        });
        Answer::Partly(
            self.taken_for_none_of(&first.reply, &each.join(", ")),
            unreached.collect(),
        )
    }

    fn taken_for_none_of(&self, reply: &Reply, receivers: &str) -> Failure {
        let message = format!("the mail server takes none for {receivers}");
        Failure {
            word: format!("smtp_{}", reply.code).into(),
            message: excerpt(message.as_bytes(), &self.secrets),
        }
    }

    /// Without a reply code there was no answer. A 4xx is about the moment, and a 5xx that comes before the mail itself, to
    /// who we are and whom we write to, about what the operator set up. One to the mail may be about either.
    fn judge(&self, error: SmtpError) -> Answer {
        let message = excerpt(error.to_string().as_bytes(), &self.secrets);
        let (step, reply) = match error {
            SmtpError::Link(link) => return Answer::none(wire::Failure { message, ..link }),
            SmtpError::Closed(_) => return Answer::Later(failure("closed", message), None),
            SmtpError::Garbage(_) => return Answer::Later(failure("garbage", message), None),
            SmtpError::Unsupported(_) => return Answer::Held(failure("client", message)),
            SmtpError::Rejected { step, reply } => (step, reply),
            SmtpError::NobodyTaken { reply, .. } => (Step::Receivers, reply),
        };
        let failure = Failure {
            word: format!("smtp_{}", reply.code).into(),
            message,
        };
        match (step, reply.code) {
            (_, ..500) => Answer::Later(failure, None),
            // A login is wanted, or is not enough.
            (Step::Message, 530..=538) => Answer::Held(failure),
            // Larger than the server takes.
            (Step::Message, 552) => Answer::Rejected(failure),
            (Step::Message, _) => Answer::Refused(failure),
            (Step::Session | Step::Sender | Step::Receivers, _) => Answer::Held(failure),
        }
    }
}

fn text(notification: &Notification, link: Option<&Url>) -> String {
    let check = &notification.check;
    let mut lines = vec![notification.title(), String::new()];
    if !notification.summary.is_empty() {
        lines.extend([notification.summary.clone(), String::new()]);
    }
    if let Some(description) = &check.description {
        lines.extend([description.clone(), String::new()]);
    }
    lines.push(format!("check:   {}", check.id));
    lines.push(format!("target:  {}", check.target));
    lines.push(format!("plugin:  {}", check.plugin));
    lines.push(format!("status:  {}", notification.status));
    lines.push(format!("alert:   {}", notification.span()));
    lines.extend(
        check
            .labels
            .iter()
            .map(|(name, value)| format!("label:   {name}={value}")),
    );
    lines.extend(check.runbook_url.iter().map(|url| format!("runbook: {url}")));
    lines.extend(link.map(|link| format!("link:    {link}")));
    lines.push(String::new());
    lines.join("\n")
}

fn failure(word: &'static str, message: String) -> Failure {
    Failure {
        word: word.into(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::notifier::Way;
    use crate::alert::tests::settings;

    #[test]
    fn each_protection_has_a_port_of_its_own() {
        let ports = [TlsMode::Starttls, TlsMode::Implicit, TlsMode::None].map(TlsMode::port);
        assert_eq!(ports, [587, 465, 25]);
    }

    #[test]
    fn a_server_is_named_or_has_an_address() {
        let settings =
            settings("notifiers: { m: { type: email, host: h, from: a@example.com, to: [b@example.com] } }");
        let Way::Email(mut email) = settings.unwrap().notifiers.remove(0).way else {
            panic!("it is mail");
        };
        for (name, expected) in [
            ("mail.example.com", Some(Host::Domain("mail.example.com"))),
            ("127.0.0.1", Some(Host::Ipv4([127, 0, 0, 1].into()))),
            ("::1", Some(Host::Ipv6(1.into()))),
            ("mail example", None),
            ("mail\n", None),
        ] {
            email.host = name.to_owned();
            assert_eq!(email.host().ok(), expected);
        }
    }
}
