//! `canary:check/dns`.

use crate::bindings::v0_1::{dns, types};
use crate::host::convert;
use crate::host::shared::nanos;
use crate::polls::HostFunction;
use crate::state::State;
use canary_net::dns::Reply;

impl dns::Host for State {
    async fn query(
        &mut self,
        name: String,
        kind: String,
        server: Option<String>,
    ) -> wasmtime::Result<Result<dns::Reply, types::NetError>> {
        let _host = self.meter.host_call(HostFunction::Query);
        let reply = match convert::question(name, kind, server) {
            Ok(question) => self.client.query(&question).await,
            Err(refused) => Err(refused),
        };
        Ok(reply.map(dns::Reply::from).map_err(types::NetError::from))
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
        }
    }
}
