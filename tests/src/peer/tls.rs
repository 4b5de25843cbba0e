//! TLS servers: well-behaved ones with any session, and hostile ones.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::TLS12;
use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::hostile::{drain, read_head, send_large_body};
use super::{Connection, Peer};
use crate::certificate::{Authority, Certificate, Leaf};

/// Size of the huge chain, in bytes.
pub const HUGE_CHAIN_BYTES: usize = 300_000;

/// Number of certificates in the chain with many certificates.
pub const MANY_CERTIFICATES: usize = 81;

/// The subject alternative names of hostile peers' certificates.
pub const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// A fatal `handshake_failure`.
const ALERT: &[u8] = &[21, 3, 3, 0, 2, 2, 40];

/// Starts a TLS server that gives each connection, once its handshake is done, to `session`.
pub fn server<S, F>(config: ServerConfig, session: S) -> Peer
where
    S: Fn(TlsStream<Connection>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Peer::tcp(move |connection| {
        let (acceptor, session) = (acceptor.clone(), session.clone());
        async move { session(acceptor.accept(connection).await?).await }
    })
}

/// Starts a small HTTPS server.
pub fn site(config: ServerConfig) -> Peer {
    server(config, |stream| serve_page(stream, false))
}

/// A configuration that presents the certificate for the name that a client sends, and `default` if that name is
/// unknown or if there is none.
#[must_use]
pub fn config_by_name(default: &Certificate, named: &[(&str, &Certificate)]) -> ServerConfig {
    let mut config = default.server_config();
    let named = named.iter();
    config.cert_resolver = Arc::new(ByName {
        default: config.cert_resolver,
        named: named
            .map(|(name, certificate)| ((*name).to_owned(), certificate.server_config().cert_resolver))
            .collect(),
    });
    config
}

/// Chooses a certificate by the name that a client sends.
#[derive(Debug)]
struct ByName {
    default: Arc<dyn ResolvesServerCert>,
    named: HashMap<String, Arc<dyn ResolvesServerCert>>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| self.named.get(name));
        named.unwrap_or(&self.default).resolve(hello)
    }
}

/// Starts a server that replies with this text instead of TLS.
pub fn talks(text: &'static [u8]) -> Peer {
    Peer::tcp(move |mut connection| async move {
        read_record(&mut connection).await?;
        connection.write_all(text).await?;
        drain(connection).await
    })
}

/// Starts a server that answers a ClientHello with its certificate if the cipher suite is offered. Otherwise it sends
/// `refusal` and closes.
pub fn legacy(version: [u8; 2], suite: u16, certificate: &Certificate, refusal: &'static [u8]) -> Peer {
    let flight = legacy_flight(version, suite, certificate);
    Peer::tcp(move |mut connection| {
        let flight = flight.clone();
        async move {
            let hello = read_record(&mut connection).await?;
            if offers(&hello, suite) {
                connection.write_all(&flight).await?;
                return drain(connection).await;
            }
            connection.write_all(refusal).await?;
            connection.shutdown().await
        }
    })
}

/// Reads the content of the next record.
async fn read_record(connection: &mut Connection) -> io::Result<Vec<u8>> {
    let mut head = [0; 5];
    connection.read_exact(&mut head).await?;
    let [.., high, low] = head;
    let mut content = vec![0; u16::from_be_bytes([high, low]).into()];
    connection.read_exact(&mut content).await?;
    Ok(content)
}

/// Whether a ClientHello offers a cipher suite.
fn offers(hello: &[u8], suite: u16) -> bool {
    // The heads of message and hello, the version and the random bytes.
    let session = hello.get(38..).and_then(<[u8]>::split_first);
    let suites = session.and_then(|(length, rest)| rest.get(usize::from(*length)..));
    let list = suites.and_then(|suites| {
        let (length, list) = suites.split_first_chunk::<2>()?;
        list.get(..u16::from_be_bytes(*length).into())
    });
    list.is_some_and(|list| list.chunks(2).any(|offered| offered == suite.to_be_bytes()))
}

/// The first flight of a TLS 1.0 to 1.2 server: ServerHello, Certificate (unencrypted) and ServerHelloDone.
#[must_use]
pub fn legacy_flight(version: [u8; 2], suite: u16, certificate: &Certificate) -> Vec<u8> {
    let message = |kind: u8, content: &[u8]| [&[kind], &length(content)[..], content].concat();
    let hello = [&version[..], &[7; 32], &[0], &suite.to_be_bytes(), &[0]].concat();
    let chain = certificate.chain();
    let list: Vec<u8> = chain
        .iter()
        .flat_map(|der| [&length(der)[..], der].concat())
        .collect();
    let messages = [
        message(2, &hello),
        message(11, &[&length(&list)[..], &list].concat()),
        message(14, &[]),
    ];
    let [_, high, low] = length(&messages.concat());
    [
        &[22, version[0], version[1], high, low],
        messages.concat().as_slice(),
    ]
    .concat()
}

/// A length in three bytes.
fn length(bytes: &[u8]) -> [u8; 3] {
    let [_, length @ ..] = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
    length
}

