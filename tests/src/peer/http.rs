//! A well-behaved HTTP server. A function handles requests; all requests are recorded.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use http_body_util::combinators::WithTrailers;
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode, Uri, Version};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time;

use super::connection::linger;
use super::log::Log;
use super::{Peer, tls};

/// Maximum size of a request body in bytes.
pub const REQUEST_BODY_LIMIT_BYTES: usize = 16 * 1024 * 1024;
/// Maximum number of headers of an HTTP/1 request, more than a run may send. If a server rejects a request while it is
/// still being sent and closes, the client sees either the rejection or a reset.
const HEADERS: usize = 4_096;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The request target: a path for most, an absolute URI for proxies.
    pub uri: Uri,
    /// The protocol version.
    pub version: Version,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Request {
    /// The path.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The first value of a header, if it is there and readable.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A response, built by a route.
#[derive(Clone, Debug)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    trailers: Vec<(HeaderName, HeaderValue)>,
    delay: Duration,
}

impl Reply {
    /// Status 200 with a body of plain text.
    #[must_use]
    pub fn text(body: impl Into<Bytes>) -> Self {
        Self::status(200)
            .header("content-type", "text/plain; charset=utf-8")
            .body(body)
    }

    /// Status 200 with a body of JSON.
    #[must_use]
    pub fn json(body: impl Into<Bytes>) -> Self {
        Self::status(200)
            .header("content-type", "application/json")
            .body(body)
    }

    /// A redirect with this status.
    #[must_use]
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::status(status).header("location", location)
    }

    /// A status without a body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            status: StatusCode::from_u16(status).expect("a status between 100 and 999"),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            trailers: Vec::new(),
            delay: Duration::ZERO,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let (name, value) = field(name, value);
        self.headers.append(name, value);
        self
    }

    /// Adds a trailer (HTTP/2 only).
    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push(field(name, value));
        self
    }

    /// Replaces the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Delays the response.
    #[must_use]
    pub const fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

type Route = dyn Fn(&Request) -> Reply + Send + Sync;

/// State shared by the connections of a site.
struct Shared {
    route: Box<Route>,
    requests: Log<Request>,
}

/// An HTTP server on loopback. HTTP/1.1 in plain text; by ALPN HTTP/2 or HTTP/1.1 over TLS.
pub struct Site {
    peer: Peer,
    shared: Arc<Shared>,
}

impl Site {
    /// Starts a site without TLS.
    #[must_use]
    pub fn start(route: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let shared = Shared::new(route);
        let site = shared.clone();
        let peer = Peer::tcp(move |connection| serve_http1(connection, site.clone()));
        Self { peer, shared }
    }

    /// Starts a site over TLS. An empty list of ALPN protocols is filled with `h2` and `http/1.1`.
    #[must_use]
    pub fn start_tls(
        mut config: ServerConfig,
        route: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        if config.alpn_protocols.is_empty() {
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        }
        let shared = Shared::new(route);
        let site = shared.clone();
        let peer = tls::server(config, move |stream| {
            let site = site.clone();
            async move {
                match stream.get_ref().1.alpn_protocol() {
                    Some(b"h2") => serve_http2(stream, site).await,
                    _ => serve_http1(stream, site).await,
                }
            }
        });
        Self { peer, shared }
    }

    /// The latest requests, oldest first, at most [`super::MAX_ENTRIES`].
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.entries()
    }
}

impl Deref for Site {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.peer
    }
}

impl Shared {
    fn new(route: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            route: Box::new(route),
            requests: Log::default(),
        })
    }

    async fn answer(&self, request: hyper::Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, REQUEST_BODY_LIMIT_BYTES).collect().await else {
            return Ok(respond(Reply::status(413)));
        };
        let request = Request {
            method: head.method,
            uri: head.uri,
            version: head.version,
            headers: head.headers,
            body: body.to_bytes(),
        };
        let reply = (self.route)(&request);
        self.requests.push(request);
        if !reply.delay.is_zero() {
            time::sleep(reply.delay).await;
        }
        Ok(respond(reply))
    }
}

fn field(name: &str, value: &str) -> (HeaderName, HeaderValue) {
    let name = HeaderName::try_from(name).expect("a header name");
    (name, HeaderValue::try_from(value).expect("a header value"))
}

/// A body with optional trailers.
type Body = Either<Full<Bytes>, WithTrailers<Full<Bytes>, Ready<Option<Result<HeaderMap, Infallible>>>>>;

fn respond(reply: Reply) -> Response<Body> {
    let body = Full::new(reply.body);
    let trailers: HeaderMap = reply.trailers.into_iter().collect();
    let mut response = Response::new(if trailers.is_empty() {
        Either::Left(body)
    } else {
        Either::Right(body.with_trailers(ready(Some(Ok(trailers)))))
    });
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    response
}

async fn serve_http1<S>(stream: S, site: Arc<Shared>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| site.answer(request));
    let mut connection = hyper::server::conn::http1::Builder::new()
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let served = (&mut connection).await.map_err(io::Error::other);
    linger(connection.into_parts().io.into_inner()).await;
    served
}

async fn serve_http2<S>(stream: S, site: Arc<Shared>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let site = site.clone();
        async move { site.answer(request).await }
    });
    let tasks = Arc::default();
    let builder = hyper::server::conn::http2::Builder::new(Streams(Arc::downgrade(&tasks)));
    builder
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(io::Error::other)
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

#[cfg(test)]
mod tests;
