//! Admission control: a limit on the connections at each stage, so that slow clients can block only clients at the same
//! stage.
//!
//! When a stage is full, a connection of the address with the most connections there is evicted. Each stage has its own
//! places, and a client proceeds to the next stage by what it sends: clients that send nothing, or half a message,
//! compete only with each other, and a client that proceeds at a normal pace is served, however many do not.

mod table;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::blocked_time::BlockedTime;
use canary_net::ledger::RESERVED_FDS;
use table::{Connection, Table};

/// How long a request waits for a place to respond.
const MAX_QUEUE_TIME: Duration = Duration::from_secs(1);
/// How often a waiting request checks for a place.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How long the first message may take before its connection is evicted ahead of others: a client normally sends it
/// right after connecting.
pub(super) const OPENING_TIME: Duration = Duration::from_millis(50);
/// The same for every later stage: more than a round trip.
const STAGE_TIME: Duration = Duration::from_millis(500);
/// Descriptors of the reserve that are not available for connections without a complete request.
const RESERVED_FOR_OTHERS: u64 = 62;
/// Minimum number of places at a stage, however few descriptors there are.
const MIN_LIMIT: usize = 4;

/// The stage of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The first message is incomplete: the ClientHello, or without TLS the head of the request.
    Opening,
    /// The TLS handshake, from the ClientHello on.
    Handshake,
    /// The head of the request is incomplete, after a TLS handshake.
    Head,
    /// A health probe, whose response is short.
    Probe,
    /// A complete request that waits for a place to respond.
    Waiting,
    /// A response of any length is being sent.
    Response,
}

/// Maximum number of concurrent connections at each stage.
#[derive(Debug, Clone, Copy)]
pub(super) struct StageLimits {
    pub(super) openings: usize,
    pub(super) handshakes: usize,
    pub(super) heads: usize,
    pub(super) probes: usize,
    pub(super) waiting: usize,
    pub(super) responses: usize,
    /// How long a client may block its response before it is evicted for another.
    pub(super) response_time: Duration,
}

impl Stage {
    /// How long a connection may stay at the stage before it is evicted ahead of others.
    fn time(self) -> Duration {
        match self {
            Self::Opening => OPENING_TIME,
            _ => STAGE_TIME,
        }
    }
}

impl StageLimits {
    /// Scales the limits down to the number of `reserved` descriptors, which may be less than [`RESERVED_FDS`].
    pub(super) fn scaled_to(self, reserved: u64) -> Self {
        let full = RESERVED_FDS - RESERVED_FOR_OTHERS;
        let available = reserved.min(RESERVED_FDS).saturating_sub(RESERVED_FOR_OTHERS);
        let scale = |limit: usize| {
            let scaled = u64::try_from(limit).unwrap_or(u64::MAX).saturating_mul(available) / full;
            limit.min(usize::try_from(scaled).unwrap_or(usize::MAX).max(MIN_LIMIT))
        };
        Self {
            openings: scale(self.openings),
            handshakes: scale(self.handshakes),
            heads: scale(self.heads),
            ..self
        }
    }

    fn limit(&self, stage: Stage) -> usize {
        match stage {
            Stage::Opening => self.openings,
            Stage::Handshake => self.handshakes,
            Stage::Head => self.heads,
            Stage::Probe => self.probes,
            Stage::Waiting => self.waiting,
            Stage::Response => self.responses,
        }
    }
}

/// The admission control of all connections. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    limits: StageLimits,
    table: Arc<Mutex<Table>>,
}

/// An admitted connection; it occupies its place until this is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    admission: Admission,
    id: u64,
    peer: IpAddr,
    blocked: BlockedTime,
    close: CancellationToken,
}

impl Admission {
    pub(super) fn new(limits: StageLimits) -> Self {
        Self {
            limits,
            table: Arc::default(),
        }
    }

    /// The time until an opening connection can be admitted without evicting one that still has time.
    pub(super) fn time_until_room(&self) -> Duration {
        let mut table = self.table();
        let openings = table.at(Stage::Opening);
        if openings.len() < self.limits.openings {
            Duration::ZERO
        } else {
            OPENING_TIME.saturating_sub(openings.longest())
        }
    }

    /// Whether an opening connection can be admitted without an eviction.
    pub(super) fn has_room(&self) -> bool {
        self.table().at(Stage::Opening).len() < self.limits.openings
    }

    /// Admits a new connection at the stage that it has reached by what it has sent. Another one may be evicted for it.
    pub(super) fn admit(&self, peer: IpAddr, stage: Stage) -> Admitted {
        let mut table = self.table();
        table.make_room(stage, self.limits.limit(stage));
        self.add(&mut table, peer, stage)
    }

