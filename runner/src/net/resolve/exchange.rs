//! One question to the servers: to the next where one is silent for a moment, until one answers for good.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use hickory_proto::op::{Query, ResponseCode};
use tokio::time::{Instant, sleep};

use super::flight::Progress;
use super::schedule::{Party, Schedule, zone};
use super::servers::{Ordered, Servers};
use super::settings::{Current, Whose};
use super::words;
use crate::ledger::{Ledger, Page, PageOwner};
use crate::net::NetError;
use crate::net::dns::response::Response;
use crate::net::dns::wire::{self, Transport};
use crate::quota::Quota;
use crate::record::Recorder;
use crate::redact::Secrets;

/// How long a server is waited for alone before the next is asked beside it.
const HEAD_START: Duration = Duration::from_millis(300);
/// The same for a server that was silent before, and most likely still is.
const PROBE_HEAD_START: Duration = Duration::from_millis(100);
/// How long before the same servers are asked again, since a datagram may be lost; twice as long each time.
const ROUND: Duration = Duration::from_secs(1);

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
    whose: Whose,
    /// Whether it is for this one server, so that whatever it says is the answer.
    is_for_one: bool,
    rotates: bool,
    transport: Transport,
}

impl Question {
    /// To the servers of the settings, for the addresses of a name.
    pub(super) fn for_addresses(current: &Current, query: Query) -> Self {
        let settings = &current.settings;
        Self {
            query,
            servers: settings.servers.clone(),
            timeout: settings.timeout,
            attempts: settings.attempts,
            whose: current.whose,
            is_for_one: false,
            rotates: settings.rotates,
            transport: Transport {
                edns: settings.edns,
                over_tcp: settings.over_tcp,
            },
        }
    }

    /// To the servers of the settings, for any records: with EDNS, since many of these are long.
    pub(super) fn for_records(current: &Current, query: Query) -> Self {
        let question = Self::for_addresses(current, query);
        Self {
            transport: Transport {
                edns: true,
                ..question.transport
            },
            ..question
        }
    }

    /// To a server that the check chose.
    pub(super) fn to_server(server: SocketAddr, current: &Current, query: Query) -> Self {
        Self {
            servers: vec![server],
            whose: Whose::Check,
            is_for_one: true,
            ..Self::for_records(current, query)
        }
    }

    /// Who chose the servers.
    pub(super) fn whose(&self) -> Whose {
        self.whose
    }

    /// What is to blame when no answer comes: the zone, where the machine's servers are asked, or the servers that a check
    /// chose, all together.
    pub(super) fn destination(&self) -> Arc<str> {
        match self.whose {
            Whose::Machine => self.zone(),
            Whose::Check => {
                let servers: Vec<_> = self.servers.iter().map(ToString::to_string).collect();
                servers.join(", ").into()
            }
        }
    }

    fn zone(&self) -> Arc<str> {
        zone(&self.query.name().to_ascii())
    }

    /// Whether neither another server nor another round could do better.
    fn is_answered_by(&self, reply: &Response) -> bool {
        let is_good = matches!(reply.code, ResponseCode::NoError | ResponseCode::NXDomain) && !reply.is_lame;
        is_good || self.is_for_one
    }
}

/// One server's turn to be asked.
#[derive(Debug, Clone)]
struct Turn {
    server: SocketAddr,
    transport: Transport,
    /// Until the next turn, if there is no answer.
    head_start: Duration,
    /// When the question went out, which it does once it has a place.
    sent: Arc<OnceLock<Instant>>,
}

impl Turn {
    /// Since when there has been no answer, if the server had its head start in full.
    fn silent_since(&self) -> Option<Instant> {
        let sent = self.sent.get().copied();
        sent.filter(|sent| sent.elapsed() >= self.head_start)
    }
}

/// What came of a turn.
struct Ended {
    turn: Turn,
    /// Nothing when there was no answer in time.
    outcome: Result<Option<Response>, NetError>,
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

