//! Who may have a connection: a bound for each stage of one, so that clients that are slow at something hold up nobody
//! but their like.
//!
//! When there are too many at a stage, one of the address that has the most of them is closed. Each stage has places of
//! its own, and a client goes on to the next by what it sends: those that send nothing, or half a message, take places
//! only from each other, and a client that goes on at a normal pace is served, however many do not.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::slow::Blocked;
use crate::ledger::RESERVE;

/// How long a request waits for another one's answer to be sent.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks whether it was.
const LOOK: Duration = Duration::from_millis(20);
/// How long the first message may take before its connection makes room ahead of others: a client sends it right after
/// it has connected.
const OPENING_TIME: Duration = Duration::from_millis(50);
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

    /// How long until one more connection costs nobody its place before the time for its first message is over.
    pub(super) fn room_in(&self) -> Duration {
        let table = self.table();
        let ages = table
            .at(Stage::Opening)
            .map(|(_, opening)| opening.since.elapsed());
        match table.count(Stage::Opening) < self.places.openings {
            true => Duration::ZERO,
            false => OPENING_TIME.saturating_sub(ages.max().unwrap_or_default()),
        }
    }

    /// Takes in a connection that has just come. Another one may be closed for it.
    pub(super) fn admit(&self, peer: IpAddr) -> Admitted {
        let stage = Stage::Opening;
        let mut table = self.table();
        table.make_room(stage, self.places.of(stage));
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

    /// Closes a connection that takes long to send a whole request, since descriptors are short. Says whether there is
    /// one.
    pub(super) fn close_late(&self) -> bool {
        let mut table = self.table();
        [Stage::Opening, Stage::Handshake, Stage::Head]
            .into_iter()
            .any(|stage| table.has_late(stage) && table.close_one(stage))
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
        table.make_room(stage, self.admission.places.of(stage));
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
                if table.count(Stage::Answer) < places.answers || table.close_slow_answer(places.answer_time)
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

    fn has_late(&self, stage: Stage) -> bool {
        let mut connections = self.at(stage);
        connections.any(|(_, connection)| connection.since.elapsed() >= stage.time())
    }

    fn make_room(&mut self, stage: Stage, places: usize) {
        if self.count(stage) >= places {
            self.close_one(stage);
        }
    }

    /// Closes one at a stage: of those that are past their time or, where there is none, of all of them one of the
    /// address that has the most. Which one is left to chance, or a crowd that keeps time could choose; but the newer
    /// half is spared, for it has had no time to go on.
    fn close_one(&mut self, stage: Stage) -> bool {
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for (_, connection) in self.at(stage) {
            *counts.entry(connection.peer).or_default() += 1;
        }
        let mut victims: Vec<&Connection> = self.at(stage).map(|(_, connection)| connection).collect();
        victims.sort_by_key(|connection| connection.since);
        let past = victims.partition_point(|connection| connection.since.elapsed() >= stage.time());
        let is_late = past > 0;
        victims.truncate(if is_late { past } else { victims.len() });
        let count = |connection: &Connection| counts.get(&connection.peer).copied();
        let most = victims.iter().map(|connection| count(connection)).max();
        victims.retain(|connection| Some(count(connection)) == most);
        if !is_late {
            victims.truncate(victims.len().div_ceil(2));
        }
        let Some(victim) = fastrand::choice(victims) else {
            return false;
        };
        victim.close.cancel();
        true
    }

    /// Closes the answer that was kept waiting first of those that were for `time`.
    fn close_slow_answer(&mut self, time: Duration) -> bool {
        let answers = self.at(Stage::Answer).map(|(_, connection)| connection);
        let slow = answers.filter(|connection| connection.blocked.time() >= time);
        let Some(victim) = slow.min_by_key(|connection| connection.since) else {
            return false;
        };
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
