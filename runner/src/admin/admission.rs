//! Who may have a connection: a bound for each stage of one, so that clients that are slow at something hold up nobody
//! but their like.
//!
//! When there are too many at a stage, one of the address that has the most of them is closed. Each stage has places of
//! its own, and a client goes on to the next by what it sends: those that send nothing, or half a message, take places
//! only from each other, and a client that goes on at a normal pace is served, however many do not.

mod table;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::slow::Blocked;
use crate::ledger::RESERVE;
use table::{Connection, Table};

/// How long a request waits for another one's answer to be sent.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks whether it was.
const LOOK: Duration = Duration::from_millis(20);
/// How long the first message may take before its connection makes room ahead of others: a client sends it right after
/// it has connected.
pub(super) const OPENING_TIME: Duration = Duration::from_millis(50);
/// The same of every later stage: more than a round trip.
const STAGE_TIME: Duration = Duration::from_millis(500);
/// Descriptors of the reserve that are not for connections without a whole request.
const OTHERS: u64 = 62;
/// Places at a stage, however few descriptors there are.
const FEWEST: usize = 4;

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The first message is not whole: the ClientHello, or without TLS the head of the request.
    Opening,
    /// The TLS handshake, from the ClientHello on.
    Handshake,
    /// The head of the request is not whole; after a TLS handshake.
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
    pub(super) openings: usize,
    pub(super) handshakes: usize,
    pub(super) heads: usize,
    pub(super) probes: usize,
    pub(super) waiting: usize,
    pub(super) answers: usize,
    /// How long a client may keep its answer waiting before it makes room for another.
    pub(super) answer_time: Duration,
}

impl Stage {
    /// How long a connection may stay there before it makes room ahead of others.
    fn time(self) -> Duration {
        match self {
            Self::Opening => OPENING_TIME,
            _ => STAGE_TIME,
        }
    }
}

impl Places {
    /// As many as `reserved` descriptors allow, which may be fewer than [`RESERVE`].
    pub(super) fn within(self, reserved: u64) -> Self {
        let (most, now) = (RESERVE - OTHERS, reserved.min(RESERVE).saturating_sub(OTHERS));
        let share = |places: usize| {
            let scaled = u64::try_from(places).unwrap_or(u64::MAX).saturating_mul(now) / most;
            places.min(usize::try_from(scaled).unwrap_or(usize::MAX).max(FEWEST))
        };
        Self {
            openings: share(self.openings),
            handshakes: share(self.handshakes),
            heads: share(self.heads),
            ..self
        }
    }

