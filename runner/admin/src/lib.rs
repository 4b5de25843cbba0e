//! The admin server: health probes, metrics and the admin API over HTTP. The endpoints are in `routes.rs`;
//! `docs/src/inside/admin.md` lists them.
//!
//! It is meant for people, probes and scrapers on a trusted network. Still, no client can exhaust it: connections, time
//! and memory are bounded at every stage of a request.

mod accept_queue;
mod access;
mod admission;
mod blocked_time;
mod body;
mod connections;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod handler;
mod hosts;
mod listener;
mod negotiation;
mod openapi;
mod probes;
mod protocol;
mod query;
mod reload;
mod response;
mod reuse_port;
mod route;
mod routes;
mod status;
#[cfg(test)]
mod tests;
mod tls;
mod version;

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

pub use listener::{AdminListener, ListenError};
pub use tls::TlsError;

use accept_queue::{AcceptQueue, ReadyConnection};
use access::AccessPolicy;
use admission::{Admission, Admitted, Stage, StageLimits};
use blocked_time::TimedStream;
use canary_net::ledger::audit::InternalFds;
use canary_net::ledger::{Ledger, RESERVED_FDS};
use canary_run::publish::StatusStore;
use canary_telemetry::Format;
use canary_watch::health::HealthReport;
use canary_watch::reload_status::ReloadStatus;
use hosts::Hosts;
use protocol::Protocol;
use response::Response;
use tls::Tls;

/// The time-out of the TLS handshake, and of the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(3);
/// The time-out of a request and its response together. A connection serves a single request: a client that kept its
/// connection open would occupy one of few places, and a scraper can connect again.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum size of a request's head in bytes.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// The delay before accepting again when the process is out of descriptors and no connection can be closed.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(20);

/// Limits on what clients may use.
#[derive(Debug, Clone, Copy)]
struct Limits {
    stages: StageLimits,
    head_time: Duration,
    request_time: Duration,
}

const LIMITS: Limits = Limits {
    stages: StageLimits {
        openings: 64,
        handshakes: 96,
        heads: 32,
        probes: 8,
        waiting: 8,
        responses: 4,
        response_time: Duration::from_secs(2),
    },
    head_time: HEAD_TIMEOUT,
    request_time: REQUEST_TIMEOUT,
};

/// The result of a reload: the number of active checks, or all problems of the suite.
pub type ReloadFuture = Pin<Box<dyn Future<Output = Result<usize, String>> + Send>>;

/// A long text, produced in chunks.
pub type TextChunks = Box<dyn Iterator<Item = String> + Send>;

/// What the admin server shows, and the actions that it offers.
pub struct AdminState {
    /// The statuses and last runs of all checks.
    pub store: StatusStore,
    /// The owners of all descriptors.
    pub ledger: Arc<Ledger>,
    /// The results of reloads.
    pub reloads: ReloadStatus,
    /// The optional features that the program was built with.
    pub features: Vec<&'static str>,
    /// When the runner started, by the wall clock and the monotonic clock.
    pub started: (SystemTime, Instant),
    /// Returns the current health.
    pub health: Box<dyn Fn() -> HealthReport + Send + Sync>,
    /// Returns the current metrics, in chunks.
    pub metrics: Box<dyn Fn(Format) -> TextChunks + Send + Sync>,
    /// Reloads the suite. The reload continues if the future is dropped.
    pub reload: Box<dyn Fn() -> ReloadFuture + Send + Sync>,
}

/// Serves the admin API on `listener` until `stop` completes.
///
/// Cancellation: dropping the future closes the listener and every connection.
pub async fn serve(
    listener: AdminListener,
    internal_fds: InternalFds,
    state: AdminState,
    stop: impl Future<Output = ()>,
) {
    serve_with_limits(LIMITS, listener, internal_fds, state, stop).await;
}

async fn serve_with_limits(
    limits: Limits,
    listener: AdminListener,
    internal_fds: InternalFds,
    state: AdminState,
    stop: impl Future<Output = ()>,
) {
    let reserved = state.ledger.reserved();
    let admission = Admission::new(limits.stages.scaled_to(reserved));
    let socket = (listener.listener, Protocol::new(listener.tls.as_ref()));
    let Ok(mut queue) = AcceptQueue::new(socket, internal_fds, reserved < RESERVED_FDS) else {
        return;
    };
    let server = Arc::new(Server {
        limits,
        state,
        access: listener.access,
        tls: listener.tls,
        hosts: listener.hosts,
    });
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => continue,
            accepted = queue.next(&admission) => accepted,
        };
        let ReadyConnection {
            stream,
            admitted,
            fd_guard,
        } = match accepted {
            Ok(accepted) => accepted,
            // The client disconnected.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
            Err(_) => {
                // Out of descriptors: close a connection that takes long to send its request.
                let has_closed_one = queue.has_waiting() && admission.close_overdue();
                if !has_closed_one {
                    sleep(ACCEPT_RETRY_DELAY).await;
                }
                yield_now().await;
                continue;
            }
        };
        let server = Arc::clone(&server);
        connections.spawn(async move {
            let _fd_guard = fd_guard;
            server.handle(stream, admitted).await;
        });
        // Lets an evicted connection close before the next one is accepted.
        yield_now().await;
    }
    connections.shutdown().await;
}

/// The state shared by all connections.
struct Server {
    limits: Limits,
    state: AdminState,
    access: AccessPolicy,
    tls: Option<Tls>,
    hosts: Hosts,
}

impl Server {
    /// Serves one connection. A client that disconnects, violates the protocol or is evicted gets no further response.
    async fn handle(&self, stream: TcpStream, admitted: Admitted) {
        let served = async {
            let Some(tls) = &self.tls else {
                return self.serve_connection(stream, &admitted).await;
            };
            let handshake = timeout(self.limits.head_time, handshake(tls, stream, &admitted));
            if let Ok(Ok(stream)) = handshake.await {
                admitted.enter(Stage::Head);
                self.serve_connection(stream, &admitted).await;
            }
        };
        tokio::select! {
            _in_time = timeout(self.limits.request_time, served) => {}
            () = admitted.closed() => {}
        }
    }

    async fn serve_connection<S>(&self, stream: S, admitted: &Admitted)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let timed = TimedStream {
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
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(timed), service);
        let _ended = connection.await;
    }

    async fn respond(&self, request: &Request<Incoming>, admitted: &Admitted) -> Response {
        if let Some(refusal) = self.hosts.refusal(request) {
            return refusal;
        }
        if routes::is_probe(request.uri().path()) {
            admitted.enter(Stage::Probe);
        } else if !admitted.enter_response().await {
            return response::overloaded();
        }
        routes::handle(request, &self.state, &self.access).await
    }
}

/// The TLS handshake. It only becomes expensive with a complete ClientHello, which is when the handshake stage begins.
async fn handshake(tls: &Tls, stream: TcpStream, admitted: &Admitted) -> io::Result<TlsStream<TcpStream>> {
    let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    admitted.enter(Stage::Handshake);
    hello.into_stream(tls.config()).await
}
