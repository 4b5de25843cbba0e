//! An open connection: HTTP/1.1 or HTTP/2 on whatever carries it.

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

use super::meter::Allowance;
use super::{Cause, Failure, Wire};
use crate::ledger::audit::Held;

/// Bytes of an answer's body that are read at most, unless more is asked for.
pub const MAX_BODY: usize = 64 << 10;
/// Bytes of an answer's head, and of what is received ahead on HTTP/2.
const MAX_HEAD: u32 = 64 << 10;

/// TCP, or TLS on it.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection with its driver. Dropping it closes the connection.
#[derive(Debug)]
pub struct Link {
    sender: Sender,
    drivers: Drivers,
    /// What may be read of the peer, until the next request.
    allowance: Allowance,
    /// Of the runner's own descriptors; outlives the connection.
    held: Option<Held>,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// An answer, as far as it came and is read.
#[derive(Debug)]
pub struct Reply {
    /// Any, errors as well.
    pub status: StatusCode,
    /// At most 64 KiB of them.
    pub headers: HeaderMap,
    /// At most [`MAX_BODY`], unless more was asked for.
    pub body: Vec<u8>,
    /// Of HTTP/2.
    pub trailers: HeaderMap,
    /// Whether it was read to its end.
    pub is_whole: bool,
}

impl Link {
    /// The same, counted among the runner's own descriptors.
    pub(super) fn holding(self, held: Held) -> Self {
        Self {
            held: Some(held),
            ..self
        }
    }

    pub(super) async fn over_http1(stream: Box<dyn Stream>, allowance: Allowance) -> hyper::Result<Self> {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(usize::try_from(MAX_HEAD).unwrap_or(usize::MAX));
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        let drivers = Drivers::default();
        drivers.spawner().execute(async move {
            // How it ended is seen by whoever asks on it.
            drop(connection.await);
        });
        Ok(Self {
            sender: Sender::Http1(sender),
            drivers,
            allowance,
            held: None,
        })
    }

    pub(super) async fn over_http2(stream: Box<dyn Stream>, allowance: Allowance) -> hyper::Result<Self> {
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
            allowance,
            held: None,
        })
    }

    /// Sends a request and reads its answer. What comes after the head may be cut short; what comes before must be
    /// there by `deadline`.
    ///
    /// Cancellation: the peer may have the request, and the connection is of no more use.
    ///
    /// # Errors
    /// There was no whole head of an answer in time.
    pub async fn ask(&mut self, wire: Wire, deadline: Instant) -> Result<Reply, Failure> {
        self.ask_up_to(MAX_BODY, wire, deadline).await
    }

    /// The same, where an answer may have a body of `most` bytes.
    ///
    /// Cancellation: the peer may have the request, and the connection is of no more use.
    ///
    /// # Errors
    /// There was no whole head of an answer in time.
    pub async fn ask_up_to(&mut self, most: usize, wire: Wire, deadline: Instant) -> Result<Reply, Failure> {
        self.allowance.renew(most);
        let response = within(deadline, "no answer", self.send(wire)).await?;
        let (head, body) = response.map_err(failure)?.into_parts();
        let mut reply = Reply {
            status: head.status,
            headers: head.headers,
            body: Vec::new(),
            trailers: HeaderMap::new(),
            is_whole: false,
        };
        // An answer that goes on for ever is judged by what is there by then.
        drop(timeout_at(deadline, read(body, &mut reply, most)).await);
        Ok(reply)
    }

    async fn send(&mut self, wire: Wire) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(wire).await
            }
            Sender::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(wire).await
            }
        }
    }

    /// Closes the connection, and returns when its descriptor is.
    pub async fn close(self) {
        let Self {
            sender,
            drivers,
            held: _held,
            ..
        } = self;
        drop(sender);
        drivers.end().await;
    }
}

async fn read(mut body: Incoming, reply: &mut Reply, most: usize) {
    while let Some(frame) = body.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => {
                let room = most.saturating_sub(reply.body.len());
                reply.body.extend(data.iter().take(room));
                if data.len() > room {
                    return;
                }
            }
            Ok(Err(frame)) => {
                if let Ok(trailers) = frame.into_trailers() {
                    reply.trailers = trailers;
                }
            }
            // Broken off.
            Err(_) => return,
        }
    }
    reply.is_whole = true;
}

/// Waits for something by a deadline.
///
/// # Errors
/// The deadline passed: `what` was not there in time.
pub(super) async fn within<T>(
    deadline: Instant,
    what: &str,
    work: impl Future<Output = T>,
) -> Result<T, Failure> {
    timeout_at(deadline, work)
        .await
        .map_err(|_| Failure::new(Cause::Timeout, format!("{what} within the time-out")))
}

/// A failure of a connection that was there.
pub(super) fn failure(error: hyper::Error) -> Failure {
    match error.is_parse() {
        true => Failure::new(Cause::Garbage, format!("the answer is not HTTP: {error}")),
        false => Failure::new(
            Cause::Closed,
            format!("the connection ended without an answer: {error}"),
        ),
    }
}

/// The tasks that keep a connection going; they end with it.
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

/// Spawns for hyper. Weak, since the tasks hold it themselves.
#[derive(Debug, Clone)]
struct Spawner(Weak<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Spawner {
    fn execute(&self, task: F) {
        if let Some(tasks) = self.0.upgrade() {
            tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
        }
    }
}