    /// Asks the servers in turn until one answers for good; those that were silent lately come last. A server is waited
    /// for alone only a moment, and goes on being waited for while others are asked.
    pub(super) async fn ask(
        self: Arc<Self>,
        question: Question,
        party: Party,
        progress: Arc<Progress>,
    ) -> Answered {
        let mut race = Race::new(&question);
        let mut turns = self.turns(&question).into_iter();
        let mut asked = FuturesUnordered::new();
        loop {
            let turn = turns.find(|turn| race.may_ask(turn.server));
            if let Some(turn) = &turn {
                asked.push(self.take(turn.clone(), &question, &party, &progress));
            }
            let head_start = async {
                match &turn {
                    Some(turn) => sleep(turn.head_start).await,
                    None => std::future::pending().await,
                }
            };
            let ended = tokio::select! {
                biased;
                ended = asked.next() => ended,
                () = head_start => {
                    if let Some(Turn { server, head_start, .. }) = &turn {
                        progress.note(|| words::silent(*server, *head_start));
                    }
                    race.unanswered.extend(turn);
                    continue;
                }
            };
            match ended {
                Some(ended) => {
                    let answered = ended.turn.clone();
                    if let Some(answer) = race.note(ended) {
                        self.note_silent(&race, &answered);
                        return answer;
                    }
                }
                None if turn.is_none() => return race.lost(),
                None => {}
            }
        }
    }

    /// In the order in which they come; each server several times.
    fn turns(&self, question: &Question) -> Vec<Turn> {
        let order = match question.is_for_one {
            true => question.servers.iter().copied().map(Ordered::usual).collect(),
            false => self.servers.in_order(&question.servers, question.rotates),
        };
        let mut turns = Vec::new();
        let mut round_ends = ROUND;
        for round in 0..question.attempts {
            for (index, ordered) in order.iter().enumerate() {
                let head_start = match ordered.is_probe {
                    _ if index + 1 == order.len() => round_ends,
                    true if round == 0 => PROBE_HEAD_START,
                    _ => HEAD_START,
                };
                turns.push(Turn {
                    server: ordered.server,
                    transport: Transport {
                        // Some servers drop what has EDNS, and some that do not know it are known.
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
        turns
    }

    async fn take(&self, turn: Turn, question: &Question, party: &Party, progress: &Progress) -> Ended {
        let exchange = self.exchange(&turn, question);
        progress.note(|| words::asked(turn.server, &question.query));
        let outcome = self
            .schedule
            .ask(party, question.timeout, progress, exchange)
            .await;
        progress.note(|| words::answered(turn.server, &question.query, &outcome));
        Ended { turn, outcome }
    }

    async fn exchange(&self, turn: &Turn, question: &Question) -> Result<Response, NetError> {
        let (server, zone) = (turn.server, question.zone());
        turn.sent.get_or_init(Instant::now);
        let watch = (!question.is_for_one).then(|| self.servers.watch(server, &zone));
        let (reply, used) = wire::exchange(&self.page, server, &question.query, turn.transport).await?;
        if let Some(watch) = watch {
            watch.answered();
            if used.edns != turn.transport.edns {
                self.servers.note_without_edns(server);
            }
        }
        Ok(reply)
    }

    /// Remembers who kept silent while another server answered.
    fn note_silent(&self, race: &Race<'_>, answered: &Turn) {
        if race.question.is_for_one {
            return;
        }
        for turn in &race.unanswered {
            let Some(since) = turn.silent_since() else {
                continue;
            };
            if turn.server != answered.server {
                self.servers.note_outrun(turn.server, since);
            } else if turn.transport.edns && !answered.transport.edns {
                self.servers.note_without_edns(turn.server);
            }
        }
    }
}

/// How far a question is.
struct Race<'a> {
    question: &'a Question,
    /// Those after which another had its turn.
    unanswered: Vec<Turn>,
    /// They cannot be asked at all.
    unreachable: Vec<SocketAddr>,
    /// The host can ask nobody else now.
    is_over: bool,
    /// An answer that another server could better.
    reply: Option<Response>,
    error: NetError,
}

impl<'a> Race<'a> {
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

    fn may_ask(&self, server: SocketAddr) -> bool {
        !self.is_over && !self.unreachable.contains(&server)
    }

    /// The answer, if this is one for good.
    fn note(&mut self, ended: Ended) -> Option<Answered> {
        let server = ended.turn.server;
        match ended.outcome {
            Ok(Some(reply)) if self.question.is_answered_by(&reply) => return Some(Ok(Arc::new(reply))),
            Ok(Some(reply)) => {
                self.unanswered.retain(|turn| turn.server != server);
                self.reply = Some(reply);
            }
            Ok(None) => self.error = NetError::Unresolved(format!("DNS server {server} does not answer")),
            // No other server can be asked with what is not there, and none of them is to blame.
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

    fn lost(self) -> Answered {
        match self.reply {
            Some(reply) => Ok(Arc::new(reply)),
            None => Err(self.error),
        }
    }
}
