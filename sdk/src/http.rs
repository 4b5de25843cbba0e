//! HTTP exchanges, each over a connection of its own: nothing is pooled.
//!
//! ```no_run
//! # fn main() -> Result<(), canary_sdk::Error> {
//! use canary_sdk::http::Request;
//!
//! let response = Request::get("https://example.com/").header("accept", "text/html").max_redirects(3).send()?;
//! assert_eq!(response.status, 200);
//! # Ok(()) }
//! ```
//!
//! An [`Exchange`] streams the body.

mod credentials;
mod exchange;
mod exchange_info;
mod head;
mod version;

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use crate::backend;
use crate::endpoint::Endpoint;
use crate::error::NetError;
use crate::problems::Invalid;
use crate::tcp::{IpFamily, Timings};
use crate::tls;

pub use credentials::Credentials;
pub use exchange::Exchange;
pub use exchange_info::ExchangeInfo;
pub use head::Head;
pub use version::Version;

/// Bytes of a body that a request retains by default: 1 MiB.
pub const DEFAULT_MAX_BODY: u32 = 1 << 20;

/// A request, built step by step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "it is not sent yet"]
pub struct Request {
    /// Such as `GET`.
    pub method: String,
    /// `http` or `https`, absolute.
    pub url: String,
    /// The headers, in the order in which they are sent.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// The options.
    pub options: RequestOptions,
}

/// Options of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct RequestOptions {
    /// Versions to offer, in order of preference; if empty, HTTP/2 and 1.1. Over TLS, ALPN selects one of them. Over
    /// plain TCP HTTP/1.1 is used if it is among them, and else the first.
    pub versions: Vec<Version>,
    /// Which addresses to try.
    pub ip_family: IpFamily,
    /// Local address to connect from.
    pub source_address: Option<String>,
    /// How many redirects to follow; the grants are checked again for each hop. None by default.
    pub max_redirects: u32,
    /// Bytes of the body to retain; the rest is read to its end and discarded, and a body beyond the quota is
    /// [`ErrorCode::Quota`](crate::ErrorCode::Quota). 0 reads no body at all.
    pub max_body: u32,
    /// How long to read a body, from the end of the head, for example one that never ends; `None` reads to its end.
    /// What was received by then is the body, and [`Response::complete`] is false.
    pub read_for: Option<Duration>,
    /// Time limit for the whole exchange, redirects included; `None` is what is left of the run.
    pub timeout: Option<Duration>,
    /// Endpoint to connect to instead of the URL's host; the URL still determines the Host header and SNI.
    pub connect_to: Option<String>,
    /// The only address to try, of the URL's host or of the `connect_to` endpoint. It does not apply to a redirect to
    /// another origin or to a proxy.
    pub address: Option<IpAddr>,
    /// Absolute URL of an HTTP or SOCKS5 proxy: `http://`, `https://` over TLS, `socks5://`.
    pub proxy: Option<String>,
    /// TLS options for a proxy over TLS; `None` is [`tls::Options::default`].
    pub proxy_tls: Option<tls::Options>,
    /// `None` is [`tls::Options::default`].
    pub tls: Option<tls::Options>,
    /// Adds `traceparent`, so that the service's own trace joins the run's.
    pub propagate_trace: bool,
    /// Answers challenges for digest authentication (RFC 7616) from the URL's origin.
    pub digest: Option<Credentials>,
}

impl Default for RequestOptions {
    fn default() -> Self {
        Self {
            versions: Vec::new(),
            ip_family: IpFamily::Any,
            source_address: None,
            max_redirects: 0,
            max_body: DEFAULT_MAX_BODY,
            read_for: None,
            timeout: None,
            connect_to: None,
            address: None,
            proxy: None,
            proxy_tls: None,
            tls: None,
            propagate_trace: false,
            digest: None,
        }
    }
}

