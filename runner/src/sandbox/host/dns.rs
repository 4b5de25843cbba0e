//! `canary:check/dns`.

use super::convert::nanos;
use crate::net::NetError;
use crate::net::bounded::Bounded;
use crate::net::dns::{Answer, Question, Reply};
use crate::sandbox::bindings::{dns, types};
use crate::sandbox::polls::HostFunction;
use crate::sandbox::state::State;

impl dns::Host for State {
    async fn query(
        &mut self,
        name: String,
        kind: String,
        server: Option<String>,
    ) -> wasmtime::Result<Result<dns::Reply, types::NetError>> {
        let _host = self.meter.host_call(HostFunction::Query);
        let reply = match question(name, kind, server) {
            Ok(question) => self.client.query(&question).await,
            Err(refused) => Err(refused),
        };
        Ok(reply.map(dns::Reply::from).map_err(types::NetError::from))
    }
}

fn question(name: String, kind: String, server: Option<String>) -> Result<Question, NetError> {
    let server = server.map(|server| Bounded::new("the server", server));
    Ok(Question {
        name: Bounded::new("the name", name)?,
        kind: Bounded::new("the kind", kind)?,
        server: server.transpose()?,
    })
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
