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
use super::arrivals::{Arrival, Inbox, Signal};
use super::decode::{REQUEST_LIMIT_BYTES, decode};
use super::mode::{Half, Mode};
use super::sabotage::{Sabotaged, Saboteur};
use crate::peer::Wire;

/// What the connections of a collector share with it.
pub(super) struct Shared {
    protocol: Protocol,
    mode: watch::Sender<Mode>,
    pub(super) arrivals: Inbox,
}

impl Shared {
    pub(super) fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            mode: watch::Sender::default(),
            arrivals: Inbox::default(),
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
pub(super) async fn connection(wire: Wire, tls: Option<TlsAcceptor>, shared: Arc<Shared>) -> io::Result<()> {
    match tls {
        None => serve(wire, shared).await,
        Some(tls) => {
            let accepted = tls.accept(wire).await;
            let refused =
                |error: &io::Error| shared.arrivals.complain(format!("the handshake failed: {error}"));
            serve(accepted.inspect_err(refused)?, shared).await
        }
    }
}

async fn serve<S>(stream: S, shared: Arc<Shared>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let saboteur = Saboteur::default();
    if shared.mode() == Mode::Garbage {
        // An HTTP/2 server speaks before its client asks.
        saboteur.garble();
    }
    let stream = TokioIo::new(Sabotaged::new(stream, saboteur.clone()));
    let protocol = shared.protocol;
    let service = service_fn(move |request| answer(request, shared.clone(), saboteur.clone()));
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

/// Runs the streams of one HTTP/2 connection, no longer than the connection's own task.
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
    saboteur: Saboteur,
) -> io::Result<Response<Body>> {
    if shared.mode() == Mode::Close(Half::Request) {
        saboteur.close();
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    match receive(request, &shared).await {
        Ok((signal, mode, taken)) => act(signal, mode, taken, (shared.protocol, &saboteur)).await,
        Err(complaint) => {
            shared.arrivals.complain(complaint);
            Ok(match shared.protocol {
                Protocol::Http => answer::status(400, None),
                Protocol::Grpc => answer::grpc(INVALID_ARGUMENT, None),
            })
        }
    }
}

/// gRPC's status for requests that make no sense.
const INVALID_ARGUMENT: i32 = 3;

/// Reads a request and keeps it; the mode is what held when it was whole.
async fn receive(request: Request<Incoming>, shared: &Shared) -> Result<(Signal, Mode, bool), String> {
    let (head, body) = request.into_parts();
    let announced = body.size_hint().lower();
    let body = Limited::new(body, REQUEST_LIMIT_BYTES).collect().await;
    let body =
        body.map_err(|error| format!("a body of {announced} bytes or more did not arrive: {error}"))?;
    let body = body.to_bytes();
    let (message, bytes) = decode(shared.protocol, head.uri.path(), &head.headers, &body)?;
    let (signal, mode) = (message.signal(), shared.mode());
    let taken = mode.takes(bytes);
    shared.arrivals.push(|number| Arrival {
        number,
        at: Instant::now(),
        headers: head.headers,
        wire_bytes: body.len(),
        bytes,
        message,
        taken,
    });
    Ok((signal, mode, taken))
}

async fn act(
    signal: Signal,
    mode: Mode,
    is_taken: bool,
    (protocol, saboteur): (Protocol, &Saboteur),
) -> io::Result<Response<Body>> {
    let taken = |rejected| Ok(answer::taken(protocol, signal, rejected));
    match mode {
        Mode::UpTo(_) if !is_taken => Ok(answer::too_large(protocol)),
        Mode::Answer | Mode::UpTo(_) => taken(None),
        Mode::PartialSuccess(rejected) => taken(Some(rejected)),
        Mode::Slow(delay) => {
            time::sleep(delay).await;
            taken(None)
        }
        Mode::Silent => std::future::pending().await,
        Mode::Status { code, retry_after } => Ok(answer::status(code, retry_after)),
        Mode::Grpc { code, retry_after } if protocol == Protocol::Grpc => Ok(answer::grpc(code, retry_after)),
        Mode::Grpc { .. } => Ok(answer::status(500, None)),
        Mode::Garbage => {
            saboteur.garble();
            taken(None)
        }
        Mode::Close(_) => {
            saboteur.halve();
            taken(None)
        }
    }
}
