//! One hop of a request: connects to its host, directly or through a proxy, and starts the exchange.

mod through_proxy;

use std::time::Duration;

use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::connection;
use super::destination::{Endpoint, destination, host_without_brackets, invalid_location, parse_endpoint};
use super::exchange::Exchange;
use super::fields::Fields;
use super::outbound::OutgoingRequest;
use super::phase_times::PhaseTimes;
use super::proxy::ProxyChoice;
use super::step::RequestStep;
use super::{HttpVersion, Request, RequestOptions, Response, Versions};
use crate::carrier::Carrier;
use crate::stream::Transport;
use crate::tls::{TlsOptions, TlsParameters, TlsSession};
use crate::{Client, NetError, Phase, RunAccess, Timings};
use canary_record::trace::SpanId;
use canary_suite::grant::Via;

/// State shared by all hops of a request.
pub(super) struct RequestContext<'a> {
    pub(super) client: &'a Client,
    options: &'a RequestOptions,
    proxy: ProxyChoice,
    /// Origin of the plugin's own request; its connect override, client identity and server name apply to this origin
    /// only.
    origin: url::Origin,
}

impl<'a> RequestContext<'a> {
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

    /// Whether a URL has the origin of the plugin's own request.
    pub(super) fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.origin
    }

    /// Connects, sends the request, and receives the head of the response; also returns its headers by name. `number`
    /// is the number of preceding redirects.
    pub(super) async fn send_hop(
        &self,
        request: &Request,
        cookie: Option<HeaderValue>,
        via: Via,
        number: usize,
    ) -> Result<(Exchange, HeaderMap), NetError> {
        let url = &request.url;
        let proxy = self.proxy.proxy_for(url, &self.client.services.proxies);
        let proxy = proxy.map_err(|error| self.record_proxy_failure(error))?;
        let endpoint = self.endpoint(url, via)?;
        let (stream, mut timings) = match self.connect(&endpoint, proxy.as_ref()).await {
            // The peer chose the destination.
            Err(NetError::Invalid(reason)) if via == Via::Redirect && proxy.is_none() => {
                return Err(invalid_location(url, reason));
            }
            reached => reached?,
        };
        let peer = stream.tcp().peer_addr();
        let peer = peer.map_err(|error| NetError::from(error).in_phase(Phase::Connect))?;
        // Without a tunnel, it is the proxy that responds.
        let (forwarding, tunnelling) = match proxy.as_ref() {
            Some(proxy) if proxy.forwards(&endpoint) => (Some(proxy), None),
            tunnelling => (None, tunnelling),
        };
        let stream = self.tunnel(stream, &endpoint, tunnelling).await?;
        let (transport, tls) = match url.scheme() {
            "https" => {
                let secured = self.secure(stream, url, proxy.is_none()).await;
                let (transport, session, took) = secured.map_err(|error| self.record_proxy_failure(error))?;
                timings.handshake = Some(timings.handshake.unwrap_or_default() + took);
                (transport, Some(session))
            }
            _ => (Transport::Plain(stream), None),
        };
        let version = choose_version(&self.options.versions, tls.as_ref());
        let limit = self.client.deadline_after(None);
        let mut step = RequestStep::begin(self.client.page(), request, version, peer, (number, limit));
        let outgoing = OutgoingRequest {
            request,
            trace: self.trace_headers(step.span_id()),
            cookie,
            version,
            via_proxy: forwarding,
        };
        let (answer, phase_times) = connection::request(transport, outgoing, limit).await;
        let status = answer.as_ref().map(|answer| answer.head.status.as_u16());
        step.head_received(status, phase_times);
        let answer = match forwarding {
            Some(proxy) => self.check_forwarded(proxy, answer),
            None => answer,
        };
        let answer = answer.map_err(|error| self.record_proxy_failure(error))?;
        let reached = Reached {
            peer: peer.to_string(),
            timings: timings.with(phase_times),
            tls,
        };
        let response = response(url, &answer.head, reached);
        let exchange = Exchange::new(self.client, response, answer.body, step);
        Ok((exchange, answer.head.headers))
    }

    /// Makes the target's own span a child of the request's span.
    fn trace_headers(&self, span_id: SpanId) -> Vec<(HeaderName, HeaderValue)> {
        if !self.options.propagate_trace {
            return Vec::new();
        }
        let RunAccess {
            trace,
            services: shared,
            ..
        } = &**self.client;
        let headers = shared
            .propagation
            .headers(&trace.trace_id, &span_id, trace.sampled);
        let parsed = headers.into_iter().filter_map(|(name, value)| {
            Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))
        });
        parsed.collect()
    }

    /// The endpoint to connect to for a URL: its own host, or the connect override.
    fn endpoint(&self, url: &Url, via: Via) -> Result<Endpoint, NetError> {
        let own = destination(url)?;
        let is_own = self.is_own(url);
        let connect_override = self.options.connect_to.as_ref().filter(|_| is_own);
        let connect_override = connect_override
            .map(|endpoint| parse_endpoint(endpoint, own.scheme()))
            .transpose()?;
        let is_override = connect_override.is_some();
        Ok(Endpoint {
            destination: connect_override.unwrap_or(own),
            // The override comes from the plugin, not from a peer.
            via: if is_override { Via::Direct } else { via },
            is_override,
            address: self.options.address.filter(|_| is_own),
        })
    }

    async fn secure(
        &self,
        stream: Carrier,
        url: &Url,
        is_direct: bool,
    ) -> Result<(Transport, TlsSession, Duration), NetError> {
        let default = || TlsOptions {
            require_valid: true,
            ..TlsOptions::default()
        };
        let mut tls = self.options.tls.clone().unwrap_or_else(default);
        if !self.is_own(url) {
            tls.client_identity = None;
            tls.server_name = None;
            tls.without_sni = false;
        }
        if tls.alpn.is_empty() {
            tls.alpn = self.options.versions.alpn();
        }
        let host = host_without_brackets(url)?;
        let parameters = TlsParameters {
            host,
            options: &tls,
            // The response to the request reports that.
            awaits_client_auth: false,
            is_direct,
            is_proxy: false,
        };
        let (stream, session, took) = self.client.secure(stream, parameters).await?;
        Ok((Transport::Tls(Box::new(stream)), session, took))
    }
}

/// How a response was reached.
struct Reached {
    peer: String,
    timings: Timings,
    tls: Option<TlsSession>,
}

impl Timings {
    fn with(self, phase_times: PhaseTimes) -> Self {
        Self {
            send: phase_times.send,
            wait: phase_times.wait,
            receive: phase_times.receive,
            ..self
        }
    }
}

/// Creates a response whose body has not been read.
fn response(url: &Url, head: &Parts, reached: Reached) -> Response {
    Response {
        url: url.to_string(),
        status: head.status.as_u16(),
        version: HttpVersion::from_response(head.version),
        headers: Fields::from(&head.headers),
        body: Vec::new(),
        truncated: false,
        complete: false,
        body_length: 0,
        peer: reached.peer,
        timings: reached.timings,
        tls: reached.tls,
        hops: Vec::new(),
        authentication_error: None,
    }
}

fn choose_version(accepted: &Versions, tls: Option<&TlsSession>) -> HttpVersion {
    match tls {
        Some(session) => accepted.over_tls(session.alpn.as_deref()),
        None => accepted.over_plain(),
    }
}
