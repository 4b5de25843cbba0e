//! A strict client of SMTP: one mail in a session of its own (RFC 5321, with 3207 for TLS, 4954 for a login, and 6531
//! for addresses beyond ASCII).
//!
//! Written here since what reads for a client library reads a line of any length: each line and each reply of a
//! server has a bound ([`reply`]).

#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod reply;
#[cfg(test)]
mod tests;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

pub(super) use reply::{Conversation, Reply};

use crate::wire;

/// Why a mail was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SmtpError {
    /// There is no connection, or none that protects the session.
    #[error(transparent)]
    Link(#[from] wire::Failure),
    /// The connection broke.
    #[error("the connection ended: {0}")]
    Closed(String),
    /// What the server says is not SMTP.
    #[error("the answer is not SMTP: {0}")]
    Garbage(&'static str),
    /// The server said no.
    #[error("the mail server answered {step} with {} {}", reply.code, reply.text())]
    Rejected {
        /// To what.
        step: Step,
        /// What it said.
        reply: Reply,
    },
    /// The server takes the mail for none of its receivers.
    #[error("the mail server answered {} with {} {}", Step::Receivers, reply.code, reply.text())]
    NobodyTaken {
        /// What it said of one that it may take later, if there is such a one, or else of another.
        reply: Reply,
        /// All of them.
        left: Vec<Left>,
    },
    /// The server cannot do what the settings or the addresses need.
    #[error("{0}")]
    Unsupported(&'static str),
}

/// How far a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The server speaks with us or not: greeting, `EHLO`, `STARTTLS`, and the login.
    Session,
    /// It takes mail of this sender or not.
    Sender,
    /// It takes mail for none of the receivers.
    Receivers,
    /// It takes this very mail or not.
    Message,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session => "the session",
            Self::Sender => "the sender",
            Self::Receivers => "the receivers",
            Self::Message => "the mail",
        })
    }
}

/// A receiver that the server takes no mail for, though for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Left {
    /// Its address.
    pub(super) receiver: String,
    /// What the server said.
    pub(super) reply: Reply,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { receiver, reply } = self;
        write!(f, "{receiver} ({} {})", reply.code, reply.text())
    }
}

/// A mail as it goes over the wire.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    /// The sender's address.
    pub(super) from: &'a str,
    /// The receivers' addresses, at least one.
    pub(super) to: &'a [&'a str],
    /// Headers and text.
    pub(super) message: &'a [u8],
}

/// What a server says that it can do (RFC 5321, 4.1.1.1).
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Extensions {
    starttls: bool,
    smtp_utf8: bool,
    eight_bit: bool,
    plain: bool,
    login: bool,
}

