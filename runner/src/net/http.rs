//! HTTP, one exchange at a time: every request has a connection of its own, nothing is pooled.

mod body;
mod check;
mod connection;
mod cookies;
mod driver;
mod environment;
mod exchange;
mod explain;
mod fields;
mod framing;
mod head;
mod hop;
mod inbound;
mod noted;
mod outbound;
mod proxy;
mod redirect;
mod request;
mod socks;
mod step;
#[cfg(test)]
mod tests;
mod version;

use std::sync::Arc;

use futures_util::stream::{FuturesOrdered, StreamExt};
use url::Url;

pub use body::Extent;
pub use check::Unchecked;
pub use environment::EnvironmentProxies;
pub use exchange::Exchange;
pub use fields::Fields;
pub use hop::endpoint_of;
pub use request::{Request, RequestOptions};
pub use version::{HttpVersion, Versions};

use super::bounded::too_many;
use super::tls::TlsSession;
use super::{Client, NetError, Timings};
use crate::clock;
use crate::grant::Via;
use crate::quota::QuotaKind;
use cookies::Jar;
use hop::Journey;

/// Most headers of an answer over HTTP/1.
const HEADERS: usize = 4096;
/// Most bytes of an answer's head over HTTP/1; what is read ahead of the body has no more room either.
const HEAD_BYTES: usize = 128 << 10;
/// Redirects that a plugin may ask for.
const MOST_REDIRECTS: u32 = 20;
/// Requests of one [`Client::send_all`].
const MOST_AT_ONCE: usize = 64;

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
    /// Of the answer.
    pub version: HttpVersion,
    /// As received.
    pub headers: Fields,
    /// At most `max_body` bytes.
    pub body: Vec<u8>,
    /// The peer sent, or would have sent, more than `max_body`.
    pub truncated: bool,
    /// The body was read to its end.
    pub complete: bool,
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

impl Response {
    /// Bytes of memory that are kept of it, its body left out.
    fn weight(&self) -> usize {
        let hops = self.hops.iter().map(Hop::weight);
        let tls = self.tls.as_ref().map_or(0, TlsSession::weight);
        self.url.len() + self.headers.weight() + self.peer.len() + hops.sum::<usize>() + tls
    }
}

impl Hop {
    fn weight(&self) -> usize {
        size_of::<Self>() + self.url.len() + self.peer.len()
    }
}

impl Client {
    /// Sends a request and reads the answer as the request's options say.
    ///
    /// Cancellation: dropping the future closes its connection.
    ///
    /// # Errors
    /// Grants, quotas, time, the network, TLS, or a peer that breaks HTTP.
    pub async fn send(&self, request: Request) -> Result<Response, NetError> {
        let options = Arc::clone(&request.options);
        self.open(request).await?.whole(&options).await
    }

    /// Sends a request and follows its redirects, each checked against the grants again, up to the head of the last answer.
    /// Secrets stay with the origin of the request, and with those that the suite names.
    ///
    /// Cancellation: dropping the future, or the exchange, closes its connection.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn open(&self, request: Request) -> Result<Exchange, NetError> {
        self.within(request.options.timeout).follow(request).await
    }

    async fn follow(&self, request: Request) -> Result<Exchange, NetError> {
        self.fits_quota(&request)?;
        let options = Arc::clone(&request.options);
        let mut next = request;
        let journey = Journey::new(self, &options, &next.url)?;
        let mut hops = Vec::new();
        let mut cookies = Jar::default();
        loop {
            let via = if hops.is_empty() {
                Via::Direct
            } else {
                Via::Redirect
            };
            let cookie = journey.cookies(&cookies, &next).await?;
            let (mut exchange, headers) = journey.hop(&next, cookie, via, hops.len()).await?;
            cookies.store(&next.url, &headers, clock::wall());
            let redirect = match options.max_redirects {
                0 => None,
                _ => {
                    let status = exchange.response().status;
                    journey.redirect(&next, status, &headers).await?
                }
            };
            let Some(redirected) = redirect else {
                exchange.response_mut().hops = hops;
                return Ok(exchange);
            };
            let response = exchange.into_response();
            if hops.len() >= usize::try_from(options.max_redirects.min(MOST_REDIRECTS)).unwrap_or_default() {
                return Err(too_many_redirects(hops.len(), &redirected.url));
            }
            let recorder = self.page.recorder();
            recorder.note(|| format!("following the redirect to {}", hop::bare(&redirected.url)));
            hops.push(Hop {
                url: next.url.into(),
                status: response.status,
                peer: response.peer,
                timings: response.timings,
            });
            next = redirected;
        }
    }

    /// A body that can never be sent is not kept for the time of an exchange.
    fn fits_quota(&self, request: &Request) -> Result<(), NetError> {
        let bytes = u64::try_from(request.body.len()).unwrap_or(u64::MAX);
        if bytes > self.page.quota().bytes_out {
            return Err(self.page.note_denial(QuotaKind::BytesOut).into());
        }
        Ok(())
    }

    /// Sends all at once, within the socket quota; one result a request, in the same order.
    pub async fn send_all(
        &self,
        requests: impl ExactSizeIterator<Item = Result<Request, NetError>>,
    ) -> Vec<Result<Response, NetError>> {
        let refused = requests.len().saturating_sub(MOST_AT_ONCE);
        let sent: FuturesOrdered<_> = requests
            .take(MOST_AT_ONCE)
            .map(async |request| self.send(request?).await)
            .collect();
        let mut results: Vec<_> = sent.collect().await;
        let refusal = || Err(too_many("requests at once", MOST_AT_ONCE));
        results.extend(std::iter::repeat_with(refusal).take(refused));
        results
    }
}

fn too_many_redirects(followed: usize, next: &Url) -> NetError {
    let next = hop::bare(next);
    NetError::Protocol(format!("more than {followed} redirects, the next to `{next}`"))
}
