//! What a pool shows of itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Pool;

/// Holders that a reading names.
pub(super) const HOLDERS_NAMED: usize = 5;
/// A wait of this length is a shortage, however it ends.
const LONG_WAIT: Duration = Duration::from_secs(1);
/// Between two looks at who holds most, while claims are refused one after the other.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A pool at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolReading {
    /// The pool's name.
    pub name: &'static str,
    /// Units that may be taken at once.
    pub capacity: u64,
    /// Units taken.
    pub used: u64,
    /// Claims that wait.
    pub waiting: u64,
    /// Claims that had to wait, since the start.
    pub waits: u64,
    /// How long all of them waited, together.
    pub waited: Duration,
    /// Claims that got nothing, since the start.
    pub refused: u64,
    /// Since claims were last refused, or waited for a second; absent when that never happened.
    pub since_short: Option<Duration>,
    /// Who had most of it when that happened, or has now, the largest first, with their units.
    pub holders: Vec<(Arc<str>, u64)>,
}

/// What happened in a pool.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) waits: u64,
    waited: Duration,
    refused: u64,
    short_at: Option<Instant>,
    holders: Vec<(Arc<str>, u64)>,
    holders_at: Option<Instant>,
}

impl Record {
    pub(super) fn note_wait(&mut self, waited: Duration) {
        self.waited += waited;
    }

    pub(super) fn wants_holders(&self, now: Instant) -> bool {
        self.holders_at
            .is_none_or(|at| now.saturating_duration_since(at) >= LOOK_EVERY)
    }

    pub(super) fn note_refusal(
        &mut self,
        is_short: bool,
        holders: Option<Vec<(Arc<str>, u64)>>,
        now: Instant,
    ) {
        self.refused += 1;
        if is_short {
            self.short_at = Some(now);
        }
        if let Some(holders) = holders {
            self.holders = holders;
            self.holders_at = Some(now);
        }
    }
}

impl Pool {
    /// The pool as it is now.
    #[must_use]
    pub fn read(&self) -> PoolReading {
        let now = Instant::now();
        let mut state = self.0.state();
        let oldest = state.waiting.all().map(|waiter| waiter.since).min();
        let waits_long = oldest.is_some_and(|since| now.saturating_duration_since(since) >= LONG_WAIT);
        if waits_long {
            state.record.short_at = Some(now);
            state.record.holders = state.largest();
        }
        let record = &state.record;
        let since_short = record.short_at.map(|at| now.saturating_duration_since(at));
        PoolReading {
            name: self.0.name,
            capacity: state.limits.capacity,
            used: state.used(),
            waiting: u64::try_from(state.waiting.len()).unwrap_or(u64::MAX),
            waits: record.waits,
            waited: record.waited,
            refused: record.refused,
            since_short,
            holders: match since_short {
                Some(_) => record.holders.clone(),
                None => state.largest(),
            },
        }
    }
}

/// All pools of a host, for those who show them.
#[derive(Debug, Default)]
pub struct Pools(Mutex<Vec<Pool>>);

impl Pools {
    /// Shows one more pool.
    pub fn add(&self, pool: &Pool) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(pool.clone());
    }

    /// All of them, as they are now.
    #[must_use]
    pub fn read(&self) -> Vec<PoolReading> {
        let pools = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        pools.iter().map(Pool::read).collect()
    }
}
