//! Servers that start in plain text and turn to TLS when they are asked: good ones, silent ones, liars.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio_rustls::TlsAcceptor;

use super::hostile::drain;
use super::plain::echo_back;
use super::{Peer, Wire};

/// The most that is read of one request, in bytes.
const REQUEST_LIMIT_BYTES: u64 = 4096;

/// The object identifier of LDAP's request for TLS.
const LDAP_START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// The packet with which a PostgreSQL client asks for TLS.
const POSTGRES_SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// The capability bit by which MySQL offers and asks for TLS, in the second byte.
const MYSQL_SSL: u8 = 0x08;

/// What an injecting server adds in plain text after its consent.
pub const INJECTED: &[u8] = b"250 injected in plain text\r\n";

/// A protocol that upgrades to TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `STARTTLS` after `EHLO`.
    Smtp,
    /// A tagged `STARTTLS`.
    Imap,
    /// `STLS`.
    Pop3,
    /// `AUTH TLS`.
    Ftp,
    /// An extended request.
    Ldap,
    /// A `<starttls/>` element.
    Xmpp,
    /// An `SSLRequest` packet.
    Postgres,
    /// A capability bit of the client's first packet.
    Mysql,
}

/// What the server does with a request for TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    /// Consents and turns to TLS; then sends back what it receives.
    Upgrades,
    /// Never answers it.
    Silent,
    /// Refuses it; a MySQL server does not offer it.
    Refuses,
    /// Consents, adds [`INJECTED`] in plain text to the same packet, and turns to TLS.
    Injects,
}

impl Conduct {
    /// Every conduct.
    pub const ALL: [Self; 4] = [Self::Upgrades, Self::Silent, Self::Refuses, Self::Injects];
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 8] = [
        Self::Smtp,
        Self::Imap,
        Self::Pop3,
        Self::Ftp,
        Self::Ldap,
        Self::Xmpp,
        Self::Postgres,
        Self::Mysql,
    ];

    /// Its name in a suite.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Ftp => "ftp",
            Self::Ldap => "ldap",
            Self::Xmpp => "xmpp",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }

    /// Starts a server of this protocol on loopback; `config` is for the TLS that it turns to.
    pub fn start(self, conduct: Conduct, config: ServerConfig) -> Peer {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Peer::tcp(move |wire| self.serve(BufReader::new(wire), conduct, acceptor.clone()))
    }

    async fn serve(
        self,
        mut stream: BufReader<Wire>,
        conduct: Conduct,
        acceptor: TlsAcceptor,
    ) -> io::Result<()> {
        stream.write_all(&self.greeting(conduct)).await?;
        let tag = self.request(&mut stream).await?;
        match conduct {
            Conduct::Silent => return drain(stream).await,
            Conduct::Refuses => {
                stream.write_all(&self.refusal(&tag)).await?;
                return drain(stream).await;
            }
            Conduct::Upgrades => stream.write_all(&self.consent(&tag)).await?,
            Conduct::Injects if self == Self::Mysql => {} // its greeting has it: there is no other reply
            Conduct::Injects => {
                stream
                    .write_all(&[&self.consent(&tag), INJECTED].concat())
                    .await?
            }
        }
        echo_back(acceptor.accept(stream).await?).await
    }

    /// What the server says first.
    fn greeting(self, conduct: Conduct) -> Vec<u8> {
        match self {
            Self::Smtp => b"220 peer.test ESMTP\r\n".into(),
            Self::Imap => b"* OK peer.test ready\r\n".into(),
            Self::Pop3 => b"+OK peer.test ready\r\n".into(),
            Self::Ftp => b"220 peer.test ready\r\n".into(),
            Self::Mysql if conduct == Conduct::Injects => [&mysql_greeting(MYSQL_SSL), INJECTED].concat(),
            Self::Mysql if conduct == Conduct::Refuses => mysql_greeting(0),
            Self::Mysql => mysql_greeting(MYSQL_SSL),
            Self::Ldap | Self::Xmpp | Self::Postgres => Vec::new(),
        }
    }

    /// Waits for the request for TLS and answers what comes before it; the tag that the reply must carry.
    async fn request(self, stream: &mut BufReader<Wire>) -> io::Result<Vec<u8>> {
        match self {
            Self::Smtp | Self::Imap | Self::Pop3 | Self::Ftp => self.request_by_line(stream).await,
            Self::Ldap => ldap_request(stream).await,
            Self::Xmpp => xmpp_request(stream).await,
            Self::Postgres => {
                let mut packet = [0; POSTGRES_SSL_REQUEST.len()];
                stream.read_exact(&mut packet).await?;
                expect(packet == POSTGRES_SSL_REQUEST).map(|()| Vec::new())
            }
            Self::Mysql => {
                let mut packet = [0; 36];
                stream.read_exact(&mut packet).await?;
                let [32, 0, 0, 1, _, capabilities, ..] = packet else {
                    return expect(false).map(|()| Vec::new());
                };
                expect(capabilities & MYSQL_SSL != 0).map(|()| Vec::new())
            }
        }
    }

    async fn request_by_line(self, stream: &mut BufReader<Wire>) -> io::Result<Vec<u8>> {
        loop {
            let line = read_until(stream, b'\n').await?;
            let line = line.trim();
            let (tag, command) = match self {
                Self::Imap => line.split_once(' ').unwrap_or((line, "")),
                _ => ("", line),
            };
            let verb = match self {
                Self::Pop3 => "STLS",
                Self::Ftp => "AUTH TLS",
                _ => "STARTTLS",
            };
            if command.eq_ignore_ascii_case(verb) {
                return Ok(tag.into());
            }
            stream.write_all(self.small_talk(tag, command).as_bytes()).await?;
        }
    }

    /// The reply to a line that is not about TLS.
    fn small_talk(self, tag: &str, command: &str) -> String {
        let verb = command.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        match (self, verb.as_str()) {
            (Self::Smtp, "EHLO") => "250-peer.test\r\n250-PIPELINING\r\n250 STARTTLS\r\n".into(),
            (Self::Imap, "CAPABILITY") => format!("* CAPABILITY IMAP4rev1 STARTTLS\r\n{tag} OK done\r\n"),
            (Self::Imap, _) => format!("{tag} BAD unknown\r\n"),
            (Self::Pop3, "CAPA") => "+OK\r\nSTLS\r\n.\r\n".into(),
            (Self::Pop3, _) => "-ERR unknown\r\n".into(),
            (Self::Ftp, "FEAT") => "211-Features\r\n AUTH TLS\r\n211 End\r\n".into(),
            _ => "500 unknown\r\n".into(),
        }
    }

    fn consent(self, tag: &[u8]) -> Vec<u8> {
        match self {
            Self::Smtp => b"220 go ahead\r\n".into(),
            Self::Imap => [tag, b" OK go ahead\r\n"].concat(),
            Self::Pop3 => b"+OK go ahead\r\n".into(),
            Self::Ftp => b"234 go ahead\r\n".into(),
            Self::Ldap => ldap_response(tag, 0),
            Self::Xmpp => b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>".into(),
            Self::Postgres => b"S".into(),
            Self::Mysql => Vec::new(),
        }
    }

    fn refusal(self, tag: &[u8]) -> Vec<u8> {
        match self {
            Self::Smtp => b"454 TLS not available\r\n".into(),
            Self::Imap => [tag, b" NO not available\r\n"].concat(),
            Self::Pop3 => b"-ERR not available\r\n".into(),
            Self::Ftp => b"534 not available\r\n".into(),
            Self::Ldap => ldap_response(tag, 52),
            Self::Xmpp => b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>".into(),
            Self::Postgres => b"N".into(),
            Self::Mysql => Vec::new(),
        }
    }
}

