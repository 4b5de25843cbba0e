//! One hop of a request: the way to its host, and the exchange there.

use std::net::IpAddr;
use std::time::Duration;

use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use url::Url;

use super::connection::{self, Answer, Spent};
use super::exchange::Exchange;
use super::fields::Fields;
use super::outbound::Asked;
use super::proxy::{Proxy, ProxyChoice};
use super::redirect::astray;
use super::request::parse_url;
use super::step::RequestStep;
use super::{HttpVersion, Request, RequestOptions, Response, Versions};
use crate::grant::{Destination, Host, NameDecision, Scheme, Via};
use crate::ledger::LeasedStream;
use crate::net::bounded::{PlaceText, UrlText};
use crate::net::connect::ConnectOptions;
use crate::net::stream::Transport;
use crate::net::tls::{Demand, TlsOptions, TlsSession};
use crate::net::{Access, Client, NetError, Phase, Timings, within};
use crate::trace::SpanId;

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

    /// A connection, a request, the head of an answer, and its headers by name. `number` redirects came before.
    pub(super) async fn hop(
        &self,
        request: &Request,
        cookie: Option<HeaderValue>,
        via: Via,
        number: usize,
    ) -> Result<(Exchange, HeaderMap), NetError> {
        let url = &request.url;
        let proxy = self.proxy.to(url, &self.client.shared.proxies);
        let proxy = proxy.map_err(|error| self.of_proxy(error))?;
        let place = self.place(url, via)?;
        let (stream, mut timings) = match self.reach(&place, proxy.as_ref()).await {
            // The peer chose the place.
            Err(NetError::Invalid(reason)) if via == Via::Redirect => return Err(astray(url, reason)),
            reached => reached?,
        };
        let peer = stream.peer_addr()?;
        // What answers is the proxy, where there is no tunnel through it.
        let (forwarding, tunnelling) = match proxy.as_ref() {
            Some(proxy) if proxy.forwards(&place) => (Some(proxy), None),
            tunnelling => (None, tunnelling),
        };
        let stream = self.tunnel(stream, &place, tunnelling).await?;
        let (transport, tls) = match url.scheme() {
            "https" => {
                let (transport, session, took) = self.secure(stream, url, proxy.is_none()).await?;
                timings.handshake = Some(took);
                (transport, Some(session))
            }
            _ => (Transport::Plain(stream), None),
        };
        let version = spoken(&self.options.versions, tls.as_ref());
        let limit = self.client.limit(None);
        let mut step = RequestStep::begin(self.client.page(), request, version, peer, (number, limit));
        let asked = Asked {
            request,
            trace: self.trace_headers(step.span_id()),
            cookie,
            version,
            via_proxy: forwarding,
        };
        let (answer, spent) = connection::request(transport, asked, limit).await;
        let status = answer.as_ref().map(|answer| answer.head.status.as_u16());
        step.answered(status, spent);
        let answer = match forwarding {
            Some(proxy) => self.forwarded(proxy, answer)?,
            None => answer?,
        };
        let way = Way {
            peer: peer.to_string(),
            timings: timings.with(spent),
            tls,
        };
        let response = response(url, &answer.head, way);
        let exchange = Exchange::new(self.client, response, answer.body, step);
        Ok((exchange, answer.head.headers))
    }

    /// The target's own span becomes a child of the request's.
    fn trace_headers(&self, span_id: SpanId) -> Vec<(HeaderName, HeaderValue)> {
        if !self.options.propagate_trace {
            return Vec::new();
        }
        let Access { trace, shared, .. } = &**self.client;
        let headers = shared
            .propagation
            .headers(&trace.trace_id, &span_id, trace.sampled);
        let parsed = headers.into_iter().filter_map(|(name, value)| {
            Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))
        });
        parsed.collect()
    }

    /// Where the way to a URL ends: at the URL's own place, or at what stands in for it.
    fn place(&self, url: &Url, via: Via) -> Result<Place, NetError> {
        let own = destination(url)?;
        let is_own = self.is_own(url);
        let stand_in = self.options.connect_to.as_ref().filter(|_| is_own);
        let stand_in = stand_in
            .map(|place| parse_place(place, own.scheme()))
            .transpose()?;
        let is_stand_in = stand_in.is_some();
        Ok(Place {
            destination: stand_in.unwrap_or(own),
            // No peer chose what the plugin wrote.
            via: if is_stand_in { Via::Direct } else { via },
            is_stand_in,
            address: self.options.address.filter(|_| is_own),
        })
    }

    /// Connects to a place, or to the proxy that is to go there.
    async fn reach(&self, place: &Place, proxy: Option<&Proxy>) -> Result<(LeasedStream, Timings), NetError> {
        let options = ConnectOptions {
            family: self.options.family,
            source: self.options.source,
            ..ConnectOptions::default()
        };
        if let Some(proxy) = proxy {
            self.judge_behind_proxy(&place.destination, place.via)?;
            let reached = self
                .client
                .connect(&proxy.destination, Via::Direct, options)
                .await;
            return reached.map_err(|error| self.of_proxy(error.own(proxy.shown())));
        }
        let options = ConnectOptions {
            address: place.address,
            ..options
        };
        self.client.connect(&place.destination, place.via, options).await
    }

    /// The proxy resolves the target's name: unless it is an address, the name is all that can be judged.
    fn judge_behind_proxy(&self, target: &Destination, via: Via) -> Result<(), NetError> {
        if let Host::Address(address) = target.host() {
            let judged = self
                .client
                .grants
                .address(target, *address, via, &self.client.shared.blocked);
            return judged.map_err(|denial| self.client.ungranted(&denial));
        }
        match self.client.grants.name(target, via) {
            NameDecision::Granted => Ok(()),
            NameDecision::ByAddress | NameDecision::Denied(_) => {
                let denial = format!("`{target}` is not granted to this check by name");
                Err(self.client.ungranted(&denial))
            }
        }
    }

    async fn tunnel(
        &self,
        stream: LeasedStream,
        place: &Place,
        proxy: Option<&Proxy>,
    ) -> Result<LeasedStream, NetError> {
        let Some(proxy) = proxy else {
            return Ok(stream);
        };
        let limit = self.client.limit(None);
        let tunnel = proxy.tunnel(stream, &place.destination, limit);
        let tunnel = within(limit, Phase::Connect, tunnel);
        tunnel.await.map_err(|error| self.of_proxy(error))
    }

    /// What a proxy answered that forwards requests. Where it asks for a password, or breaks off before it has answered,
    /// nothing is known of the target. Whether a demand for a password is the proxy's own or the target's cannot be known.
    fn forwarded(&self, proxy: &Proxy, answer: Result<Answer, NetError>) -> Result<Answer, NetError> {
        if let Ok(answer) = &answer
            && answer.head.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED
        {
            self.client.page().note_own_failure();
        }
        answer.map_err(|error| self.of_proxy(proxy.blamed_for_breaking_off(error)))
    }

    /// A failure on the way through a proxy. It is counted where the proxy is to blame, so that nobody takes it for one of
    /// the target.
    fn of_proxy(&self, error: NetError) -> NetError {
        if error.is_own() {
            self.client.page().note_own_failure();
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
        let host = bare_host(url)?;
        let wanted = Demand {
            host,
            options: &tls,
            // The answer to the request says so.
            awaits_admission: false,
            is_direct,
        };
        let (stream, session, took) = self.client.secure(stream, wanted).await?;
        Ok((Transport::Tls(Box::new(stream)), session, took))
    }
}

