//! One hop of a request: the way to its host, and the exchange there.

use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use tokio::time::Instant;
use url::Url;

use super::exchange::{self, Answer, Asked, Spent, Wanted};
use super::proxy::{Proxy, ProxyChoice};
use super::redirect::astray;
use super::{HttpVersion, Request, RequestOptions, Response};
use crate::grant::{Destination, Host, NameDecision, Scheme, Via};
use crate::ledger::{LeasedStream, Recording};
use crate::net::connect::ConnectOptions;
use crate::net::stream::Transport;
use crate::net::tls::{Alpn, TlsOptions, TlsSession};
use crate::net::{Client, NetError, Phase, Timings, within};
use crate::record::Part;
use crate::trace::{Request as Told, StepKind};

/// What stays the same from hop to hop.
pub(super) struct Journey<'a> {
    pub(super) client: &'a Client,
    options: &'a RequestOptions,
    proxy: ProxyChoice,
    /// Where the plugin's own request went; its stand-in, client identity and server name hold there only.
    origin: url::Origin,
}

impl<'a> Journey<'a> {
    pub(super) fn new(
        client: &'a Client,
        options: &'a RequestOptions,
        first: &Url,
    ) -> Result<Self, NetError> {
        let proxy = ProxyChoice::parse(options.proxy.as_ref())?;
        Ok(Self {
            client,
            options,
            proxy,
            origin: first.origin(),
        })
    }

    /// Whether a URL is of the origin that the plugin's own request went to.
    pub(super) fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.origin
    }

    /// A connection, a request, an answer. `number` redirects came before.
    pub(super) async fn hop(
        &self,
        request: &Request,
        cookie: Option<HeaderValue>,
        via: Via,
        number: usize,
    ) -> Result<Response, NetError> {
        let url = &request.url;
        let proxy = self.proxy.to(url, &self.client.shared.proxies)?;
        let (stream, mut timings) = match self.reach(url, via, proxy.as_ref()).await {
            // The peer chose the place.
            Err(NetError::Invalid(reason)) if via == Via::Redirect => return Err(astray(url, reason)),
            reached => reached?,
        };
        let peer = stream.peer_addr()?;
        let (transport, tls) = match url.scheme() {
            "https" => {
                let stream = self.tunnel(stream, url, proxy.as_ref()).await?;
                let (transport, session, took) = self.secure(stream, url).await?;
                timings.handshake = Some(took);
                (transport, Some(session))
            }
            _ => (Transport::Plain(stream), None),
        };
        let version = spoken(self.options.version, tls.as_ref());
        let limit = self.client.limit(None);
        let step = self.begin(request, version, peer, number, limit);
        let asked = Asked {
            request,
            trace: self.trace_headers(&step),
            cookie,
            version,
            via_proxy: proxy.as_ref().filter(|_| tls.is_none()),
            wanted: Wanted {
                max: self.options.max_body,
                skips_redirects: self.options.max_redirects > 0,
            },
        };
        let (answer, spent) = exchange::run(transport, asked, limit).await;
        self.end(step, &answer, spent);
        timings = Timings {
            send: spent.send,
            wait: spent.wait,
            receive: spent.receive,
            ..timings
        };
        let peer = peer.to_string();
        Ok(response(url, version, answer?, Way { peer, timings, tls }))
    }

    /// Begins to write the request down. What it tells of the URL holds no credentials and no query.
    fn begin(
        &self,
        request: &Request,
        version: HttpVersion,
        peer: SocketAddr,
        number: usize,
        limit: Instant,
    ) -> Recording {
        let url = &request.url;
        let recorder = self.client.page().recorder();
        let peer = recorder.peer(peer);
        let told = Told {
            method: recorder.text(Part::Trail, request.method.as_str()),
            url: recorder.text(Part::Trail, bare(url)),
            scheme: if url.scheme() == "https" { "https" } else { "http" },
            host: recorder.text(Part::Trail, bare_host(url).unwrap_or_default()),
            port: url.port_or_known_default().filter(|_| peer.port().is_some()),
            peer: Some(peer),
            version: Some(version.word()),
            hop: u32::try_from(number).unwrap_or(u32::MAX),
            request_bytes: u64::try_from(request.body.len()).unwrap_or(u64::MAX),
            ..Told::default()
        };
        let page = self.client.page();
        page.begin(StepKind::Request(Box::new(told)), limit)
    }

    fn end(&self, mut step: Recording, answer: &Result<Answer, NetError>, spent: Spent) {
        if let Some(StepKind::Request(told)) = step.kind() {
            if let Ok(answer) = answer {
                told.status = Some(answer.head.status.as_u16());
                // Of a body that nobody wanted, nothing is known.
                told.response_bytes = answer.body.is_whole.then_some(answer.body.length);
            }
            (told.send, told.wait, told.receive) = (spent.send, spent.wait, spent.receive);
        }
        let failed = answer.as_ref().err().map(NetError::told);
        let word = failed.as_ref().map(|(word, _)| *word);
        let phases = [
            (Phase::Send, spent.send),
            (Phase::Wait, spent.wait),
            (Phase::Receive, spent.receive),
        ];
        let last = phases.iter().rposition(|(_, took)| took.is_some());
        for (place, (phase, took)) in phases.into_iter().enumerate() {
            let Some(took) = took else { continue };
            let error = word.filter(|_| Some(place) == last);
            self.client.page().spend(phase.into(), took, error);
        }
        step.end(failed);
    }

    /// The target's own span becomes a child of the request's.
    fn trace_headers(&self, step: &Recording) -> Vec<(HeaderName, HeaderValue)> {
        if !self.options.propagate_trace {
            return Vec::new();
        }
        let Client { trace, shared, .. } = self.client;
        let headers = shared
            .propagation
            .headers(&trace.trace_id, &step.span_id(), trace.sampled);
        let parsed = headers.into_iter().filter_map(|(name, value)| {
            Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))
        });
        parsed.collect()
    }

    /// Connects to the URL's host, to its stand-in, or to the proxy.
    async fn reach(
        &self,
        url: &Url,
        via: Via,
        proxy: Option<&Proxy>,
    ) -> Result<(LeasedStream, Timings), NetError> {
        let target = destination(url)?;
        let options = ConnectOptions {
            family: self.options.family,
            ..ConnectOptions::default()
        };
        if let Some(proxy) = proxy {
            self.judge_behind_proxy(&target, via)?;
            return self
                .client
                .connect(&proxy.destination, Via::Direct, options)
                .await;
        }
        let stand_in = self.options.connect_to.as_ref().filter(|_| self.is_own(url));
        match stand_in {
            None => self.client.connect(&target, via, options).await,
            Some(place) => {
                let place = parse_place(place, target.scheme())?;
                self.client.connect(&place, Via::Direct, options).await
            }
        }
    }

    /// The proxy resolves the target's name: unless it is an address, the name is all that can be judged.
    fn judge_behind_proxy(&self, target: &Destination, via: Via) -> Result<(), NetError> {
        if let Host::Address(address) = target.host() {
            let judged = self
                .client
                .grants
                .address(target, *address, via, &self.client.shared.blocked);
            return judged.map_err(|denial| NetError::Denied(denial.to_string()));
        }
        match self.client.grants.name(target, via) {
            NameDecision::Granted => Ok(()),
            NameDecision::ByAddress | NameDecision::Denied(_) => Err(NetError::Denied(format!(
                "`{target}` is not granted to this check by name"
            ))),
        }
    }

    async fn tunnel(
        &self,
        stream: LeasedStream,
        url: &Url,
        proxy: Option<&Proxy>,
    ) -> Result<LeasedStream, NetError> {
        let Some(proxy) = proxy else {
            return Ok(stream);
        };
        within(self.client.limit(None), Phase::Connect, proxy.tunnel(stream, url)).await
    }

    async fn secure(
        &self,
        stream: LeasedStream,
        url: &Url,
    ) -> Result<(Transport, TlsSession, Duration), NetError> {
        let default = || TlsOptions {
            require_valid: true,
            ..TlsOptions::default()
        };
        let mut tls = self.options.tls.clone().unwrap_or_else(default);
        if !self.is_own(url) {
            tls.client_identity = None;
            tls.server_name = None;
        }
        if tls.alpn.is_empty() {
            tls.alpn = offered(self.options.version);
        }
        let host = bare_host(url)?;
        let (stream, session, took) = self.client.secure(stream, host, &tls).await?;
        Ok((Transport::Tls(Box::new(stream)), session, took))
    }
}