fn expect(as_agreed: bool) -> io::Result<()> {
    if as_agreed {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

/// Reads up to and with `end`, as text.
async fn read_until(stream: &mut BufReader<Wire>, end: u8) -> io::Result<String> {
    let mut bytes = Vec::new();
    stream
        .take(REQUEST_LIMIT_BYTES)
        .read_until(end, &mut bytes)
        .await?;
    expect(bytes.last() == Some(&end))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads an extended request for TLS; its message id, encoded.
async fn ldap_request(stream: &mut BufReader<Wire>) -> io::Result<Vec<u8>> {
    expect(stream.read_u8().await? == 0x30)?;
    let length = stream.read_u8().await?;
    expect(length < 0x80)?;
    let mut message = vec![0; length.into()];
    stream.read_exact(&mut message).await?;
    expect(
        message
            .windows(LDAP_START_TLS.len())
            .any(|window| window == LDAP_START_TLS),
    )?;
    let id_bytes = message.get(1).copied().unwrap_or_default();
    let id = message
        .get(..2 + usize::from(id_bytes))
        .ok_or(io::ErrorKind::InvalidData)?;
    Ok(id.into())
}

/// An extended response to the message with this encoded id.
fn ldap_response(id: &[u8], code: u8) -> Vec<u8> {
    let result = [0x78, 7, 0x0a, 1, code, 4, 0, 4, 0];
    let length = u8::try_from(id.len() + result.len()).expect("an id has a few bytes");
    [&[0x30, length], id, &result].concat()
}

async fn xmpp_request(stream: &mut BufReader<Wire>) -> io::Result<Vec<u8>> {
    while !read_until(stream, b'>').await?.contains("<stream:stream") {}
    stream
        .write_all(
            b"<?xml version='1.0'?><stream:stream from='peer.test' id='1' version='1.0' xmlns='jabber:client' \
              xmlns:stream='http://etherx.jabber.org/streams'><stream:features>\
              <starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>",
        )
        .await?;
    while !read_until(stream, b'>').await?.contains("<starttls") {}
    Ok(Vec::new())
}

/// The first packet of a MySQL server, protocol version 10.
fn mysql_greeting(ssl: u8) -> Vec<u8> {
    let payload = [
        b"\x0a8.0.36-peer\0".as_slice(),
        &[1, 0, 0, 0],                       // connection id
        b"saltsalt\0",                       // first part of the salt
        &[0x08, 0x82 | ssl], // capabilities: connect with database, protocol 4.1, secure connection
        &[0xff, 0x02, 0x00], // character set, status
        &[0x08, 0x00],       // upper capabilities: plugin authentication
        &[21, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // length of the salt, filler
        b"saltsaltsalt\0",   // second part of the salt
        b"mysql_native_password\0",
    ]
    .concat();
    let length = u8::try_from(payload.len()).expect("a short packet");
    [&[length, 0, 0, 0], payload.as_slice()].concat()
}

#[cfg(test)]
mod tests;
