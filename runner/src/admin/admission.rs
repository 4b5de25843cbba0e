//! Who may have a connection: a bound for each stage of one, so that clients that are slow at something hold up nobody
//! but their like.
//!
//! A connection that comes is always accepted. When there are too many at a stage, the oldest one of the address that
//! has the most of them is closed: whoever sends a whole request at once is served, however many do not.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::slow::Blocked;

/// How long a request waits for another one's answer to be sent.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks whether it was.
const LOOK: Duration = Duration::from_millis(20);

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// The TLS handshake.
    Handshake,
    /// The head of the request is not whole.
    Head,
    /// A probe, whose answer is short.
    Probe,
    /// A whole request that waits until there are fewer answers under way.
    Waiting,
    /// An answer of any length is made and sent.
    Answer,
}

/// Connections at once, by stage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    pub(super) handshakes: usize,
    pub(super) heads: usize,
    pub(super) probes: usize,
    pub(super) waiting: usize,
    pub(super) answers: usize,
    /// How long a client may keep its answer waiting before it makes room for another.
    pub(super) answer_time: Duration,
}

impl Places {
    fn of(&self, stage: Stage) -> usize {
        match stage {
            Stage::Handshake => self.handshakes,
            Stage::Head => self.heads,
            Stage::Probe => self.probes,
            Stage::Waiting => self.waiting,
            Stage::Answer => self.answers,
        }
    }
}

/// All connections. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    places: Places,
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    /// In the order in which they came.
    connections: BTreeMap<u64, Connection>,
}

#[derive(Debug)]
struct Connection {
    peer: IpAddr,
    stage: Stage,
    since: Instant,
    blocked: Blocked,
    close: CancellationToken,
}

/// A connection that counts until it is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    admission: Admission,
    number: u64,
    blocked: Blocked,
    close: CancellationToken,
}

impl Admission {
    pub(super) fn new(places: Places) -> Self {
        Self {
            places,
            table: Arc::default(),
        }
    }

    /// Takes in a connection that has just come. Another one may be closed for it.
    pub(super) fn admit(&self, peer: IpAddr, stage: Stage) -> Admitted {
        let mut table = self.table();
        if table.count(stage) >= self.places.of(stage) {
            table.close_one(stage, |_| true);
        }
        let (number, close, blocked) = (table.next, CancellationToken::new(), Blocked::default());
        table.next += 1;
        let connection = Connection {
            peer: network(peer),
            stage,
            since: Instant::now(),
            blocked: blocked.clone(),
            close: close.clone(),
        };
        table.connections.insert(number, connection);
        Admitted {
            admission: self.clone(),
            number,
            blocked,
            close,
        }
    }

    /// Closes a connection that has not sent a whole request, since descriptors are short. Says whether there is one.
    pub(super) fn close_one(&self) -> bool {
        let mut table = self.table();
        [Stage::Handshake, Stage::Head]
            .into_iter()
            .any(|stage| table.close_one(stage, |_| true))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Every section is a few assignments.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admitted {
    /// Where the time is noted in which the client takes nothing.
    pub(super) fn blocked(&self) -> Blocked {
        self.blocked.clone()
    }

    /// Ends when this connection has to make room for another.
    pub(super) async fn closed(&self) {
        self.close.cancelled().await;
    }

    /// Goes on to the next stage of a connection that needs no answer of any length. Another one may be closed for it.
    pub(super) fn enter(&self, stage: Stage) {
        let mut table = self.admission.table();
        if table.count(stage) >= self.admission.places.of(stage) {
            table.close_one(stage, |_| true);
        }
        table.enter(self.number, stage);
    }

    /// Waits for room for an answer of any length, 1 s at most. Says whether there is any.
    ///
    /// Cancellation: the connection stays where it is.
    pub(super) async fn enter_answer(&self) -> bool {
        let places = self.admission.places;
        let until = Instant::now() + PATIENCE;
        loop {
            {
                let mut table = self.admission.table();
                if table.count(Stage::Answer) < places.answers
                    || table.close_one(Stage::Answer, |slow| slow.blocked.time() >= places.answer_time)
                {
                    table.enter(self.number, Stage::Answer);
                    return true;
                }
                let is_waiting = table.stage(self.number) == Some(Stage::Waiting);
                if !is_waiting && table.count(Stage::Waiting) >= places.waiting {
                    return false;
                }
                table.enter(self.number, Stage::Waiting);
            }
            if Instant::now() >= until {
                return false;
            }
            sleep(LOOK).await;
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.table().connections.remove(&self.number);
    }
}

impl Table {
    fn count(&self, stage: Stage) -> usize {
        self.at(stage).count()
    }

    fn at(&self, stage: Stage) -> impl Iterator<Item = (&u64, &Connection)> {
        let connections = self.connections.iter();
        connections
            .filter(move |(_, connection)| connection.stage == stage && !connection.close.is_cancelled())
    }

    fn stage(&self, number: u64) -> Option<Stage> {
        Some(self.connections.get(&number)?.stage)
    }

    fn enter(&mut self, number: u64, stage: Stage) {
        if let Some(connection) = self
            .connections
            .get_mut(&number)
            .filter(|known| known.stage != stage)
        {
            (connection.stage, connection.since) = (stage, Instant::now());
        }
    }

    /// Closes the oldest connection at a stage of the address that has the most of them; of those only that `may` be.
    fn close_one(&mut self, stage: Stage, may: impl Fn(&Connection) -> bool) -> bool {
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for (_, connection) in self.at(stage) {
            *counts.entry(connection.peer).or_default() += 1;
        }
        let old = self.at(stage).map(|(_, connection)| connection);
        let old = old.filter(|connection| may(connection));
        // Of those with the same count, the one that came first.
        let victim = old.min_by_key(|connection| {
            let count = counts.get(&connection.peer).copied().unwrap_or_default();
            (std::cmp::Reverse(count), connection.since)
        });
        let Some(victim) = victim else { return false };
        victim.close.cancel();
        true
    }
}

/// A host may have as many addresses as it likes of a network of IPv6.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const PLACES: Places = Places {
        handshakes: 2,
        heads: 4,
        probes: 2,
        waiting: 1,
        answers: 1,
        answer_time: Duration::from_secs(2),
    };

    fn peer(number: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, number).into()
    }

