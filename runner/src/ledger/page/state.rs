//! What changes of a page while its run goes on.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::ledger::slot::Revocable;
use crate::ledger::traffic::Traffic;
use crate::outcome::{LogLine, Usage};
use crate::quota::QuotaKind;
use crate::record::Peer;
use crate::trace::{Denied, EndCause, Trail};

/// Refusals that a page remembers one by one; more are counted only.
const DENIALS_KEPT: usize = 32;

/// A descriptor that is lent.
pub(in crate::ledger) struct Entry {
    pub(in crate::ledger) peer: Peer,
    pub(in crate::ledger) opened_at: Instant,
    pub(in crate::ledger) traffic: Arc<Traffic>,
    /// Absent between the lease and the socket's creation.
    pub(in crate::ledger) descriptor: Option<Arc<dyn Revocable>>,
}

/// What is open and what was recorded.
#[derive(Default)]
pub(super) struct State {
    pub(super) ended: Option<EndCause>,
    pub(super) open: u64,
    pub(super) entries: Vec<Option<Entry>>,
    pub(super) usage: Usage,
    pub(super) trail: Trail,
    pub(super) log: Vec<LogLine>,
}

impl State {
    pub(super) fn enter(&mut self, peer: Peer) -> (usize, Arc<Traffic>) {
        let traffic = Arc::new(Traffic::default());
        let entry = Entry {
            peer,
            opened_at: Instant::now(),
            traffic: Arc::clone(&traffic),
            descriptor: None,
        };
        self.open += 1;
        self.usage.connections += 1;
        self.usage.sockets_peak = self.usage.sockets_peak.max(self.open);
        self.usage.fds_peak = self.usage.fds_peak.max(self.open);
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
