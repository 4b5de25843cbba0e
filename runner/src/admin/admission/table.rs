//! The connections of each stage. There are at most some hundred of them, and taking one more costs a few look-ups, since
//! a crowd comes faster than the address answers.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Stage;
use crate::admin::slow::Blocked;

/// All connections that have not been closed.
#[derive(Debug, Default)]
pub(super) struct Table {
    next: u64,
    openings: Connections,
    handshakes: Connections,
    heads: Connections,
    probes: Connections,
    waiting: Connections,
    answers: Connections,
}

/// Those of one stage, in the order in which they came to it.
#[derive(Debug, Default)]
pub(super) struct Connections {
    all: VecDeque<Connection>,
    by_peer: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) number: u64,
    pub(super) peer: IpAddr,
    /// When it came to its stage.
    pub(super) since: Instant,
    pub(super) blocked: Blocked,
    /// Whether its request waits for nothing but room for the answer.
    pub(super) is_ready: bool,
    pub(super) close: CancellationToken,
}

const STAGES: [Stage; 6] = [
    Stage::Opening,
    Stage::Handshake,
    Stage::Head,
    Stage::Probe,
    Stage::Waiting,
    Stage::Answer,
];

impl Table {
    /// One that no connection has had.
    pub(super) fn number(&mut self) -> u64 {
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
            Stage::Answer => &mut self.answers,
        }
    }

    /// Where a connection is; nowhere when it has been closed.
    pub(super) fn stage(&mut self, number: u64) -> Option<Stage> {
        STAGES
            .into_iter()
            .find(|stage| self.at(*stage).position(number).is_some())
    }

    /// Closes one of a stage whose places are all taken.
    pub(super) fn make_room(&mut self, stage: Stage, places: usize) {
        let connections = self.at(stage);
        if connections.len() >= places {
            connections.close_one(stage.time());
        }
    }

    /// Requests for answers of any length that this address has, those that wait included.
    fn requests(&self, peer: IpAddr) -> usize {
        self.waiting.count(peer) + self.answers.count(peer)
    }

    /// Turns one request away that waits, for one of `peer`, if that has fewer than the address that has the most: the one
    /// of those that came last. Says which, if there is one.
    pub(super) fn turn_one_away(&mut self, peer: IpAddr) -> Option<u64> {
        let waiting = self.waiting.all.iter();
        let most = waiting.max_by_key(|one| self.requests(one.peer))?;
        // One less would be no fairer otherwise.
        if self.requests(most.peer) < self.requests(peer) + 2 {
            return None;
        }
        let (peer, mut last_first) = (most.peer, self.waiting.all.iter().rev());
        last_first.find(|one| one.peer == peer).map(|one| one.number)
    }

    /// Whether it is the turn of this request to be answered: of those that wait for that, it is one of the address that
    /// has the fewest answers, and of these the one that came first.
    pub(super) fn is_next(&self, number: u64, peer: IpAddr) -> bool {
        let rank = |one: &Connection| (self.answers.count(one.peer), one.number);
        let waiting = self.waiting.all.iter().filter(|one| one.is_ready);
        let first = waiting.map(rank).min();
        let own = (self.answers.count(peer), number);
        first.is_none_or(|first| own <= first)
    }

    /// Notes that a request that waits could be answered at once.
    pub(super) fn set_ready(&mut self, number: u64) {
        if let Some(place) = self.waiting.position(number)
            && let Some(connection) = self.waiting.all.get_mut(place)
        {
            connection.is_ready = true;
        }
    }

    /// Closes an answer for one of `peer`, if that has fewer than the address that has the most: the one of those that
    /// was kept waiting for longest, if it was for `time`. Says whether there is one.
    pub(super) fn close_slow_for(&mut self, peer: IpAddr, time: Duration) -> bool {
        let fewest = self.answers.count(peer) + 2;
        let most = self
            .answers
            .all
            .iter()
            .map(|one| self.answers.count(one.peer))
            .max();
        let Some(most) = most.filter(|most| *most >= fewest) else {
            return false;
        };
        let answers = self.answers.all.iter().enumerate();
        let slow =
            answers.filter(|(_, one)| self.answers.count(one.peer) == most && one.blocked.time() >= time);
        let slowest = slow.max_by_key(|(_, one)| one.blocked.time());
        let place = slowest.map(|(place, _)| place);
        self.answers.close(place)
    }

    /// Has a connection go on to another stage, unless it has been closed or is there already.
    pub(super) fn enter(&mut self, number: u64, stage: Stage) {
        if self.stage(number).is_none_or(|now| now == stage) {
            return;
        }
        if let Some(mut connection) = self.remove(number) {
            connection.since = Instant::now();
            self.at(stage).push(connection);
        }
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Connection> {
        STAGES.into_iter().find_map(|stage| {
            let connections = self.at(stage);
            connections.remove(connections.position(number)?)
        })
    }
}

impl Connections {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// How long the first of them has been here.
    pub(super) fn longest(&self) -> Duration {
        let first = self.all.front();
        first.map(|first| first.since.elapsed()).unwrap_or_default()
    }

    /// Adds one that comes now.
    pub(super) fn push(&mut self, connection: Connection) {
        *self.by_peer.entry(connection.peer).or_default() += 1;
        self.all.push_back(connection);
    }

    /// Closes one that has been here for `time`, if there is any. Says whether there is.
    pub(super) fn close_late(&mut self, time: Duration) -> bool {
        self.longest() >= time && self.close_one(time)
    }

    /// Closes the answer that was kept waiting first of those that were for `time`. Says whether there is one.
    pub(super) fn close_slow(&mut self, time: Duration) -> bool {
        let slow = self
            .all
            .iter()
            .position(|connection| connection.blocked.time() >= time);
        self.close(slow)
    }

    /// Closes one: of those that have been here for `time` or, where there is none, of all of them one of the address
    /// that has the most. Which one is left to chance, or a crowd that keeps time could choose; but the newer half is
    /// spared, for it has had no time to go on.
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
        self.close(chosen.map(|(place, _)| place))
    }

    fn count(&self, peer: IpAddr) -> usize {
        self.by_peer.get(&peer).copied().unwrap_or_default()
    }

    fn close(&mut self, place: Option<usize>) -> bool {
        let closed = place.and_then(|place| self.remove(place));
        closed.inspect(|connection| connection.close.cancel()).is_some()
    }

    fn position(&self, number: u64) -> Option<usize> {
        self.all.iter().position(|connection| connection.number == number)
    }

    fn remove(&mut self, place: usize) -> Option<Connection> {
        let connection = self.all.remove(place)?;
        let count = self.by_peer.get_mut(&connection.peer)?;
        *count -= 1;
        if *count == 0 {
            self.by_peer.remove(&connection.peer);
        }
        Some(connection)
    }
}
