//! A mail server (RFC 5321, 3207, 4954) that records every accepted mail.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::peer::{Connection, Peer};

/// Maximum size of a mail in bytes.
const MAIL_LIMIT_BYTES: u64 = 1 << 20;

/// How sessions are protected.
pub enum Protection {
    /// No TLS.
    None,
    /// `STARTTLS` is offered and required before mail.
    Starttls(ServerConfig),
    /// TLS from the first byte.
    Implicit(ServerConfig),
}

/// A mail as it arrived.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Of `MAIL FROM`.
    pub from: String,
    /// Of each `RCPT TO`.
    pub to: Vec<String>,
    /// Headers and text.
    pub data: String,
    /// Whether it came over TLS.
    pub is_protected: bool,
    /// User and password, if there was a login.
    pub login: Option<(String, String)>,
}

struct State {
    starttls: Option<TlsAcceptor>,
    implicit: Option<TlsAcceptor>,
    /// A command and the reply to it, in place of the normal one.
    reply_override: Mutex<Option<(String, String)>>,
    /// Rejected recipients, each with the reply.
    refused: Mutex<Vec<(String, String)>>,
    mails: watch::Sender<Vec<Mail>>,
}

impl State {
    /// The reply that overrides the normal one to a command, if any.
    fn overridden_reply(&self, verb: &str, argument: &str) -> Option<String> {
        let reply_override = self.reply_override.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, reply)) = reply_override.as_ref().filter(|(command, _)| command == verb) {
            return Some(reply.clone());
        }
        let receiver = (verb == "RCPT").then(|| address(argument))?;
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = refused.iter().find(|(refused, _)| *refused == receiver);
        refused.map(|(_, reply)| reply.clone())
    }
}

/// A mail server on loopback.
pub struct MailServer {
    peer: Peer,
    state: Arc<State>,
}

impl MailServer {
    /// Starts it.
    #[must_use]
    pub fn start(protection: Protection) -> Self {
        let acceptor = |config| TlsAcceptor::from(Arc::new(config));
        let (starttls, implicit) = match protection {
            Protection::None => (None, None),
            Protection::Starttls(config) => (Some(acceptor(config)), None),
            Protection::Implicit(config) => (None, Some(acceptor(config))),
        };
        let state = Arc::new(State {
            starttls,
            implicit,
            reply_override: Mutex::default(),
            refused: Mutex::default(),
            mails: watch::Sender::default(),
        });
        let shared = state.clone();
        Self {
            peer: Peer::tcp(move |connection| serve(connection, shared.clone())),
            state,
        }
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.peer.address().port()
    }

    /// Overrides the reply to a command such as `RCPT` from now on; `None` restores the normal replies.
    pub fn override_reply(&self, reply: Option<(&str, &str)>) {
        let reply = reply.map(|(command, reply)| (command.to_owned(), reply.to_owned()));
        *self
            .state
            .reply_override
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = reply;
    }

    /// Rejects a recipient with this reply from now on.
    pub fn refuse(&self, receiver: &str, reply: &str) {
        let mut refused = self.state.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.retain(|(refused, _)| refused != receiver);
        refused.push((receiver.to_owned(), reply.to_owned()));
    }

    /// Accepts all recipients from now on.
    pub fn accept_all(&self) {
        let mut refused = self.state.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.clear();
    }

    /// The accepted mails, in order.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.state.mails.borrow().clone()
    }

    /// Waits until it has accepted this many mails. Waits forever otherwise: use a time-out.
    pub async fn until(&self, count: usize) {
        let mut mails = self.state.mails.subscribe();
        // The sender lives as long as this.
        let _there = mails.wait_for(|mails| mails.len() >= count).await;
    }
}

async fn serve(connection: Connection, state: Arc<State>) -> io::Result<()> {
    if let Some(tls) = &state.implicit {
        let mut stream = BufReader::new(tls.accept(connection).await?);
        stream.write_all(b"220 mail.test ESMTP\r\n").await?;
        return session(&mut stream, &state, true).await.map(drop);
    }
    let mut stream = BufReader::new(connection);
    stream.write_all(b"220 mail.test ESMTP\r\n").await?;
    let wants_tls = session(&mut stream, &state, false).await?;
    match &state.starttls {
        Some(tls) if wants_tls => {
            let mut stream = BufReader::new(tls.accept(stream.into_inner()).await?);
            session(&mut stream, &state, true).await.map(drop)
        }
        _ => Ok(()),
    }
}

