//! The bundled targets: small servers on loopback, some of them faulty on purpose.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use super::DemoError;
use super::certificates::Authority;
use canary_net::ledger::audit::InternalFds;

/// Bytes of the large body, which the leaking plugin does not read.
const LARGE_BODY_BYTES: u64 = 5 << 20;
/// Delay of the large body, so that open sockets can be observed.
const RESPONSE_DELAY: Duration = Duration::from_millis(400);
/// Maximum number of header lines of a request.
const MAX_HEADER_LINES: usize = 64;

/// The running targets; they stop when this is dropped.
pub(super) struct Targets {
    pub(super) web: SocketAddr,
    pub(super) mail: SocketAddr,
    pub(super) silent: SocketAddr,
    pub(super) valid: SocketAddr,
    pub(super) ending: SocketAddr,
    pub(super) expired: SocketAddr,
    pub(super) authority: String,
    _servers: JoinSet<()>,
}

impl Targets {
    /// Starts the targets. Their ends of the connections are open in this process too and accounted in `internal_fds`.
    pub(super) async fn start(internal_fds: &InternalFds) -> Result<Self, DemoError> {
        let authority = Authority::new().map_err(DemoError::Certificates)?;
        let tls = |days| authority.server(days).map_err(DemoError::Certificates);
        let (valid, ending, expired) = (tls(90)?, tls(10)?, tls(-3)?);
        let mut demo = Servers {
            servers: JoinSet::new(),
            internal_fds: internal_fds.clone(),
        };
        Ok(Self {
            web: demo.serve(web).await?,
            mail: demo.serve(mail).await?,
            silent: demo.serve(silent).await?,
            valid: demo.serve(secure(valid)).await?,
            ending: demo.serve(secure(ending)).await?,
            expired: demo.serve(secure(expired)).await?,
            authority: authority.pem(),
            _servers: demo.servers,
        })
    }
}

struct Servers {
    servers: JoinSet<()>,
    internal_fds: InternalFds,
}

impl Servers {
    async fn serve<F, S>(&mut self, session: S) -> Result<SocketAddr, DemoError>
    where
        S: Fn(TcpStream) -> F + Send + 'static,
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(DemoError::Targets)?;
        let address = listener.local_addr().map_err(DemoError::Targets)?;
        self.servers
            .spawn(accept(listener, session, self.internal_fds.clone()));
        Ok(address)
    }
}

async fn accept<F, S>(listener: TcpListener, session: S, internal_fds: InternalFds)
where
    S: Fn(TcpStream) -> F + Send + 'static,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let mut sessions = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let fd_guard = internal_fds.acquire();
        let session = session(stream);
        sessions.spawn(async move {
            let _fd_guard = fd_guard;
            // Checks that disconnect in the middle are expected.
            let _ended = session.await;
        });
        while sessions.try_join_next().is_some() {}
    }
}

/// A small web server.
async fn web<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut first = String::new();
    stream.read_line(&mut first).await?;
    for _ in 0..MAX_HEADER_LINES {
        let mut line = String::new();
        if stream.read_line(&mut line).await? <= 2 {
            break;
        }
    }
    let stream = stream.get_mut();
    match first.split(' ').nth(1).unwrap_or("/") {
        "/" => reply(stream, "200 OK", "text/html", b"<h1>Welcome</h1>").await,
        "/health" => {
            reply(
                stream,
                "200 OK",
                "application/json",
                br#"{"status":"ok","queue":3}"#,
            )
            .await
        }
        "/old" => {
            stream
                .write_all(b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n")
                .await
        }
        "/large" => {
            sleep(RESPONSE_DELAY).await;
            // Kept open after the body, as web servers do: a client that does not close it leaks the socket.
            head(stream, "200 OK", "text/html", LARGE_BODY_BYTES).await?;
            // In small pieces: memory for whole bodies takes long to get on a machine that is short of it, and the
            // checks' workers would wait for it.
            tokio::io::copy(&mut tokio::io::repeat(b'x').take(LARGE_BODY_BYTES), stream).await?;
            stream.flush().await?;
            std::future::pending().await
        }
        _ => reply(stream, "503 Service Unavailable", "text/plain", b"out of order").await,
    }
}

async fn reply<S: AsyncWrite + Unpin>(
    stream: &mut S,
    status: &str,
    kind: &str,
    body: &[u8],
) -> io::Result<()> {
    head(stream, status, kind, body.len() as u64).await?;
    stream.write_all(body).await?;
    stream.flush().await
}

async fn head<S: AsyncWrite + Unpin>(
    stream: &mut S,
    status: &str,
    kind: &str,
    length: u64,
) -> io::Result<()> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await
}

/// The web server behind TLS.
fn secure(
    config: Arc<ServerConfig>,
) -> impl Fn(TcpStream) -> std::pin::Pin<Box<dyn Future<Output = io::Result<()>> + Send>> + Send {
    let acceptor = TlsAcceptor::from(config);
    move |stream| {
        let acceptor = acceptor.clone();
        Box::pin(async move { web(acceptor.accept(stream).await?).await })
    }
}

/// An SMTP server that greets and says goodbye.
async fn mail(stream: TcpStream) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream
        .get_mut()
        .write_all(b"220 mail.example ESMTP ready\r\n")
        .await?;
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    stream.get_mut().write_all(b"221 goodbye\r\n").await
}

/// Accepts connections and never replies.
async fn silent(stream: TcpStream) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut ignored = Vec::new();
    // Ends when the client disconnects.
    stream.read_until(b'\0', &mut ignored).await?;
    Ok(())
}
