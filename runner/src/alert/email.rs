//! Mail, by SMTP (RFC 5321).

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::answer::{Answer, Failure, excerpt};
use super::notification::{Notification, bounded};
use crate::ledger::audit::Reserve;
use crate::suite::Secrets;

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
    /// Certificates that the server's chain may end in; absent: the host's trust store.
    pub(super) ca: Option<PathBuf>,
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
            .field("ca", &self.ca)
            .finish_non_exhaustive()
    }
}

impl Email {
    /// Sends one mail in a session of its own.
    ///
    /// Cancellation: closes the connection; the mail may be on its way.
    pub(super) async fn send(
        &self,
        notification: &Notification,
        link: Option<&Url>,
        reserve: &Reserve,
        limit: Duration,
    ) -> Answer {
        let message = match self.message(notification, link) {
            Ok(message) => message,
            Err(error) => return Answer::Refused(failure("message", error.to_string())),
        };
        let transport = match self.transport(limit) {
            Ok(transport) => transport,
            Err(message) => return Answer::Held(failure("settings", message)),
        };
        let _held = reserve.hold();
        match transport.send(message).await {
            Ok(_) => Answer::Delivered,
            Err(error) => self.judge(&error),
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

    fn transport(&self, limit: Duration) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
        let parameters = || tls_parameters(&self.host, self.ca.as_deref());
        let tls = match self.tls {
            TlsMode::None => Tls::None,
            TlsMode::Starttls => Tls::Required(parameters()?),
            TlsMode::Implicit => Tls::Wrapper(parameters()?),
        };
        let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(self.host.as_str())
            .port(self.port)
            .timeout(Some(limit))
            .tls(tls);
        Ok(match &self.login {
            None => builder.build(),
            Some((user, password)) => {
                let credentials = Credentials::new(user.clone(), password.clone());
                builder.credentials(credentials).build()
            }
        })
    }

    /// Without a reply code there was no answer. A login that is refused or wanted (530 to 538) holds for every mail;
    /// any other 5xx is about this one.
    fn judge(&self, error: &smtp::Error) -> Answer {
        let message = self.secrets.redact(&excerpt(told(error).as_bytes()));
        let Some(code) = error.status() else {
            let word = match error {
                _ if error.is_timeout() => "timeout",
                _ if is_of_tls(error) => "tls",
                _ if error.is_response() => "garbage",
                _ if error.is_client() => return Answer::Held(failure("client", message)),
                _ => "connect",
            };
            return Answer::Later(failure(word, message), None);
        };
        let number = u16::from(code);
        let failure = Failure {
            word: format!("smtp_{number}").into(),
            message,
        };
        match number {
            530..=538 => Answer::Held(failure),
            500.. => Answer::Refused(failure),
            _ => Answer::Later(failure, None),
        }
    }
}

/// Read at each connect, so that a renewed file is taken.
fn tls_parameters(host: &str, ca: Option<&Path>) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(path) = ca {
        let pem =
            std::fs::read(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
        let certificate = Certificate::from_pem(&pem)
            .map_err(|error| format!("`{}` holds no certificate: {}", path.display(), told(&error)))?;
        builder = builder
            .certificate_store(CertificateStore::None)
            .add_root_certificate(certificate);
    }
    builder
        .build()
        .map_err(|error| format!("TLS cannot be set up: {}", told(&error)))
}

fn text(notification: &Notification, link: Option<&Url>) -> String {
    let check = &notification.check;
    let mut lines = vec![notification.title(), String::new()];
    if !notification.summary.is_empty() {
        lines.extend([notification.summary.clone(), String::new()]);
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

/// Whether a certificate or the like is to blame, which is told as a failure to connect.
fn is_of_tls(error: &smtp::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if error.is::<rustls::Error>() || inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return true;
        }
        cause = error.source();
    }
    error.is_tls()
}

/// An error with its causes, which its text has in it, each kind of failure once.
fn told(error: &smtp::Error) -> String {
    let text = error.to_string();
    let mut parts: Vec<&str> = text.split(": ").collect();
    parts.dedup();
    parts.join(": ")
}
