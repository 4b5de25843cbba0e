//! `canary:check/tcp`.

use wasmtime::component::Resource;

use crate::bindings::v0_2::tcp as wit;
use crate::bindings::v0_2::{tls, types};
use crate::host::{Connection, convert};
use crate::polls::HostFunction;
use crate::state::State;
use canary_net::Family;
use canary_net::bounded::{Delimiter, Payload};
use canary_net::check::InvalidFields;
use canary_net::connect::ConnectOptions;
use canary_net::tcp::Stream;
use canary_net::tls::TlsOptions;
use canary_suite::grant::Via;

use super::tls::invalid;

type Answer<T> = wasmtime::Result<Result<T, types::NetError>>;

impl wit::Host for State {
    async fn check(
        &mut self,
        to: types::Endpoint,
        options: wit::ConnectOptions,
    ) -> wasmtime::Result<Vec<types::InvalidField>> {
        let _host = self.meter.host_call(HostFunction::Check);
        let mut fields = InvalidFields::default();
        fields.check("extra", convert::reject_extra(&options.extra));
        fields.check("host", convert::destination(&to.host, to.port));
        fields.check("address", convert::address(options.address));
        let options =
            convert::connect_options(options.ip_family.into(), options.source_address, options.timeout);
        let options = options.and_then(|options| options.check_source());
        fields.check("source-address", options);
        Ok(invalid(fields))
    }
}

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
            address,
            timeout,
            extra,
        } = options;
        let options = convert::connect_options(ip_family.into(), source_address, timeout);
        let arguments = convert::reject_extra(&extra).and_then(|()| {
            let address = convert::address(address)?;
            let options = ConnectOptions { address, ..options? };
            Ok((convert::destination(&to.host, to.port)?, options))
        });
        let connected = match arguments {
            Ok((to, options)) => Box::pin(self.client.connect(&to, Via::Direct, options)).await,
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

    async fn set_deadline(
        &mut self,
        connection: Resource<Connection>,
        milliseconds: Option<u32>,
    ) -> wasmtime::Result<()> {
        let connection = self.table.get_mut(&connection)?;
        connection.set_deadline(milliseconds.map(convert::milliseconds));
        Ok(())
    }

    async fn start_tls(
        &mut self,
        connection: Resource<Connection>,
        options: tls::Options,
    ) -> Answer<tls::Session> {
        let _host = self.meter.host_call(HostFunction::StartTls);
        let connection = self.table.get_mut(&connection)?;
        let client = connection.client(&self.client);
        let started = Box::pin(connection.start_tls(&client, TlsOptions::try_from(options))).await;
        Ok(started.map(tls::Session::from).map_err(types::NetError::from))
    }

    async fn read(&mut self, connection: Resource<Connection>, max: u32) -> Answer<Vec<u8>> {
        let _host = self.meter.host_call(HostFunction::Read);
        let connection = self.table.get_mut(&connection)?;
        let client = connection.client(&self.client);
        let stream = &mut connection.stream;
        let read = stream.read(&client, convert::size(max)).await;
        Ok(read.map_err(types::NetError::from))
    }

    async fn read_ready(&mut self, connection: Resource<Connection>, max: u32) -> Answer<Option<Vec<u8>>> {
        let _host = self.meter.host_call(HostFunction::ReadReady);
        let connection = self.table.get_mut(&connection)?;
        let client = connection.client(&self.client);
        let read = connection.stream.read_ready(&client, convert::size(max)).await;
        Ok(read.map_err(types::NetError::from))
    }

    async fn read_until(
        &mut self,
        connection: Resource<Connection>,
        delimiter: Vec<u8>,
        max: u32,
    ) -> Answer<Vec<u8>> {
        let _host = self.meter.host_call(HostFunction::ReadUntil);
        let connection = self.table.get_mut(&connection)?;
        let client = connection.client(&self.client);
        let stream = &mut connection.stream;
        let read = match Delimiter::new(delimiter) {
            Ok(delimiter) => stream.read_until(&client, &delimiter, convert::size(max)).await,
            Err(refused) => Err(refused),
        };
        Ok(read.map_err(types::NetError::from))
    }

    async fn write(&mut self, connection: Resource<Connection>, bytes: Vec<u8>) -> Answer<()> {
        let _host = self.meter.host_call(HostFunction::Write);
        let connection = self.table.get_mut(&connection)?;
        let client = connection.client(&self.client);
        let stream = &mut connection.stream;
        let written = match Payload::new("the data to write", bytes) {
            Ok(bytes) => stream.write(&client, &bytes).await,
            Err(refused) => Err(refused),
        };
        Ok(written.map_err(types::NetError::from))
    }

    async fn shutdown_write(&mut self, connection: Resource<Connection>) -> Answer<()> {
        let _host = self.meter.host_call(HostFunction::ShutdownWrite);
        let connection = self.table.get_mut(&connection)?;
        let client = connection.client(&self.client);
        let shut = connection.stream.shutdown_write(&client).await;
        Ok(shut.map_err(types::NetError::from))
    }

    async fn info(&mut self, connection: Resource<Connection>) -> wasmtime::Result<wit::ConnectionInfo> {
        let (info, timings) = self.table.get(&connection)?.info();
        Ok(wit::ConnectionInfo {
            peer: info.peer,
            local: info.local,
            timings: timings.into(),
            bytes_in: info.bytes_in,
            bytes_out: info.bytes_out,
            extra: Vec::new(),
        })
    }

    async fn examination(
        &mut self,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<Option<tls::Examination>> {
        let shown = self.table.get(&connection)?.stream.examination();
        Ok(shown.cloned().map(tls::Examination::from))
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
            types::IpFamily::PreferIpv4 => Self::PreferV4,
            types::IpFamily::PreferIpv6 => Self::PreferV6,
        }
    }
}