impl Request {
    /// Creates a request without headers and body.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        let (method, url) = (method.into(), url.into());
        Self {
            method,
            url,
            headers: Vec::new(),
            body: Vec::new(),
            options: RequestOptions::default(),
        }
    }

    /// A `GET` request.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A `HEAD` request.
    pub fn head(url: impl Into<String>) -> Self {
        Self::new("HEAD", url)
    }

    /// A `POST` request.
    pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", url).body(body)
    }

    /// Adds a header. The host sets `content-length` and `transfer-encoding` according to the body, and sends no
    /// others.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Uses only this version.
    pub fn version(self, version: Version) -> Self {
        self.versions([version])
    }

    /// Offers these versions, in order of preference.
    pub fn versions(mut self, versions: impl IntoIterator<Item = Version>) -> Self {
        self.options.versions = versions.into_iter().collect();
        self
    }

    /// Connects from this local address.
    pub fn source_address(mut self, address: impl Into<String>) -> Self {
        self.options.source_address = Some(address.into());
        self
    }

    /// Tries these addresses only.
    pub fn ip_family(mut self, family: IpFamily) -> Self {
        self.options.ip_family = family;
        self
    }

    /// Follows at most so many redirects.
    pub fn max_redirects(mut self, redirects: u32) -> Self {
        self.options.max_redirects = redirects;
        self
    }

    /// Retains at most so many bytes of the body; 0 reads no body at all.
    pub fn max_body(mut self, bytes: u32) -> Self {
        self.options.max_body = bytes;
        self
    }

    /// Limits the time to read the body, from the end of the head.
    pub fn read_for(mut self, time: Duration) -> Self {
        self.options.read_for = Some(time);
        self
    }

    /// Times out earlier than the run does.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Connects to this `host:port` instead of the URL's.
    pub fn connect_to(mut self, endpoint: impl Into<String>) -> Self {
        self.options.connect_to = Some(endpoint.into());
        self
    }

    /// Tries this address and no other.
    pub fn address(mut self, address: IpAddr) -> Self {
        self.options.address = Some(address);
        self
    }

    /// Uses this HTTP or SOCKS5 proxy.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.options.proxy = Some(url.into());
        self
    }

    /// Uses these TLS options for a proxy over TLS.
    pub fn proxy_tls(mut self, options: tls::Options) -> Self {
        self.options.proxy_tls = Some(options);
        self
    }

    /// Uses these TLS options.
    pub fn tls(mut self, options: tls::Options) -> Self {
        self.options.tls = Some(options);
        self
    }

    /// Whether to add `traceparent`.
    pub fn propagate_trace(mut self, propagate: bool) -> Self {
        self.options.propagate_trace = propagate;
        self
    }

    /// Answers challenges for digest authentication (RFC 7616). A challenge is answered once, with the strongest
    /// algorithm, and once more if the server reports its nonce as stale.
    pub fn digest(mut self, username: impl Into<String>, password: impl Into<String>) -> Self {
        self.options.digest = Some(Credentials::new(username, password));
        self
    }

    /// What the host would refuse of this request. Nothing is sent.
    pub fn check(&self) -> Vec<Invalid> {
        backend::check_request(self)
    }

    /// The endpoint that it would be sent to, as the host parses its URL: the URL's own host and port, or those of
    /// `connect_to`. Nothing is sent.
    pub fn endpoint(&self) -> Result<Endpoint, NetError> {
        backend::endpoint_of(self)
    }

    /// Sends it and waits for the response.
    pub fn send(self) -> Result<Response, NetError> {
        send(self)
    }

    /// Sends it and waits for the head of the response, whose body is then streamed.
    pub fn open(self) -> Result<Exchange, NetError> {
        Exchange::open(self)
    }
}

/// A redirect that was followed, or a challenge that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The requested URL.
    pub url: String,
    /// That of the redirect, such as 301; 401 for a challenge.
    pub status: u16,
    /// `address:port` of the server.
    pub peer: String,
    /// How long each phase took.
    pub timings: Timings,
}

impl Hop {
    /// Whether it was a redirect, and not a challenge.
    pub fn is_redirect(&self) -> bool {
        self.status != 401
    }
}

/// A response, with how it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The final URL: the requested one, or that of the last redirect.
    pub url: String,
    /// Such as 200.
    pub status: u16,
    /// The version of the response: over HTTP/1 the server's own, whatever version was requested.
    pub version: Version,
    /// The headers, in the order in which they were received.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The first `max_body` bytes of the body.
    pub body: Vec<u8>,
    /// True when the peer sent more than `max_body`.
    pub truncated: bool,
    /// Whether the body was read to its end: not with a `max_body` of 0, nor if the time of `read_for` ended before.
    pub complete: bool,
    /// Bytes of body on the wire, as far as it was read.
    pub body_length: u64,
    /// `address:port` of the last hop.
    pub peer: String,
    /// Timings of the last hop.
    pub timings: Timings,
    /// The session of the last hop, if it used TLS.
    pub tls: Option<tls::Session>,
    /// The redirects and challenges before, in order.
    pub hops: Vec<Hop>,
    /// For a status of 401, with [`RequestOptions::digest`]: why there is no answer, or no other one, for a person.
    pub authentication_error: Option<String>,
}

impl Response {
    /// The first header with this name, in any case. Invalid UTF-8 is replaced.
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.header_values(name).next()
    }

    /// All headers with this name, in any case.
    pub fn header_values<'r, 'n>(
        &'r self,
        name: &'n str,
    ) -> impl Iterator<Item = Cow<'r, str>> + use<'r, 'n> {
        values(&self.headers, name)
    }

    /// The number of redirects that were followed.
    pub fn redirects(&self) -> usize {
        self.hops.iter().filter(|hop| hop.is_redirect()).count()
    }

    /// The body as text. Invalid UTF-8 is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

fn values<'r, 'n>(
    headers: &'r [(String, Vec<u8>)],
    name: &'n str,
) -> impl Iterator<Item = Cow<'r, str>> + use<'r, 'n> {
    let named = headers
        .iter()
        .filter(move |(known, _)| known.eq_ignore_ascii_case(name));
    named.map(|(_, value)| String::from_utf8_lossy(value))
}

/// Sends a request and waits for the response.
pub fn send(request: Request) -> Result<Response, NetError> {
    backend::send(request)
}

/// Sends all requests concurrently, within the check's socket quota; one result per request, in the same order.
pub fn send_all(requests: Vec<Request>) -> Vec<Result<Response, NetError>> {
    backend::send_all(requests)
}
