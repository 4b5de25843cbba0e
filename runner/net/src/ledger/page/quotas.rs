//! The quotas `connections`, `sockets`, `fds`, `bytes_in` and `bytes_out` of an attempt, and what every denial records.

use std::sync::atomic::Ordering;

use super::{Page, State, count};
use crate::ledger::{Denial, Refusal};
use canary_record::quota::QuotaKind;

impl Page {
    /// Records a quota denial that another part of the host decided, such as memory.
    pub fn record_denial(&self, kind: QuotaKind) -> Denial {
        self.deny(&mut self.state(), kind)
    }

    /// Checks that the run may open one more socket.
    pub(in crate::ledger) fn admit(&self) -> Result<(), Refusal> {
        self.check_quotas(&mut self.state())
    }

    /// Whether the run may open one more socket in addition to those that are open.
    pub(crate) fn has_room(&self) -> bool {
        let state = self.state();
        state.open < self.quota.sockets && state.open + state.shared < self.quota.fds
    }

    /// The quotas that a new connection counts against.
    pub(super) fn check_quotas(&self, state: &mut State) -> Result<(), Refusal> {
        if state.ended.is_some() {
            return Err(Refusal::Ended);
        }
        let used = [
            (QuotaKind::Connections, state.usage.used.connections),
            (QuotaKind::Sockets, state.open),
            (QuotaKind::Fds, state.open + state.shared),
        ];
        let is_used_up = |(kind, used): &(QuotaKind, u64)| *used >= self.quota.limit(*kind);
        match used.into_iter().find(is_used_up) {
            Some((kind, _)) => Err(self.deny(state, kind).into()),
            None => Ok(()),
        }
    }

    /// Bytes that may still be received.
    pub(in crate::ledger) fn remaining_in(&self) -> u64 {
        self.quota
            .bytes_in
            .saturating_sub(self.bytes_in.load(Ordering::Relaxed))
    }

    /// Bytes that may still be sent.
    pub(in crate::ledger) fn remaining_out(&self) -> u64 {
        self.quota
            .bytes_out
            .saturating_sub(self.bytes_out.load(Ordering::Relaxed))
    }

    pub(in crate::ledger) fn count_in(&self, bytes: usize) {
        self.bytes_in.fetch_add(count(bytes), Ordering::Relaxed);
    }

    pub(in crate::ledger) fn count_out(&self, bytes: usize) {
        self.bytes_out.fetch_add(count(bytes), Ordering::Relaxed);
    }

    pub(in crate::ledger) fn deny(&self, state: &mut State, what: QuotaKind) -> Denial {
        let limit = self.quota.limit(what);
        self.recorder
            .note(|| format!("refused: {}", Denial { what, limit }));
        state.record_denial(what, limit, self.opened_at.elapsed());
        Denial { what, limit }
    }
}
