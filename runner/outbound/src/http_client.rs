//! The HTTP client of the runner itself, for collectors, notifiers, the heartbeat and the admin API; never used by
//! checks.
//!
//! Each connection accounts for its descriptor, has one deadline for everything it does, and reads a bounded amount of
//! a response.

mod body_error;
mod connect;
mod connection;
mod failure;
mod lookup;
mod read_limit;
#[cfg(test)]
mod tests;
mod tls;
mod tls_files;

use std::fmt;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, Version};
use http_body_util::Full;
use hyper::body::Bytes;
use percent_encoding::percent_decode_str;
use tokio::time::Instant;
use url::{Position, Url};

pub use body_error::{BodyError, body_error};
pub use connect::{TlsClient, dial, open};
pub use connection::{Connection, HttpResponse, MAX_BODY};
pub use failure::{Failure, FailureCause};
pub use tls_files::TlsFileCache;

use canary_net::ledger::audit::InternalFds;

const AGENT: &str = concat!("canary/", env!("CARGO_PKG_VERSION"));

/// A request with its complete body.
pub type HttpRequest = Request<Full<Bytes>>;

/// PEM files, read for each connection, so that renewed files are picked up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Trusted root certificates; absent for the host's trust store.
    pub ca: Option<PathBuf>,
    /// The client certificate chain; set if and only if there is a key.
    pub client_certificate: Option<PathBuf>,
    /// The private key of the client certificate.
    pub client_key: Option<PathBuf>,
    /// The last successfully read contents.
    pub cache: TlsFileCache,
}

/// The HTTP version of a connection. It is not negotiated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 9112.
    #[default]
    Http1,
    /// RFC 9113; without TLS with prior knowledge.
    Http2,
}

/// The destination of requests. `Debug` shows neither user, path nor query of the URL: any of them may be a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The URL, with scheme `http` or `https`.
    pub url: Url,
    /// The TLS files, for `https` only.
    pub tls: TlsFiles,
    /// The HTTP version.
    pub protocol: Protocol,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("origin", &self.url.origin().ascii_serialization())
            .field("tls", &self.tls)
            .field("protocol", &self.protocol)
            .finish()
    }
}

impl Endpoint {
    /// Builds a request to the endpoint's URL, whose user and password are sent in a header.
    ///
    /// # Errors
    /// The URL is not valid in a request; the message contains no part of it.
    pub fn request(&self, method: Method, body: impl Into<Bytes>) -> Result<HttpRequest, Failure> {
        let url = &self.url;
        let request = Request::builder().method(method);
        let request = match self.protocol {
            Protocol::Http1 => request
                .uri(&url[Position::BeforePath..Position::AfterQuery])
                .header(HOST, &url[Position::BeforeHost..Position::AfterPort]),
            Protocol::Http2 => request.version(Version::HTTP_2).uri(format!(
                "{}://{}",
                url.scheme(),
                &url[Position::BeforeHost..Position::AfterQuery]
            )),
        };
        let request = request.header(USER_AGENT, AGENT).body(Full::new(body.into()));
        let failure = |error| Failure::new(FailureCause::Settings, format!("cannot make a request: {error}"));
        let mut request = request.map_err(failure)?;
        if let Some(credentials) = self.credentials() {
            request.headers_mut().insert(AUTHORIZATION, credentials);
        }
        Ok(request)
    }

    /// RFC 7617.
    fn credentials(&self) -> Option<HeaderValue> {
        let (user, password) = (self.url.username(), self.url.password());
        if user.is_empty() && password.is_none() {
            return None;
        }
        let mut pair: Vec<u8> = percent_decode_str(user).collect();
        pair.push(b':');
        pair.extend(percent_decode_str(password.unwrap_or_default()));
        let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// Sends one request on a new connection, which is closed when this returns. A response of any status is a success.
///
/// Cancellation: closes the connection; the peer may have received the request.
///
/// # Errors
/// No complete response head was received by `deadline`.
pub async fn exchange(
    request: HttpRequest,
    endpoint: &Endpoint,
    internal_fds: &InternalFds,
    deadline: Instant,
) -> Result<HttpResponse, Failure> {
    exchange_with_limit(MAX_BODY, request, endpoint, internal_fds, deadline).await
}

/// Like [`exchange`], with a response body of up to `max_body` bytes.
///
/// Cancellation: closes the connection; the peer may have received the request.
///
/// # Errors
/// No complete response head was received by `deadline`.
pub async fn exchange_with_limit(
    max_body: usize,
    request: HttpRequest,
    endpoint: &Endpoint,
    internal_fds: &InternalFds,
    deadline: Instant,
) -> Result<HttpResponse, Failure> {
    let mut connection = open(endpoint, internal_fds, deadline).await?;
    let response = connection.send_with_limit(max_body, request, deadline).await;
    connection.close().await;
    response
}
