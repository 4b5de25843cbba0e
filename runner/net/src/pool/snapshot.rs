//! Snapshots of pools.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Pool;

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

impl Pool {
    /// A snapshot of the pool.
    #[must_use]
    pub fn snapshot(&self) -> PoolSnapshot {
        let now = Instant::now();
        let state = self.0.state();
        let mut stats = state.stats();
        if stats.has_long_wait(now) {
            stats.record_shortage(|| state.largest(), now);
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
