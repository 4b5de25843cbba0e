//! The mutable state of a page while its run is active.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::ledger::slot::Revocable;
use crate::ledger::traffic::Traffic;
use crate::pool::PoolPermit;
use canary_record::quota::QuotaKind;
use canary_record::trace::{Denied, EndCause, Shortage, Trail};
use canary_record::{ConnectionLog, Peer};
use canary_run::outcome::{LogLine, Usage};

/// Maximum number of denials recorded individually per page; further ones are only counted.
const MAX_DENIALS: usize = 32;

/// A descriptor that is currently lent.
pub(in crate::ledger) struct Entry {
    pub(in crate::ledger) peer: Peer,
    pub(in crate::ledger) opened_at: Instant,
    pub(in crate::ledger) traffic: Arc<Traffic>,
    /// `None` between acquiring the lease and creating the socket.
    pub(in crate::ledger) descriptor: Option<Arc<dyn Revocable>>,
    /// The place in the host's budget, released on drop.
    _permit: PoolPermit,
}

/// Open descriptors and everything recorded for one attempt.
#[derive(Default)]
pub(in crate::ledger) struct State {
    pub(super) ended: Option<EndCause>,
    /// The run's own sockets.
    pub(in crate::ledger) open: u64,
    /// Descriptors that the host has open for this run, possibly shared with other runs.
    pub(in crate::ledger) shared: u64,
    pub(in crate::ledger) entries: Vec<Option<Entry>>,
    pub(in crate::ledger) usage: Usage,
    /// The first host resource that was short for this run.
    pub(in crate::ledger) shortage: Option<Shortage>,
    pub(super) trail: Trail,
    pub(super) log: Vec<LogLine>,
}

impl State {
    pub(super) fn register(
        &mut self,
        peer: Peer,
        permit: PoolPermit,
        connection_log: Option<ConnectionLog>,
    ) -> (usize, Arc<Traffic>) {
        let traffic = Arc::new(Traffic::new(connection_log));
        let entry = Entry {
            peer,
            opened_at: Instant::now(),
            traffic: Arc::clone(&traffic),
            descriptor: None,
            _permit: permit,
        };
        self.open += 1;
        self.usage.used.connections += 1;
        self.usage.used.sockets_peak = self.usage.used.sockets_peak.max(self.open);
        self.usage.used.fds_peak = self.usage.used.fds_peak.max(self.open + self.shared);
        let index = match self.entries.iter().position(Option::is_none) {
            Some(free) => free,
            None => {
                self.entries.push(None);
                self.entries.len() - 1
            }
        };
        if let Some(slot) = self.entries.get_mut(index) {
            *slot = Some(entry);
        }
        (index, traffic)
    }

    pub(super) fn record_denial(&mut self, what: QuotaKind, limit: u64, at: Duration) {
        *self.usage.denials.entry(what).or_default() += 1;
        if self.trail.denied.len() < MAX_DENIALS {
            self.trail.denied.push(Denied {
                at,
                quota: what,
                limit,
            });
        }
    }
}
