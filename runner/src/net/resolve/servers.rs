//! Which name servers were silent lately.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Questions in a row without an answer, of two zones at least, that make a server silent: one zone alone may be to
/// blame itself.
const UNANSWERED: u32 = 3;
/// How long a silent server is asked after the others.
const REMEMBERED: Duration = Duration::from_secs(30);
/// An exchange that was given up sooner says nothing of the server.
const PATIENT: Duration = Duration::from_secs(1);
/// Servers that are remembered; a resolver has three.
const KEPT: usize = 16;

/// What is known of the resolver's own servers.
#[derive(Debug, Default)]
pub(super) struct Servers(Mutex<HashMap<SocketAddr, Record>>);

#[derive(Debug, Default)]
struct Record {
    unanswered: u32,
    /// Of the first of them.
    zone: Option<Arc<str>>,
    has_two_zones: bool,
    silent_until: Option<Instant>,
}

impl Servers {
    /// The servers in the order in which to ask them: those that were silent lately come last.
    pub(super) fn in_order(&self, servers: &[SocketAddr]) -> Vec<SocketAddr> {
        let now = Instant::now();
        let records = self.records();
        let is_silent = |server: &SocketAddr| {
            let until = records.get(server).and_then(|record| record.silent_until);
            until.is_some_and(|until| now < until)
        };
        let (silent, mut order): (Vec<_>, Vec<_>) = servers.iter().partition(|server| is_silent(server));
        order.extend(silent);
        order
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
        self.records().remove(&server);
    }

    fn note_silence(&self, server: SocketAddr, zone: &Arc<str>) {
        let mut records = self.records();
        if records.len() >= KEPT && !records.contains_key(&server) {
            records.clear();
        }
        let record = records.entry(server).or_default();
        record.unanswered = record.unanswered.saturating_add(1);
        record.has_two_zones |= record.zone.as_ref().is_some_and(|first| first != zone);
        record.zone.get_or_insert_with(|| Arc::clone(zone));
        if record.unanswered >= UNANSWERED && record.has_two_zones {
            record.silent_until = Some(Instant::now() + REMEMBERED);
        }
    }

    fn records(&self) -> MutexGuard<'_, HashMap<SocketAddr, Record>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn first(servers: &Servers) -> SocketAddr {
        servers.in_order(&[server(1), server(2)])[0]
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_answers_nobody_is_asked_last_for_a_while() {
        let servers = Servers::default();
        for zone in ["a.test", "a.test", "b.test"] {
            assert_eq!(first(&servers), server(1));
            ask(&servers, zone, false).await;
        }
        assert_eq!(servers.in_order(&[server(1), server(2)]), [server(2), server(1)]);
        assert_eq!(servers.in_order(&[server(1)]), [server(1)], "there is no other");
        tokio::time::advance(REMEMBERED).await;
        assert_eq!(first(&servers), server(1));
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
