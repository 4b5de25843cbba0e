//! One hop of a request: connects to its host, directly or through a proxy, and starts the exchange.

use std::time::Duration;

use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use url::Url;

use super::connection::{self, PhaseTimes, ResponseStart};
use super::destination::{Endpoint, destination, host_without_brackets, invalid_location, parse_endpoint};
use super::exchange::Exchange;
use super::fields::Fields;
use super::outbound::OutgoingRequest;
use super::proxy::{Proxy, ProxyChoice};
use super::step::RequestStep;
use super::{HttpVersion, Request, RequestOptions, Response, Versions};
use crate::grant::{Destination, Host, NameDecision, Via};
use crate::ledger::LeasedStream;
use crate::net::connect::ConnectOptions;
use crate::net::stream::Transport;
use crate::net::tls::{TlsOptions, TlsParameters, TlsSession};
use crate::net::{Client, NetError, Phase, RunAccess, Timings, timeout_phase};
use crate::trace::SpanId;

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
            Err(NetError::Invalid(reason)) if via == Via::Redirect => {
                return Err(invalid_location(url, reason));
            }
            reached => reached?,
        };
        let peer = stream.peer_addr()?;
        // Without a tunnel, it is the proxy that responds.
        let (forwarding, tunnelling) = match proxy.as_ref() {
            Some(proxy) if proxy.forwards(&endpoint) => (Some(proxy), None),
            tunnelling => (None, tunnelling),
        };
        let stream = self.tunnel(stream, &endpoint, tunnelling).await?;
        let (transport, tls) = match url.scheme() {
            "https" => {
                let (transport, session, took) = self.secure(stream, url, proxy.is_none()).await?;
                timings.handshake = Some(took);
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
            Some(proxy) => self.check_forwarded(proxy, answer)?,
            None => answer?,
        };
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

    /// Connects to an endpoint, or to the proxy in front of it.
    async fn connect(
        &self,
        endpoint: &Endpoint,
        proxy: Option<&Proxy>,
    ) -> Result<(LeasedStream, Timings), NetError> {
        let options = ConnectOptions {
            family: self.options.family,
            source: self.options.source,
            ..ConnectOptions::default()
        };
        if let Some(proxy) = proxy {
            self.check_behind_proxy(&endpoint.destination, endpoint.via)?;
            let reached = self
                .client
                .connect(&proxy.destination, Via::Direct, options)
                .await;
            return reached
                .map_err(|error| self.record_proxy_failure(error.into_own_failure(proxy.description())));
        }
        let options = ConnectOptions {
            address: endpoint.address,
            ..options
        };
        self.client
            .connect(&endpoint.destination, endpoint.via, options)
            .await
    }

    /// The proxy resolves the target's name: unless that is an address, only the name can be checked.
    fn check_behind_proxy(&self, target: &Destination, via: Via) -> Result<(), NetError> {
        if let Host::Address(address) = target.host() {
            let decision =
                self.client
                    .grants
                    .check_address(target, *address, via, &self.client.services.blocked);
            return decision.map_err(|denial| self.client.deny(&denial));
        }
        match self.client.grants.check_name(target, via) {
            NameDecision::Granted => Ok(()),
            NameDecision::ByAddress | NameDecision::Denied(_) => {
                let denial = format!("`{target}` is not granted to this check by name");
                Err(self.client.deny(&denial))
            }
        }
    }

    async fn tunnel(
        &self,
        stream: LeasedStream,
        endpoint: &Endpoint,
        proxy: Option<&Proxy>,
    ) -> Result<LeasedStream, NetError> {
        let Some(proxy) = proxy else {
            return Ok(stream);
        };
        let limit = self.client.deadline_after(None);
        let tunnel = proxy.tunnel(stream, &endpoint.destination, limit);
        let tunnel = timeout_phase(limit, Phase::Connect, tunnel);
        tunnel.await.map_err(|error| self.record_proxy_failure(error))
    }

    /// Checks the response of a forwarding proxy. If it requires authentication, or disconnects before responding,
    /// nothing is known about the target. A 407 may also come from the target; that cannot be distinguished.
    fn check_forwarded(
        &self,
        proxy: &Proxy,
        answer: Result<ResponseStart, NetError>,
    ) -> Result<ResponseStart, NetError> {
        if let Ok(answer) = &answer
            && answer.head.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED
        {
            self.client.page().record_own_failure();
        }
        answer.map_err(|error| self.record_proxy_failure(proxy.attribute_disconnect(error)))
    }

    /// Counts a failure caused by the proxy, so that it is not mistaken for a failure of the target.
    fn record_proxy_failure(&self, error: NetError) -> NetError {
        if error.is_own_failure() {
            self.client.page().record_own_failure();
        }
        error
    }

    async fn secure(
        &self,
        stream: LeasedStream,
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
    }
}

fn choose_version(accepted: &Versions, tls: Option<&TlsSession>) -> HttpVersion {
    match tls {
        Some(session) => accepted.over_tls(session.alpn.as_deref()),
        None => accepted.over_plain(),
    }
}
