//! One request and its answer on a connection that is there already.

use std::convert::Infallible;
use std::error::Error as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use http::header::{CONTENT_LENGTH, COOKIE, HOST, PROXY_AUTHORIZATION, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout_at};
use url::{Position, Url};

use super::body::{Body, Progress};
use super::hop::bare;
use super::inbound::{Inbound, Opening};
use super::proxy::Proxy;
use super::redirect::leads_on;
use super::{HttpVersion, Request};
use crate::net::stream::{Moments, Timed, Transport, read};
use crate::net::{NetError, Phase};

/// Most headers of an answer over HTTP/1.
const HEADERS: usize = 4096;
/// Most bytes of an answer's head over HTTP/1; what is read ahead of the body has no more room either.
const HEAD_BYTES: usize = 128 << 10;
/// Most bytes of a header block over HTTP/2, decoded, with 32 added for each header (RFC 9113, section 6.5.2): as much
/// as over HTTP/1.
const HEADER_LIST_BYTES: u32 = 128 << 10;

pub(super) struct Asked<'a> {
    pub(super) request: &'a Request,
    /// Carries the run's trace to the target, where the check asks for that.
    pub(super) trace: Vec<(HeaderName, HeaderValue)>,
    /// What the plugin wrote, and what peers set on the way.
    pub(super) cookie: Option<HeaderValue>,
    pub(super) version: HttpVersion,
    /// Set when the request goes to a proxy that forwards it.
    pub(super) via_proxy: Option<&'a Proxy>,
    pub(super) wanted: Wanted,
}

/// How much of an answer's body is wanted.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// Bytes to keep; with 0 nothing is read.
    pub(super) max: u32,
    /// Redirects are followed, and what they say beside that is left where it is.
    pub(super) skips_redirects: bool,
}

pub(super) struct Answer {
    pub(super) head: http::response::Parts,
    pub(super) body: Body,
}

/// Where the time of an exchange went, also of one that failed.
#[derive(Clone, Copy, Default)]
pub(super) struct Spent {
    pub(super) send: Option<Duration>,
    pub(super) wait: Option<Duration>,
    pub(super) receive: Option<Duration>,
}

/// Sends the request and reads the answer by `limit`; a time-out names the phase that it passed in.
pub(super) async fn run(
    transport: Transport,
    asked: Asked<'_>,
    limit: Instant,
) -> (Result<Answer, NetError>, Spent) {
    let moments = Arc::new(Mutex::new(Moments::default()));
    let stream = Timed::new(transport, Arc::clone(&moments));
    let started_at = Instant::now();
    let request = match wire_request(&asked) {
        Ok(request) => request,
        Err(error) => return (Err(error), Spent::default()),
    };
    let reading = Reading {
        wanted: asked.wanted,
        progress: Progress::default(),
    };
    let outcome = match asked.version {
        HttpVersion::Http2 => timeout_at(limit, over_http2(stream, request, &reading)).await,
        _ => timeout_at(limit, over_http1(stream, request, &reading)).await,
    };
    let moments = read(&moments);
    let outcome = outcome.unwrap_or_else(|_| Err(NetError::Timeout(phase(moments))));
    let answer = outcome.map_err(|error| reading.progress.explain(error));
    (answer, spent(moments, started_at, Instant::now()))
}

/// What never came was waited for until the end.
fn spent(moments: Moments, started_at: Instant, ended_at: Instant) -> Spent {
    let sent_at = moments.last_write;
    Spent {
        send: Some(sent_at.unwrap_or(ended_at) - started_at),
        wait: sent_at.map(|sent| moments.first_read.unwrap_or(ended_at) - sent),
        receive: moments.first_read.map(|read| ended_at - read),
    }
}

fn phase(moments: Moments) -> Phase {
    match (moments.last_write, moments.first_read) {
        (None, _) => Phase::Send,
        (Some(_), None) => Phase::Wait,
        (Some(_), Some(_)) => Phase::Receive,
    }
}

type Wire = http::Request<Full<Bytes>>;

fn wire_request(asked: &Asked<'_>) -> Result<Wire, NetError> {
    let Request {
        method, url, body, ..
    } = asked.request;
    let headers = wire_headers(asked)?;
    let mut request = Wire::new(Full::new(body.clone()));
    *request.method_mut() = method.clone();
    *request.uri_mut() = wire_target(asked, url)?;
    *request.headers_mut() = headers;
    if asked.version == HttpVersion::Http10 {
        *request.version_mut() = Version::HTTP_10;
    }
    if asked.version == HttpVersion::Http2 {
        // Its place is the authority (RFC 9113, section 8.3.1).
        request.headers_mut().remove(HOST);
    }
    Ok(request)
}

/// What stands in the request line, or in the pseudo-headers of HTTP/2.
fn wire_target(asked: &Asked<'_>, url: &Url) -> Result<Uri, NetError> {
    let mut url = url.clone();
    url.set_fragment(None);
    // Credentials in a URL are for an Authorization header, never for the wire.
    let _no_host = (url.set_username(""), url.set_password(None));
    let path = &url[Position::BeforePath..];
    let host = asked.request.headers.get(HOST);
    let text = match (asked.version, host) {
        (HttpVersion::Http2, Some(host)) => {
            let host = host
                .to_str()
                .map_err(|error| NetError::Invalid(format!("header `host`: {error}")))?;
            format!("{}://{host}{path}", url.scheme())
        }
        (HttpVersion::Http2, None) => url.to_string(),
        _ if asked.via_proxy.is_some() => url.to_string(),
        _ => path.to_owned(),
    };
    text.parse()
        .map_err(|error| NetError::Invalid(format!("url `{}`: {error}", bare(&url))))
}

