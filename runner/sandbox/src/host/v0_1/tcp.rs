//! `canary:check/tcp`.

use wasmtime::component::Resource;

use crate::bindings::v0_1::tcp as wit;
use crate::bindings::v0_1::{tls, types};
use crate::host::{Connection, convert};
use crate::polls::HostFunction;
use crate::state::State;
use canary_net::Family;
use canary_net::bounded::{Delimiter, Payload};
use canary_net::tcp::Stream;
use canary_net::tls::TlsOptions;
use canary_suite::grant::Via;

type Answer<T> = wasmtime::Result<Result<T, types::NetError>>;

impl wit::Host for State {}

impl wit::HostConnection for State {
    async fn connect(
        &mut self,
        to: types::Endpoint,
        options: wit::ConnectOptions,
    ) -> Answer<Resource<Connection>> {
        let _host = self.meter.host_call(HostFunction::Connect);
        let wit::ConnectOptions {
            ip_family,
            source_address,
            timeout,
        } = options;
        let options = convert::connect_options(ip_family.into(), source_address, timeout);
        let connected = match convert::destination(&to.host, to.port).and_then(|to| Ok((to, options?))) {
            Ok((to, options)) => self.client.connect(&to, Via::Direct, options).await,
            Err(error) => Err(error),
        };
        Ok(match connected {
            Ok((stream, timings)) => {
                let connection = Connection::new(Stream::new(stream, to.host), timings);
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
        let started = connection
            .start_tls(&self.client, TlsOptions::try_from(options))
            .await;
        Ok(started.map(tls::Session::from).map_err(types::NetError::from))
    }

    async fn read(&mut self, connection: Resource<Connection>, max: u32) -> Answer<Vec<u8>> {
        let _host = self.meter.host_call(HostFunction::Read);
        let stream = &mut self.table.get_mut(&connection)?.stream;
        let read = stream.read(&self.client, convert::size(max)).await;
        Ok(read.map_err(types::NetError::from))
    }

    async fn read_until(
        &mut self,
        connection: Resource<Connection>,
        delimiter: Vec<u8>,
        max: u32,
    ) -> Answer<Vec<u8>> {
        let _host = self.meter.host_call(HostFunction::ReadUntil);
        let stream = &mut self.table.get_mut(&connection)?.stream;
        let read = match Delimiter::new(delimiter) {
            Ok(delimiter) => {
                stream
                    .read_until(&self.client, &delimiter, convert::size(max))
                    .await
            }
            Err(refused) => Err(refused),
        };
        Ok(read.map_err(types::NetError::from))
    }

    async fn write(&mut self, connection: Resource<Connection>, bytes: Vec<u8>) -> Answer<()> {
        let _host = self.meter.host_call(HostFunction::Write);
        let stream = &mut self.table.get_mut(&connection)?.stream;
        let written = match Payload::new("the data to write", bytes) {
            Ok(bytes) => stream.write(&self.client, &bytes).await,
            Err(refused) => Err(refused),
        };
        Ok(written.map_err(types::NetError::from))
    }

    async fn info(&mut self, connection: Resource<Connection>) -> wasmtime::Result<wit::ConnectionInfo> {
        let (info, timings) = self.table.get(&connection)?.info();
        Ok(wit::ConnectionInfo {
            peer: info.peer,
            local: info.local,
            timings: timings.into(),
            bytes_in: info.bytes_in,
            bytes_out: info.bytes_out,
        })
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

impl From<types::IpFamily> for Family {
    fn from(family: types::IpFamily) -> Self {
        match family {
            types::IpFamily::Any => Self::Any,
            types::IpFamily::Ipv4 => Self::V4,
            types::IpFamily::Ipv6 => Self::V6,
        }
    }
}
