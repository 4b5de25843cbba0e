//! The runner's own connections, never a check's: HTTP to collectors, notifiers and the heartbeat's address.
//!
//! Each counts its descriptor in the reserve, has one deadline for all it does, and reads no more of an answer than it
//! may have.

mod connect;
mod denial;
mod failure;
mod files;
mod link;
mod lookup;
mod meter;
#[cfg(test)]
mod tests;
mod tls;

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

pub use connect::open;
pub(crate) use connect::{TlsClient, dial};
pub use denial::{Denial, denial};
pub use failure::{Cause, Failure};
pub(crate) use files::Memory;
pub use link::{Link, MAX_BODY, Reply};

use crate::ledger::audit::Reserve;

const AGENT: &str = concat!("canary/", env!("CARGO_PKG_VERSION"));

/// A request with its whole body.
pub type Wire = Request<Full<Bytes>>;

/// PEM files, read at each connect, so that renewed ones are taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates that the peer's chain may end in; absent: the host's trust store.
    pub ca: Option<PathBuf>,
    /// The runner's own chain; there is a key exactly when there is a chain.
    pub client_certificate: Option<PathBuf>,
    /// The key to it.
    pub client_key: Option<PathBuf>,
    /// What they held when they were read last.
    pub(crate) memory: Memory,
}

/// What is spoken on a connection. Nothing is negotiated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 9112.
    #[default]
    Http1,
    /// RFC 9113; without TLS by prior knowledge.
    Http2,
}

/// Where a request goes, and how. `Debug` shows neither user, path nor query of the URL: any may be a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    /// Its scheme is `http` or `https`.
    pub url: Url,
    /// Of use with `https` only.
    pub tls: TlsFiles,
    /// What is spoken there.
    pub protocol: Protocol,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place")
            .field("origin", &self.url.origin().ascii_serialization())
            .field("tls", &self.tls)
            .field("protocol", &self.protocol)
            .finish()
    }
}

impl Place {
    /// A request to the place's URL, whose user and password go into a header.
    ///
    /// # Errors
    /// The URL cannot be written into a request; the message has nothing of it.
    pub fn request(&self, method: Method, body: impl Into<Bytes>) -> Result<Wire, Failure> {
        let url = &self.url;
        let wire = Request::builder().method(method);
        let wire = match self.protocol {
            Protocol::Http1 => wire
                .uri(&url[Position::BeforePath..Position::AfterQuery])
                .header(HOST, &url[Position::BeforeHost..Position::AfterPort]),
            Protocol::Http2 => wire.version(Version::HTTP_2).uri(format!(
                "{}://{}",
                url.scheme(),
                &url[Position::BeforeHost..Position::AfterQuery]
            )),
        };
        let wire = wire.header(USER_AGENT, AGENT).body(Full::new(body.into()));
        let failure = |error| Failure::new(Cause::Settings, format!("cannot make a request: {error}"));
        let mut wire = wire.map_err(failure)?;
        if let Some(credentials) = self.credentials() {
            wire.headers_mut().insert(AUTHORIZATION, credentials);
        }
        Ok(wire)
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

/// One request and its answer on a connection of their own, which is closed when this returns. An answer of any status
/// is one.
///
/// Cancellation: closes the connection; the peer may have the request.
///
/// # Errors
/// There was no whole head of an answer by `deadline`.
pub async fn exchange(
    wire: Wire,
    place: &Place,
    reserve: &Reserve,
    deadline: Instant,
) -> Result<Reply, Failure> {
    exchange_up_to(MAX_BODY, wire, place, reserve, deadline).await
}

/// The same, where an answer may have a body of `most` bytes.
///
/// Cancellation: closes the connection; the peer may have the request.
///
/// # Errors
/// There was no whole head of an answer by `deadline`.
pub async fn exchange_up_to(
    most: usize,
    wire: Wire,
    place: &Place,
    reserve: &Reserve,
    deadline: Instant,
) -> Result<Reply, Failure> {
    let mut link = open(place, reserve, deadline).await?;
    let reply = link.ask_up_to(most, wire, deadline).await;
    link.close().await;
    reply
}
