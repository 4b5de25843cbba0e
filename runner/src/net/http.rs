//! HTTP, one exchange at a time: every request has a connection of its own, nothing is pooled.

mod exchange;
mod proxy;
mod redirect;

use std::time::Duration;

use futures_util::stream::{FuturesOrdered, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::time::Instant;
use url::Url;

use super::connect::ConnectOptions;
use super::stream::Transport;
use super::tls::{TlsOptions, TlsSession, handshake};
use super::{Client, Family, NetError, Phase, Timings, within};
use crate::grant::{Destination, NameDecision, Scheme, Via};
use proxy::Proxy;

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
        let mut next = prepare(request, &options, self)?;
        let origin = next.url.clone();
        let mut hops = Vec::new();
        loop {
            let via = if hops.is_empty() {
                Via::Direct
            } else {
                Via::Redirect
            };
            let mut response = self.exchange(&next, &options, &origin, via).await?;
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

    /// One hop: a connection, a request, an answer.
    async fn exchange(
        &self,
        request: &Prepared,
        options: &RequestOptions,
        origin: &Url,
        via: Via,
    ) -> Result<Response, NetError> {
        let proxy = options.proxy.as_deref().map(Proxy::parse).transpose()?;
        let (stream, mut timings) = self
            .reach(&request.url, options, proxy.as_ref(), origin, via)
            .await?;
        let peer = stream.peer_addr()?.to_string();
        let is_tls = request.url.scheme() == "https";
        let (transport, tls) = match is_tls {
            false => (Transport::Plain(stream), None),
            true => {
                let stream = self.tunnel(stream, proxy.as_ref(), &request.url).await?;
                let (transport, session, took) = self.secure(stream, &request.url, options).await?;
                timings.handshake = Some(took);
                (transport, Some(session))
            }
        };
        let version = spoken(options.version, tls.as_ref());
        let via_proxy = proxy.as_ref().filter(|_| !is_tls);
        let asked = exchange::Asked {
            request,
            version,
            via_proxy,
            max_body: options.max_body,
        };
        let answer = exchange::run(transport, asked, self.limit(None)).await?;
        timings.send = answer.send;
        timings.wait = answer.wait;
        timings.receive = answer.receive;
        Ok(Response {
            url: request.url.to_string(),
            status: answer.head.status.as_u16(),
            version,
            headers: answer.head.headers,
            body: answer.body,
            truncated: answer.truncated,
            body_length: answer.body_length,
            peer,
            timings,
            tls,
            hops: Vec::new(),
        })
    }

    /// Connects to the URL's host, to its stand-in, or to the proxy.
    async fn reach(
        &self,
        url: &Url,
        options: &RequestOptions,
        proxy: Option<&Proxy>,
        origin: &Url,
        via: Via,
    ) -> Result<(crate::ledger::LeasedStream, Timings), NetError> {
        let target = destination(url)?;
        let connect = ConnectOptions {
            family: options.family,
            ..ConnectOptions::default()
        };
        if let Some(proxy) = proxy {
            // The proxy resolves the target: its name is all that can be judged here.
            if self.grants.name(&target, via) != NameDecision::Granted {
                return Err(NetError::Denied(format!(
                    "`{target}` is not granted to this check by name"
                )));
            }
            return self.connect(&proxy.destination, Via::Direct, connect).await;
        }
        match options
            .connect_to
            .as_deref()
            .filter(|_| url.origin() == origin.origin())
        {
            None => self.connect(&target, via, connect).await,
            Some(place) => {
                self.connect(&stand_in(place, target.scheme())?, Via::Direct, connect)
                    .await
            }
        }
    }

    /// Through the proxy, if there is one, to the URL's host.
    async fn tunnel(
        &self,
        stream: crate::ledger::LeasedStream,
        proxy: Option<&Proxy>,
        url: &Url,
    ) -> Result<crate::ledger::LeasedStream, NetError> {
        match proxy {
            Some(proxy) => within(self.limit(None), Phase::Connect, proxy.tunnel(stream, url)).await,
            None => Ok(stream),
        }
    }

    async fn secure(
        &self,
        stream: crate::ledger::LeasedStream,
        url: &Url,
        options: &RequestOptions,
    ) -> Result<(Transport, TlsSession, Duration), NetError> {
        let started_at = Instant::now();
        let mut tls = options.tls.clone().unwrap_or(TlsOptions {
            require_valid: true,
            ..TlsOptions::default()
        });
        if tls.alpn.is_empty() {
            tls.alpn = match options.version {
                None => vec!["h2".to_owned(), "http/1.1".to_owned()],
                Some(HttpVersion::Http2) => vec!["h2".to_owned()],
                Some(_) => vec!["http/1.1".to_owned()],
            };
        }
        let host = bare_host(url)?;
        let shaken = handshake(&self.shared.trust, stream, &host, &tls);
        let (stream, session) = within(self.limit(None), Phase::Handshake, shaken).await?;
        Ok((Transport::Tls(Box::new(stream)), session, started_at.elapsed()))
    }
}

fn spoken(wanted: Option<HttpVersion>, tls: Option<&TlsSession>) -> HttpVersion {
    match (wanted, tls.and_then(|session| session.alpn.as_deref())) {
        (Some(version), _) => version,
        (None, Some("h2")) => HttpVersion::Http2,
        (None, _) => HttpVersion::Http11,
    }
}

fn prepare(request: Request, options: &RequestOptions, client: &Client) -> Result<Prepared, NetError> {
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
    if options.propagate_trace
        && let Ok(parent) = HeaderValue::from_str(&client.trace.traceparent())
    {
        headers.insert("traceparent", parent);
    }
    Ok(Prepared {
        method,
        url,
        headers,
        body: request.body,
    })
}

fn destination(url: &Url) -> Result<Destination, NetError> {
    let scheme = match url.scheme() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => {
            return Err(NetError::Invalid(format!(
                "url scheme `{other}`: only http and https"
            )));
        }
    };
    let port = url
        .port_or_known_default()
        .ok_or_else(|| NetError::Invalid(format!("url `{url}` has no port")))?;
    place(scheme, &bare_host(url)?, port)
}

/// The host without the brackets of an IPv6 address.
fn bare_host(url: &Url) -> Result<String, NetError> {
    let host = url
        .host_str()
        .ok_or_else(|| NetError::Invalid(format!("url `{url}` has no host")))?;
    Ok(host.trim_start_matches('[').trim_end_matches(']').to_owned())
}

fn stand_in(text: &str, scheme: Scheme) -> Result<Destination, NetError> {
    let invalid = || NetError::Invalid(format!("connect-to `{text}` is not HOST:PORT"));
    let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
    let port = port.parse().map_err(|_| invalid())?;
    place(scheme, host, port)
}

fn place(scheme: Scheme, host: &str, port: u16) -> Result<Destination, NetError> {
    Destination::new(scheme, host, port).map_err(|error| NetError::Invalid(error.to_string()))
}
