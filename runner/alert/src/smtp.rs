//! A strict SMTP client: one mail for each session (RFC 5321, with RFC 3207 for TLS, RFC 4954 for authentication and
//! RFC 6531 for addresses beyond ASCII).
//!
//! Own implementation because the available client libraries read lines of any length; here each line and each reply is
//! bounded (see [`reply`]).

#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod reply;
#[cfg(test)]
mod tests;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

pub(super) use reply::{Reply, SmtpConnection};

use canary_outbound::http_client;

/// Why a mail was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SmtpError {
    /// The connection or its TLS could not be established.
    #[error(transparent)]
    Transport(#[from] http_client::Failure),
    /// The connection was lost.
    #[error("the connection was lost: {0}")]
    Closed(String),
    /// The server's reply is not SMTP.
    #[error("invalid SMTP reply: {0}")]
    InvalidReply(&'static str),
    /// The server rejected a command.
    #[error("the mail server answered {stage} with {} {}", reply.code, reply.text())]
    Rejected {
        /// The stage of the session.
        stage: Stage,
        /// The server's reply.
        reply: Reply,
    },
    /// The server rejected all recipients.
    #[error("the mail server answered {} with {} {}", Stage::Recipients, reply.code, reply.text())]
    AllRecipientsRejected {
        /// A temporary reply if there is one, else any reply.
        reply: Reply,
        /// All recipients with their replies.
        rejected: Vec<RejectedRecipient>,
    },
    /// The server lacks an extension that the settings or the addresses need.
    #[error("{0}")]
    Unsupported(&'static str),
}

/// Stage of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Greeting, `EHLO`, `STARTTLS` and authentication.
    Session,
    /// `MAIL FROM`.
    Sender,
    /// `RCPT TO`, rejected for all recipients.
    Recipients,
    /// `DATA` and the message.
    Message,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session => "the session",
            Self::Sender => "the sender",
            Self::Recipients => "the recipients",
            Self::Message => "the mail",
        })
    }
}

/// A recipient that the server rejected while it accepted others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RejectedRecipient {
    /// Its address.
    pub(super) recipient: String,
    /// The server's reply.
    pub(super) reply: Reply,
}

impl fmt::Display for RejectedRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { recipient, reply } = self;
        write!(f, "{recipient} ({} {})", reply.code, reply.text())
    }
}

/// A mail as sent to the server.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    /// The sender's address.
    pub(super) from: &'a str,
    /// The recipients' addresses, at least one.
    pub(super) to: &'a [&'a str],
    /// Headers and body.
    pub(super) message: &'a [u8],
}

/// The extensions that a server offers (RFC 5321, 4.1.1.1).
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Extensions {
    starttls: bool,
    smtp_utf8: bool,
    eight_bit: bool,
    plain: bool,
    login: bool,
}