/// How a TLS peer misbehaves, or its peculiarity.
///
/// Where the handshake can succeed, the peer is a small HTTP server, unless the variant says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostileTls {
    /// A certificate that ended yesterday.
    Expired,
    /// A certificate that begins tomorrow.
    NotYetValid,
    /// A self-signed certificate.
    SelfSigned,
    /// A certificate for another name.
    WrongName,
    /// A certificate of an unknown authority.
    Untrusted,
    /// A good certificate in a chain of [`HUGE_CHAIN_BYTES`].
    HugeChain,
    /// A good certificate in a chain of [`MANY_CERTIFICATES`] small ones.
    ManyCertificates,
    /// Reads the ClientHello and never replies.
    SilentAfterHello,
    /// Sends the ServerHello and half of the remaining flight, then nothing.
    StopsMidway,
    /// Closes after the ClientHello.
    ClosesAfterHello,
    /// Answers the ClientHello with a fatal alert.
    Alert,
    /// Answers the ClientHello with bytes that are not TLS.
    Garbage,
    /// Good, but supports nothing newer than TLS 1.2.
    OnlyTls12,
    /// Completes the handshake, then sends nothing.
    SilentAfterHandshake,
    /// Completes the handshake, then sends a large response and keeps the connection open.
    LargeBody,
}

impl HostileTls {
    /// Every kind, for tests that loop over all.
    pub const ALL: [Self; 15] = [
        Self::Expired,
        Self::NotYetValid,
        Self::SelfSigned,
        Self::WrongName,
        Self::Untrusted,
        Self::HugeChain,
        Self::ManyCertificates,
        Self::SilentAfterHello,
        Self::StopsMidway,
        Self::ClosesAfterHello,
        Self::Alert,
        Self::Garbage,
        Self::OnlyTls12,
        Self::SilentAfterHandshake,
        Self::LargeBody,
    ];

    /// Its name in the messages of tests that loop over all.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired certificate",
            Self::NotYetValid => "certificate not yet valid",
            Self::SelfSigned => "self-signed certificate",
            Self::WrongName => "certificate for another name",
            Self::Untrusted => "untrusted certificate",
            Self::HugeChain => "huge chain",
            Self::ManyCertificates => "many certificates",
            Self::SilentAfterHello => "silent after the hello",
            Self::StopsMidway => "stops in the handshake",
            Self::ClosesAfterHello => "closes after the hello",
            Self::Alert => "alert",
            Self::Garbage => "garbage",
            Self::OnlyTls12 => "only tls 1.2",
            Self::SilentAfterHandshake => "silent after the handshake",
            Self::LargeBody => "large body",
        }
    }

    /// Starts a peer of this kind on loopback. Where the kind says nothing else, `authority` issues the
    /// certificate, for [`NAMES`].
    pub fn start(self, authority: &Authority) -> Peer {
        let config = self.config(authority);
        match self {
            Self::SilentAfterHello
            | Self::StopsMidway
            | Self::ClosesAfterHello
            | Self::Alert
            | Self::Garbage => {
                let config = Arc::new(config);
                Peer::tcp(move |connection| self.interrupt(connection, config.clone()))
            }
            Self::SilentAfterHandshake => server(config, drain),
            Self::LargeBody => server(config, |stream| serve_page(stream, true)),
            _ => server(config, |stream| serve_page(stream, false)),
        }
    }

    fn config(self, authority: &Authority) -> ServerConfig {
        let leaf = match self {
            Self::Expired => authority.leaf(&NAMES).valid_until_days(-1),
            Self::NotYetValid => authority.leaf(&NAMES).valid_from_days(1),
            Self::SelfSigned => Leaf::self_signed(&NAMES),
            Self::WrongName => authority.leaf(&["wrong.example.com"]),
            Self::Untrusted => return Authority::new("Unknown").leaf(&NAMES).issue().server_config(),
            _ => authority.leaf(&NAMES),
        };
        match self {
            Self::HugeChain => leaf.issue().padded_to(HUGE_CHAIN_BYTES).server_config(),
            Self::ManyCertificates => leaf.issue().repeated(MANY_CERTIFICATES).server_config(),
            Self::OnlyTls12 => leaf.issue().server_config_with(&[&TLS12], None),
            _ => leaf.issue().server_config(),
        }
    }

    /// Reads the ClientHello and interrupts the handshake.
    async fn interrupt(self, mut connection: Connection, config: Arc<ServerConfig>) -> io::Result<()> {
        let mut hello = ServerConnection::new(config).map_err(io::Error::other)?;
        read_hello(&mut connection, &mut hello).await?;
        match self {
            Self::ClosesAfterHello => return Ok(()),
            Self::Alert => connection.write_all(ALERT).await?,
            Self::Garbage => connection.write_all(b"\x00\xffthis is no tls\r\n").await?,
            Self::StopsMidway => connection.write_all(first_half(&mut hello)?.as_slice()).await?,
            _ => {}
        }
        drain(connection).await
    }
}

/// Feeds received bytes to `server` until the ClientHello is complete.
async fn read_hello(connection: &mut Connection, server: &mut ServerConnection) -> io::Result<()> {
    let mut buffer = [0; 4096];
    while !server.wants_write() {
        let read = connection.read(&mut buffer).await?;
        let mut unread = buffer.get(..read).unwrap_or_default();
        if unread.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        server.read_tls(&mut unread)?;
        server.process_new_packets().map_err(io::Error::other)?;
    }
    Ok(())
}

/// The first half of the server's flight.
fn first_half(server: &mut ServerConnection) -> io::Result<Vec<u8>> {
    let mut flight = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut flight)?;
    }
    flight.truncate(flight.len() / 2);
    Ok(flight)
}

/// Answers every request with a large or a small page.
async fn serve_page(mut stream: impl AsyncRead + AsyncWrite + Unpin, large: bool) -> io::Result<()> {
    while read_head(&mut stream).await?.is_some() {
        if large {
            send_large_body(&mut stream).await?;
        } else {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .await?;
            stream.flush().await?;
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
