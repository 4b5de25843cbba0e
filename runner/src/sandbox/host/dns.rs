//! `canary:check/dns`.

use super::convert::nanos;
use crate::net::dns::{Answer, Reply};
use crate::sandbox::bindings::{dns, types};
use crate::sandbox::state::State;

impl dns::Host for State {
    async fn query(
        &mut self,
        name: String,
        kind: String,
        server: Option<String>,
    ) -> wasmtime::Result<Result<dns::Reply, types::NetError>> {
        let _host = self.meter.host_call();
        let reply = self.client.query(&name, &kind, server.as_deref()).await;
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

impl From<Answer> for dns::Answer {
    fn from(answer: Answer) -> Self {
        Self {
            name: answer.name,
            kind: answer.kind,
            ttl: answer.ttl,
            data: answer.data,
        }
    }
}