/// Where the way to a URL ends.
pub(super) struct Place {
    pub(super) destination: Destination,
    via: Via,
    /// The plugin named it in place of the URL's own.
    pub(super) is_stand_in: bool,
    /// The only address of it to use.
    address: Option<IpAddr>,
}

/// How an answer came.
struct Way {
    peer: String,
    timings: Timings,
    tls: Option<TlsSession>,
}

impl Timings {
    fn with(self, spent: Spent) -> Self {
        Self {
            send: spent.send,
            wait: spent.wait,
            receive: spent.receive,
            ..self
        }
    }
}

/// An answer of whose body nothing was read.
fn response(url: &Url, head: &Parts, way: Way) -> Response {
    Response {
        url: url.to_string(),
        status: head.status.as_u16(),
        version: HttpVersion::of_answer(head.version),
        headers: Fields::from(&head.headers),
        body: Vec::new(),
        truncated: false,
        complete: false,
        body_length: 0,
        peer: way.peer,
        timings: way.timings,
        tls: way.tls,
        hops: Vec::new(),
    }
}

fn spoken(wanted: &Versions, tls: Option<&TlsSession>) -> HttpVersion {
    match tls {
        Some(session) => wanted.over_tls(session.alpn.as_deref()),
        None => wanted.in_plain(),
    }
}

/// The host and port that a request to this URL goes to, as they are written: its own, or what stands in for them.
///
/// # Errors
/// `Invalid` for a URL or a place that no request can have.
pub fn endpoint_of(url: &UrlText, connect_to: Option<&PlaceText>) -> Result<(String, u16), NetError> {
    let url = parse_url(url)?;
    let target = destination(&url)?;
    match connect_to {
        None => Ok((bare_host(&url)?.to_owned(), target.port())),
        Some(place) => {
            parse_place(place, target.scheme())?;
            let (host, port) = split_place(place)?;
            Ok((host.to_owned(), port))
        }
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

pub(super) fn parse_place(text: &str, scheme: Scheme) -> Result<Destination, NetError> {
    let (host, port) = split_place(text)?;
    place(scheme, host, port)
}

/// The host is as it is written, brackets of an IPv6 address taken off.
fn split_place(text: &str) -> Result<(&str, u16), NetError> {
    let invalid = || NetError::Invalid(format!("connect-to `{text}` is not HOST:PORT"));
    let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    Ok((bare.unwrap_or(host), port.parse().map_err(|_| invalid())?))
}

fn place(scheme: Scheme, host: &str, port: u16) -> Result<Destination, NetError> {
    Destination::new(scheme, host, port).map_err(|error| NetError::Invalid(error.to_string()))
}
