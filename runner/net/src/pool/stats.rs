//! Statistics of a pool: how long claims wait, how many are refused, and who held the most when the pool was short.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// A wait of this length is a shortage, however it ends.
const LONG_WAIT: Duration = Duration::from_secs(1);
/// Minimum interval between updates of the largest holders while claims are refused in a row.
const HOLDERS_INTERVAL: Duration = Duration::from_secs(1);

/// What a wait means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitKind {
    /// The pool has too little.
    Shortage,
    /// It is the purpose of the limit.
    Intended,
}

/// A wait; numbers are in the order in which waits began.
pub(super) type WaitId = u64;

/// Statistics of a pool and its subpools.
#[derive(Debug, Default)]
pub(super) struct PoolStats {
    pub(super) waits: u64,
    begun: WaitId,
    pub(super) ongoing: BTreeMap<WaitId, (WaitKind, Instant)>,
    pub(super) waited: Duration,
    pub(super) refused: u64,
    pub(super) short_at: Option<Instant>,
    pub(super) holders: Vec<(Arc<str>, u64)>,
    holders_at: Option<Instant>,
}

impl PoolStats {
    pub(super) fn begin_wait(&mut self, kind: WaitKind, now: Instant) -> WaitId {
        self.begun += 1;
        self.ongoing.insert(self.begun, (kind, now));
        self.begun
    }

    /// Ends a wait; returns whether it was so long that the pool is short.
    pub(super) fn end_wait(&mut self, wait: WaitId, now: Instant) -> bool {
        let Some((kind, since)) = self.ongoing.remove(&wait) else {
            return false;
        };
        let waited = now.saturating_duration_since(since);
        self.waited += waited;
        kind == WaitKind::Shortage && waited >= LONG_WAIT
    }

    pub(super) fn has_long_wait(&self, now: Instant) -> bool {
        let mut short = self
            .ongoing
            .values()
            .filter(|(kind, _)| *kind == WaitKind::Shortage);
        let oldest = short.next();
        oldest.is_some_and(|(_, since)| now.saturating_duration_since(*since) >= LONG_WAIT)
    }

    fn is_holders_update_due(&self, now: Instant) -> bool {
        self.holders_at
            .is_none_or(|at| now.saturating_duration_since(at) >= HOLDERS_INTERVAL)
    }

    /// Records that the pool is short; `largest` returns its largest holders.
    pub(super) fn record_shortage(&mut self, largest: impl FnOnce() -> Vec<(Arc<str>, u64)>, now: Instant) {
        self.short_at = Some(now);
        if self.is_holders_update_due(now) {
            self.holders = largest();
            self.holders_at = Some(now);
        }
    }
}
