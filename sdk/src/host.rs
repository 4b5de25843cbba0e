//! The backend of a plugin: the clients of this crate on the imports of the contract.

mod convert;

use std::time::Duration;

use crate::contract::canary::check::{dns as wit_dns, http as wit_http, log as wit_log, tcp as wit_tcp};
use crate::endpoint::Endpoint;
use crate::error::NetError;
use crate::log::Level;
use crate::tcp::{ConnectOptions, ConnectionInfo};
use crate::{dns, http, tls};

#[derive(Debug)]
pub(crate) struct Connection(wit_tcp::Connection);

impl Connection {
    pub(crate) fn connect(to: &Endpoint, options: &ConnectOptions) -> Result<Self, NetError> {
        let endpoint = wit_tcp::Endpoint {
            host: to.host.clone(),
            port: to.port,
        };
        let options = wit_tcp::ConnectOptions {
            ip_family: options.ip_family.into(),
            source_address: options.source_address.clone(),
            timeout: options.timeout.map(milliseconds),
        };
        Ok(Self(wit_tcp::Connection::connect(&endpoint, &options)?))
    }

    pub(crate) fn start_tls(&self, options: &tls::Options) -> Result<tls::Session, NetError> {
        Ok(self.0.start_tls(&options.into())?.into())
    }

    pub(crate) fn read(&self, max: u32) -> Result<Vec<u8>, NetError> {
        Ok(self.0.read(max)?)
    }

    pub(crate) fn read_until(&self, delimiter: &[u8], max: u32) -> Result<Vec<u8>, NetError> {
        Ok(self.0.read_until(delimiter, max)?)
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), NetError> {
        Ok(self.0.write(bytes)?)
    }

    pub(crate) fn info(&self) -> ConnectionInfo {
        self.0.info().into()
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

pub(crate) fn query(name: &str, kind: &str, server: Option<&str>) -> Result<dns::Reply, NetError> {
    Ok(wit_dns::query(name, kind, server)?.into())
}

pub(crate) fn log(level: Level, message: &str, fields: &[(&str, &str)]) {
    let fields: Vec<_> = fields
        .iter()
        .map(|(key, value)| ((*key).into(), (*value).into()))
        .collect();
    wit_log::log(level.into(), message, &fields);
}

#[expect(clippy::disallowed_types, reason = "a guest has no tokio")]
type Instant = std::time::Instant;

/// A moment of the host's monotonic clock.
#[derive(Debug, Clone, Copy)]
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
