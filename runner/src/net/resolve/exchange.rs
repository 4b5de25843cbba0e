//! One question to one server after the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Query, ResponseCode};

use super::flight::Progress;
use super::schedule::{Party, Schedule, zone};
use super::servers::Servers;
use super::{ResolverSettings, shown};
use crate::ledger::{Ledger, Page, PageOwner};
use crate::net::NetError;
use crate::net::dns::response::Response;
use crate::net::dns::wire;
use crate::quota::Quota;
use crate::record::Recorder;
use crate::redact::Secrets;

/// What came of a question; shared by all who asked it.
pub(super) type Answered = Result<Arc<Response>, NetError>;

/// What is asked, and of whom: two that are equal have one answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    query: Query,
    servers: Vec<SocketAddr>,
    /// For one answer of one server.
    timeout: Duration,
    /// Rounds over all servers.
    attempts: usize,
    /// Whether the servers are the resolver's own, and not a check's choice.
    is_to_own: bool,
}

impl Question {
    /// To the servers of the settings, one after the other.
    pub(super) fn to_own_servers(settings: &ResolverSettings, query: Query) -> Self {
        Self {
            query,
            servers: settings.servers.clone(),
            timeout: settings.timeout,
            attempts: settings.attempts,
            is_to_own: true,
        }
    }

    /// To a server that the check chose.
    pub(super) fn to_server(server: SocketAddr, settings: &ResolverSettings, query: Query) -> Self {
        Self {
            servers: vec![server],
            is_to_own: false,
            ..Self::to_own_servers(settings, query)
        }
    }

    /// What is to blame when no answer comes: the zone, where the resolver's own servers are asked, or the server.
    pub(super) fn zone(&self) -> Arc<str> {
        match self.servers.first().filter(|_| !self.is_to_own) {
            Some(server) => server.to_string().into(),
            None => zone(&self.query.name().to_ascii()),
        }
    }

    /// Whether another server could not know better.
    fn is_answered_by(&self, code: ResponseCode) -> bool {
        self.servers.len() == 1 || matches!(code, ResponseCode::NoError | ResponseCode::NXDomain)
    }
}

/// What asks for all runs.
#[derive(Debug)]
pub(super) struct Service {
    page: Arc<Page>,
    schedule: Schedule,
    servers: Servers,
}

impl Service {
    /// Its sockets are entered in the ledger under the name `dns`.
    pub(super) fn new(ledger: &Arc<Ledger>) -> Self {
        let quota = Quota {
            sockets: u64::MAX,
            fds: u64::MAX,
            connections: u64::MAX,
            bytes_in: u64::MAX,
            bytes_out: u64::MAX,
            ..Quota::default()
        };
        let recorder = Recorder::new(Secrets::default(), quota.record);
        Self {
            page: ledger.open_page(PageOwner::service("dns"), quota, recorder),
            schedule: Schedule::new(ledger),
            servers: Servers::default(),
        }
    }

    /// Asks one server after the other until one answers for good; those that were silent lately come last.
    pub(super) async fn ask(
        self: Arc<Self>,
        question: Question,
        party: Party,
        progress: Arc<Progress>,
    ) -> Answered {
        let mut last = NetError::Unresolved("no DNS server is configured".to_owned());
        for _ in 0..question.attempts {
            for server in self.servers.in_order(&question.servers) {
                let exchange = self.exchange(server, &question, &party.zone);
                let asked = self
                    .schedule
                    .ask(&party, question.timeout, &progress, exchange)
                    .await;
                last = match asked {
                    Ok(Some(reply)) if question.is_answered_by(reply.code) => {
                        return Ok(Arc::new(reply));
                    }
                    Ok(Some(reply)) => {
                        let code = wire::code_word(reply.code);
                        NetError::Unresolved(format!("`{}`: {code}", shown(question.query.name())))
                    }
                    Ok(None) => NetError::Unresolved(format!("DNS server {server} does not answer")),
                    // No other server is asked with what is not there, and none of them is to blame.
                    Err(error @ (NetError::HostExhausted | NetError::DnsBusy)) => return Err(error),
                    Err(error) => NetError::Unresolved(format!("DNS server {server}: {error}")),
                };
            }
        }
        Err(last)
    }

    async fn exchange(
        &self,
        server: SocketAddr,
        question: &Question,
        zone: &Arc<str>,
    ) -> Result<Response, NetError> {
        let watch = question.is_to_own.then(|| self.servers.watch(server, zone));
        let reply = wire::exchange(&self.page, server, &question.query).await?;
        if let Some(watch) = watch {
            watch.answered();
        }
        Ok(reply)
    }
}
