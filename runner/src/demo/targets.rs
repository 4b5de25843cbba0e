//! The bundled targets: small servers on loopback, some of which are bad on purpose.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use super::DemoError;
use super::certificates::Authority;
use crate::ledger::audit::Reserve;

/// The page of the story, whose rest nobody reads.
const LARGE_PAGE: usize = 5 << 20;
/// Before its first byte: time to see who holds which socket.
const THINKING: Duration = Duration::from_millis(400);
/// Header lines of a request.
const MOST_LINES: usize = 64;

/// All of them. They end when this is dropped.
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
    /// Their ends of the connections are open in this process too, and counted in `reserve`.
    pub(super) async fn start(reserve: &Reserve) -> Result<Self, DemoError> {
        let authority = Authority::new().map_err(DemoError::Certificates)?;
        let tls = |days| authority.server(days).map_err(DemoError::Certificates);
        let (valid, ending, expired) = (tls(90)?, tls(10)?, tls(-3)?);
        let mut stage = Opening {
            servers: JoinSet::new(),
            reserve: reserve.clone(),
        };
        Ok(Self {
            web: stage.serve(web).await?,
            mail: stage.serve(mail).await?,
            silent: stage.serve(silent).await?,
            valid: stage.serve(secure(valid)).await?,
            ending: stage.serve(secure(ending)).await?,
            expired: stage.serve(secure(expired)).await?,
            authority: authority.pem(),
            _servers: stage.servers,
        })
    }
}

struct Opening {
    servers: JoinSet<()>,
    reserve: Reserve,
}

impl Opening {
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
            .spawn(accept(listener, session, self.reserve.clone()));
        Ok(address)
    }
}

async fn accept<F, S>(listener: TcpListener, session: S, reserve: Reserve)
where
    S: Fn(TcpStream) -> F + Send + 'static,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let mut sessions = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let held = reserve.hold();
        let session = session(stream);
        sessions.spawn(async move {
            let _held = held;
            // A check that hangs up in the middle is this server's daily bread.
            let _ended = session.await;
        });
        while sessions.try_join_next().is_some() {}
    }
}

/// A small web site.
async fn web<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut first = String::new();
    stream.read_line(&mut first).await?;
    for _ in 0..MOST_LINES {
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
            sleep(THINKING).await;
            // Kept open behind the page, as a web server would: whoever does not close holds the socket.
            reply(stream, "200 OK", "text/html", &vec![b'x'; LARGE_PAGE]).await?;
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
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    stream.flush().await
}

/// The web site behind TLS.
fn secure(
    config: Arc<ServerConfig>,
) -> impl Fn(TcpStream) -> std::pin::Pin<Box<dyn Future<Output = io::Result<()>> + Send>> + Send {
    let acceptor = TlsAcceptor::from(config);
    move |stream| {
        let acceptor = acceptor.clone();
        Box::pin(async move { web(acceptor.accept(stream).await?).await })
    }
}

/// A mail server that greets and says goodbye.
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

/// Accepts and says nothing, for ever.
async fn silent(stream: TcpStream) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut ignored = Vec::new();
    // Ends when the other side hangs up.
    stream.read_until(b'\0', &mut ignored).await?;
    Ok(())
}
