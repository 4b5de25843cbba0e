//! HTTP, one exchange at a time: every request has a connection of its own, nothing is pooled.

mod exchange;
mod hop;
mod proxy;
mod redirect;

use futures_util::stream::{FuturesOrdered, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::Url;

use super::tls::{TlsOptions, TlsSession};
use super::{Client, Family, NetError, Timings};
use crate::grant::Via;
use hop::Journey;

/// Sent when the plugin names no user agent.
const USER_AGENT: &str = concat!("canary/", env!("CARGO_PKG_VERSION"));
/// Redirects that a plugin may ask for.
const MOST_REDIRECTS: u32 = 20;
/// Requests of one [`Client::send_all`].
const MOST_AT_ONCE: usize = 64;

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    /// RFC 1945.
    Http10,
    /// RFC 9112.
    Http11,
    /// RFC 9113.
    Http2,
}

impl HttpVersion {
    /// `1.0`, `1.1` or `2` (`network.protocol.version`).
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2",
        }
    }
}

/// What a plugin asks for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Such as `GET`.
    pub method: String,
    /// Absolute, `http` or `https`.
    pub url: String,
    /// As given; `host` and `user-agent` are filled in when absent.
    pub headers: Vec<(String, Vec<u8>)>,
    /// May be empty.
    pub body: Vec<u8>,
    /// How to go about it.
    pub options: RequestOptions,
}

/// How to go about a request.
#[derive(Debug, Clone, Default)]
pub struct RequestOptions {
    /// Absent: what ALPN agrees on, or HTTP/1.1 on plain TCP.
    pub version: Option<HttpVersion>,
    /// Which addresses to use.
    pub family: Family,
    /// 0 hands the redirect itself to the plugin.
    pub max_redirects: u32,
    /// Bytes of body to keep; 0 reads no body at all.
    pub max_body: u32,
    /// `HOST:PORT` to connect to in place of the URL's; must be granted itself.
    pub connect_to: Option<String>,
    /// URL of an HTTP proxy; must be granted itself.
    pub proxy: Option<String>,
    /// For `https`.
    pub tls: Option<TlsOptions>,
    /// Adds the run's `traceparent`.
    pub propagate_trace: bool,
}

/// A redirect that was followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// What was asked for.
    pub url: String,
    /// Such as 302.
    pub status: u16,
    /// `address:port`.
    pub peer: String,
    /// Of this hop.
    pub timings: Timings,
}

/// The answer of the last hop.
#[derive(Debug, Clone)]
pub struct Response {
    /// That of the last hop.
    pub url: String,
    /// Such as 200.
    pub status: u16,
    /// As spoken.
    pub version: HttpVersion,
    /// As received.
    pub headers: HeaderMap,
    /// At most `max_body` bytes.
    pub body: Vec<u8>,
    /// The peer sent, or would have sent, more than `max_body`.
    pub truncated: bool,
    /// Bytes of body, as far as it was read.
    pub body_length: u64,
    /// `address:port`.
    pub peer: String,
    /// Of the last hop.
    pub timings: Timings,
    /// For `https`.
    pub tls: Option<TlsSession>,
    /// The redirects before, in order.
    pub hops: Vec<Hop>,
}

/// A request that is right by type.
#[derive(Clone)]
struct Prepared {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Client {
    /// Sends a request and follows its redirects, each checked against the grants again.
    ///
    /// Cancellation: dropping the future closes its connection.
    ///
    /// # Errors
    /// Grants, quotas, time, the network, TLS, or a peer that breaks HTTP.
    pub async fn send(&self, request: Request) -> Result<Response, NetError> {
        let options = request.options.clone();
        let mut next = prepare(request)?;
        let journey = Journey::new(self, &options, &next.url)?;
        let mut hops = Vec::new();
        loop {
            let via = if hops.is_empty() {
                Via::Direct
            } else {
                Via::Redirect
            };
            let mut response = journey.hop(&next, via, hops.len()).await?;
            let redirect = redirect::next(&next, &response)?.filter(|_| options.max_redirects > 0);
            let Some(redirected) = redirect else {
                response.hops = hops;
                return Ok(response);
            };
            if hops.len() >= usize::try_from(options.max_redirects.min(MOST_REDIRECTS)).unwrap_or_default() {
                return Err(NetError::Protocol(format!("more than {} redirects", hops.len())));
            }
            hops.push(Hop {
                url: next.url.into(),
                status: response.status,
                peer: response.peer,
                timings: response.timings,
            });
            next = redirected;
        }
    }

    /// Sends all at once, within the socket quota; one result a request, in the same order.
    pub async fn send_all(&self, requests: Vec<Request>) -> Vec<Result<Response, NetError>> {
        let refused = requests.len().saturating_sub(MOST_AT_ONCE);
        let sent: FuturesOrdered<_> = requests
            .into_iter()
            .take(MOST_AT_ONCE)
            .map(|request| self.send(request))
            .collect();
        let mut results: Vec<_> = sent.collect().await;
        let refusal = || {
            Err(NetError::Invalid(format!(
                "more than {MOST_AT_ONCE} requests at once"
            )))
        };
        results.extend(std::iter::repeat_with(refusal).take(refused));
        results
    }
}

fn prepare(request: Request) -> Result<Prepared, NetError> {
    let invalid = |what: &str, why: &dyn std::fmt::Display| NetError::Invalid(format!("{what}: {why}"));
    let url = Url::parse(&request.url).map_err(|error| invalid(&format!("url `{}`", request.url), &error))?;
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|error| invalid(&format!("method `{}`", request.method), &error))?;
    let mut headers = HeaderMap::with_capacity(request.headers.len() + 3);
    for (name, value) in request.headers {
        let header = HeaderName::from_bytes(name.as_bytes())
            .map_err(|error| invalid(&format!("header `{name}`"), &error))?;
        let value =
            HeaderValue::from_bytes(&value).map_err(|error| invalid(&format!("header `{name}`"), &error))?;
        headers.append(header, value);
    }
    headers
        .entry(http::header::USER_AGENT)
        .or_insert(HeaderValue::from_static(USER_AGENT));
    Ok(Prepared {
        method,
        url,
        headers,
        body: request.body,
    })
}
