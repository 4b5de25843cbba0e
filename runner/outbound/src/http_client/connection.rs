//! An open connection: HTTP/1.1 or HTTP/2 over TCP or TLS.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::read_limit::ReadLimit;
use super::{Failure, FailureCause, HttpRequest};
use canary_net::ledger::audit::FdGuard;

/// Default maximum size of a response body, in bytes.
pub const MAX_BODY: usize = 64 << 10;
/// Maximum size of a response head, and of the HTTP/2 receive window, in bytes.
const MAX_HEAD: u32 = 64 << 10;

/// A TCP or TLS stream.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection with its background tasks. Dropping it closes the connection.
#[derive(Debug)]
pub struct Connection {
    sender: Sender,
    drivers: Drivers,
    /// Limits what is read from the peer, until the next request.
    read_limit: ReadLimit,
    /// Accounts for the descriptor; outlives the connection.
    fd_guard: Option<FdGuard>,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// A response, possibly with a truncated body.
#[derive(Debug)]
pub struct HttpResponse {
    /// The status; any, including errors.
    pub status: StatusCode,
    /// The headers; at most 64 KiB.
    pub headers: HeaderMap,
    /// The body; at most [`MAX_BODY`] bytes by default.
    pub body: Vec<u8>,
    /// The HTTP/2 trailers.
    pub trailers: HeaderMap,
    /// Whether the body was read to its end.
    pub is_complete: bool,
}

impl Connection {
    /// Accounts for its descriptor with this guard.
    pub(super) fn with_fd_guard(self, fd_guard: FdGuard) -> Self {
        Self {
            fd_guard: Some(fd_guard),
            ..self
        }
    }

    pub(super) async fn over_http1(stream: Box<dyn Stream>, read_limit: ReadLimit) -> hyper::Result<Self> {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(usize::try_from(MAX_HEAD).unwrap_or(usize::MAX));
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        let drivers = Drivers::default();
        drivers.spawner().execute(async move {
            // Errors are reported to the sender of the request.
            drop(connection.await);
        });
        Ok(Self {
            sender: Sender::Http1(sender),
            drivers,
            read_limit,
            fd_guard: None,
        })
    }

    pub(super) async fn over_http2(stream: Box<dyn Stream>, read_limit: ReadLimit) -> hyper::Result<Self> {
        let drivers = Drivers::default();
        let mut builder = http2::Builder::new(drivers.spawner());
        builder
            .initial_stream_window_size(MAX_HEAD)
            .initial_connection_window_size(MAX_HEAD)
            .max_header_list_size(MAX_HEAD);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        drivers.spawner().execute(async move {
            drop(connection.await);
        });
        Ok(Self {
            sender: Sender::Http2(sender),
            drivers,
            read_limit,
            fd_guard: None,
        })
    }

    /// Sends a request and reads its response. The head must be received by `deadline`; the body may be truncated.
    ///
    /// Cancellation: the peer may have received the request, and the connection cannot be used any more.
    ///
    /// # Errors
    /// No complete response head was received in time.
    pub async fn send(&mut self, request: HttpRequest, deadline: Instant) -> Result<HttpResponse, Failure> {
        self.send_with_limit(MAX_BODY, request, deadline).await
    }

    /// Like [`Self::send`], with a response body of up to `max_body` bytes.
    ///
    /// Cancellation: the peer may have received the request, and the connection cannot be used any more.
    ///
    /// # Errors
    /// No complete response head was received in time.
    pub(crate) async fn send_with_limit(
        &mut self,
        max_body: usize,
        request: HttpRequest,
        deadline: Instant,
    ) -> Result<HttpResponse, Failure> {
        self.read_limit.reset(max_body);
        let response = within(deadline, "no answer", self.send_request(request)).await?;
        let (head, body) = response.map_err(failure)?.into_parts();
        let mut response = HttpResponse {
            status: head.status,
            headers: head.headers,
            body: Vec::new(),
            trailers: HeaderMap::new(),
            is_complete: false,
        };
        // An endless body is truncated at the deadline.
        drop(timeout_at(deadline, read(body, &mut response, max_body)).await);
        Ok(response)
    }

    async fn send_request(&mut self, request: HttpRequest) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    /// Closes the connection, and returns when its descriptor is closed.
    pub async fn close(self) {
        let Self {
            sender,
            drivers,
            fd_guard: _held,
            ..
        } = self;
        drop(sender);
        drivers.end().await;
    }
}

async fn read(mut body: Incoming, response: &mut HttpResponse, max_body: usize) {
    while let Some(frame) = body.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => {
                let room = max_body.saturating_sub(response.body.len());
                response.body.extend(data.iter().take(room));
                if data.len() > room {
                    return;
                }
            }
            Ok(Err(frame)) => {
                if let Ok(trailers) = frame.into_trailers() {
                    response.trailers = trailers;
                }
            }
            // The connection failed.
            Err(_) => return,
        }
    }
    response.is_complete = true;
}

/// Runs `work` with a deadline.
///
/// # Errors
/// The deadline passed; `what` describes the missing result.
pub(super) async fn within<T>(
    deadline: Instant,
    what: &str,
    work: impl Future<Output = T>,
) -> Result<T, Failure> {
    timeout_at(deadline, work)
        .await
        .map_err(|_| Failure::new(FailureCause::Timeout, format!("{what} within the timeout")))
}

/// Converts an error on an established connection.
pub(super) fn failure(error: hyper::Error) -> Failure {
    if error.is_parse() {
        Failure::new(
            FailureCause::InvalidResponse,
            format!("the answer is not HTTP: {error}"),
        )
    } else {
        Failure::new(
            FailureCause::Closed,
            format!("the connection ended without an answer: {error}"),
        )
    }
}

/// The background tasks of a connection; they end with it.
#[derive(Debug, Default)]
struct Drivers(Arc<Mutex<JoinSet<()>>>);

impl Drivers {
    fn spawner(&self) -> Spawner {
        Spawner(Arc::downgrade(&self.0))
    }

    async fn end(self) {
        let mut tasks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
    }
}

/// The executor for hyper. Weak, since the tasks hold it themselves.
#[derive(Debug, Clone)]
struct Spawner(Weak<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Spawner {
    fn execute(&self, task: F) {
        if let Some(tasks) = self.0.upgrade() {
            tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
        }
    }
}
