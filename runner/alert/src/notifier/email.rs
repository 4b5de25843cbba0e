//! Mail notifier (SMTP, RFC 5321).

mod settings;

use std::fmt;
use std::net::IpAddr;

use lettre::Message;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use url::{Host, Url};

use crate::delivery_result::{DeliveryResult, Failure, UnreachedRecipient, excerpt};
use crate::notification::{Notification, truncate};
use crate::notify::{Attempt, Notify, Recipients, Sending};
use crate::smtp::{Envelope, RejectedRecipient, Reply, SmtpConnection, SmtpError, Stage, client_name};
use canary_net::ledger::audit::InternalFds;
use canary_outbound::http_client::{self, FailureCause, TlsClient, TlsFiles, dial};
use canary_suite::Secrets;

/// Maximum characters of a subject.
const MAX_SUBJECT: usize = 200;
/// Hex digits of the hash in a `Message-ID`.
const ID_DIGITS: usize = 32;

/// An SMTP server and the recipients. `Debug` does not show the password.
#[derive(Clone)]
pub(crate) struct Email {
    host: String,
    port: u16,
    tls: TlsMode,
    /// User and password.
    login: Option<(String, String)>,
    from: Mailbox,
    to: Vec<Mailbox>,
    /// CA certificates for the server.
    files: TlsFiles,
}

/// TLS mode of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TlsMode {
    /// With `STARTTLS`; no mail is sent without it.
    Starttls,
    /// TLS from the first byte.
    Implicit,
    /// No TLS.
    None,
}

impl TlsMode {
    /// The default port.
    fn port(self) -> u16 {
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

impl Notify for Email {
    fn send<'a>(&'a self, notification: &'a Notification, attempt: Attempt<'a>) -> Sending<'a> {
        Box::pin(self.send_mail(notification, attempt))
    }

    fn has_recipient(&self, recipients: Recipients<'_>) -> bool {
        !self.addressees(recipients).is_empty()
    }
}

impl Email {
    /// Sends one mail in a session of its own to the recipients of the attempt.
    ///
    /// Cancellation: closes the connection; the mail may be on its way.
    async fn send_mail(&self, notification: &Notification, attempt: Attempt<'_>) -> DeliveryResult {
        let Attempt {
            recipients,
            link,
            secrets,
            internal_fds,
            limit,
        } = attempt;
        let message = match self.message(notification, link) {
            Ok(message) => message.formatted(),
            Err(error) => return DeliveryResult::Rejected(failure("message", error.to_string())),
        };
        let to = self.addressees(recipients);
        if to.is_empty() {
            // An earlier configuration had other recipients.
            return DeliveryResult::Sent;
        }
        let mail = Envelope {
            from: self.from.email.as_ref(),
            to: &to,
            message: &message,
        };
        let deadline = Instant::now() + limit;
        let _fd_guard = internal_fds.acquire();
        match self.session(&mail, deadline, internal_fds).await {
            Ok(rejected) => accepted(&rejected, secrets),
            // The other recipients have it already.
            Err(SmtpError::AllRecipientsRejected { rejected, .. }) if !recipients.only.is_empty() => {
                accepted(&rejected, secrets)
            }
            Err(error) => classify(error, secrets),
        }
    }

    fn addressees(&self, recipients: Recipients<'_>) -> Vec<&str> {
        let all = self.to.iter().map(|mailbox| -> &str { mailbox.email.as_ref() });
        all.filter(|recipient| recipients.include(recipient)).collect()
    }

    /// Connects, starts TLS as configured, and delivers the mail.
    async fn session(
        &self,
        mail: &Envelope<'_>,
        deadline: Instant,
        internal_fds: &InternalFds,
    ) -> Result<Vec<RejectedRecipient>, SmtpError> {
        let host = self.host()?;
        let client = match self.tls {
            TlsMode::None => None,
            TlsMode::Starttls | TlsMode::Implicit => {
                Some(TlsClient::new(&host, &self.files, None, deadline).await?)
            }
        };
        let stream = dial(&host, self.port, deadline, internal_fds).await?;
        match client {
            None => {
                let mut plain = SmtpConnection::new(stream);
                plain.greet().await?;
                self.deliver(plain, mail).await
            }
            Some(client) if self.tls == TlsMode::Implicit => {
                let mut protected = SmtpConnection::new(client.handshake(stream, deadline).await?);
                protected.greet().await?;
                self.deliver(protected, mail).await
            }
            Some(client) => {
                let mut plain = SmtpConnection::new(stream);
                plain.greet().await?;
                let extensions = plain.hello(&client_name()).await?;
                let stream = plain.starttls(&extensions).await?;
                let protected = SmtpConnection::new(client.handshake(stream, deadline).await?);
                self.deliver(protected, mail).await
            }
        }
    }

