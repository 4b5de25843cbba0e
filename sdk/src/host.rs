//! The backend of this crate's clients in a plugin: the imports of the contract.

mod convert;

use std::cell::RefCell;
use std::time::Duration;

use crate::contract::canary::check::{
    dns as wit_dns, http as wit_http, log as wit_log, secrets as wit_secrets, tcp as wit_tcp, tls as wit_tls,
    types, usage as wit_usage,
};
use crate::endpoint::Endpoint;
use crate::error::NetError;
use crate::log::Level;
use crate::problem::Problem;
use crate::problems::Invalid;
use crate::tcp::{ConnectOptions, ConnectionInfo};
use crate::{dns, http, tls};

#[derive(Debug)]
pub(crate) struct Connection(wit_tcp::Connection);

impl Connection {
    pub(crate) fn connect(to: &Endpoint, options: &ConnectOptions) -> Result<Self, NetError> {
        Ok(Self(wit_tcp::Connection::connect(
            &endpoint(to),
            &connect_options(options),
        )?))
    }

    pub(crate) fn start_tls(&self, options: &tls::Options) -> Result<tls::Session, NetError> {
        Ok(self.0.start_tls(&options.into())?.into())
    }

    pub(crate) fn read(&self, max: u32) -> Result<Vec<u8>, NetError> {
        Ok(self.0.read(max)?)
    }

    pub(crate) fn read_ready(&self, max: u32) -> Result<Option<Vec<u8>>, NetError> {
        Ok(self.0.read_ready(max)?)
    }

    pub(crate) fn set_deadline(&self, time: Option<Duration>) {
        self.0.set_deadline(time.map(milliseconds));
    }

    pub(crate) fn shutdown_write(&self) -> Result<(), NetError> {
        Ok(self.0.shutdown_write()?)
    }

    pub(crate) fn read_until(&self, delimiter: &[u8], max: u32) -> Result<Vec<u8>, NetError> {
        Ok(self.0.read_until(delimiter, max)?)
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), NetError> {
        Ok(self.0.write(bytes)?)
    }

    pub(crate) fn examination(&self) -> Option<tls::Examination> {
        self.0.examination().map(Into::into)
    }

    pub(crate) fn info(&self) -> ConnectionInfo {
        self.0.info().into()
    }
}

#[derive(Debug)]
pub(crate) struct Exchange(wit_http::Exchange);

impl Exchange {
    pub(crate) fn open(request: http::Request) -> Result<(Self, http::Head), NetError> {
        let exchange = wit_http::Exchange::open(&request.into())?;
        let head = exchange.head().into();
        Ok((Self(exchange), head))
    }

    pub(crate) fn set_deadline(&self, time: Option<Duration>) {
        self.0.set_deadline(time.map(milliseconds));
    }

    pub(crate) fn read(&self, max: u32) -> Result<Vec<u8>, NetError> {
        Ok(self.0.read(max)?)
    }

    pub(crate) fn read_ready(&self, max: u32) -> Result<Option<Vec<u8>>, NetError> {
        Ok(self.0.read_ready(max)?)
    }

    pub(crate) fn info(&self) -> http::ExchangeInfo {
        let info = self.0.info();
        let types::Progress { received, announced } = info.body;
        http::ExchangeInfo::new(info.timings.into(), received, announced, info.complete)
    }

    pub(crate) fn trailers(&self) -> Vec<(String, Vec<u8>)> {
        self.0.trailers()
    }
}

fn endpoint(to: &Endpoint) -> wit_tcp::Endpoint {
    wit_tcp::Endpoint {
        host: to.host.clone(),
        port: to.port,
    }
}

fn connect_options(options: &ConnectOptions) -> wit_tcp::ConnectOptions {
    wit_tcp::ConnectOptions {
        ip_family: options.ip_family.into(),
        source_address: options.source_address.clone(),
        address: options.address.map(|address| address.to_string()),
        timeout: options.timeout.map(milliseconds),
        extra: Vec::new(),
    }
}

