//! Servers that upgrade from plain text to TLS on request, with several kinds of misbehaviour.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio_rustls::TlsAcceptor;

use super::hostile::drain;
use super::plain::echo_back;
use super::{Connection, Peer};

/// Maximum size of a request in bytes.
const REQUEST_LIMIT_BYTES: u64 = 4096;

/// The object identifier of LDAP's request for TLS.
const LDAP_START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// The packet with which a PostgreSQL client requests TLS.
const POSTGRES_SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// The capability bit with which MySQL offers and requests TLS, in the second byte.
const MYSQL_SSL: u8 = 0x08;

/// What an injecting server appends in plain text to its positive reply.
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

/// How a server handles a request for TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartTlsBehaviour {
    /// Accepts and upgrades to TLS, then echoes.
    Upgrades,
    /// Never replies.
    Silent,
    /// Rejects it; a MySQL server does not offer TLS.
    Refuses,
    /// Accepts, appends [`INJECTED`] in plain text to the same packet, and upgrades to TLS.
    Injects,
}

impl StartTlsBehaviour {
    /// Every behaviour.
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

    /// The name in a suite.
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

    /// Starts a server of this protocol on loopback; `config` is used after the upgrade.
    pub fn start(self, behaviour: StartTlsBehaviour, config: ServerConfig) -> Peer {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Peer::tcp(move |connection| self.serve(BufReader::new(connection), behaviour, acceptor.clone()))
    }

    async fn serve(
        self,
        mut stream: BufReader<Connection>,
        behaviour: StartTlsBehaviour,
        acceptor: TlsAcceptor,
    ) -> io::Result<()> {
        stream.write_all(&self.greeting(behaviour)).await?;
        let tag = self.request(&mut stream).await?;
        match behaviour {
            StartTlsBehaviour::Silent => return drain(stream).await,
            StartTlsBehaviour::Refuses => {
                stream.write_all(&self.refusal(&tag)).await?;
                return drain(stream).await;
            }
            StartTlsBehaviour::Upgrades => stream.write_all(&self.consent(&tag)).await?,
            StartTlsBehaviour::Injects if self == Self::Mysql => {} // its greeting has it: there is no other reply
            StartTlsBehaviour::Injects => {
                stream
                    .write_all(&[&self.consent(&tag), INJECTED].concat())
                    .await?
            }
        }
        echo_back(acceptor.accept(stream).await?).await
    }

    /// What the server sends first.
    fn greeting(self, behaviour: StartTlsBehaviour) -> Vec<u8> {
        match self {
            Self::Smtp => b"220 peer.test ESMTP\r\n".into(),
            Self::Imap => b"* OK peer.test ready\r\n".into(),
            Self::Pop3 => b"+OK peer.test ready\r\n".into(),
            Self::Ftp => b"220 peer.test ready\r\n".into(),
            Self::Mysql if behaviour == StartTlsBehaviour::Injects => {
                [&mysql_greeting(MYSQL_SSL), INJECTED].concat()
            }
            Self::Mysql if behaviour == StartTlsBehaviour::Refuses => mysql_greeting(0),
            Self::Mysql => mysql_greeting(MYSQL_SSL),
            Self::Ldap | Self::Xmpp | Self::Postgres => Vec::new(),
        }
    }

    /// Replies to commands until TLS is requested. Returns the tag that the reply must carry.
    async fn request(self, stream: &mut BufReader<Connection>) -> io::Result<Vec<u8>> {
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

    async fn request_by_line(self, stream: &mut BufReader<Connection>) -> io::Result<Vec<u8>> {
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
            stream
                .write_all(self.plain_reply(tag, command).as_bytes())
                .await?;
        }
    }

    /// The reply to a line that is not about TLS.
    fn plain_reply(self, tag: &str, command: &str) -> String {
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
async fn read_until(stream: &mut BufReader<Connection>, end: u8) -> io::Result<String> {
    let mut bytes = Vec::new();
    stream
        .take(REQUEST_LIMIT_BYTES)
        .read_until(end, &mut bytes)
        .await?;
    expect(bytes.last() == Some(&end))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads an extended request for TLS; its message id, encoded.
async fn ldap_request(stream: &mut BufReader<Connection>) -> io::Result<Vec<u8>> {
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

async fn xmpp_request(stream: &mut BufReader<Connection>) -> io::Result<Vec<u8>> {
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
