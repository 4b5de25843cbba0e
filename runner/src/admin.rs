//! The admin address: what a runner shows of itself, over HTTP.
//!
//! It is for people, probes and scrapers on a trusted network, and still a server: no client can pin it.

mod accept;
mod condition;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, VARY};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::ledger::audit::Reserve;
use crate::telemetry::Format;
use crate::watch::health::Health;

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

type Page = Response<Full<Bytes>>;

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

/// What a runner shows of itself.
pub struct Shown<F> {
    /// The text of `/metrics` as it is at the time.
    pub metrics: F,
    /// What `/livez` and `/readyz` go by; absent where there is no service.
    pub health: Option<Health>,
}

/// Answers on `listener` until `stop`.
///
/// Cancellation: dropping the future closes the listener and every connection.
pub async fn serve(
    listener: TcpListener,
    reserve: Reserve,
    shown: Shown<impl Fn(Format) -> String + Send + Sync + 'static>,
    stop: impl Future<Output = ()>,
) {
    serve_within(LIMITS, listener, reserve, shown, stop).await;
}

async fn serve_within(
    limits: Limits,
    listener: TcpListener,
    reserve: Reserve,
    shown: Shown<impl Fn(Format) -> String + Send + Sync + 'static>,
    stop: impl Future<Output = ()>,
) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let shown = Arc::new(shown);
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
        let shown = Arc::clone(&shown);
        connections.spawn(async move {
            let _held = (held, permit);
            answer(limits, stream, shown).await;
        });
    }
    connections.shutdown().await;
}

async fn answer(limits: Limits, stream: TcpStream, shown: Arc<Shown<impl Fn(Format) -> String>>) {
    let service = service_fn(|request: Request<Incoming>| {
        let page = route(&request, &shown);
        async move { Ok::<_, Infallible>(page) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    // A client that breaks off or breaks the protocol has nobody to be told.
    let _ended = timeout(limits.request_time, connection).await;
}

fn route(request: &Request<Incoming>, shown: &Shown<impl Fn(Format) -> String>) -> Page {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut page = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        page.headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return page;
    }
    match (request.uri().path(), &shown.health) {
        ("/livez", Some(health)) => condition::live(&health.check()),
        ("/readyz", Some(health)) => condition::ready(&health.check()),
        ("/metrics", _) => scrape(request.headers(), &shown.metrics),
        ("/", _) => plain(
            StatusCode::OK,
            "canary\n\n\
             /livez    200 while the service goes on, 503 when only a restart helps\n\
             /readyz   200 while all is well, 503 and why when it is not\n\
             /metrics  in the formats of Prometheus and OpenMetrics\n",
        ),
        _ => plain(StatusCode::NOT_FOUND, "not here; see /\n"),
    }
}

fn scrape(headers: &HeaderMap, metrics: &impl Fn(Format) -> String) -> Page {
    let format = accept::format(headers);
    let text = metrics(format);
    let mut page = match accept::is_gzip_wanted(headers) {
        true => gzipped(&text).unwrap_or_else(|_| Page::new(Full::from(text))),
        false => Page::new(Full::from(text)),
    };
    let content_type = HeaderValue::from_static(format.content_type());
    page.headers_mut().insert(CONTENT_TYPE, content_type);
    page.headers_mut()
        .insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    page
}

fn gzipped(text: &str) -> io::Result<Page> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes())?;
    let mut page = Page::new(Full::from(encoder.finish()?));
    page.headers_mut()
        .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    Ok(page)
}

fn plain(status: StatusCode, text: &'static str) -> Page {
    let mut page = Page::new(Full::from(text));
    *page.status_mut() = status;
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    page.headers_mut().insert(CONTENT_TYPE, content_type);
    page
}
