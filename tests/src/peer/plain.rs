//! Simple well-behaved servers, and one with a full accept queue.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream as StdStream};
use std::ops::Deref;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::hostile::read_head;
use super::log::Log;
use super::{Connection, Peer, tls};
use crate::certificate::{Authority, Certificate};

/// Maximum length of a line in bytes.
const LINE_LIMIT_BYTES: u64 = 4096;

/// A server that sends back what it receives.
pub fn echo() -> Peer {
    Peer::tcp(echo_back)
}

/// Sends back what it receives until the client has closed.
pub(super) async fn echo_back(stream: impl AsyncRead + AsyncWrite) -> io::Result<()> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    tokio::io::copy(&mut reader, &mut writer).await?;
    writer.shutdown().await
}

/// An echo server over TLS that demands a client certificate issued by `clients`.
pub fn mutual_tls(certificate: &Certificate, clients: &Authority) -> Peer {
    tls::server(
        certificate.server_config_with(rustls::ALL_VERSIONS, Some(clients)),
        echo_back,
    )
}

/// A listener whose queue is full: connecting to it neither succeeds nor fails.
pub fn full() -> Peer {
    full_at((Ipv4Addr::LOCALHOST, 0).into())
}

/// Same as [`full`], at this address.
pub fn full_at(address: SocketAddr) -> Peer {
    let listen = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.bind(address)?;
        let listener = socket.listen(0)?;
        // A backlog of 0 has room for one connection.
        let waiting = StdStream::connect(listener.local_addr()?)?;
        Ok::<_, io::Error>((listener, waiting))
    };
    let (listener, waiting) = listen().expect("a free port on loopback");
    let mut peer = Peer::idle(listener.local_addr().expect("a bound socket"));
    let _listener = peer.keep(listener);
    let _waiting = peer.keep(waiting);
    peer
}

/// A line-based server that sends a greeting and replies to commands, like a mail server.
#[derive(Clone, Debug)]
pub struct Dialogue {
    greeting: String,
    replies: Vec<(String, String, bool)>,
    otherwise: String,
}

impl Dialogue {
    /// A server with this greeting (may be empty) that replies `500 unknown` to every line.
    #[must_use]
    pub fn new(greeting: &str) -> Self {
        Self {
            greeting: greeting.into(),
            replies: Vec::new(),
            otherwise: "500 unknown\r\n".into(),
        }
    }

    /// Sets the reply to lines that begin with `prefix`; the first match counts.
    #[must_use]
    pub fn reply(mut self, prefix: &str, answer: &str) -> Self {
        self.replies.push((prefix.into(), answer.into(), false));
        self
    }

    /// Sets the reply to lines that begin with `prefix`, after which the server closes.
    #[must_use]
    pub fn farewell(mut self, prefix: &str, answer: &str) -> Self {
        self.replies.push((prefix.into(), answer.into(), true));
        self
    }

    /// Starts the server on loopback.
    pub fn start(self) -> Peer {
        let dialogue = Arc::new(self);
        Peer::tcp(move |connection| {
            let dialogue = dialogue.clone();
            async move { dialogue.serve(BufReader::new(connection)).await }
        })
    }

    async fn serve(&self, mut stream: BufReader<Connection>) -> io::Result<()> {
        stream.write_all(self.greeting.as_bytes()).await?;
        loop {
            let mut line = String::new();
            if (&mut stream).take(LINE_LIMIT_BYTES).read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let reply = self.replies.iter().find(|(prefix, ..)| line.starts_with(prefix));
            let (answer, last) = reply.map_or((&self.otherwise, false), |(_, answer, last)| (answer, *last));
            stream.write_all(answer.as_bytes()).await?;
            if last {
                return Ok(());
            }
        }
    }
}

/// An HTTP forward proxy on loopback, with or without TLS: `CONNECT`, and requests with an absolute URI.
///
/// [`Peer::open`] counts both sides. A connection that is still being opened on drop ends with its task, a moment
/// later than the others.
pub struct Proxy {
    peer: Peer,
    heads: Log<String>,
}

impl Proxy {
    /// Starts a proxy without authentication.
    #[must_use]
    pub fn start() -> Self {
        Self::with(None, None)
    }

    /// Starts a proxy that requires this `proxy-authorization`.
    #[must_use]
    pub fn demanding(credentials: &str) -> Self {
        Self::with(Some(credentials.into()), None)
    }

    /// Starts a proxy that is contacted over TLS and requires this `proxy-authorization`, where given.
    #[must_use]
    pub fn secure(config: ServerConfig, credentials: Option<&str>) -> Self {
        Self::with(credentials.map(Into::into), Some(config))
    }

    fn with(credentials: Option<String>, tls: Option<ServerConfig>) -> Self {
        let heads = Log::<String>::default();
        let (log, credentials) = (heads.clone(), Arc::new(credentials));
        let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        let peer = Peer::tcp(move |connection| {
            let (log, credentials, acceptor) = (log.clone(), credentials.clone(), acceptor.clone());
            async move {
                let credentials = credentials.as_deref();
                let Some(acceptor) = acceptor else {
                    return forward(connection, |client| client, &log, credentials).await;
                };
                let client = acceptor.accept(connection).await?;
                forward(client, |client| client.get_ref().0, &log, credentials).await
            }
        });
        Self { peer, heads }
    }

    /// The request heads that it received, one for each connection, oldest first, at most [`super::MAX_ENTRIES`].
    #[must_use]
    pub fn heads(&self) -> Vec<String> {
        self.heads.entries()
    }
}

impl Deref for Proxy {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.peer
    }
}

/// Reads the first request, connects to its destination and copies bytes in both directions.
async fn forward<S>(
    mut client: S,
    connection: impl Fn(&S) -> &Connection,
    log: &Log<String>,
    credentials: Option<&str>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(head) = read_head(&mut client).await? else {
        return Ok(());
    };
    log.push(head.clone());
    if credentials.is_some_and(|credentials| proxy_authorization(&head) != Some(credentials)) {
        let demand = b"HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n";
        return reply(&mut client, demand).await;
    }
    let Some((address, request)) = destination(&head) else {
        return reply(
            &mut client,
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
        )
        .await;
    };
    let Ok(server) = TcpStream::connect(address).await else {
        return reply(
            &mut client,
            b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n",
        )
        .await;
    };
    let mut server = connection(&client).adopt(server)?;
    match request {
        Some(request) => server.write_all(request.as_bytes()).await?,
        None => reply(&mut client, b"HTTP/1.1 200 Connection established\r\n\r\n").await?,
    }
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

async fn reply(client: &mut (impl AsyncWrite + Unpin), text: &[u8]) -> io::Result<()> {
    client.write_all(text).await?;
    client.flush().await
}

fn proxy_authorization(head: &str) -> Option<&str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(name, _)| name.eq_ignore_ascii_case("proxy-authorization"))?;
    Some(value.trim())
}

/// The destination of a request, and the request to forward; `None` for a tunnel.
fn destination(head: &str) -> Option<(String, Option<String>)> {
    let (line, rest) = head.split_once("\r\n")?;
    let mut words = line.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    if method == "CONNECT" {
        return Some((target.into(), None));
    }
    let target = target.strip_prefix("http://")?;
    let (authority, path) = target.split_once('/').unwrap_or((target, ""));
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port {
        authority.into()
    } else {
        format!("{authority}:80")
    };
    Some((address, Some(format!("{method} /{path} {version}\r\n{rest}"))))
}

#[cfg(test)]
mod tests;
