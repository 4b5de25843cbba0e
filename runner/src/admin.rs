//! The admin address: what a runner shows of itself, over HTTP.
//!
//! It is for people, probes and scrapers on a trusted network, and still a server: no client can pin it.

mod accept;
mod admission;
mod answer;
mod arrivals;
mod body;
mod condition;
mod connections;
mod door;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gate;
mod hosts;
mod protocol;
mod query;
mod queues;
mod reload;
mod route;
mod slow;
mod status;
#[cfg(test)]
mod tests;
mod tls;

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

pub use door::{Door, DoorError};
pub use tls::TlsError;

use crate::ledger::audit::Reserve;
use crate::ledger::{Ledger, RESERVE};
use crate::publish::Board;
use crate::telemetry::Format;
use crate::watch::health::Checkup;
use crate::watch::reloads::Reloads;
use admission::{Admission, Admitted, Places, Stage};
use answer::Page;
use arrivals::{Arrival, Arrivals};
use gate::Gate;
use hosts::Hosts;
use protocol::Protocol;
use slow::Timed;
use tls::Tls;

/// How long a client may take for the TLS handshake, and then for the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(3);
/// How long a request and its answer may take together. One is all that a connection is for: a client that kept its
/// connection would keep one of few places, and a scraper connects again.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const HEAD_BYTES: usize = 16 << 10;
/// How long it waits when the operating system has no descriptor for a connection, and nobody has to give one up.
const PAUSE: Duration = Duration::from_millis(20);

/// What clients may take.
#[derive(Debug, Clone, Copy)]
struct Limits {
    places: Places,
    head_time: Duration,
    request_time: Duration,
}

const LIMITS: Limits = Limits {
    places: Places {
        openings: 64,
        handshakes: 96,
        heads: 32,
        probes: 8,
        waiting: 8,
        answers: 4,
        answer_time: Duration::from_secs(2),
    },
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
    let reserved = shown.ledger.reserved();
    let admission = Admission::new(limits.places.within(reserved));
    let arrives = (door.listener, Protocol::of(door.tls.as_ref()));
    let Ok(mut arrivals) = Arrivals::new(arrives, reserve, reserved < RESERVE) else {
        return;
    };
    let server = Arc::new(Server {
        limits,
        shown,
        gate: door.gate,
        tls: door.tls,
        hosts: door.hosts,
    });
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => continue,
            accepted = arrivals.next(&admission) => accepted,
        };
        let Arrival {
            stream,
            admitted,
            held,
        } = match accepted {
            Ok(accepted) => accepted,
            // Some client broke off.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
            Err(_) => {
                // There is no descriptor left: one that takes long to ask for anything gives up its own.
                let has_made_room = arrivals.is_anyone_waiting() && admission.close_late();
                if !has_made_room {
                    sleep(PAUSE).await;
                }
                yield_now().await;
                continue;
            }
        };
        let server = Arc::clone(&server);
        connections.spawn(async move {
            let _held = held;
            server.answer(stream, admitted).await;
        });
        // Whoever had to make room is gone before the next one comes.
        yield_now().await;
    }
    connections.shutdown().await;
}

/// What every connection needs.
struct Server {
    limits: Limits,
    shown: Shown,
    gate: Gate,
    tls: Option<Tls>,
    hosts: Hosts,
}

impl Server {
    /// A client that breaks off, breaks the protocol or has to make room is not answered any more.
    async fn answer(&self, stream: TcpStream, admitted: Admitted) {
        let answered = async {
            let Some(tls) = &self.tls else {
                return self.converse(stream, &admitted).await;
            };
            let handshake = timeout(self.limits.head_time, handshake(tls, stream, &admitted));
            if let Ok(Ok(stream)) = handshake.await {
                admitted.enter(Stage::Head);
                self.converse(stream, &admitted).await;
            }
        };
        tokio::select! {
            _in_time = timeout(self.limits.request_time, answered) => {}
            () = admitted.closed() => {}
        }
    }

    async fn converse<S>(&self, stream: S, admitted: &Admitted)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let timed = Timed {
            stream,
            blocked: admitted.blocked(),
        };
        let service = service_fn(|request: Request<Incoming>| async move {
            Ok::<_, Infallible>(self.respond(&request, admitted).await)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_time)
            .keep_alive(false)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(TokioIo::new(timed), service);
        let _ended = connection.await;
    }

    async fn respond(&self, request: &Request<Incoming>, admitted: &Admitted) -> Page {
        if let Some(refusal) = self.hosts.refusal(request) {
            return refusal;
        }
        if route::is_probe(request.uri().path()) {
            admitted.enter(Stage::Probe);
        } else if !admitted.enter_answer().await {
            return answer::busy();
        }
        route::route(request, &self.shown, &self.gate).await
    }
}

/// What it costs begins with a whole ClientHello.
async fn handshake(tls: &Tls, stream: TcpStream, admitted: &Admitted) -> io::Result<TlsStream<TcpStream>> {
    let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    admitted.enter(Stage::Handshake);
    hello.into_stream(tls.config()).await
}