/// What is known of a hop before its exchange.
struct Way {
    peer: String,
    timings: Timings,
    tls: Option<TlsSession>,
}

fn response(url: &Url, version: HttpVersion, answer: Answer, way: Way) -> Response {
    Response {
        url: url.to_string(),
        status: answer.head.status.as_u16(),
        version,
        headers: answer.head.headers,
        body: answer.body.kept,
        truncated: answer.body.truncated,
        body_length: answer.body.length,
        peer: way.peer,
        timings: way.timings,
        tls: way.tls,
        hops: Vec::new(),
    }
}

fn offered(version: Option<HttpVersion>) -> Alpn {
    Alpn::of(match version {
        None => &["h2", "http/1.1"],
        Some(HttpVersion::Http2) => &["h2"],
        Some(HttpVersion::Http10 | HttpVersion::Http11) => &["http/1.1"],
    })
}

fn spoken(wanted: Option<HttpVersion>, tls: Option<&TlsSession>) -> HttpVersion {
    match (wanted, tls.and_then(|session| session.alpn.as_deref())) {
        (Some(version), _) => version,
        (None, Some("h2")) => HttpVersion::Http2,
        (None, _) => HttpVersion::Http11,
    }
}

pub(super) fn destination(url: &Url) -> Result<Destination, NetError> {
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
        .ok_or_else(|| NetError::Invalid(format!("url `{}` has no port", bare(url))))?;
    place(scheme, bare_host(url)?, port)
}

/// Without credentials, query and fragment: what a URL may tell to everyone.
pub(super) fn bare(url: &Url) -> String {
    let mut url = url.clone();
    url.set_fragment(None);
    url.set_query(None);
    let _no_host = (url.set_username(""), url.set_password(None));
    url.into()
}

/// The host without the brackets of an IPv6 address.
pub(super) fn bare_host(url: &Url) -> Result<&str, NetError> {
    let host = url
        .host_str()
        .ok_or_else(|| NetError::Invalid(format!("url `{}` has no host", bare(url))))?;
    Ok(host.trim_start_matches('[').trim_end_matches(']'))
}

fn parse_place(text: &str, scheme: Scheme) -> Result<Destination, NetError> {
    let invalid = || NetError::Invalid(format!("connect-to `{text}` is not HOST:PORT"));
    let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
    place(scheme, host, port.parse().map_err(|_| invalid())?)
}

fn place(scheme: Scheme, host: &str, port: u16) -> Result<Destination, NetError> {
    Destination::new(scheme, host, port).map_err(|error| NetError::Invalid(error.to_string()))
}