pub(crate) fn send(request: http::Request) -> Result<http::Response, NetError> {
    Ok(wit_http::send(&request.into())?.into())
}

pub(crate) fn send_all(requests: Vec<http::Request>) -> Vec<Result<http::Response, NetError>> {
    let requests: Vec<_> = requests.into_iter().map(Into::into).collect();
    let results = wit_http::send_all(&requests).into_iter();
    results
        .map(|result| result.map(Into::into).map_err(Into::into))
        .collect()
}

pub(crate) fn query(name: &str, kind: &str, options: &dns::QueryOptions) -> Result<dns::Reply, NetError> {
    let options = wit_dns::QueryOptions {
        server: options.server.clone(),
        timeout: options.timeout.map(milliseconds),
        extra: Vec::new(),
    };
    Ok(wit_dns::query(name, kind, &options)?.into())
}

pub(crate) fn addresses(of: &Endpoint, options: &dns::AddressOptions) -> Result<dns::AddressList, NetError> {
    let options = wit_dns::AddressOptions {
        ip_family: options.ip_family.into(),
        timeout: options.timeout.map(milliseconds),
        extra: Vec::new(),
    };
    let found = wit_dns::addresses(&endpoint(of), &options)?;
    let addresses = found.addresses.iter().filter_map(|address| address.parse().ok());
    Ok(dns::AddressList {
        complete: found.complete,
        ..dns::AddressList::complete(addresses)
    })
}

pub(crate) fn endpoint_of(request: &http::Request) -> Result<Endpoint, NetError> {
    let endpoint = wit_http::endpoint_of(&request.url, request.options.connect_to.as_deref())?;
    Ok(Endpoint::new(endpoint.host, endpoint.port))
}

pub(crate) fn log(level: Level, message: &str, fields: &[(&str, &str)]) {
    let fields: Vec<_> = fields
        .iter()
        .map(|(key, value)| ((*key).into(), (*value).into()))
        .collect();
    wit_log::log(level.into(), message, &fields);
}

pub(crate) fn mask(value: &str) -> Result<(), NetError> {
    Ok(wit_secrets::mask(value)?)
}

pub(crate) fn cpu_used() -> Duration {
    Duration::from_nanos(wit_usage::cpu())
}

#[expect(clippy::disallowed_types, reason = "a guest has no tokio")]
type Instant = std::time::Instant;

/// An instant of the host's monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moment(Instant);

impl Moment {
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

pub(crate) fn check_tls(options: &tls::Options) -> Vec<Invalid> {
    invalid(wit_tls::check(&options.into()))
}

pub(crate) fn check_request(request: &http::Request) -> Vec<Invalid> {
    invalid(wit_http::check(&request.clone().into()))
}

pub(crate) fn check_connect(to: &Endpoint, options: &ConnectOptions) -> Vec<Invalid> {
    invalid(wit_tcp::check(&endpoint(to), &connect_options(options)))
}

thread_local! {
    /// The last validated configuration, with its problems.
    static LAST_VALIDATED: RefCell<Option<(String, Vec<Problem>)>> = const { RefCell::new(None) };
}

/// The problems of a configuration; validates it only if it differs from the last one. The host passes one target
/// after the other.
pub(crate) fn cached_problems(config: &str, validate: impl FnOnce() -> Vec<Problem>) -> Vec<Problem> {
    let known = LAST_VALIDATED.with_borrow(|last| match last {
        Some((known, problems)) if known == config => Some(problems.clone()),
        _ => None,
    });
    known.unwrap_or_else(|| {
        let problems = validate();
        LAST_VALIDATED.set(Some((config.to_owned(), problems.clone())));
        problems
    })
}

fn invalid(fields: Vec<types::InvalidField>) -> Vec<Invalid> {
    let fields = fields.into_iter();
    fields
        .map(|types::InvalidField { field, message, .. }| Invalid { field, message })
        .collect()
}
