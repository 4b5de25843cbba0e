//! The table of connections by stage. There are at most a few hundred, and admitting one costs a few look-ups, since a
//! crowd may connect faster than requests are served.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Stage;
use crate::blocked_time::BlockedTime;

/// All connections that have not been evicted.
#[derive(Debug, Default)]
pub(super) struct Table {
    next: u64,
    openings: Connections,
    handshakes: Connections,
    heads: Connections,
    probes: Connections,
    waiting: Connections,
    responses: Connections,
}

/// The connections at one stage, in the order in which they entered it.
#[derive(Debug, Default)]
pub(super) struct Connections {
    all: VecDeque<Connection>,
    by_peer: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: u64,
    pub(super) peer: IpAddr,
    /// When it entered its stage.
    pub(super) since: Instant,
    pub(super) blocked: BlockedTime,
    /// Whether its request only waits for a place to respond.
    pub(super) is_ready: bool,
    pub(super) close: CancellationToken,
}

const STAGES: [Stage; 6] = [
    Stage::Opening,
    Stage::Handshake,
    Stage::Head,
    Stage::Probe,
    Stage::Waiting,
    Stage::Response,
];

impl Table {
    /// A new connection id.
    pub(super) fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn at(&mut self, stage: Stage) -> &mut Connections {
        match stage {
            Stage::Opening => &mut self.openings,
            Stage::Handshake => &mut self.handshakes,
            Stage::Head => &mut self.heads,
            Stage::Probe => &mut self.probes,
            Stage::Waiting => &mut self.waiting,
            Stage::Response => &mut self.responses,
        }
    }

    /// The stage of a connection; `None` if it has been evicted.
    pub(super) fn stage(&mut self, id: u64) -> Option<Stage> {
        STAGES
            .into_iter()
            .find(|stage| self.at(*stage).position(id).is_some())
    }

    /// Evicts a connection if the stage is full.
    pub(super) fn make_room(&mut self, stage: Stage, limit: usize) {
        let connections = self.at(stage);
        if connections.len() >= limit {
            connections.close_one(stage.time());
        }
    }

    /// The number of requests of an address that wait or are being responded to.
    fn requests(&self, peer: IpAddr) -> usize {
        self.waiting.count(peer) + self.responses.count(peer)
    }

    /// Chooses a waiting request to be evicted for one of `peer`, if that address has fewer requests than the one with
    /// the most: the latest request of the latter.
    pub(super) fn evict_waiting(&mut self, peer: IpAddr) -> Option<u64> {
        let waiting = self.waiting.all.iter();
        let most = waiting.max_by_key(|one| self.requests(one.peer))?;
        // With a smaller difference the distribution would only be mirrored.
        if self.requests(most.peer) < self.requests(peer) + 2 {
            return None;
        }
        let (peer, mut last_first) = (most.peer, self.waiting.all.iter().rev());
        last_first.find(|one| one.peer == peer).map(|one| one.id)
    }

    /// Whether it is this request's turn: of the waiting requests, those of the address with the fewest responses come
    /// first, in order of arrival.
    pub(super) fn is_next(&self, id: u64, peer: IpAddr) -> bool {
        let rank = |one: &Connection| (self.responses.count(one.peer), one.id);
        let waiting = self.waiting.all.iter().filter(|one| one.is_ready);
        let first = waiting.map(rank).min();
        let own = (self.responses.count(peer), id);
        first.is_none_or(|first| own <= first)
    }

    /// Marks a waiting request as ready to be responded to.
    pub(super) fn set_ready(&mut self, id: u64) {
        if let Some(index) = self.waiting.position(id)
            && let Some(connection) = self.waiting.all.get_mut(index)
        {
            connection.is_ready = true;
        }
    }

