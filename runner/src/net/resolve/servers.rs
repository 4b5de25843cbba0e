//! Which name servers were silent lately, and which do not know EDNS.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Questions in a row without an answer, of two zones at least, that make a server silent: one zone alone may be to
/// blame itself.
const UNANSWERED: u32 = 3;
/// How long a silent server is asked after the others; then one question is for it first, with another server beside it
/// soon, and only its answer puts it back.
const REMEMBERED: Duration = Duration::from_secs(30);
/// How long a server without EDNS is asked without it.
const EDNS_REMEMBERED: Duration = Duration::from_secs(3_600);
/// An exchange that was given up sooner says nothing of the server.
const PATIENT: Duration = Duration::from_secs(1);
/// Servers that are remembered: those of the machine, up to three, and those that checks name.
const KEPT: usize = 1_024;

/// What is known of the servers that names are looked up at.
#[derive(Debug, Default)]
pub(super) struct Servers {
    records: Mutex<HashMap<SocketAddr, Record>>,
    /// Questions asked by a resolver that begins each with another server.
    rotations: AtomicUsize,
}

/// A server's place in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ordered {
    pub(super) server: SocketAddr,
    /// It was silent, and this question finds out whether it still is.
    pub(super) is_probe: bool,
}

#[derive(Debug, Default)]
struct Record {
    unanswered: u32,
    /// Of the first of them.
    zone: Option<Arc<str>>,
    has_two_zones: bool,
    answered: Option<Instant>,
    silent_until: Option<Instant>,
    without_edns_until: Option<Instant>,
}

impl Ordered {
    /// In its usual place.
    pub(super) fn usual(server: SocketAddr) -> Self {
        Self {
            server,
            is_probe: false,
        }
    }
}

impl Servers {
    /// The servers in the order in which to ask them: those that were silent lately come last.
    pub(super) fn in_order(&self, servers: &[SocketAddr], rotates: bool) -> Vec<Ordered> {
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
                None => order.push(Ordered::usual(server)),
                Some(until) if *until <= now => {
                    // The next question need not find out as well.
                    *until = now + REMEMBERED;
                    order.push(Ordered {
                        server,
                        is_probe: true,
                    });
                }
                Some(_) => silent.push(Ordered::usual(server)),
            }
        }
        order.extend(silent);
        order
    }

    /// Whether the server does not know EDNS, or drops questions with it.
    pub(super) fn is_without_edns(&self, server: SocketAddr) -> bool {
        let records = self.records();
        let until = records.get(&server).and_then(|known| known.without_edns_until);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Notes that the server answered only without EDNS.
    pub(super) fn note_without_edns(&self, server: SocketAddr) {
        self.note(server, |known| {
            known.without_edns_until = Some(Instant::now() + EDNS_REMEMBERED);
        });
    }

    /// Notes that the server did not answer a question, asked at `since`, that another answered: this is not the zone's
    /// fault.
    pub(super) fn note_outrun(&self, server: SocketAddr, since: Instant) {
        self.note(server, |known| {
            if known.answered.is_none_or(|answered| answered < since) {
                known.silent_until = Some(Instant::now() + REMEMBERED);
            }
        });
    }

    /// Begins to watch one exchange, which is unanswered unless it is said to be answered.
    pub(super) fn watch<'a>(&'a self, server: SocketAddr, zone: &'a Arc<str>) -> Watch<'a> {
        Watch {
            servers: self,
            server,
            zone,
            since: Instant::now(),
            is_answered: false,
        }
    }

    fn note_answer(&self, server: SocketAddr) {
        self.note(server, |known| {
            *known = Record {
                answered: Some(Instant::now()),
                without_edns_until: known.without_edns_until,
                ..Record::default()
            };
        });
    }

    fn note_silence(&self, server: SocketAddr, zone: &Arc<str>) {
        self.note(server, |known| {
            known.unanswered = known.unanswered.saturating_add(1);
            known.has_two_zones |= known.zone.as_ref().is_some_and(|first| first != zone);
            known.zone.get_or_insert_with(|| Arc::clone(zone));
            if known.unanswered >= UNANSWERED && known.has_two_zones {
                known.silent_until = Some(Instant::now() + REMEMBERED);
            }
        });
    }

    fn note(&self, server: SocketAddr, change: impl FnOnce(&mut Record)) {
        let mut records = self.records();
        if records.len() >= KEPT && !records.contains_key(&server) {
            records.clear();
        }
        change(records.entry(server).or_default());
    }

    fn records(&self) -> MutexGuard<'_, HashMap<SocketAddr, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One exchange with a server.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    servers: &'a Servers,
    server: SocketAddr,
    zone: &'a Arc<str>,
    since: Instant,
    is_answered: bool,
}