    /// Admits a connection with a complete request for a response of any length. If all places are taken, a request of
    /// the address with the most requests is evicted for an address with fewer, see [`Admitted::is_evicted`]; otherwise
    /// this returns `None`.
    pub(super) fn admit_request(&self, peer: IpAddr) -> Option<Admitted> {
        let mut table = self.table();
        let requests = table.at(Stage::Waiting).len() + table.at(Stage::Response).len();
        let has_room = requests < self.limits.waiting + self.limits.responses;
        let is_admitted = has_room || self.evict_waiting(&mut table, network(peer));
        is_admitted.then(|| self.add(&mut table, peer, Stage::Waiting))
    }

    /// Evicts a waiting request for one more of `peer`, if that is fair. The evicted connection still has to receive
    /// its 503: until then it counts at [`Stage::Head`], which is bounded.
    fn evict_waiting(&self, table: &mut Table, peer: IpAddr) -> bool {
        let evicted = table.evict_waiting(peer);
        evicted
            .inspect(|id| self.enter(table, *id, Stage::Head))
            .is_some()
    }

    /// Moves a connection to a stage other than waiting and response. Another one may be evicted for it.
    fn enter(&self, table: &mut Table, id: u64, stage: Stage) {
        if table.stage(id).is_some_and(|now| now != stage) {
            table.make_room(stage, self.limits.limit(stage));
            table.enter(id, stage);
        }
    }

    fn add(&self, table: &mut Table, peer: IpAddr, stage: Stage) -> Admitted {
        let (close, blocked) = (CancellationToken::new(), BlockedTime::default());
        let (id, peer) = (table.id(), network(peer));
        table.at(stage).push(Connection {
            id,
            peer,
            since: Instant::now(),
            blocked: blocked.clone(),
            is_ready: false,
            close: close.clone(),
        });
        Admitted {
            admission: self.clone(),
            id,
            peer,
            blocked,
            close,
        }
    }

    /// Closes a connection that takes long to send a complete request, since descriptors are short. Returns whether
    /// there was one.
    pub(super) fn close_overdue(&self) -> bool {
        let mut table = self.table();
        [Stage::Opening, Stage::Handshake, Stage::Head]
            .into_iter()
            .any(|stage| table.at(stage).close_overdue(stage.time()))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A critical section cannot leave the table inconsistent.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admitted {
    /// Measures the time in which the client accepts no data.
    pub(super) fn blocked(&self) -> BlockedTime {
        self.blocked.clone()
    }

    /// Completes when this connection is evicted.
    pub(super) async fn closed(&self) {
        self.close.cancelled().await;
    }

    /// Moves to a stage other than waiting and response. Another connection may be evicted for it.
    pub(super) fn enter(&self, stage: Stage) {
        self.admission.enter(&mut self.admission.table(), self.id, stage);
    }

    /// Whether a waiting request was evicted for one of another address.
    pub(super) fn is_evicted(&self) -> bool {
        self.admission.table().stage(self.id) != Some(Stage::Waiting)
    }

    /// Waits up to 1 s for a place to send a response of any length. Returns whether there is one.
    ///
    /// Cancellation: the connection stays at its stage.
    pub(super) async fn enter_response(&self) -> bool {
        let until = Instant::now() + MAX_QUEUE_TIME;
        if !self.enter_response_or_wait() {
            return false;
        }
        loop {
            match self.admission.table().stage(self.id) {
                Some(Stage::Response) => return true,
                Some(Stage::Waiting) if Instant::now() < until => {}
                _ => break,
            }
            sleep(POLL_INTERVAL).await;
            self.try_enter_response(&mut self.admission.table());
        }
        // It occupies no waiting place while it receives its 503.
        self.enter(Stage::Head);
        false
    }

    /// Whether there is a place for the response, or a place to wait for it.
    fn enter_response_or_wait(&self) -> bool {
        let mut table = self.admission.table();
        if self.try_enter_response(&mut table) {
            return true;
        }
        let is_waiting = table.stage(self.id) == Some(Stage::Waiting);
        let has_room = table.at(Stage::Waiting).len() < self.admission.limits.waiting;
        let may_wait = is_waiting || has_room || self.admission.evict_waiting(&mut table, self.peer);
        if may_wait {
            table.enter(self.id, Stage::Waiting);
            table.set_ready(self.id);
        }
        may_wait
    }

    /// Moves to the response stage if there is a place and it is this request's turn. A client that is slow to read its
    /// response may be evicted: sooner if its address has the most responses.
    fn try_enter_response(&self, table: &mut Table) -> bool {
        let limits = self.admission.limits;
        let is_next = table.is_next(self.id, self.peer);
        let has_room = is_next
            && (table.at(Stage::Response).len() < limits.responses
                || table.at(Stage::Response).close_slow(limits.response_time)
                || table.close_slow_for(self.peer, limits.response_time.min(STAGE_TIME)));
        if has_room {
            table.enter(self.id, Stage::Response);
        }
        has_room
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.table().remove(self.id);
    }
}

/// Reduces an IPv6 address to its /64 network, of which a host may have any number of addresses.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        ip => ip,
    }
}
