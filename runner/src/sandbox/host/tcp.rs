//! `canary:check/tcp`.

use std::time::Duration;

use wasmtime::component::Resource;

use crate::grant::{Destination, Scheme, Via};
use crate::net::bounded::{Delimiter, Payload, Word};
use crate::net::connect::ConnectOptions;
use crate::net::tcp::{self, Stream};
use crate::net::tls::TlsOptions;
use crate::net::{NetError, Timings};
use crate::sandbox::bindings::tcp as wit;
use crate::sandbox::bindings::{tls, types};
use crate::sandbox::polls::HostFunction;
use crate::sandbox::state::State;

/// A guest's handle on one socket. Dropping it closes the socket.
#[expect(unreachable_pub, reason = "the generated bindings name it in public types")]
pub struct Connection {
    stream: Stream,
    timings: Timings,
}

type Answer<T> = wasmtime::Result<Result<T, types::NetError>>;

impl wit::Host for State {}

impl wit::HostConnection for State {
    async fn connect(
        &mut self,
        to: types::Endpoint,
        options: wit::ConnectOptions,
    ) -> Answer<Resource<Connection>> {
        let _host = self.meter.host_call(HostFunction::Connect);
        let connected = match destination(&to).and_then(|to| Ok((to, connect_options(options)?))) {
            Ok((to, options)) => self.client.connect(&to, Via::Direct, options).await,
            Err(error) => Err(error),
        };
        Ok(match connected {
            Ok((stream, timings)) => {
                let connection = Connection {
                    stream: Stream::new(stream, to.host),
                    timings,
                };
                Ok(self.table.push(connection)?)
            }
            Err(error) => Err(error.into()),
        })
    }

    async fn start_tls(
        &mut self,
        connection: Resource<Connection>,
        options: tls::Options,
    ) -> Answer<tls::Session> {
        let _host = self.meter.host_call(HostFunction::StartTls);
        let connection = self.table.get_mut(&connection)?;
        let started = match TlsOptions::try_from(options) {
            Ok(options) => connection.stream.start_tls(&self.client, &options).await,
            Err(refused) => Err(refused),
        };
        Ok(match started {
            Ok((session, took)) => {
                connection.timings.handshake = Some(took);
                Ok(session.into())
            }
            Err(error) => Err(error.into()),
        })
    }

    async fn read(&mut self, connection: Resource<Connection>, max: u32) -> Answer<Vec<u8>> {
        let _host = self.meter.host_call(HostFunction::Read);
        let connection = self.table.get_mut(&connection)?;
        Ok(connection
            .stream
            .read(&self.client, size(max))
            .await
            .map_err(types::NetError::from))
    }

    async fn read_until(
        &mut self,
        connection: Resource<Connection>,
        delimiter: Vec<u8>,
        max: u32,
    ) -> Answer<Vec<u8>> {
        let _host = self.meter.host_call(HostFunction::ReadUntil);
        let connection = self.table.get_mut(&connection)?;
        let read = match Delimiter::new(delimiter) {
            Ok(delimiter) => {
                connection
                    .stream
                    .read_until(&self.client, &delimiter, size(max))
                    .await
            }
            Err(refused) => Err(refused),
        };
        Ok(read.map_err(types::NetError::from))
    }

    async fn write(&mut self, connection: Resource<Connection>, bytes: Vec<u8>) -> Answer<()> {
        let _host = self.meter.host_call(HostFunction::Write);
        let connection = self.table.get_mut(&connection)?;
        let written = match Payload::new("what is to be written", bytes) {
            Ok(bytes) => connection.stream.write(&self.client, &bytes).await,
            Err(refused) => Err(refused),
        };
        Ok(written.map_err(types::NetError::from))
    }

    async fn info(&mut self, connection: Resource<Connection>) -> wasmtime::Result<wit::ConnectionInfo> {
        let connection = self.table.get(&connection)?;
        let tcp::Info {
            peer,
            local,
            bytes_in,
            bytes_out,
        } = connection.stream.info();
        Ok(wit::ConnectionInfo {
            peer,
            local,
            timings: connection.timings.into(),
            bytes_in,
            bytes_out,
        })
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

fn destination(to: &types::Endpoint) -> Result<Destination, NetError> {
    // The grants know how long a host may be, and parse it.
    Destination::new(Scheme::Tcp, &to.host, to.port).map_err(|error| NetError::Invalid(error.to_string()))
}

fn connect_options(options: wit::ConnectOptions) -> Result<ConnectOptions, NetError> {
    let source = options.source_address.map(|text| {
        let text = Word::new("the source address", text)?;
        text.parse().map_err(|_| {
            let text = text.as_str();
            NetError::Invalid(format!("source address `{text}` is not an IP address"))
        })
    });
    Ok(ConnectOptions {
        family: options.ip_family.into(),
        source: source.transpose()?,
        timeout: options
            .timeout
            .map(|millis| Duration::from_millis(u64::from(millis))),
    })
}

fn size(max: u32) -> usize {
    usize::try_from(max).unwrap_or(usize::MAX)
}