    fn is_closed(admitted: &Admitted) -> bool {
        admitted.close.is_cancelled()
    }

    #[tokio::test(start_paused = true)]
    async fn of_too_many_that_send_no_request_the_oldest_is_closed() {
        let admission = Admission::new(PLACES);
        let mut slow = Vec::new();
        for _ in 0..6 {
            slow.push(admission.admit(peer(1), Stage::Head));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        let closed: Vec<bool> = slow.iter().map(is_closed).collect();
        assert_eq!(closed, [true, true, false, false, false, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_sends_many_closes_its_own() {
        let admission = Admission::new(PLACES);
        let other = admission.admit(peer(2), Stage::Head);
        tokio::time::advance(Duration::from_millis(1)).await;
        let many: Vec<Admitted> = (0..100).map(|_| admission.admit(peer(1), Stage::Head)).collect();
        assert!(!is_closed(&other));
        assert_eq!(
            many.iter().filter(|slow| !is_closed(slow)).count(),
            PLACES.heads - 1
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_whole_request_is_no_longer_among_those_that_make_room() {
        let admission = Admission::new(PLACES);
        let probe = admission.admit(peer(1), Stage::Head);
        probe.enter(Stage::Probe);
        let _slow: Vec<Admitted> = (0..100).map(|_| admission.admit(peer(1), Stage::Head)).collect();
        assert!(!is_closed(&probe));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_reads_makes_room_after_its_time_and_not_before() {
        let admission = Admission::new(PLACES);
        let slow = admission.admit(peer(1), Stage::Head);
        assert!(slow.enter_answer().await);
        let next = admission.admit(peer(1), Stage::Head);
        // It takes what there is, however long that takes to be made.
        tokio::time::advance(PLACES.answer_time * 10).await;
        assert!(!next.enter_answer().await && !is_closed(&slow));
        slow.blocked().begin();
        tokio::time::advance(PLACES.answer_time).await;
        assert!(next.enter_answer().await && is_closed(&slow));
    }

    #[tokio::test(start_paused = true)]
    async fn few_wait_for_an_answer_and_the_others_hear_so_at_once() {
        let admission = Admission::new(PLACES);
        let first = admission.admit(peer(1), Stage::Head);
        assert!(first.enter_answer().await);
        let (second, third) = (
            admission.admit(peer(1), Stage::Head),
            admission.admit(peer(1), Stage::Head),
        );
        let began = Instant::now();
        let (is_second_in, is_third_in) = tokio::join!(
            async {
                let is_in = second.enter_answer().await;
                (is_in, began.elapsed())
            },
            async { (third.enter_answer().await, began.elapsed()) },
        );
        assert_eq!(is_third_in, (false, Duration::ZERO));
        assert!(!is_second_in.0 && is_second_in.1 >= PATIENCE);
        drop(first);
        assert!(second.enter_answer().await);
    }
}
