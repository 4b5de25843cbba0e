//! What changes of a page while its run goes on.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::ledger::slot::Revocable;
use crate::ledger::traffic::Traffic;
use crate::outcome::{LogLine, Usage};
use crate::pool::Place;
use crate::quota::QuotaKind;
use crate::record::{Channel, Peer};
use crate::trace::{Denied, EndCause, Shortage, Trail};

/// Refusals that a page remembers one by one; more are counted only.
const DENIALS_KEPT: usize = 32;

/// A descriptor that is lent.
pub(in crate::ledger) struct Entry {
    pub(in crate::ledger) peer: Peer,
    pub(in crate::ledger) opened_at: Instant,
    pub(in crate::ledger) traffic: Arc<Traffic>,
    /// Absent between the lease and the socket's creation.
    pub(in crate::ledger) descriptor: Option<Arc<dyn Revocable>>,
    /// Of the host's budget.
    _place: Place,
}

/// What is open and what was recorded.
#[derive(Default)]
pub(in crate::ledger) struct State {
    pub(super) ended: Option<EndCause>,
    /// The run's own sockets.
    pub(in crate::ledger) open: u64,
    /// Descriptors that the host has open for this run, and perhaps for others.
    pub(in crate::ledger) shared: u64,
    pub(in crate::ledger) entries: Vec<Option<Entry>>,
    pub(in crate::ledger) usage: Usage,
    /// The first thing that the host had too little of for this run.
    pub(in crate::ledger) shortage: Option<Shortage>,
    pub(super) trail: Trail,
    pub(super) log: Vec<LogLine>,
}

impl State {
    pub(super) fn enter(
        &mut self,
        peer: Peer,
        place: Place,
        channel: Option<Channel>,
    ) -> (usize, Arc<Traffic>) {
        let traffic = Arc::new(Traffic::new(channel));
        let entry = Entry {
            peer,
            opened_at: Instant::now(),
            traffic: Arc::clone(&traffic),
            descriptor: None,
            _place: place,
        };
        self.open += 1;
        self.usage.connections += 1;
        self.usage.sockets_peak = self.usage.sockets_peak.max(self.open);
        self.usage.fds_peak = self.usage.fds_peak.max(self.open + self.shared);
        let index = match self.entries.iter().position(Option::is_none) {
            Some(free) => free,
            None => {
                self.entries.push(None);
                self.entries.len() - 1
            }
        };
        if let Some(place) = self.entries.get_mut(index) {
            *place = Some(entry);
        }
        (index, traffic)
    }

    pub(super) fn deny(&mut self, what: QuotaKind, limit: u64, at: Duration) {
        *self.usage.denials.entry(what).or_default() += 1;
        if self.trail.denied.len() < DENIALS_KEPT {
            self.trail.denied.push(Denied { at, what, limit });
        }
    }
}
