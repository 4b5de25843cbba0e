//! Clients that try to occupy the admin address.

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

/// Delay before the next attempt to connect after a failure.
const RECONNECT_DELAY: Duration = Duration::from_millis(50);
/// Interval between two bytes of a slow client.
const BYTE_INTERVAL: Duration = Duration::from_secs(1);
/// How long a client leaves a response unread.
const UNREAD_TIME: Duration = Duration::from_secs(20);

const HALF_A_REQUEST: &[u8] = b"GET /api/v1/status HT";
const REQUEST: &[u8] = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n";
const PROBE: &[u8] = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientBehaviour {
    /// Sends nothing.
    Silent,
    /// Sends half of a ClientHello.
    HalfAHello,
    /// Sends a complete ClientHello and nothing else.
    Hello,
    /// Sends half of a request.
    HalfARequest,
    /// Sends a request byte by byte.
    ByteByByte,
    /// Sends a complete request and does not read the response.
    Unread,
    /// Sends a complete request and reads the response byte by byte.
    ReadByByte,
    /// Sends probe requests continuously.
    Probe,
    /// Connects and closes continuously.
    Churn,
}

/// The source addresses of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sources {
    /// One address, which is that of the prober as well.
    One,
    /// A thousand addresses.
    Many,
}

/// The admin address and the TLS configuration to reach it.
#[derive(Clone)]
pub(crate) struct AdminEndpoint {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

/// Runs one client. It reconnects after `pause` when its connection was closed.
pub(crate) async fn run_client(
    admin: Arc<AdminEndpoint>,
    (behaviour, sources): (ClientBehaviour, Sources),
    number: u32,
    pause: Duration,
) {
    let [.., third, fourth] = number.to_be_bytes();
    let source = match sources {
        Sources::One => None,
        Sources::Many => Some(Ipv4Addr::new(127, 0, 1 + third % 4, fourth.max(1))),
    };
    // Spread, so that the clients do not reconnect at the same time.
    let pause = pause + pause * u32::from(fourth) / 256;
    loop {
        match connect(&admin, source).await {
            // Whether the connection was closed or failed does not matter.
            Ok(stream) => drop(misbehave(&admin, stream, behaviour).await),
            Err(_) => sleep(RECONNECT_DELAY).await,
        }
        match behaviour {
            ClientBehaviour::Churn => yield_now().await,
            _ => sleep(pause).await,
        }
    }
}

async fn connect(admin: &AdminEndpoint, source: Option<Ipv4Addr>) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(source) = source {
        socket.bind((source, 0).into())?;
    }
    socket.connect(admin.address).await
}

async fn misbehave(
    admin: &AdminEndpoint,
    stream: TcpStream,
    behaviour: ClientBehaviour,
) -> std::io::Result<()> {
    match behaviour {
        ClientBehaviour::Silent => send_and_wait(stream, &[]).await,
        ClientBehaviour::HalfAHello => send_and_wait(stream, &HELLO[..100]).await,
        ClientBehaviour::Hello => send_and_wait(stream, &HELLO).await,
        ClientBehaviour::Churn => Ok(()),
        _ => match &admin.tls {
            None => send_request(stream, behaviour).await,
            Some(tls) => send_request(shake_hands(stream, tls).await?, behaviour).await,
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

async fn send_request(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    behaviour: ClientBehaviour,
) -> std::io::Result<()> {
    match behaviour {
        ClientBehaviour::ByteByByte => {
            for byte in REQUEST {
                stream.write_all(&[*byte]).await?;
                stream.flush().await?;
                sleep(BYTE_INTERVAL).await;
            }
            Ok(())
        }
        ClientBehaviour::Unread => {
            stream.write_all(REQUEST).await?;
            stream.flush().await?;
            sleep(UNREAD_TIME).await;
            Ok(())
        }
        ClientBehaviour::ReadByByte => {
            stream.write_all(REQUEST).await?;
            stream.flush().await?;
            while stream.read(&mut [0]).await? > 0 {
                sleep(BYTE_INTERVAL).await;
            }
            Ok(())
        }
        ClientBehaviour::Probe => send_and_wait(stream, PROBE).await,
        _ => send_and_wait(stream, HALF_A_REQUEST).await,
    }
}

/// Sends a message, and waits until the server closes the connection.
async fn send_and_wait(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    message: &[u8],
) -> std::io::Result<()> {
    stream.write_all(message).await?;
    stream.flush().await?;
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    Ok(())
}

/// A TLS record with a ClientHello.
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
