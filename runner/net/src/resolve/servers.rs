//! Health of name servers: which ones were silent recently, and which ones do not support EDNS.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Number of consecutive unanswered queries, for at least two zones, after which a server counts as silent: a single
/// zone may itself be the cause.
const MAX_UNANSWERED: u32 = 3;
/// How long a silent server is queried after all others. Then it is probed by one query, with another server following
/// shortly, and only an answer restores its position.
const SILENCE_TTL: Duration = Duration::from_secs(30);
/// How long a server without EDNS is queried without it.
const EDNS_TTL: Duration = Duration::from_secs(3_600);
/// An exchange that was cancelled earlier says nothing about the server.
const MIN_WAIT: Duration = Duration::from_secs(1);
/// Maximum number of servers remembered: up to three of the machine, and those configured by checks.
const MAX_SERVERS: usize = 1_024;

/// Health of the name servers.
#[derive(Debug, Default)]
pub(super) struct ServerHealth {
    records: Mutex<HashMap<SocketAddr, Record>>,
    /// Number of queries by resolvers with the option `rotate`, which start each query with another server.
    rotations: AtomicUsize,
}

/// A server in query order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RankedServer {
    pub(super) server: SocketAddr,
    /// The server was silent, and this query probes it.
    pub(super) is_probe: bool,
}

#[derive(Debug, Default)]
struct Record {
    unanswered: u32,
    /// The zone of the first unanswered query.
    zone: Option<Arc<str>>,
    has_two_zones: bool,
    answered: Option<Instant>,
    silent_until: Option<Instant>,
    without_edns_until: Option<Instant>,
}

impl RankedServer {
    /// A server that is not being probed.
    pub(super) fn normal(server: SocketAddr) -> Self {
        Self {
            server,
            is_probe: false,
        }
    }
}

impl ServerHealth {
    /// The servers in query order: recently silent ones come last.
    pub(super) fn in_order(&self, servers: &[SocketAddr], rotates: bool) -> Vec<RankedServer> {
        let now = Instant::now();
        let mut servers = servers.to_vec();
        if rotates {
            let turn = self.rotations.fetch_add(1, Ordering::Relaxed);
            let first = turn.checked_rem(servers.len()).unwrap_or_default();
            servers.rotate_left(first);
        }
        let mut records = self.records();
        let (mut order, mut silent) = (Vec::new(), Vec::new());
        for server in servers {
            let until = records
                .get_mut(&server)
                .and_then(|known| known.silent_until.as_mut());
            match until {
                None => order.push(RankedServer::normal(server)),
                Some(until) if *until <= now => {
                    // The next query need not probe it too.
                    *until = now + SILENCE_TTL;
                    order.push(RankedServer {
                        server,
                        is_probe: true,
                    });
                }
                Some(_) => silent.push(RankedServer::normal(server)),
            }
        }
        order.extend(silent);
        order
    }

    /// Whether the server does not support EDNS, or drops queries that use it.
    pub(super) fn is_without_edns(&self, server: SocketAddr) -> bool {
        let records = self.records();
        let until = records.get(&server).and_then(|known| known.without_edns_until);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Records that the server answered only without EDNS.
    pub(super) fn record_without_edns(&self, server: SocketAddr) {
        self.update(server, |known| {
            known.without_edns_until = Some(Instant::now() + EDNS_TTL);
        });
    }

    /// Records that the server did not answer a query sent at `since` that another server answered, which rules out the
    /// zone as the cause.
    pub(super) fn record_outrun(&self, server: SocketAddr, since: Instant) {
        self.update(server, |known| {
            if known.answered.is_none_or(|answered| answered < since) {
                known.silent_until = Some(Instant::now() + SILENCE_TTL);
            }
        });
    }

    /// Starts watching an exchange. It counts as unanswered unless [`ExchangeWatch::answered`] is called.
    pub(super) fn watch<'a>(&'a self, server: SocketAddr, zone: &'a Arc<str>) -> ExchangeWatch<'a> {
        ExchangeWatch {
            servers: self,
            server,
            zone,
            since: Instant::now(),
            is_answered: false,
        }
    }

    fn record_answer(&self, server: SocketAddr) {
        self.update(server, |known| {
            *known = Record {
                answered: Some(Instant::now()),
                without_edns_until: known.without_edns_until,
                ..Record::default()
            };
        });
    }

    fn record_silence(&self, server: SocketAddr, zone: &Arc<str>) {
        self.update(server, |known| {
            known.unanswered = known.unanswered.saturating_add(1);
            known.has_two_zones |= known.zone.as_ref().is_some_and(|first| first != zone);
            known.zone.get_or_insert_with(|| Arc::clone(zone));
            if known.unanswered >= MAX_UNANSWERED && known.has_two_zones {
                known.silent_until = Some(Instant::now() + SILENCE_TTL);
            }
        });
    }

    fn update(&self, server: SocketAddr, change: impl FnOnce(&mut Record)) {
        let mut records = self.records();
        if records.len() >= MAX_SERVERS && !records.contains_key(&server) {
            records.clear();
        }
        change(records.entry(server).or_default());
    }

    fn records(&self) -> MutexGuard<'_, HashMap<SocketAddr, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An exchange with a server.
#[derive(Debug)]
pub(super) struct ExchangeWatch<'a> {
    servers: &'a ServerHealth,
    server: SocketAddr,
    zone: &'a Arc<str>,
    since: Instant,
    is_answered: bool,
}

impl ExchangeWatch<'_> {
    /// The server responded, with any result.
    pub(super) fn answered(mut self) {
        self.is_answered = true;
        self.servers.record_answer(self.server);
    }
}

