//! HTTP client. Every request uses a connection of its own; there is no pool.

mod body;
mod check;
mod connection;
mod cookies;
mod credentials;
mod destination;
mod digest;
mod driver;
mod environment;
mod exchange;
mod explain;
mod fields;
mod frame_error;
mod frames;
mod framing;
mod head;
mod hop;
mod inbound;
mod outbound;
mod phase_times;
mod proxy;
mod pseudo_fields;
mod redirect;
mod request;
mod socks;
mod step;
#[cfg(test)]
mod tests;
mod transcript;
mod version;

use std::sync::Arc;

use futures_util::stream::{FuturesOrdered, StreamExt};
use http::StatusCode;
use url::Url;

pub use crate::body_progress::BodyProgress;
pub use check::UncheckedRequest;
pub use credentials::DigestCredentials;
pub use destination::endpoint_of;
#[cfg(feature = "fuzzing")]
pub use digest::fuzzing;
pub use environment::EnvironmentProxies;
pub use exchange::Exchange;
pub use fields::Fields;
pub use request::{Request, RequestOptions};
pub use version::{HttpVersion, Versions};

use super::bounded::too_many;
use super::tls::TlsSession;
use super::{Client, NetError, Timings};
use canary_record::quota::QuotaKind;
use canary_suite::grant::Via;
use canary_system::clock;
use cookies::CookieJar;
use destination::redact_url;
use digest::DigestAuthentication;
use hop::RequestContext;

/// Maximum number of headers in an HTTP/1 response.
const MAX_HEADERS: usize = 4096;
/// Maximum size of an HTTP/1 response head in bytes; read-ahead of the body is bounded by it too.
const MAX_HEAD_BYTES: usize = 128 << 10;
/// Maximum number of redirects that a plugin may request.
const MAX_REDIRECTS: u32 = 20;
/// Maximum number of requests in one [`Client::send_all`].
const MAX_CONCURRENT: usize = 64;

/// A redirect that was followed, or a challenge that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The requested URL.
    pub url: String,
    /// The status: that of a redirect, or 401.
    pub status: u16,
    /// The remote address, `address:port`.
    pub peer: String,
    /// Timings of this hop.
    pub timings: Timings,
}

/// The response of the last hop.
#[derive(Debug, Clone)]
pub struct Response {
    /// The URL of the last hop.
    pub url: String,
    /// The status, such as 200.
    pub status: u16,
    /// The response's HTTP version.
    pub version: HttpVersion,
    /// As received.
    pub headers: Fields,
    /// At most `max_body` bytes.
    pub body: Vec<u8>,
    /// The body is longer than `max_body`.
    pub truncated: bool,
    /// The body was read to its end.
    pub complete: bool,
    /// Number of body bytes read.
    pub body_length: u64,
    /// The remote address, `address:port`.
    pub peer: String,
    /// Timings of the last hop.
    pub timings: Timings,
    /// The TLS session, for `https`.
    pub tls: Option<TlsSession>,
    /// The preceding redirects and challenges, in order.
    pub hops: Vec<Hop>,
    /// Why the credentials for digest authentication did not lead to another status than 401, for a person.
    pub authentication_error: Option<String>,
}

impl Response {
    /// Retained memory in bytes, excluding the body.
    fn weight(&self) -> usize {
        let hops = self.hops.iter().map(Hop::weight);
        let tls = self.tls.as_ref().map_or(0, TlsSession::weight);
        let reason = self.authentication_error.as_ref().map_or(0, String::len);
        self.url.len() + self.headers.weight() + self.peer.len() + hops.sum::<usize>() + tls + reason
    }
}

impl Hop {
    /// Closes the connection of an exchange that is not the last one.
    fn new(url: &Url, exchange: Exchange) -> Self {
        let response = exchange.into_response();
        Self {
            url: url.to_string(),
            status: response.status,
            peer: response.peer,
            timings: response.timings,
        }
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + self.url.len() + self.peer.len()
    }
}