impl Watch<'_> {
    /// The server is there, whatever it says.
    pub(super) fn answered(mut self) {
        self.is_answered = true;
        self.servers.note_answer(self.server);
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.is_answered && self.since.elapsed() >= PATIENT {
            self.servers.note_silence(self.server, self.zone);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 53))
    }

    async fn ask(servers: &Servers, zone: &str, answers: bool) {
        let zone = zone.into();
        let watch = servers.watch(server(1), &zone);
        tokio::time::advance(PATIENT).await;
        if answers {
            watch.answered();
        }
    }

    fn order(servers: &Servers) -> Vec<SocketAddr> {
        let order = servers.in_order(&[server(1), server(2)], false);
        order.iter().map(|ordered| ordered.server).collect()
    }

    fn first(servers: &Servers) -> SocketAddr {
        order(servers)[0]
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_answers_nobody_is_asked_last_for_a_while() {
        let servers = Servers::default();
        for zone in ["a.test", "a.test", "b.test"] {
            assert_eq!(first(&servers), server(1));
            ask(&servers, zone, false).await;
        }
        assert_eq!(order(&servers), [server(2), server(1)]);
        let alone = servers.in_order(&[server(1)], false);
        assert_eq!(alone[0].server, server(1), "there is no other");
        tokio::time::advance(REMEMBERED).await;
        assert_eq!(first(&servers), server(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_was_outrun_is_asked_last_until_a_probe_is_answered() {
        let servers = Servers::default();
        servers.note_outrun(server(1), Instant::now());
        assert_eq!(order(&servers), [server(2), server(1)]);
        tokio::time::advance(REMEMBERED).await;
        let probe = servers.in_order(&[server(1), server(2)], false)[0];
        assert_eq!((probe.server, probe.is_probe), (server(1), true));
        assert_eq!(first(&servers), server(2), "one question is enough to find out");
        ask(&servers, "a.test", true).await;
        assert_eq!(first(&servers), server(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_answered_since_is_not_silent() {
        let servers = Servers::default();
        let since = Instant::now();
        ask(&servers, "a.test", true).await;
        servers.note_outrun(server(1), since);
        assert_eq!(first(&servers), server(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_without_edns_is_remembered_and_asked_in_its_turn() {
        let servers = Servers::default();
        servers.note_without_edns(server(1));
        ask(&servers, "a.test", true).await;
        assert!(servers.is_without_edns(server(1)) && !servers.is_without_edns(server(2)));
        assert_eq!(first(&servers), server(1));
        tokio::time::advance(EDNS_REMEMBERED).await;
        assert!(!servers.is_without_edns(server(1)));
    }

    #[test]
    fn where_servers_rotate_each_is_first_in_its_turn() {
        let servers = Servers::default();
        let first = || servers.in_order(&[server(1), server(2)], true)[0].server;
        assert_eq!([first(), first(), first()], [server(1), server(2), server(1)]);
        assert!(servers.in_order(&[], true).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_zone_is_not_a_silent_server() {
        let servers = Servers::default();
        for _ in 0..10 {
            ask(&servers, "a.test", false).await;
        }
        assert_eq!(first(&servers), server(1));
    }

    #[tokio::test(start_paused = true)]
    async fn one_answer_is_enough() {
        let servers = Servers::default();
        for zone in ["a.test", "b.test"] {
            ask(&servers, zone, false).await;
        }
        ask(&servers, "c.test", true).await;
        ask(&servers, "d.test", false).await;
        assert_eq!(first(&servers), server(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_was_given_up_at_once_says_nothing() {
        let servers = Servers::default();
        for zone in ["a.test", "b.test", "c.test", "d.test"] {
            drop(servers.watch(server(1), &zone.into()));
        }
        assert_eq!(first(&servers), server(1));
    }
}
