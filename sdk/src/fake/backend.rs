//! The backend of this crate's clients on the fake host of the current thread.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::connection::Conversation;
pub(crate) use super::exchange::Exchange;
use super::{FakeHost, Line, current};
use crate::endpoint::Endpoint;
use crate::error::{ErrorCode, NetError};
use crate::log::Level;
use crate::problem::Problem;
use crate::problems::Invalid;
use crate::punycode;
use crate::tcp::{ConnectOptions, ConnectionInfo};
use crate::{dns, http, tls};

/// The address of every name to which a test assigns no other.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

#[derive(Debug)]
pub(crate) struct Connection {
    host: FakeHost,
    endpoint: String,
    peer: SocketAddr,
    conversation: RefCell<Conversation>,
}

impl Connection {
    pub(crate) fn connect(to: &Endpoint, options: &ConnectOptions) -> Result<Self, NetError> {
        let (host, endpoint) = (current(), to.to_string());
        host.0
            .borrow_mut()
            .connects
            .push((endpoint.clone(), options.clone()));
        let peer = options.address.map(|address| SocketAddr::new(address, to.port));
        let at_address = peer.and_then(|peer| host.next_script(&peer.to_string()));
        let script = at_address.or_else(|| host.next_script(&endpoint));
        let script = script.ok_or(ErrorCode::Refused)?;
        if let Some(error) = script.connect {
            return Err(error);
        }
        host.lend_socket()?;
        let conversation = Conversation::new(script);
        host.0.borrow_mut().clock += conversation.age();
        Ok(Self {
            host,
            endpoint,
            peer: peer.unwrap_or(SocketAddr::new(ADDRESS, 1)),
            conversation: RefCell::new(conversation),
        })
    }

    /// Advances the clock by the time that passes in `exchange`.
    fn timed<T>(&self, exchange: impl FnOnce(&mut Conversation) -> T) -> T {
        let mut conversation = self.conversation.borrow_mut();
        let before = conversation.age();
        let result = exchange(&mut conversation);
        self.host.0.borrow_mut().clock += conversation.age() - before;
        result
    }

    pub(crate) fn start_tls(&self, options: &tls::Options) -> Result<tls::Session, NetError> {
        self.host.0.borrow_mut().handshakes.push(options.clone());
        let session = self.timed(Conversation::start_tls)?;
        match session.verified() {
            Err(reason) if options.require_valid => {
                Err(NetError::new(ErrorCode::Tls, format!("TLS: {reason}")))
            }
            _ => Ok(session),
        }
    }

    pub(crate) fn read(&self, max: u32) -> Result<Vec<u8>, NetError> {
        self.timed(|conversation| conversation.read(max))
    }

    pub(crate) fn read_ready(&self, max: u32) -> Result<Option<Vec<u8>>, NetError> {
        self.timed(|conversation| conversation.read_ready(max))
    }

    pub(crate) fn set_deadline(&self, time: Option<Duration>) {
        self.conversation.borrow_mut().set_deadline(time);
    }

    pub(crate) fn shutdown_write(&self) -> Result<(), NetError> {
        self.conversation.borrow_mut().shut_down();
        Ok(())
    }

    pub(crate) fn read_until(&self, delimiter: &[u8], max: u32) -> Result<Vec<u8>, NetError> {
        self.timed(|conversation| conversation.read_until(delimiter, max))
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), NetError> {
        let mut state = self.host.0.borrow_mut();
        state
            .written
            .entry(self.endpoint.clone())
            .or_default()
            .extend(bytes);
        self.conversation.borrow_mut().write(bytes)
    }

    pub(crate) fn examination(&self) -> Option<tls::Examination> {
        self.conversation.borrow().examination.clone()
    }

    pub(crate) fn info(&self) -> ConnectionInfo {
        let conversation = self.conversation.borrow();
        ConnectionInfo {
            peer: self.peer.to_string(),
            local: "192.0.2.2:2".into(),
            timings: conversation.timings,
            bytes_in: conversation.bytes_in,
            bytes_out: conversation.bytes_out,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.host.0.borrow_mut().open -= 1;
    }
}

/// An instant of the fake clock, which only scripts advance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moment(Duration);

impl Moment {
    pub(crate) fn now() -> Self {
        Self(current().0.borrow().clock)
    }