impl Client {
    /// Sends a request and reads the response as specified by its options.
    ///
    /// Cancellation: dropping the future closes its connection.
    ///
    /// # Errors
    /// Grants, quotas, the time, the network, TLS, or a peer that violates HTTP.
    pub async fn send(&self, request: Request) -> Result<Response, NetError> {
        let options = Arc::clone(&request.options);
        self.open(request).await?.read_to_end(&options).await
    }

    /// Sends a request and follows its redirects, each checked against the grants, up to the head of the final
    /// response. Secrets are sent only to the origin of the request and to those named in the suite.
    ///
    /// Cancellation: dropping the future, or the exchange, closes its connection.
    ///
    /// # Errors
    /// As for [`Client::send`].
    pub async fn open(&self, request: Request) -> Result<Exchange, NetError> {
        self.with_timeout(request.options.timeout)
            .follow_redirects(request)
            .await
    }

    async fn follow_redirects(&self, request: Request) -> Result<Exchange, NetError> {
        self.check_quota(&request)?;
        let options = Arc::clone(&request.options);
        let mut next = request;
        let context = RequestContext::new(self, &options, &next.url)?;
        let mut authentication = DigestAuthentication::new(options.digest.as_ref());
        let (mut hops, mut redirects) = (Vec::new(), 0);
        let mut cookies = CookieJar::default();
        loop {
            let via = if redirects == 0 {
                Via::Direct
            } else {
                Via::Redirect
            };
            let cookie = context.cookies(&cookies, &next).await?;
            let signed = authentication.sign(&next)?;
            let (mut exchange, headers) =
                Box::pin(context.send_hop(&signed, cookie, via, hops.len())).await?;
            drop(signed);
            cookies.store(&next.url, &headers, clock::wall());
            if authentication.is_enabled() && exchange.response().status == StatusCode::UNAUTHORIZED {
                match context.accept_challenge(&mut authentication, &next, &headers)? {
                    Ok(()) => {
                        hops.push(Hop::new(&next.url, exchange));
                        continue;
                    }
                    Err(reason) => exchange.response_mut().authentication_error = Some(reason),
                }
            }
            let redirect = match options.max_redirects {
                0 => None,
                _ => {
                    let status = exchange.response().status;
                    context.redirect(&next, status, &headers).await?
                }
            };
            let Some(redirected) = redirect else {
                exchange.response_mut().hops = hops;
                return Ok(exchange);
            };
            let hop = Hop::new(&next.url, exchange);
            if redirects >= options.max_redirects.min(MAX_REDIRECTS) {
                return Err(too_many_redirects(redirects, &redirected.url));
            }
            let recorder = self.page.recorder();
            recorder.note(|| format!("following the redirect to {}", redact_url(&redirected.url)));
            hops.push(hop);
            authentication.redirected();
            (next, redirects) = (redirected, redirects + 1);
        }
    }

    /// Rejects a body that exceeds the quota before the exchange starts.
    fn check_quota(&self, request: &Request) -> Result<(), NetError> {
        let bytes = u64::try_from(request.body.len()).unwrap_or(u64::MAX);
        if bytes > self.page.quota().bytes_out {
            return Err(self.page.record_denial(QuotaKind::BytesOut).into());
        }
        Ok(())
    }

    /// Sends all requests concurrently, within the socket quota; returns one result per request, in order.
    pub async fn send_all(
        &self,
        requests: impl ExactSizeIterator<Item = Result<Request, NetError>>,
    ) -> Vec<Result<Response, NetError>> {
        let refused = requests.len().saturating_sub(MAX_CONCURRENT);
        let sent: FuturesOrdered<_> = requests
            .take(MAX_CONCURRENT)
            .map(async |request| self.send(request?).await)
            .collect();
        let mut results: Vec<_> = sent.collect().await;
        let refusal = || Err(too_many("requests at once", MAX_CONCURRENT));
        results.extend(std::iter::repeat_with(refusal).take(refused));
        results
    }
}

fn too_many_redirects(followed: u32, next: &Url) -> NetError {
    let next = redact_url(next);
    NetError::Protocol(format!("more than {followed} redirects, the next to `{next}`"))
}