impl Extensions {
    fn of(reply: &Reply) -> Self {
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

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    /// Waits for the server's greeting.
    ///
    /// # Errors
    /// There is none, or it sends the client away.
    pub(super) async fn greet(&mut self) -> Result<(), SmtpError> {
        self.reply().await?.expect(2, Step::Session).map(drop)
    }

    /// Says who we are, and learns what the server can do.
    ///
    /// # Errors
    /// The server does not speak with us.
    pub(super) async fn hello(&mut self, name: &str) -> Result<Extensions, SmtpError> {
        let reply = self.command(&format!("EHLO {name}")).await?;
        let reply = reply.expect(2, Step::Session)?;
        Ok(Extensions::of(&reply))
    }

    /// Asks for TLS, and gives the connection back for its handshake.
    ///
    /// # Errors
    /// The server refuses, or has sent something ahead: in plain text, so that anyone on the way can have written it.
    pub(super) async fn starttls(mut self, extensions: &Extensions) -> Result<S, SmtpError> {
        if !extensions.starttls {
            return Err(SmtpError::Unsupported("the mail server does not offer STARTTLS"));
        }
        self.command("STARTTLS").await?.expect(2, Step::Session)?;
        self.into_stream()
    }

    /// Logs in.
    ///
    /// # Errors
    /// The server knows none of our ways to log in, or refuses this login.
    pub(super) async fn log_in(
        &mut self,
        extensions: &Extensions,
        user: &str,
        password: &str,
    ) -> Result<(), SmtpError> {
        if user.contains('\0') || password.contains('\0') {
            return Err(SmtpError::Unsupported(
                "a login cannot have a NUL character in it",
            ));
        }
        let reply = if extensions.plain {
            let response = STANDARD.encode(format!("\0{user}\0{password}"));
            self.command(&format!("AUTH PLAIN {response}")).await?
        } else if extensions.login {
            let name = self.command("AUTH LOGIN").await?;
            name.expect(3, Step::Session)?;
            let secret = self.command(&STANDARD.encode(user)).await?;
            secret.expect(3, Step::Session)?;
            self.command(&STANDARD.encode(password)).await?
        } else {
            return Err(SmtpError::Unsupported(
                "the mail server offers no login by PLAIN or LOGIN",
            ));
        };
        reply.expect(2, Step::Session).map(drop)
    }

    /// Hands the mail over for those receivers that the server takes, and ends the session. Returns the others, of which
    /// one does not keep the mail from the rest (RFC 5321, 3.3).
    ///
    /// # Errors
    /// The server does not take it for any.
    pub(super) async fn send(
        &mut self,
        extensions: &Extensions,
        mail: &Envelope<'_>,
    ) -> Result<Vec<Left>, SmtpError> {
        let from = format!("MAIL FROM:<{}>{}", mail.from, parameters(extensions, mail)?);
        self.command(&from).await?.expect(2, Step::Sender)?;
        let left = self.receivers(mail.to).await?;
        let go = self.command("DATA").await?;
        go.expect(3, Step::Message)?;
        self.write(&data(mail.message)).await?;
        self.reply().await?.expect(2, Step::Message)?;
        // The server has the mail, whatever becomes of the goodbye.
        drop(self.write(b"QUIT\r\n").await);
        Ok(left)
    }

    /// Names the receivers. Where the server takes none, one that it may take later decides.
    async fn receivers(&mut self, receivers: &[&str]) -> Result<Vec<Left>, SmtpError> {
        let mut left: Vec<Left> = Vec::new();
        for receiver in receivers {
            let reply = self.command(&format!("RCPT TO:<{receiver}>")).await?;
            match reply.expect(2, Step::Receivers) {
                Ok(_) => {}
                Err(SmtpError::Rejected { reply, .. }) => left.push(Left {
                    receiver: (*receiver).to_owned(),
                    reply,
                }),
                Err(error) => return Err(error),
            }
        }
        let is_any_taken = left.len() < receivers.len();
        let decisive = left.iter().min_by_key(|left| left.reply.code);
        match decisive.filter(|_| !is_any_taken) {
            None => Ok(left),
            Some(decisive) => Err(SmtpError::NobodyTaken {
                reply: decisive.reply.clone(),
                left,
            }),
        }
    }

    async fn command(&mut self, line: &str) -> Result<Reply, SmtpError> {
        if line.contains(['\r', '\n']) {
            return Err(SmtpError::Unsupported("a command cannot have more than one line"));
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

/// What `MAIL` has to announce.
fn parameters(extensions: &Extensions, mail: &Envelope<'_>) -> Result<String, SmtpError> {
    let mut parameters = String::new();
    if !mail.from.is_ascii() || mail.to.iter().any(|receiver| !receiver.is_ascii()) {
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

/// A message with its end: each line ends in CR and LF whatever it ended in, and a line that begins with a dot gets
/// another (RFC 5321, 4.5.2), so that nothing in a message ends it.
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

/// The name that a client gives itself: the host's, where it can be one in a command, or else its address as RFC 5321
/// wants it (4.1.3).
pub(super) fn client_name() -> String {
    name_of(rustix::system::uname().nodename().to_string_lossy().into_owned())
}

fn name_of(host: String) -> String {
    let is_name = |char: char| char.is_ascii_alphanumeric() || char == '-' || char == '.';
    match !host.is_empty() && host.len() <= 253 && host.chars().all(is_name) {
        true => host,
        false => "[127.0.0.1]".to_owned(),
    }
}