    /// Evicts a response for one of `peer`, if that address has fewer responses than the one with the most: the
    /// response of the latter that was blocked longest, if that was at least `time`. Returns whether there was one.
    pub(super) fn close_slow_for(&mut self, peer: IpAddr, time: Duration) -> bool {
        let fewest = self.responses.count(peer) + 2;
        let most = self
            .responses
            .all
            .iter()
            .map(|one| self.responses.count(one.peer))
            .max();
        let Some(most) = most.filter(|most| *most >= fewest) else {
            return false;
        };
        let responses = self.responses.all.iter().enumerate();
        let slow =
            responses.filter(|(_, one)| self.responses.count(one.peer) == most && one.blocked.time() >= time);
        let slowest = slow.max_by_key(|(_, one)| one.blocked.time());
        let index = slowest.map(|(index, _)| index);
        self.responses.close(index)
    }

    /// Moves a connection to another stage, unless it has been evicted or is there already.
    pub(super) fn enter(&mut self, id: u64, stage: Stage) {
        if self.stage(id).is_none_or(|now| now == stage) {
            return;
        }
        if let Some(mut connection) = self.remove(id) {
            connection.since = Instant::now();
            self.at(stage).push(connection);
        }
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Connection> {
        STAGES.into_iter().find_map(|stage| {
            let connections = self.at(stage);
            connections.remove(connections.position(id)?)
        })
    }
}

impl Connections {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// How long the first connection has been at this stage.
    pub(super) fn longest(&self) -> Duration {
        let first = self.all.front();
        first.map(|first| first.since.elapsed()).unwrap_or_default()
    }

    /// Adds a connection that enters the stage now.
    pub(super) fn push(&mut self, connection: Connection) {
        *self.by_peer.entry(connection.peer).or_default() += 1;
        self.all.push_back(connection);
    }

    /// Evicts a connection that has been at this stage for `time`. Returns whether there was one.
    pub(super) fn close_overdue(&mut self, time: Duration) -> bool {
        self.longest() >= time && self.close_one(time)
    }

    /// Evicts the first response that was blocked for at least `time`. Returns whether there was one.
    pub(super) fn close_slow(&mut self, time: Duration) -> bool {
        let slow = self
            .all
            .iter()
            .position(|connection| connection.blocked.time() >= time);
        self.close(slow)
    }

    /// Evicts a connection of the address with the most: of those that have been at this stage for `time` or, if there
    /// are none, of all. The choice is random, so that a crowd cannot influence it by timing; in the latter case the
    /// newer half is spared, since it has had no time to proceed.
    fn close_one(&mut self, time: Duration) -> bool {
        let now = Instant::now();
        let is_late = |connection: &&Connection| now.saturating_duration_since(connection.since) >= time;
        let late = self.all.iter().take_while(is_late).count();
        let candidates = if late > 0 { late } else { self.all.len() };
        let counts = || self.all.iter().take(candidates).map(|one| self.count(one.peer));
        let Some(most) = counts().max() else { return false };
        let with_most = counts().filter(|count| *count == most).count();
        let victims = if late > 0 {
            with_most
        } else {
            with_most.div_ceil(2)
        };
        let chosen = counts()
            .enumerate()
            .filter(|(_, count)| *count == most)
            .nth(fastrand::usize(..victims));
        self.close(chosen.map(|(index, _)| index))
    }

    fn count(&self, peer: IpAddr) -> usize {
        self.by_peer.get(&peer).copied().unwrap_or_default()
    }

    fn close(&mut self, index: Option<usize>) -> bool {
        let closed = index.and_then(|index| self.remove(index));
        closed.inspect(|connection| connection.close.cancel()).is_some()
    }

    fn position(&self, id: u64) -> Option<usize> {
        self.all.iter().position(|connection| connection.id == id)
    }

    fn remove(&mut self, index: usize) -> Option<Connection> {
        let connection = self.all.remove(index)?;
        let count = self.by_peer.get_mut(&connection.peer)?;
        *count -= 1;
        if *count == 0 {
            self.by_peer.remove(&connection.peer);
        }
        Some(connection)
    }
}
