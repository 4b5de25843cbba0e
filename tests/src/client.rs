//! A small blocking HTTP client, to query real servers and to send requests that a test builds by hand.
#![expect(clippy::expect_used, reason = "a client that cannot run must fail its test")]

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{HOST, HeaderMap};
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// Time-out of a request.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Why a request failed.
pub type Failure = Box<dyn Error + Send + Sync>;

/// A complete response.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Headers, including trailers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// The first value of a header or trailer, if it is there and readable.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// GET `path` over HTTP/1.1 in plain text.
///
/// # Errors
/// There is no complete response within [`LIMIT`].
pub fn get(server: SocketAddr, path: &str) -> Result<Answer, Failure> {
    let request = Request::get(path).body(Full::default())?;
    call(server, None, request)
}

/// Sends a request on a new connection in the HTTP version it has, over TLS to `localhost` where a configuration is
/// given. Blocks the thread, even one that belongs to a runtime.
///
/// # Errors
/// There is no whole answer within [`LIMIT`].
pub fn call(
    server: SocketAddr,
    tls: Option<ClientConfig>,
    request: Request<Full<Bytes>>,
) -> Result<Answer, Failure> {
    let exchange = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let exchange = async { tokio::time::timeout(LIMIT, exchange(server, tls, request)).await? };
        runtime.block_on(exchange)
    };
    // A runtime cannot be entered from within another one, so the request runs on its own thread.
    std::thread::scope(|scope| scope.spawn(exchange).join()).expect("the exchange does not panic")
}

async fn exchange(
    server: SocketAddr,
    tls: Option<ClientConfig>,
    request: Request<Full<Bytes>>,
) -> Result<Answer, Failure> {
    let stream = TcpStream::connect(server).await?;
    let Some(mut tls) = tls else {
        return send_over(stream, server, request).await;
    };
    let alpn: &[u8] = if request.version() == Version::HTTP_2 {
        b"h2"
    } else {
        b"http/1.1"
    };
    tls.alpn_protocols = vec![alpn.to_vec()];
    let name = ServerName::try_from("localhost")?;
    let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream).await?;
    send_over(stream, server, request).await
}

async fn send_over<S>(
    stream: S,
    server: SocketAddr,
    mut request: Request<Full<Bytes>>,
) -> Result<Answer, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = TokioIo::new(stream);
    if request.version() == Version::HTTP_2 {
        let tasks = Arc::default();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(Tasks(Arc::downgrade(&tasks)), stream).await?;
        return drive(connection, async {
            read(sender.send_request(request).await?).await
        })
        .await;
    }
    request.headers_mut().insert(HOST, server.to_string().parse()?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    drive(connection, async {
        read(sender.send_request(request).await?).await
    })
    .await
}

/// Executor for the tasks of one HTTP/2 connection; they end with the exchange.
#[derive(Clone)]
struct Tasks(Weak<Mutex<JoinSet<()>>>);

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        if let Some(tasks) = self.0.upgrade() {
            tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
        }
    }
}

/// Drives `connection` until `answer` is complete. A connection may fail after the whole response: a
/// server that closes first leaves nobody to read the `close_notify` of the client.
async fn drive(
    connection: impl Future<Output = Result<(), hyper::Error>>,
    answer: impl Future<Output = Result<Answer, Failure>>,
) -> Result<Answer, Failure> {
    let (mut connection, mut answer) = (std::pin::pin!(connection), std::pin::pin!(answer));
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        ended = &mut connection => {
            let answer = tokio::time::timeout(Duration::from_secs(10), answer).await;
            match (answer, ended) {
                (Ok(Ok(answer)), _) => Ok(answer),
                (_, Err(error)) => Err(error.into()),
                (Ok(Err(error)), Ok(())) => Err(error),
                (Err(_), Ok(())) => Err(closed().into()),
            }
        }
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the connection is closed")
}

async fn read(response: Response<hyper::body::Incoming>) -> Result<Answer, Failure> {
    let (head, body) = response.into_parts();
    let body = body.collect().await?;
    let mut headers = head.headers;
    headers.extend(body.trailers().cloned().unwrap_or_default());
    Ok(Answer {
        status: head.status,
        headers,
        body: body.to_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex};

    use super::*;

    /// A connection whose peer is gone when it is shut down.
    struct Abandoned(DuplexStream);

    impl AsyncRead for Abandoned {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(context, buffer)
        }
    }

    impl AsyncWrite for Abandoned {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(context, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(context)
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }
    }

    async fn answer_to(response: &'static str) -> Result<Answer, Failure> {
        let (client, mut server) = duplex(1024);
        let peer = async {
            assert!(server.read(&mut [0; 1024]).await.is_ok_and(|length| length > 0));
            server
                .write_all(response.as_bytes())
                .await
                .expect("the client reads");
            drop(server);
        };
        let request = Request::get("/").body(Full::default())?;
        let server = SocketAddr::from(([127, 0, 0, 1], 80));
        tokio::join!(send_over(Abandoned(client), server, request), peer).0
    }

    #[tokio::test]
    async fn a_connection_that_cannot_be_shut_down_keeps_its_whole_answer() {
        let answer = answer_to("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").await;
        assert_eq!(answer.expect("an answer").text(), "ok");
    }

    #[tokio::test]
    async fn an_answer_that_is_cut_is_a_failure() {
        let answer = answer_to("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 3\r\n\r\nok").await;
        answer.expect_err("a cut answer");
    }
}
