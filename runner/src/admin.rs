//! The admin address: what a runner shows of itself, over HTTP.
//!
//! It is for people, probes and scrapers on a trusted network, and still a server: no client can pin it.

mod accept;
mod answer;
mod body;
mod condition;
mod connections;
mod door;
mod gate;
mod query;
mod reload;
mod route;
mod status;
#[cfg(test)]
mod tests;
mod tls;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;

pub use door::{Door, DoorError};
pub use tls::TlsError;

use crate::ledger::Ledger;
use crate::ledger::audit::Reserve;
use crate::publish::Board;
use crate::telemetry::Format;
use crate::watch::health::Checkup;
use crate::watch::reloads::Reloads;
use gate::Gate;

/// Connections at once; further ones wait in the kernel's queue.
const CONNECTIONS: usize = 16;
/// How long a client may take for the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// How long a request and its answer may take together. One is all that a connection is for: a client that kept its
/// connection would keep one of few places, and a scraper connects again.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const HEAD_BYTES: usize = 16 << 10;
/// How long it waits when the operating system has no descriptor for a connection.
const PAUSE: Duration = Duration::from_millis(200);

/// What clients may take.
#[derive(Debug, Clone, Copy)]
struct Limits {
    connections: usize,
    head_time: Duration,
    request_time: Duration,
}

const LIMITS: Limits = Limits {
    connections: CONNECTIONS,
    head_time: HEAD_TIME,
    request_time: REQUEST_TIME,
};

/// What comes of a reload: how many checks are in force, or every problem.
pub type Reloading = Pin<Box<dyn Future<Output = Result<usize, String>> + Send>>;

/// A text that is long, in parts.
pub type Parts = Box<dyn Iterator<Item = String> + Send>;

/// What is shown, and what may be done.
pub struct Shown {
    /// What is known of every check.
    pub board: Board,
    /// Who owns which descriptor.
    pub ledger: Arc<Ledger>,
    /// How reading the suite again went.
    pub reloads: Reloads,
    /// When the runner started, by both clocks.
    pub started: (SystemTime, Instant),
    /// What is wrong at the time.
    pub health: Box<dyn Fn() -> Checkup + Send + Sync>,
    /// The text of `/metrics` at the time, in parts.
    pub metrics: Box<dyn Fn(Format) -> Parts + Send + Sync>,
    /// Has the suite read again. The reload goes on when the future is dropped.
    pub reload: Box<dyn Fn() -> Reloading + Send + Sync>,
}

/// Shows the runner at `door` until `stop`.
///
/// Cancellation: dropping the future closes the listener and every connection.
pub async fn serve(door: Door, reserve: Reserve, shown: Shown, stop: impl Future<Output = ()>) {
    serve_within(LIMITS, door, reserve, shown, stop).await;
}

async fn serve_within(
    limits: Limits,
    door: Door,
    reserve: Reserve,
    shown: Shown,
    stop: impl Future<Output = ()>,
) {
    let Door { listener, gate, tls } = door;
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let (shown, gate) = (Arc::new(shown), Arc::new(gate));
    let room = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let next = async {
            let permit = Arc::clone(&room).acquire_owned().await;
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => continue,
            next = next => next,
        };
        let Ok((stream, _)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        let held = reserve.hold();
        let acceptor = tls.as_ref().map(tls::Tls::acceptor);
        let (shown, gate) = (Arc::clone(&shown), Arc::clone(&gate));
        connections.spawn(async move {
            let _held = (held, permit);
            let answered = answer(limits, stream, acceptor, &shown, &gate);
            // A client that breaks off or breaks the protocol has nobody to be told.
            let _ended = timeout(limits.request_time, answered).await;
        });
    }
    connections.shutdown().await;
}

async fn answer(
    limits: Limits,
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    shown: &Shown,
    gate: &Gate,
) {
    let Some(acceptor) = acceptor else {
        return converse(limits, stream, shown, gate).await;
    };
    if let Ok(Ok(stream)) = timeout(limits.head_time, acceptor.accept(stream)).await {
        converse(limits, stream, shown, gate).await;
    }
}

async fn converse<S>(limits: Limits, stream: S, shown: &Shown, gate: &Gate)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(|request: Request<Incoming>| async move {
        Ok::<_, Infallible>(route::route(&request, shown, gate).await)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let _ended = connection.await;
}