impl Extensions {
    fn parse(reply: &Reply) -> Self {
        let mut extensions = Self::default();
        // The first line is the server's name.
        for line in reply.lines.iter().skip(1) {
            let mut words = line.split([' ', '=']).map(str::to_ascii_uppercase);
            match words.next().as_deref() {
                Some("STARTTLS") => extensions.starttls = true,
                Some("SMTPUTF8") => extensions.smtp_utf8 = true,
                Some("8BITMIME") => extensions.eight_bit = true,
                Some("AUTH") => {
                    for mechanism in words {
                        extensions.plain |= mechanism == "PLAIN";
                        extensions.login |= mechanism == "LOGIN";
                    }
                }
                _ => {}
            }
        }
        extensions
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> SmtpConnection<S> {
    /// Waits for the server's greeting.
    ///
    /// # Errors
    /// There is no greeting, or the server rejects the client.
    pub(super) async fn greet(&mut self) -> Result<(), SmtpError> {
        self.reply().await?.expect(2, Stage::Session).map(drop)
    }

    /// Sends `EHLO` and reads the server's extensions.
    ///
    /// # Errors
    /// The server rejects the client.
    pub(super) async fn hello(&mut self, name: &str) -> Result<Extensions, SmtpError> {
        let reply = self.command(&format!("EHLO {name}")).await?;
        let reply = reply.expect(2, Stage::Session)?;
        Ok(Extensions::parse(&reply))
    }

    /// Sends `STARTTLS` and returns the connection for the handshake.
    ///
    /// # Errors
    /// The server refuses, or sent something ahead of the handshake, which an attacker may have injected.
    pub(super) async fn starttls(mut self, extensions: &Extensions) -> Result<S, SmtpError> {
        if !extensions.starttls {
            return Err(SmtpError::Unsupported("the mail server does not offer STARTTLS"));
        }
        self.command("STARTTLS").await?.expect(2, Stage::Session)?;
        self.into_stream()
    }

    /// Authenticates.
    ///
    /// # Errors
    /// The server offers neither PLAIN nor LOGIN, or rejects the credentials.
    pub(super) async fn log_in(
        &mut self,
        extensions: &Extensions,
        user: &str,
        password: &str,
    ) -> Result<(), SmtpError> {
        if user.contains('\0') || password.contains('\0') {
            return Err(SmtpError::Unsupported(
                "the user or password contains a NUL character",
            ));
        }
        let reply = if extensions.plain {
            let response = STANDARD.encode(format!("\0{user}\0{password}"));
            self.command(&format!("AUTH PLAIN {response}")).await?
        } else if extensions.login {
            let name = self.command("AUTH LOGIN").await?;
            name.expect(3, Stage::Session)?;
            let secret = self.command(&STANDARD.encode(user)).await?;
            secret.expect(3, Stage::Session)?;
            self.command(&STANDARD.encode(password)).await?
        } else {
            return Err(SmtpError::Unsupported(
                "the mail server offers neither AUTH PLAIN nor AUTH LOGIN",
            ));
        };
        reply.expect(2, Stage::Session).map(drop)
    }

    /// Delivers the mail to the recipients that the server accepts, and ends the session. Returns the rejected
    /// recipients, which do not keep the mail from the others (RFC 5321, 3.3).
    ///
    /// # Errors
    /// The server accepts the mail for no recipient.
    pub(super) async fn send(
        &mut self,
        extensions: &Extensions,
        mail: &Envelope<'_>,
    ) -> Result<Vec<RejectedRecipient>, SmtpError> {
        let from = format!("MAIL FROM:<{}>{}", mail.from, parameters(extensions, mail)?);
        self.command(&from).await?.expect(2, Stage::Sender)?;
        let rejected = self.recipients(mail.to).await?;
        let go = self.command("DATA").await?;
        go.expect(3, Stage::Message)?;
        self.write(&data(mail.message)).await?;
        self.reply().await?.expect(2, Stage::Message)?;
        // The server has accepted the mail, so errors of `QUIT` do not matter.
        drop(self.write(b"QUIT\r\n").await);
        Ok(rejected)
    }

    /// Sends `RCPT TO` for each recipient. If all are rejected, a temporary reply takes precedence.
    async fn recipients(&mut self, recipients: &[&str]) -> Result<Vec<RejectedRecipient>, SmtpError> {
        let mut rejected: Vec<RejectedRecipient> = Vec::new();
        for recipient in recipients {
            let reply = self.command(&format!("RCPT TO:<{recipient}>")).await?;
            match reply.expect(2, Stage::Recipients) {
                Ok(_) => {}
                Err(SmtpError::Rejected { reply, .. }) => rejected.push(RejectedRecipient {
                    recipient: (*recipient).to_owned(),
                    reply,
                }),
                Err(error) => return Err(error),
            }
        }
        let is_any_accepted = rejected.len() < recipients.len();
        let decisive = rejected.iter().min_by_key(|rejected| rejected.reply.code);
        match decisive.filter(|_| !is_any_accepted) {
            None => Ok(rejected),
            Some(decisive) => Err(SmtpError::AllRecipientsRejected {
                reply: decisive.reply.clone(),
                rejected,
            }),
        }
    }

    async fn command(&mut self, line: &str) -> Result<Reply, SmtpError> {
        if line.contains(['\r', '\n']) {
            return Err(SmtpError::Unsupported("an SMTP command cannot span lines"));
        }
        self.write(format!("{line}\r\n").as_bytes()).await?;
        self.reply().await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), SmtpError> {
        let stream = self.stream();
        let written = async {
            stream.write_all(bytes).await?;
            stream.flush().await
        };
        written
            .await
            .map_err(|error| SmtpError::Closed(error.to_string()))
    }
}

/// Parameters of `MAIL FROM`.
fn parameters(extensions: &Extensions, mail: &Envelope<'_>) -> Result<String, SmtpError> {
    let mut parameters = String::new();
    if !mail.from.is_ascii() || mail.to.iter().any(|recipient| !recipient.is_ascii()) {
        if !extensions.smtp_utf8 {
            return Err(SmtpError::Unsupported(
                "an address is not in ASCII, and the mail server does not offer SMTPUTF8",
            ));
        }
        parameters.push_str(" SMTPUTF8");
    }
    if !mail.message.is_ascii() {
        if !extensions.eight_bit {
            return Err(SmtpError::Unsupported(
                "the mail is not in ASCII, and the mail server does not offer 8BITMIME",
            ));
        }
        parameters.push_str(" BODY=8BITMIME");
    }
    Ok(parameters)
}

/// The message as sent after `DATA`: every line end becomes CR LF, and a leading dot is doubled (RFC 5321, 4.5.2), so
/// that nothing in the message can end it.
fn data(message: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(message.len() + message.len() / 32 + 8);
    let mut at_start = true;
    let mut bytes = message.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\r' || byte == b'\n' {
            if byte == b'\r' && bytes.peek() == Some(&b'\n') {
                bytes.next();
            }
            data.extend_from_slice(b"\r\n");
            at_start = true;
            continue;
        }
        if at_start && byte == b'.' {
            data.push(b'.');
        }
        data.push(byte);
        at_start = false;
    }
    if !at_start {
        data.extend_from_slice(b"\r\n");
    }
    data.extend_from_slice(b".\r\n");
    data
}

/// The client's name in `EHLO`: the host name if it is valid there, else an address literal (RFC 5321, 4.1.3).
pub(super) fn client_name() -> String {
    valid_name(rustix::system::uname().nodename().to_string_lossy().into_owned())
}

fn valid_name(host: String) -> String {
    let is_name = |char: char| char.is_ascii_alphanumeric() || char == '-' || char == '.';
    if !host.is_empty() && host.len() <= 253 && host.chars().all(is_name) {
        host
    } else {
        "[127.0.0.1]".to_owned()
    }
}
