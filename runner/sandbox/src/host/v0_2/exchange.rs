//! `canary:check/http`: exchanges whose body is streamed.

use std::sync::Arc;

use wasmtime::component::Resource;

use super::http::pairs;
use crate::bindings::v0_2::{http, tls, types};
use crate::host::{Exchange, convert};
use crate::polls::HostFunction;
use crate::state::{MAX_EXCHANGES, State};
use canary_net::NetError;
use canary_net::bounded::too_many;
use canary_net::http::Response;

type Answer<T> = wasmtime::Result<Result<T, types::NetError>>;

impl http::HostExchange for State {
    async fn open(&mut self, request: http::Request) -> Answer<Resource<Exchange>> {
        let _host = self.meter.host_call(HostFunction::OpenExchange);
        Ok(match self.open_exchange(request).await {
            Ok(exchange) => Ok(self.table.push(exchange)?),
            Err(error) => Err(error.into()),
        })
    }

    async fn head(&mut self, exchange: Resource<Exchange>) -> wasmtime::Result<http::Head> {
        let _host = self.meter.host_call(HostFunction::ExchangeHead);
        Ok(self.table.get(&exchange)?.exchange.response().into())
    }

    async fn set_deadline(
        &mut self,
        exchange: Resource<Exchange>,
        milliseconds: Option<u32>,
    ) -> wasmtime::Result<()> {
        let exchange = self.table.get_mut(&exchange)?;
        exchange.set_deadline(milliseconds.map(convert::milliseconds));
        Ok(())
    }

    async fn read(&mut self, exchange: Resource<Exchange>, max: u32) -> Answer<Vec<u8>> {
        let _host = self.meter.host_call(HostFunction::ReadExchange);
        let exchange = self.table.get_mut(&exchange)?;
        let read = exchange.read(convert::size(max)).await;
        let counted = exchange.count(&mut self.limiter, self.client.page());
        Ok(counted.and(read).map_err(types::NetError::from))
    }

    async fn read_ready(&mut self, exchange: Resource<Exchange>, max: u32) -> Answer<Option<Vec<u8>>> {
        let _host = self.meter.host_call(HostFunction::ReadReadyExchange);
        let exchange = self.table.get_mut(&exchange)?;
        let read = exchange.read_ready(convert::size(max)).await;
        let counted = exchange.count(&mut self.limiter, self.client.page());
        Ok(counted.and(read).map_err(types::NetError::from))
    }

    async fn info(&mut self, exchange: Resource<Exchange>) -> wasmtime::Result<http::ExchangeInfo> {
        let exchange = &self.table.get(&exchange)?.exchange;
        let response = exchange.response();
        Ok(http::ExchangeInfo {
            timings: response.timings.into(),
            body: exchange.progress().into(),
            complete: response.complete,
            extra: Vec::new(),
        })
    }

    async fn trailers(&mut self, exchange: Resource<Exchange>) -> wasmtime::Result<Vec<(String, Vec<u8>)>> {
        let _host = self.meter.host_call(HostFunction::ExchangeHead);
        Ok(pairs(self.table.get(&exchange)?.exchange.trailers()))
    }

    async fn drop(&mut self, exchange: Resource<Exchange>) -> wasmtime::Result<()> {
        self.table.delete(exchange)?.close(&mut self.limiter);
        Ok(())
    }
}

impl State {
    async fn open_exchange(&mut self, request: http::Request) -> Result<Exchange, NetError> {
        let permit = Arc::clone(&self.exchanges).try_acquire_owned();
        let permit = permit.map_err(|_| too_many("exchanges at once", MAX_EXCHANGES))?;
        let exchange = Box::pin(self.client.open(request.try_into()?)).await?;
        let mut exchange = Exchange::new(exchange, permit);
        exchange.count(&mut self.limiter, self.client.page())?;
        Ok(exchange)
    }
}

impl From<&Response> for http::Head {
    fn from(response: &Response) -> Self {
        let hops = response.hops.iter().cloned();
        Self {
            url: response.url.clone(),
            status: response.status,
            version: response.version.as_str().to_owned(),
            headers: pairs(&response.headers),
            peer: response.peer.clone(),
            tls: response.tls.clone().map(tls::Session::from),
            hops: hops.map(http::Hop::from).collect(),
            authentication_error: response.authentication_error.clone(),
            extra: Vec::new(),
        }
    }
}