    pub(crate) fn elapsed(&self) -> Duration {
        current().0.borrow().clock.saturating_sub(self.0)
    }
}

pub(crate) fn mask(value: &str) -> Result<(), NetError> {
    current().0.borrow_mut().masked.push(value.into());
    Ok(())
}

/// Set by the test: a native run is not measured.
pub(crate) fn cpu_used() -> Duration {
    current().0.borrow().cpu_used
}

pub(crate) fn send(request: http::Request) -> Result<http::Response, NetError> {
    let host = current();
    host.0.borrow_mut().requests.push(request.clone());
    let responder = host.0.borrow().responder.clone().ok_or(ErrorCode::Refused)?;
    let mut response = responder(&request)?;
    if response.url.is_empty() {
        response.url.clone_from(&request.url);
    }
    let max_body = usize::try_from(request.options.max_body).unwrap_or(usize::MAX);
    response.body_length = response
        .body_length
        .max(u64::try_from(response.body.len()).unwrap_or(u64::MAX));
    response.truncated |= response.body.len() > max_body;
    response.body.truncate(max_body);
    Ok(response)
}

pub(crate) fn send_all(requests: Vec<http::Request>) -> Vec<Result<http::Response, NetError>> {
    requests.into_iter().map(send).collect()
}

pub(crate) fn check_tls(_: &tls::Options) -> Vec<Invalid> {
    refused()
}

pub(crate) fn check_request(_: &http::Request) -> Vec<Invalid> {
    refused()
}

pub(crate) fn check_connect(_: &Endpoint, _: &ConnectOptions) -> Vec<Invalid> {
    refused()
}

/// Not cached: a test may change the host between two calls.
pub(crate) fn cached_problems(_: &str, validate: impl FnOnce() -> Vec<Problem>) -> Vec<Problem> {
    validate()
}

fn refused() -> Vec<Invalid> {
    current().0.borrow().invalid.clone()
}

pub(crate) fn query(name: &str, kind: &str, _options: &dns::QueryOptions) -> Result<dns::Reply, NetError> {
    let host = current();
    let state = host.0.borrow();
    let scripted = state.replies.get(&(name.into(), kind.into())).cloned();
    scripted.unwrap_or_else(|| {
        Ok(dns::Reply {
            code: "NXDOMAIN".into(),
            authoritative: false,
            authenticated: false,
            answers: Vec::new(),
            authorities: Vec::new(),
            duration: Duration::ZERO,
        })
    })
}

pub(crate) fn addresses(of: &Endpoint, _: &dns::AddressOptions) -> Result<dns::AddressList, NetError> {
    let known = current().0.borrow().addresses.get(&of.host).cloned();
    Ok(known.unwrap_or_else(|| dns::AddressList::complete([ADDRESS])))
}

/// Parsed without a full URL parser. The name is as in DNS.
pub(crate) fn endpoint_of(request: &http::Request) -> Result<Endpoint, NetError> {
    let parsed = match (&request.options.connect_to, request.url.split_once("://")) {
        (Some(place), _) => place.parse(),
        (None, Some((scheme, rest))) => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            Endpoint::parse_or(authority, if scheme == "https" { 443 } else { 80 })
        }
        (None, None) => Endpoint::parse_or(&request.url, 80),
    };
    let endpoint = parsed.map_err(|error| NetError::new(ErrorCode::Invalid, error.to_string()))?;
    let host = punycode::to_ascii(&endpoint.host).unwrap_or(endpoint.host);
    Ok(Endpoint { host, ..endpoint })
}

pub(crate) fn log(level: Level, message: &str, fields: &[(&str, &str)]) {
    let fields = fields
        .iter()
        .map(|(key, value)| ((*key).into(), (*value).into()))
        .collect();
    current().0.borrow_mut().lines.push(Line {
        level,
        message: message.into(),
        fields,
    });
}
