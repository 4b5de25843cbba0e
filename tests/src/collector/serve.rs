//! The connections of a collector.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{self, Instant};
use tokio_rustls::TlsAcceptor;

use super::Protocol;
use super::answer::{self, Body};
use super::arrivals::{Arrival, ArrivalLog, Signal};
use super::decode::{REQUEST_LIMIT_BYTES, decode};
use super::fault_injection::{FaultInjector, FaultyStream};
use super::mode::{ClosePoint, Mode};
use crate::peer::Connection;

/// State shared between a collector and its connections.
pub(super) struct Shared {
    protocol: Protocol,
    mode: watch::Sender<Mode>,
    pub(super) arrivals: ArrivalLog,
}

impl Shared {
    pub(super) fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            mode: watch::Sender::default(),
            arrivals: ArrivalLog::default(),
        }
    }

    pub(super) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    fn mode(&self) -> Mode {
        *self.mode.borrow()
    }
}

/// Serves one connection to its end.
pub(super) async fn connection(
    connection: Connection,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
) -> io::Result<()> {
    match tls {
        None => serve(connection, shared).await,
        Some(tls) => {
            let accepted = tls.accept(connection).await;
            let refused = |error: &io::Error| {
                shared
                    .arrivals
                    .add_problem(format!("the handshake failed: {error}"))
            };
            serve(accepted.inspect_err(refused)?, shared).await
        }
    }
}

async fn serve<S>(stream: S, shared: Arc<Shared>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let injector = FaultInjector::default();
    if shared.mode() == Mode::Garbage {
        // An HTTP/2 server speaks before its client asks.
        injector.garble();
    }
    let stream = TokioIo::new(FaultyStream::new(stream, injector.clone()));
    let protocol = shared.protocol;
    let service = service_fn(move |request| answer(request, shared.clone(), injector.clone()));
    let ended = match protocol {
        Protocol::Http => {
            let builder = hyper::server::conn::http1::Builder::new();
            builder.serve_connection(stream, service).await
        }
        Protocol::Grpc => {
            let tasks = Arc::default();
            let builder = hyper::server::conn::http2::Builder::new(Streams(Arc::downgrade(&tasks)));
            builder.serve_connection(stream, service).await
        }
    };
    ended.map_err(io::Error::other)
}

/// Executor for the streams of one HTTP/2 connection; they end with the connection's task.
#[derive(Clone)]
struct Streams(Weak<Mutex<JoinSet<()>>>);

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let Some(tasks) = self.0.upgrade() else { return };
        let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(stream);
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    injector: FaultInjector,
) -> io::Result<Response<Body>> {
    if shared.mode() == Mode::Close(ClosePoint::Request) {
        injector.close();
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    match receive(request, &shared).await {
        Ok((signal, mode, accepted)) => act(signal, mode, accepted, (shared.protocol, &injector)).await,
        Err(problem) => {
            shared.arrivals.add_problem(problem);
            Ok(match shared.protocol {
                Protocol::Http => answer::status(400, None),
                Protocol::Grpc => answer::grpc(INVALID_ARGUMENT, None),
            })
        }
    }
}

/// The gRPC status for invalid requests.
const INVALID_ARGUMENT: i32 = 3;

/// Reads and stores a request. Returns the mode that was set when it was complete.
async fn receive(request: Request<Incoming>, shared: &Shared) -> Result<(Signal, Mode, bool), String> {
    let (head, body) = request.into_parts();
    let announced = body.size_hint().lower();
    let body = Limited::new(body, REQUEST_LIMIT_BYTES).collect().await;
    let body =
        body.map_err(|error| format!("a body of {announced} bytes or more did not arrive: {error}"))?;
    let body = body.to_bytes();
    let (message, bytes) = decode(shared.protocol, head.uri.path(), &head.headers, &body)?;
    let (signal, mode) = (message.signal(), shared.mode());
    let accepted = mode.accepts(bytes);
    shared.arrivals.push(|number| Arrival {
        number,
        at: Instant::now(),
        headers: head.headers,
        wire_bytes: body.len(),
        bytes,
        message,
        accepted,
    });
    Ok((signal, mode, accepted))
}

async fn act(
    signal: Signal,
    mode: Mode,
    is_accepted: bool,
    (protocol, injector): (Protocol, &FaultInjector),
) -> io::Result<Response<Body>> {
    let accept = |rejected| Ok(answer::accepted_response(protocol, signal, rejected));
    match mode {
        Mode::UpTo(_) if !is_accepted => Ok(answer::too_large(protocol)),
        Mode::Answer | Mode::UpTo(_) => accept(None),
        Mode::PartialSuccess(rejected) => accept(Some(rejected)),
        Mode::Slow(delay) => {
            time::sleep(delay).await;
            accept(None)
        }
        Mode::Silent => std::future::pending().await,
        Mode::Status { code, retry_after } => Ok(answer::status(code, retry_after)),
        Mode::Grpc { code, retry_after } if protocol == Protocol::Grpc => Ok(answer::grpc(code, retry_after)),
        Mode::Grpc { .. } => Ok(answer::status(500, None)),
        Mode::Garbage => {
            injector.garble();
            accept(None)
        }
        Mode::Close(_) => {
            injector.halve();
            accept(None)
        }
    }
}