impl Drop for ExchangeWatch<'_> {
    fn drop(&mut self) {
        if !self.is_answered && self.since.elapsed() >= MIN_WAIT {
            self.servers.record_silence(self.server, self.zone);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 53))
    }

    async fn ask(servers: &ServerHealth, zone: &str, answers: bool) {
        let zone = zone.into();
        let watch = servers.watch(server(1), &zone);
        tokio::time::advance(MIN_WAIT).await;
        if answers {
            watch.answered();
        }
    }

    fn order(servers: &ServerHealth) -> Vec<SocketAddr> {
        let order = servers.in_order(&[server(1), server(2)], false);
        order.iter().map(|ordered| ordered.server).collect()
    }

    fn first(servers: &ServerHealth) -> SocketAddr {
        order(servers)[0]
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_answers_nobody_is_asked_last_for_a_while() {
        let servers = ServerHealth::default();
        for zone in ["a.test", "a.test", "b.test"] {
            assert_eq!(first(&servers), server(1));
            ask(&servers, zone, false).await;
        }
        assert_eq!(order(&servers), [server(2), server(1)]);
        let alone = servers.in_order(&[server(1)], false);
        assert_eq!(alone[0].server, server(1), "there is no other");
        tokio::time::advance(SILENCE_TTL).await;
        assert_eq!(first(&servers), server(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_was_outrun_is_asked_last_until_a_probe_is_answered() {
        let servers = ServerHealth::default();
        servers.record_outrun(server(1), Instant::now());
        assert_eq!(order(&servers), [server(2), server(1)]);
        tokio::time::advance(SILENCE_TTL).await;
        let probe = servers.in_order(&[server(1), server(2)], false)[0];
        assert_eq!((probe.server, probe.is_probe), (server(1), true));
        assert_eq!(first(&servers), server(2), "one question is enough to find out");
        ask(&servers, "a.test", true).await;
        assert_eq!(first(&servers), server(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_answered_since_is_not_silent() {
        let servers = ServerHealth::default();
        let since = Instant::now();
        ask(&servers, "a.test", true).await;
        servers.record_outrun(server(1), since);
        assert_eq!(first(&servers), server(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_without_edns_is_remembered_and_asked_in_its_turn() {
        let servers = ServerHealth::default();
        servers.record_without_edns(server(1));
        ask(&servers, "a.test", true).await;
        assert!(servers.is_without_edns(server(1)) && !servers.is_without_edns(server(2)));
        assert_eq!(first(&servers), server(1));
        tokio::time::advance(EDNS_TTL).await;
        assert!(!servers.is_without_edns(server(1)));
    }

    #[test]
    fn where_servers_rotate_each_is_first_in_its_turn() {
        let servers = ServerHealth::default();
        let first = || servers.in_order(&[server(1), server(2)], true)[0].server;
        assert_eq!([first(), first(), first()], [server(1), server(2), server(1)]);
        assert!(servers.in_order(&[], true).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_zone_is_not_a_silent_server() {
        let servers = ServerHealth::default();
        for _ in 0..10 {
            ask(&servers, "a.test", false).await;
        }
        assert_eq!(first(&servers), server(1));
    }

    #[tokio::test(start_paused = true)]
    async fn one_answer_is_enough() {
        let servers = ServerHealth::default();
        for zone in ["a.test", "b.test"] {
            ask(&servers, zone, false).await;
        }
        ask(&servers, "c.test", true).await;
        ask(&servers, "d.test", false).await;
        assert_eq!(first(&servers), server(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_was_given_up_at_once_says_nothing() {
        let servers = ServerHealth::default();
        for zone in ["a.test", "b.test", "c.test", "d.test"] {
            drop(servers.watch(server(1), &zone.into()));
        }
        assert_eq!(first(&servers), server(1));
    }
}
