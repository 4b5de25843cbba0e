//! Statistics and snapshots of pools.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Pool;
use super::claim::Claim;
use super::queue::{Availability, State};

/// Maximum number of holders that a snapshot names.
const MAX_HOLDERS: usize = 5;
/// A wait of this length is a shortage, however it ends.
const LONG_WAIT: Duration = Duration::from_secs(1);
/// Minimum interval between updates of the largest holders while claims are refused in a row.
const HOLDERS_INTERVAL: Duration = Duration::from_secs(1);

/// A snapshot of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSnapshot {
    /// The pool's name.
    pub name: &'static str,
    /// Units that may be held at once.
    pub capacity: u64,
    /// Units held.
    pub used: u64,
    /// Claims that wait.
    pub waiting: u64,
    /// Claims that had to wait, since the start.
    pub waits: u64,
    /// Total time that claims have waited.
    pub waited: Duration,
    /// Claims that were refused, since the start.
    pub refused: u64,
    /// Time since claims were last refused or waited for a second; `None` if that never happened.
    pub since_short: Option<Duration>,
    /// The largest holders when that happened, or now, the largest first, with their units.
    pub holders: Vec<(Arc<str>, u64)>,
}

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
    ongoing: BTreeMap<WaitId, (WaitKind, Instant)>,
    waited: Duration,
    refused: u64,
    short_at: Option<Instant>,
    holders: Vec<(Arc<str>, u64)>,
    holders_at: Option<Instant>,
}

impl PoolStats {
    pub(super) fn begin_wait(&mut self, kind: WaitKind, now: Instant) -> WaitId {
        self.begun += 1;
        self.ongoing.insert(self.begun, (kind, now));
        self.begun
    }

    /// Ends a wait; returns whether it was so long that the pool is short.
    fn end_wait(&mut self, wait: WaitId, now: Instant) -> bool {
        let Some((kind, since)) = self.ongoing.remove(&wait) else {
            return false;
        };
        let waited = now.saturating_duration_since(since);
        self.waited += waited;
        kind == WaitKind::Shortage && waited >= LONG_WAIT
    }

    fn has_long_wait(&self, now: Instant) -> bool {
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

    fn record_shortage(&mut self, state: &State, now: Instant) {
        self.short_at = Some(now);
        if self.is_holders_update_due(now) {
            self.holders = state.largest();
            self.holders_at = Some(now);
        }
    }
}

impl State {
    pub(super) fn stats(&self) -> MutexGuard<'_, PoolStats> {
        // No critical section can leave the statistics inconsistent.
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn end_wait(&self, wait: WaitId) {
        let (mut stats, now) = (self.stats(), Instant::now());
        if stats.end_wait(wait, now) {
            stats.record_shortage(self, now);
        }
    }

    /// A holder at its share lacks nothing that others could release.
    pub(super) fn record_refusal(&self, claim: &Claim, now: Instant) {
        let is_short =
            self.availability(claim) != Availability::OverShare && self.wait_kind == WaitKind::Shortage;
        let mut stats = self.stats();
        stats.refused += 1;
        if is_short {
            stats.record_shortage(self, now);
        }
    }

    /// The largest holders, the largest first; of equal ones the one that has held longest.
    fn largest(&self) -> Vec<(Arc<str>, u64)> {
        let by_check = self.checks.iter().map(|(check, held)| {
            let order = (Reverse(held.units), held.since);
            (order, Arc::from(check), held.units)
        });
        let by_holder = self.holders.iter().map(|(holder, holding)| {
            let order = (Reverse(holding.units), self.began);
            (order, Arc::clone(holder), holding.units)
        });
        let mut all: Vec<(_, Arc<str>, u64)> = if self.checks.is_empty() {
            by_holder.filter(|(.., units)| *units > 0).collect()
        } else {
            by_check.collect()
        };
        all.sort_unstable_by(|(a, one, _), (b, other, _)| a.cmp(b).then_with(|| one.cmp(other)));
        let largest = all.into_iter().take(MAX_HOLDERS);
        largest.map(|(_, holder, units)| (holder, units)).collect()
    }
}

impl Pool {
    /// A snapshot of the pool.
    #[must_use]
    pub fn snapshot(&self) -> PoolSnapshot {
        let now = Instant::now();
        let state = self.0.state();
        let mut stats = state.stats();
        if stats.has_long_wait(now) {
            stats.record_shortage(&state, now);
        }
        let since_short = stats.short_at.map(|at| now.saturating_duration_since(at));
        PoolSnapshot {
            name: self.0.name,
            capacity: state.limits.capacity,
            used: state.used(),
            waiting: u64::try_from(stats.ongoing.len()).unwrap_or(u64::MAX),
            waits: stats.waits,
            waited: stats.waited,
            refused: stats.refused,
            since_short,
            holders: match since_short {
                Some(_) => stats.holders.clone(),
                None => state.largest(),
            },
        }
    }
}

/// All pools of a host, to be reported.
#[derive(Debug, Default)]
pub struct Pools(Mutex<Vec<Pool>>);

impl Pools {
    /// Adds a pool.
    pub fn add(&self, pool: &Pool) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(pool.clone());
    }

    /// Snapshots of all pools.
    #[must_use]
    pub fn snapshots(&self) -> Vec<PoolSnapshot> {
        let pools = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        pools.iter().map(Pool::snapshot).collect()
    }
}
