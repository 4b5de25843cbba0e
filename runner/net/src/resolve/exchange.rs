//! Queries several name servers for one question, starting with the next when one is silent, until there is a final
//! answer.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use hickory_proto::op::{Query, ResponseCode};
use tokio::time::{Instant, sleep};

use super::messages;
use super::scheduler::{QueryOrigin, QueryScheduler, zone};
use super::servers::{RankedServer, ServerHealth};
use super::settings::{LookupConfig, ServerOwner};
use super::single_flight::Progress;
use crate::NetError;
use crate::dns::client::{self, Transport};
use crate::dns::response::Response;
use crate::ledger::{Ledger, Page, PageOwner};
use canary_record::Recorder;
use canary_record::quota::Quota;
use canary_record::redact::Secrets;

/// How long a server is queried alone before the next one is queried in parallel.
const HEAD_START: Duration = Duration::from_millis(300);
/// The same for a server that was silent before, and most likely still is.
const PROBE_HEAD_START: Duration = Duration::from_millis(100);
/// How long until the same servers are queried again, since a datagram may be lost; doubled each time.
const ROUND_DURATION: Duration = Duration::from_secs(1);

/// The result of a question, shared by all runs that asked it.
pub(super) type QueryResult = Result<Arc<Response>, NetError>;

/// A question and its servers; equal questions share one answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    query: Query,
    servers: Vec<SocketAddr>,
    /// Timeout for one response of one server.
    timeout: Duration,
    /// Number of rounds over all servers.
    attempts: usize,
    owner: ServerOwner,
    /// The question is for one particular server, so that any response is the answer.
    is_single_server: bool,
    rotates: bool,
    transport: Transport,
}

impl Question {
    /// A question for the addresses of a name, to the servers in the settings.
    pub(super) fn for_addresses(current: &LookupConfig, query: Query) -> Self {
        let settings = &current.settings;
        Self {
            query,
            servers: settings.servers.clone(),
            timeout: settings.timeout,
            attempts: settings.attempts,
            owner: current.owner,
            is_single_server: false,
            rotates: settings.rotates,
            transport: Transport {
                edns: settings.edns,
                over_tcp: settings.over_tcp,
            },
        }
    }

    /// A question for any records, to the servers in the settings; with EDNS, because responses are often long.
    pub(super) fn for_records(current: &LookupConfig, query: Query) -> Self {
        let question = Self::for_addresses(current, query);
        Self {
            transport: Transport {
                edns: true,
                ..question.transport
            },
            ..question
        }
    }

    /// A question to a server that the check chose.
    pub(super) fn to_server(server: SocketAddr, current: &LookupConfig, query: Query) -> Self {
        Self {
            servers: vec![server],
            owner: ServerOwner::Check,
            is_single_server: true,
            ..Self::for_records(current, query)
        }
    }

    /// Who configured the servers.
    pub(super) fn owner(&self) -> ServerOwner {
        self.owner
    }

    /// What a missing response is attributed to: the zone for the machine's servers, or all servers that a check chose,
    /// together.
    pub(super) fn destination(&self) -> Arc<str> {
        match self.owner {
            ServerOwner::Machine => self.zone(),
            ServerOwner::Check => {
                let servers: Vec<_> = self.servers.iter().map(ToString::to_string).collect();
                servers.join(", ").into()
            }
        }
    }

    fn zone(&self) -> Arc<str> {
        zone(&self.query.name().to_ascii())
    }

    /// Whether no other server or round could give a better answer.
    fn is_answered_by(&self, reply: &Response) -> bool {
        let is_good = matches!(reply.code, ResponseCode::NoError | ResponseCode::NXDomain) && !reply.is_lame;
        is_good || self.is_single_server
    }
}

/// An attempt to query one server.
#[derive(Debug, Clone)]
struct ServerAttempt {
    server: SocketAddr,
    transport: Transport,
    /// Time until the next attempt starts, if there is no response.
    head_start: Duration,
    /// When the query was sent, which happens once the scheduler admits it.
    sent: Arc<OnceLock<Instant>>,
}

impl ServerAttempt {
    /// When the query was sent, if the server has been silent for its whole head start.
    fn silent_since(&self) -> Option<Instant> {
        let sent = self.sent.get().copied();
        sent.filter(|sent| sent.elapsed() >= self.head_start)
    }
}

/// The outcome of an attempt.
struct AttemptOutcome {
    attempt: ServerAttempt,
    /// `None` if there was no response in time.
    outcome: Result<Option<Response>, NetError>,
}

/// Sends the queries of all runs.
#[derive(Debug)]
pub(super) struct QueryService {
    page: Arc<Page>,
    scheduler: QueryScheduler,
    servers: ServerHealth,
}