fn wire_headers(asked: &Asked<'_>) -> Result<HeaderMap, NetError> {
    let Request {
        method,
        url,
        headers,
        body,
        ..
    } = asked.request;
    let mut headers = headers.clone();
    // The request's list has room for a few more.
    headers.extend(asked.trace.iter().cloned());
    if let Some(cookie) = &asked.cookie {
        headers.insert(COOKIE, cookie.clone());
    }
    if !headers.contains_key(HOST) && asked.version != HttpVersion::Http2 {
        let authority = &url[Position::BeforeHost..Position::AfterPort];
        let host = HeaderValue::from_str(authority).map_err(|error| NetError::Invalid(error.to_string()))?;
        headers.insert(HOST, host);
    }
    let says_length = headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
    if body.is_empty() && [Method::POST, Method::PUT, Method::PATCH].contains(method) && !says_length {
        // RFC 9110, section 8.6: these methods mean something by a body, also by an empty one.
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    if asked.via_proxy.is_none() {
        // It is for a proxy, and never for the target behind one.
        headers.remove(PROXY_AUTHORIZATION);
    }
    if let Some(authorization) = asked.via_proxy.and_then(|proxy| proxy.authorization.clone()) {
        headers.insert(PROXY_AUTHORIZATION, authorization);
    }
    Ok(headers)
}

async fn over_http1(stream: Timed, request: Wire, reading: &Reading) -> Result<Answer, NetError> {
    let opening = Opening::default();
    let (mut sender, connection) = http1::Builder::new()
        .max_headers(HEADERS)
        .max_buf_size(HEAD_BYTES)
        // What other clients take as well: a blank before the colon, folded lines (RFC 9112, section 5.2), and a line that is
        // no header is left out.
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .handshake(TokioIo::new(Inbound::http1(stream, opening.clone())))
        .await
        .map_err(from_hyper)?;
    let exchange = async {
        let answer = sender.send_request(request).await;
        let answer = answer.map_err(|error| match error.is_parse() {
            true => opening.explain(from_hyper(error)),
            false => from_hyper(error),
        })?;
        reading.receive(answer).await
    };
    drive(exchange, connection).await
}

async fn over_http2(stream: Timed, request: Wire, reading: &Reading) -> Result<Answer, NetError> {
    let inline = Inline::default();
    let (mut sender, connection) = http2::Builder::new(inline.clone())
        .max_header_list_size(HEADER_LIST_BYTES)
        .handshake(TokioIo::new(Inbound::http2(stream)))
        .await
        .map_err(from_hyper)?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(from_hyper)?;
        reading.receive(answer).await
    };
    drive(exchange, futures_util::future::join(connection, inline.run())).await
}

/// Polls the connection beside the exchange, in this task: dropping the pair closes the socket.
async fn drive<T>(exchange: impl Future<Output = T>, connection: impl Future) -> T {
    let mut exchange = std::pin::pin!(exchange);
    let connection = std::pin::pin!(connection);
    tokio::select! {
        biased;
        ended = &mut exchange => return ended,
        // A connection that is over has said so to the exchange, or left its answer there.
        _ = connection => {}
    }
    exchange.await
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs what HTTP/2 would spawn inside the exchange that needs it.
#[derive(Clone, Default)]
struct Inline {
    started: Arc<Mutex<Vec<Task>>>,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Inline {
    fn execute(&self, task: F) {
        self.started
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Box::pin(task));
    }
}

impl Inline {
    /// Never ends by itself: the exchange ends it.
    async fn run(self) -> Infallible {
        let mut tasks = FuturesUnordered::new();
        std::future::poll_fn(|cx| {
            loop {
                tasks.extend(
                    self.started
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .drain(..),
                );
                match tasks.poll_next_unpin(cx) {
                    std::task::Poll::Ready(Some(())) => {}
                    _ => return std::task::Poll::Pending,
                }
            }
        })
        .await
    }
}

/// How the answer of one exchange is read.
struct Reading {
    wanted: Wanted,
    progress: Progress,
}

impl Reading {
    async fn receive(&self, answer: http::Response<Incoming>) -> Result<Answer, NetError> {
        let (head, mut incoming) = answer.into_parts();
        let is_skipped = self.wanted.skips_redirects && leads_on(head.status, &head.headers);
        if self.wanted.max == 0 || is_skipped {
            let body = Body::unread(&incoming);
            return Ok(Answer { head, body });
        }
        self.progress.begin(&head);
        let body = Body::read(&mut incoming, self.wanted.max, &self.progress).await?;
        Ok(Answer { head, body })
    }
}

pub(super) fn from_hyper(error: hyper::Error) -> NetError {
    explain(&error)
}

fn explain(error: &hyper::Error) -> NetError {
    // A request that was not sent yet is canceled, for a reason of its own.
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    if let Some(cause) = cause.filter(|_| error.is_canceled()) {
        return explain(cause);
    }
    let is_over = error.is_incomplete_message() || error.is_closed() || error.is_canceled();
    match NetError::from_protocol(error) {
        NetError::Protocol(_) if is_over => NetError::Closed,
        other => other,
    }
}