    fn of(&self, stage: Stage) -> usize {
        match stage {
            Stage::Opening => self.openings,
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

/// A connection that counts until it is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    admission: Admission,
    number: u64,
    peer: IpAddr,
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

    /// How long until one more connection costs nobody its place before the time for its first message is over.
    pub(super) fn room_in(&self) -> Duration {
        let mut table = self.table();
        let openings = table.at(Stage::Opening);
        match openings.len() < self.places.openings {
            true => Duration::ZERO,
            false => OPENING_TIME.saturating_sub(openings.longest()),
        }
    }

    /// Whether there is a place for a connection whose first message is not whole that costs nobody else's.
    pub(super) fn has_room(&self) -> bool {
        self.table().at(Stage::Opening).len() < self.places.openings
    }

    /// Takes in a connection that has just come, at the stage that it has reached by what it has sent. Another one may be
    /// closed for it.
    pub(super) fn admit(&self, peer: IpAddr, stage: Stage) -> Admitted {
        let mut table = self.table();
        table.make_room(stage, self.places.of(stage));
        self.add(&mut table, peer, stage)
    }

    /// Takes in a connection that has sent a whole request for an answer of any length. Where as many have as can be
    /// answered or wait, one of the address that has the most is turned away for one that has fewer, see
    /// [`Admitted::is_turned_away`].
    pub(super) fn admit_request(&self, peer: IpAddr) -> Option<Admitted> {
        let mut table = self.table();
        let requests = table.at(Stage::Waiting).len() + table.at(Stage::Answer).len();
        let has_room = requests < self.places.waiting + self.places.answers;
        let is_admitted = has_room || self.turn_one_away(&mut table, network(peer));
        is_admitted.then(|| self.add(&mut table, peer, Stage::Waiting))
    }

    /// Makes room for one more request of an address. What is turned away has still to be answered: it is one of those
    /// whose request is not whole until then, of which there is a bound.
    fn turn_one_away(&self, table: &mut Table, peer: IpAddr) -> bool {
        let turned_away = table.turn_one_away(peer);
        turned_away
            .inspect(|number| self.enter(table, *number, Stage::Head))
            .is_some()
    }

    /// Has a connection go on to a stage that is for no answer of any length. Another one may be closed for it.
    fn enter(&self, table: &mut Table, number: u64, stage: Stage) {
        if table.stage(number).is_some_and(|now| now != stage) {
            table.make_room(stage, self.places.of(stage));
            table.enter(number, stage);
        }
    }

    fn add(&self, table: &mut Table, peer: IpAddr, stage: Stage) -> Admitted {
        let (close, blocked) = (CancellationToken::new(), Blocked::default());
        let (number, peer) = (table.number(), network(peer));
        table.at(stage).push(Connection {
            number,
            peer,
            since: Instant::now(),
            blocked: blocked.clone(),
            is_ready: false,
            close: close.clone(),
        });
        Admitted {
            admission: self.clone(),
            number,
            peer,
            blocked,
            close,
        }
    }

    /// Closes a connection that takes long to send a whole request, since descriptors are short. Says whether there is
    /// one.
    pub(super) fn close_late(&self) -> bool {
        let mut table = self.table();
        [Stage::Opening, Stage::Handshake, Stage::Head]
            .into_iter()
            .any(|stage| table.at(stage).close_late(stage.time()))
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
        self.admission
            .enter(&mut self.admission.table(), self.number, stage);
    }

    /// Whether a request that waited has had to make room for one of another address.
    pub(super) fn is_turned_away(&self) -> bool {
        self.admission.table().stage(self.number) != Some(Stage::Waiting)
    }

    /// Waits for room for an answer of any length, 1 s at most. Says whether there is any.
    ///
    /// Cancellation: the connection stays where it is.
    pub(super) async fn enter_answer(&self) -> bool {
        let until = Instant::now() + PATIENCE;
        if !self.enter_answer_or_wait() {
            return false;
        }
        loop {
            match self.admission.table().stage(self.number) {
                Some(Stage::Answer) => return true,
                Some(Stage::Waiting) if Instant::now() < until => {}
                _ => break,
            }
            sleep(LOOK).await;
            self.try_to_answer(&mut self.admission.table());
        }
        // It is not among those that wait while it hears so.
        self.enter(Stage::Head);
        false
    }

    /// Whether there is room for the answer, or a place to wait for it.
    fn enter_answer_or_wait(&self) -> bool {
        let mut table = self.admission.table();
        if self.try_to_answer(&mut table) {
            return true;
        }
        let is_waiting = table.stage(self.number) == Some(Stage::Waiting);
        let has_room = table.at(Stage::Waiting).len() < self.admission.places.waiting;
        let may_wait = is_waiting || has_room || self.admission.turn_one_away(&mut table, self.peer);
        if may_wait {
            table.enter(self.number, Stage::Waiting);
            table.set_ready(self.number);
        }
        may_wait
    }

    /// Goes on to the answer if there is room and no other's turn is first. A client that is slow to take its answer may
    /// have to make room: sooner where its address has most of them.
    fn try_to_answer(&self, table: &mut Table) -> bool {
        let places = self.admission.places;
        let is_next = table.is_next(self.number, self.peer);
        let has_room = is_next
            && (table.at(Stage::Answer).len() < places.answers
                || table.at(Stage::Answer).close_slow(places.answer_time)
                || table.close_slow_for(self.peer, places.answer_time.min(STAGE_TIME)));
        if has_room {
            table.enter(self.number, Stage::Answer);
        }
        has_room
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.table().remove(self.number);
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