impl QueryService {
    /// Creates the service. Its sockets are registered in the ledger under the name `dns`.
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
            scheduler: QueryScheduler::new(ledger),
            servers: ServerHealth::default(),
        }
    }

    /// Queries the servers in order until there is a final answer; recently silent servers come last. Each server gets
    /// a short head start, and its response is still accepted while others are queried.
    pub(super) async fn query(
        self: Arc<Self>,
        question: Question,
        origin: QueryOrigin,
        progress: Arc<Progress>,
    ) -> QueryResult {
        let mut race = QueryRace::new(&question);
        let mut attempts = self.attempts(&question).into_iter();
        let mut running = FuturesUnordered::new();
        loop {
            let attempt = attempts.find(|attempt| race.may_query(attempt.server));
            if let Some(attempt) = &attempt {
                running.push(self.run_attempt(attempt.clone(), &question, &origin, &progress));
            }
            let head_start = async {
                match &attempt {
                    Some(attempt) => sleep(attempt.head_start).await,
                    None => std::future::pending().await,
                }
            };
            let ended = tokio::select! {
                biased;
                ended = running.next() => ended,
                () = head_start => {
                    if let Some(ServerAttempt { server, head_start, .. }) = &attempt {
                        progress.note(|| messages::silent(*server, *head_start));
                    }
                    race.unanswered.extend(attempt);
                    continue;
                }
            };
            match ended {
                Some(ended) => {
                    let answered = ended.attempt.clone();
                    if let Some(answer) = race.note(ended) {
                        self.record_silent(&race, &answered);
                        return answer;
                    }
                }
                None if attempt.is_none() => return race.into_result(),
                None => {}
            }
        }
    }

    /// The attempts in order; each server occurs several times.
    fn attempts(&self, question: &Question) -> Vec<ServerAttempt> {
        let order = if question.is_single_server {
            question
                .servers
                .iter()
                .copied()
                .map(RankedServer::normal)
                .collect()
        } else {
            self.servers.in_order(&question.servers, question.rotates)
        };
        let mut attempts = Vec::new();
        let mut round_ends = ROUND_DURATION;
        for round in 0..question.attempts {
            for (index, ordered) in order.iter().enumerate() {
                let head_start = match ordered.is_probe {
                    _ if index + 1 == order.len() => round_ends,
                    true if round == 0 => PROBE_HEAD_START,
                    _ => HEAD_START,
                };
                attempts.push(ServerAttempt {
                    server: ordered.server,
                    transport: Transport {
                        // Some servers drop queries with EDNS, and some are known not to support it.
                        edns: question.transport.edns
                            && round == 0
                            && !self.servers.is_without_edns(ordered.server),
                        ..question.transport
                    },
                    head_start: head_start.min(question.timeout),
                    sent: Arc::default(),
                });
            }
            round_ends *= 2;
        }
        attempts
    }

    async fn run_attempt(
        &self,
        attempt: ServerAttempt,
        question: &Question,
        origin: &QueryOrigin,
        progress: &Progress,
    ) -> AttemptOutcome {
        let exchange = self.exchange(&attempt, question);
        progress.note(|| messages::querying(attempt.server, &question.query));
        let outcome = self
            .scheduler
            .run(origin, question.timeout, progress, exchange)
            .await;
        progress.note(|| messages::answered(attempt.server, &question.query, &outcome));
        AttemptOutcome { attempt, outcome }
    }

    async fn exchange(&self, attempt: &ServerAttempt, question: &Question) -> Result<Response, NetError> {
        let (server, zone) = (attempt.server, question.zone());
        attempt.sent.get_or_init(Instant::now);
        let watch = (!question.is_single_server).then(|| self.servers.watch(server, &zone));
        let (reply, used) = client::exchange(&self.page, server, &question.query, attempt.transport).await?;
        if let Some(watch) = watch {
            watch.answered();
            if used.edns != attempt.transport.edns {
                self.servers.record_without_edns(server);
            }
        }
        Ok(reply)
    }

    /// Records which servers were silent while another one answered.
    fn record_silent(&self, race: &QueryRace<'_>, answered: &ServerAttempt) {
        if race.question.is_single_server {
            return;
        }
        for attempt in &race.unanswered {
            let Some(since) = attempt.silent_since() else {
                continue;
            };
            if attempt.server != answered.server {
                self.servers.record_outrun(attempt.server, since);
            } else if attempt.transport.edns && !answered.transport.edns {
                self.servers.record_without_edns(attempt.server);
            }
        }
    }
}

/// The state of a question that is raced between servers.
struct QueryRace<'a> {
    question: &'a Question,
    /// Attempts whose head start is over.
    unanswered: Vec<ServerAttempt>,
    /// Servers that cannot be reached at all.
    unreachable: Vec<SocketAddr>,
    /// The host cannot query any further server at present.
    is_over: bool,
    /// A response that another server might improve on.
    reply: Option<Response>,
    error: NetError,
}

impl<'a> QueryRace<'a> {
    fn new(question: &'a Question) -> Self {
        Self {
            question,
            unanswered: Vec::new(),
            unreachable: Vec::new(),
            is_over: false,
            reply: None,
            error: NetError::Unresolved("no DNS server is configured".to_owned()),
        }
    }

    fn may_query(&self, server: SocketAddr) -> bool {
        !self.is_over && !self.unreachable.contains(&server)
    }

    /// Processes an outcome; returns the answer if it is final.
    fn note(&mut self, ended: AttemptOutcome) -> Option<QueryResult> {
        let server = ended.attempt.server;
        match ended.outcome {
            Ok(Some(reply)) if self.question.is_answered_by(&reply) => return Some(Ok(Arc::new(reply))),
            Ok(Some(reply)) => {
                self.unanswered.retain(|attempt| attempt.server != server);
                self.reply = Some(reply);
            }
            Ok(None) => self.error = NetError::Unresolved(format!("DNS server {server} does not answer")),
            // No other server can be queried without resources, and no server is to blame.
            Err(error @ (NetError::HostExhausted | NetError::DnsBusy)) => {
                self.is_over = true;
                self.error = error;
            }
            Err(error) => {
                if matches!(error, NetError::Refused | NetError::Unreachable) {
                    self.unreachable.push(server);
                }
                self.error = NetError::Unresolved(format!("DNS server {server}: {error}"));
            }
        }
        None
    }

    fn into_result(self) -> QueryResult {
        match self.reply {
            Some(reply) => Ok(Arc::new(reply)),
            None => Err(self.error),
        }
    }
}
