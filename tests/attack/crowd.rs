//! Clients that want the admin address for themselves, and one that only wants to know whether the runner lives.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use canary_tests::certificate::Authority;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::yield_now;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;

/// A client that could not come at all tries again after this.
const TRY_AGAIN: Duration = Duration::from_millis(50);
/// Between two bytes of a client that is slow.
const BYTE: Duration = Duration::from_secs(1);
/// How long a client leaves an answer unread.
const UNREAD: Duration = Duration::from_secs(20);

const HALF_A_REQUEST: &[u8] = b"GET /api/v1/status HT";
const REQUEST: &[u8] = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n";
const PROBE: &[u8] = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// What the clients of a crowd do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// They send nothing.
    Silent,
    /// Half of a ClientHello.
    HalfAHello,
    /// A whole ClientHello, and nothing after it.
    Hello,
    /// Half of a request.
    HalfARequest,
    /// A request byte by byte.
    ByteByByte,
    /// A whole request, whose answer they do not read.
    Unread,
    /// A whole request, whose answer they read byte by byte.
    ReadByByte,
    /// What a probe asks for, all the time.
    Probe,
    /// They connect and close, all the time.
    Churn,
}

/// Where the clients of a crowd come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sources {
    /// The address that the probes come from as well.
    One,
    /// A thousand addresses.
    Many,
}

/// Where the admin address is, and what it shows itself by.
#[derive(Clone)]
pub(crate) struct Entrance {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

/// One client of a crowd. It comes again when it was turned away, after this pause.
pub(crate) async fn client(
    entrance: Arc<Entrance>,
    (manner, sources): (Manner, Sources),
    number: u32,
    pause: Duration,
) {
    let [.., third, fourth] = number.to_be_bytes();
    let source = match sources {
        Sources::One => None,
        Sources::Many => Some(Ipv4Addr::new(127, 0, 1 + third % 4, fourth.max(1))),
    };
    // They do not all come again at the same time.
    let pause = pause + pause * u32::from(fourth) / 256;
    loop {
        match come(&entrance, source).await {
            // Whether it was turned away is its own matter.
            Ok(stream) => drop(be_slow(&entrance, stream, manner).await),
            Err(_) => sleep(TRY_AGAIN).await,
        }
        match manner {
            Manner::Churn => yield_now().await,
            _ => sleep(pause).await,
        }
    }
}

async fn come(entrance: &Entrance, source: Option<Ipv4Addr>) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(source) = source {
        socket.bind((source, 0).into())?;
    }
    socket.connect(entrance.address).await
}

async fn be_slow(entrance: &Entrance, stream: TcpStream, manner: Manner) -> std::io::Result<()> {
    match manner {
        Manner::Silent => wait(stream, &[]).await,
        Manner::HalfAHello => wait(stream, &HELLO[..100]).await,
        Manner::Hello => wait(stream, &HELLO).await,
        Manner::Churn => Ok(()),
        _ => match &entrance.tls {
            None => ask(stream, manner).await,
            Some(tls) => ask(shake_hands(stream, tls).await?, manner).await,
        },
    }
}

async fn shake_hands(
    stream: TcpStream,
    tls: &Arc<ClientConfig>,
) -> std::io::Result<impl AsyncRead + AsyncWrite + Unpin + use<>> {
    let connector = TlsConnector::from(Arc::clone(tls));
    connector.connect(localhost(), stream).await
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, manner: Manner) -> std::io::Result<()> {
    match manner {
        Manner::ByteByByte => {
            for byte in REQUEST {
                stream.write_all(&[*byte]).await?;
                stream.flush().await?;
                sleep(BYTE).await;
            }
            Ok(())
        }
        Manner::Unread => {
            stream.write_all(REQUEST).await?;
            stream.flush().await?;
            sleep(UNREAD).await;
            Ok(())
        }
        Manner::ReadByByte => {
            stream.write_all(REQUEST).await?;
            stream.flush().await?;
            while stream.read(&mut [0]).await? > 0 {
                sleep(BYTE).await;
            }
            Ok(())
        }
        Manner::Probe => wait(stream, PROBE).await,
        _ => wait(stream, HALF_A_REQUEST).await,
    }
}

/// Sends this, and waits to be turned away.
async fn wait(mut stream: impl AsyncRead + AsyncWrite + Unpin, message: &[u8]) -> std::io::Result<()> {
    stream.write_all(message).await?;
    stream.flush().await?;
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    Ok(())
}

/// The record with a ClientHello.
static HELLO: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let config = Authority::new("Test Root").client_config();
    let mut record = Vec::new();
    let mut client = rustls::ClientConnection::new(Arc::new(config), localhost()).unwrap();
    client.write_tls(&mut record).unwrap();
    record
});

fn localhost() -> ServerName<'static> {
    "localhost".try_into().unwrap()
}