    async fn deliver<S>(
        &self,
        mut server: SmtpConnection<S>,
        mail: &Envelope<'_>,
    ) -> Result<Vec<RejectedRecipient>, SmtpError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let extensions = server.hello(&client_name()).await?;
        if let Some((user, password)) = &self.login {
            server.log_in(&extensions, user, password).await?;
        }
        server.send(&extensions, mail).await
    }

    fn host(&self) -> Result<Host<&str>, http_client::Failure> {
        let name = self.host.as_str();
        match name.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => Ok(Host::Ipv4(ip)),
            Ok(IpAddr::V6(ip)) => Ok(Host::Ipv6(ip)),
            Err(_) if name.contains(['\r', '\n', '\0', ' ']) => {
                let message = format!("invalid host name `{name}`");
                Err(http_client::Failure::new(FailureCause::Settings, message))
            }
            Err(_) => Ok(Host::Domain(name)),
        }
    }

    /// The mails of one alert form a thread: each refers to the first.
    pub(crate) fn message(
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
            .subject(truncate(&subject, MAX_SUBJECT))
            .header(ContentType::TEXT_PLAIN)
            // RFC 3834: prevents automatic replies such as holiday notices.
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
        builder.body(plain_text(notification, link))
    }

    /// Deterministic for a notification, so that mail programs deduplicate one that arrives twice.
    fn message_id(&self, of: &str) -> String {
        let hash = hex::encode(Sha256::digest(of));
        let short = hash.get(..ID_DIGITS).unwrap_or(&hash);
        format!("<{short}.canary@{}>", self.from.email.domain())
    }
}

/// The result of a mail that the server accepted, though perhaps not for every recipient: 4xx replies are retried.
fn accepted(rejected: &[RejectedRecipient], secrets: &Secrets) -> DeliveryResult {
    let Some(first) = rejected.first() else {
        return DeliveryResult::Sent;
    };
    let each: Vec<_> = rejected.iter().map(ToString::to_string).collect();
    let unreached = rejected.iter().map(|rejected| UnreachedRecipient {
        recipient: rejected.recipient.clone(),
        failure: rejection(&rejected.reply, &rejected.to_string(), secrets),
        is_temporary: rejected.reply.code < 500,
    });
    DeliveryResult::PartlySent(
        rejection(&first.reply, &each.join(", "), secrets),
        unreached.collect(),
    )
}

fn rejection(reply: &Reply, recipients: &str, secrets: &Secrets) -> Failure {
    let message = format!("the mail server rejected {recipients}");
    Failure {
        code: format!("smtp_{}", reply.code).into(),
        message: excerpt(message.as_bytes(), secrets),
    }
}

/// Classifies an error. A 4xx reply is temporary. A 5xx before the message (session, sender, recipients) is caused
/// by the configuration; one to the message by either the message or the configuration.
fn classify(error: SmtpError, secrets: &Secrets) -> DeliveryResult {
    let message = excerpt(error.to_string().as_bytes(), secrets);
    let (stage, reply) = match error {
        SmtpError::Transport(failure) => {
            return DeliveryResult::from_transport_failure(http_client::Failure { message, ..failure });
        }
        SmtpError::Closed(_) => return DeliveryResult::Retry(failure("closed", message), None),
        SmtpError::InvalidReply(_) => return DeliveryResult::Retry(failure("garbage", message), None),
        SmtpError::Unsupported(_) => return DeliveryResult::Blocked(failure("client", message)),
        SmtpError::Rejected { stage, reply } => (stage, reply),
        SmtpError::AllRecipientsRejected { reply, .. } => (Stage::Recipients, reply),
    };
    let failure = Failure {
        code: format!("smtp_{}", reply.code).into(),
        message,
    };
    match (stage, reply.code) {
        (_, ..500) => DeliveryResult::Retry(failure, None),
        // Authentication is required or insufficient (RFC 4954).
        (Stage::Message, 530..=538) => DeliveryResult::Blocked(failure),
        // Larger than the server accepts.
        (Stage::Message, 552) => DeliveryResult::Rejected(failure),
        (Stage::Message, _) => DeliveryResult::Refused(failure),
        (Stage::Session | Stage::Sender | Stage::Recipients, _) => DeliveryResult::Blocked(failure),
    }
}

fn plain_text(notification: &Notification, link: Option<&Url>) -> String {
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

fn failure(code: &'static str, message: String) -> Failure {
    Failure {
        code: code.into(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::read;

    #[test]
    fn each_protection_has_a_port_of_its_own() {
        let ports = [TlsMode::Starttls, TlsMode::Implicit, TlsMode::None].map(TlsMode::port);
        assert_eq!(ports, [587, 465, 25]);
    }

    #[test]
    fn a_server_is_named_or_has_an_address() {
        let mut email = read("host: h, from: a@example.com, to: [b@example.com]", Email::read);
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
