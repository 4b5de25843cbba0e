//! `canary:check/dns`.

use crate::bindings::v0_2::{dns, types};
use crate::host::convert;
use crate::host::shared::nanos;
use crate::polls::HostFunction;
use crate::state::State;
use canary_net::dns::Reply;
use canary_net::resolve::Resolved;

impl dns::Host for State {
    async fn query(
        &mut self,
        name: String,
        kind: String,
        options: dns::QueryOptions,
    ) -> wasmtime::Result<Result<dns::Reply, types::NetError>> {
        let _host = self.meter.host_call(HostFunction::Query);
        let dns::QueryOptions {
            server,
            timeout,
            extra,
        } = options;
        let question = convert::reject_extra(&extra).and_then(|()| convert::question(name, kind, server));
        let client = self.client.with_timeout(timeout.map(convert::milliseconds));
        let reply = match question {
            Ok(question) => client.query(&question).await,
            Err(refused) => Err(refused),
        };
        Ok(reply.map(dns::Reply::from).map_err(types::NetError::from))
    }

    async fn addresses(
        &mut self,
        of: types::Endpoint,
        options: dns::AddressOptions,
    ) -> wasmtime::Result<Result<dns::AddressList, types::NetError>> {
        let _host = self.meter.host_call(HostFunction::Addresses);
        let dns::AddressOptions {
            ip_family,
            timeout,
            extra,
        } = options;
        let arguments = convert::reject_extra(&extra).and_then(|()| convert::destination(&of.host, of.port));
        let client = self.client.with_timeout(timeout.map(convert::milliseconds));
        let found = match arguments {
            Ok(of) => client.resolve_all(&of, ip_family.into()).await,
            Err(refused) => Err(refused),
        };
        Ok(found.map(dns::AddressList::from).map_err(types::NetError::from))
    }
}

impl From<Resolved> for dns::AddressList {
    fn from(found: Resolved) -> Self {
        Self {
            addresses: found.addresses.iter().map(ToString::to_string).collect(),
            complete: found.is_complete,
            extra: Vec::new(),
        }
    }
}

impl From<Reply> for dns::Reply {
    fn from(reply: Reply) -> Self {
        Self {
            code: reply.code,
            authoritative: reply.authoritative,
            authenticated: reply.authenticated,
            answers: reply.answers.into_iter().map(dns::Answer::from).collect(),
            authorities: reply.authorities.into_iter().map(dns::Answer::from).collect(),
            duration: nanos(reply.duration),
            extra: Vec::new(),
        }
    }
}