/// How a session continues after a command.
enum NextStep {
    Continue,
    /// The client upgrades to TLS.
    Tls,
    Ends,
}

/// Serves until the client leaves (`false`) or requests TLS (`true`).
async fn session<S>(stream: &mut BufReader<S>, state: &State, is_protected: bool) -> io::Result<bool>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut mail = Mail {
        from: String::new(),
        to: Vec::new(),
        data: String::new(),
        is_protected,
        login: None,
    };
    while let Some(line) = line(stream).await? {
        match command(stream, state, &mut mail, &line).await? {
            NextStep::Continue => {}
            NextStep::Tls => return Ok(true),
            NextStep::Ends => break,
        }
    }
    Ok(false)
}

async fn command<S>(
    stream: &mut BufReader<S>,
    state: &State,
    mail: &mut Mail,
    line: &str,
) -> io::Result<NextStep>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let verb = line
        .split([' ', ':'])
        .next()
        .unwrap_or_default()
        .to_ascii_uppercase();
    let argument = line.get(verb.len()..).unwrap_or_default().trim();
    if let Some(reply) = state.overridden_reply(&verb, argument) {
        return send_reply(stream, &reply).await.map(|()| NextStep::Continue);
    }
    let needs_tls = state.starttls.is_some() && !mail.is_protected;
    let reply = match verb.as_str() {
        "EHLO" if needs_tls => "250-mail.test\r\n250 STARTTLS",
        "EHLO" => "250-mail.test\r\n250-8BITMIME\r\n250 AUTH PLAIN",
        "STARTTLS" if needs_tls => return send_reply(stream, "220 go ahead").await.map(|()| NextStep::Tls),
        "MAIL" if needs_tls => "530 must issue a STARTTLS command first",
        "AUTH" if !needs_tls => {
            mail.login = login(argument);
            if mail.login.is_some() {
                "235 welcome"
            } else {
                "535 no"
            }
        }
        "MAIL" => {
            mail.from = address(argument);
            "250 ok"
        }
        "RCPT" => {
            mail.to.push(address(argument));
            "250 ok"
        }
        "DATA" => {
            send_reply(stream, "354 go on").await?;
            mail.data = data(stream).await?;
            state.mails.send_modify(|mails| mails.push(mail.clone()));
            "250 taken"
        }
        "NOOP" | "RSET" => "250 ok",
        "QUIT" => return send_reply(stream, "221 bye").await.map(|()| NextStep::Ends),
        _ => "502 unknown",
    };
    send_reply(stream, reply).await.map(|()| NextStep::Continue)
}

async fn send_reply<S: AsyncWrite + Unpin>(stream: &mut S, reply: &str) -> io::Result<()> {
    stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
    stream.flush().await
}

/// The next line without its end; `None` when the client is gone.
async fn line<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> io::Result<Option<String>> {
    let mut line = String::new();
    let length = stream.take(MAIL_LIMIT_BYTES).read_line(&mut line).await?;
    Ok((length > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Reads lines up to a single dot.
async fn data<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> io::Result<String> {
    let mut data = String::new();
    loop {
        match line(stream).await? {
            Some(line) if line == "." => return Ok(data),
            Some(line) => data += &format!("{}\n", line.strip_prefix('.').unwrap_or(&line)),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// The address between angle brackets.
fn address(argument: &str) -> String {
    let inside = argument
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    inside.map(|(address, _)| address.to_owned()).unwrap_or_default()
}

/// `PLAIN` with an initial response.
fn login(argument: &str) -> Option<(String, String)> {
    let decoded = STANDARD.decode(argument.strip_prefix("PLAIN ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let mut parts = text.split('\0').skip(1).map(str::to_owned);
    Some((parts.next()?, parts.next()?))
}
