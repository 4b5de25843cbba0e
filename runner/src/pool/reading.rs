//! What a pool shows of itself.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Pool;
use super::claim::Claim;
use super::queue::{Room, State};

/// Holders that a reading names.
const HOLDERS_NAMED: usize = 5;
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

/// What to make of it when somebody waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitKind {
    /// There is too little of the pool.
    Shortage,
    /// It is what the limit is for.
    Intended,
}

/// One wait, in the order in which they began.
pub(super) type WaitId = u64;

/// What happened in a pool and in its parts.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) waits: u64,
    begun: WaitId,
    ongoing: BTreeMap<WaitId, (WaitKind, Instant)>,
    waited: Duration,
    refused: u64,
    short_at: Option<Instant>,
    holders: Vec<(Arc<str>, u64)>,
    holders_at: Option<Instant>,
}

impl Record {
    pub(super) fn begin_wait(&mut self, kind: WaitKind, now: Instant) -> WaitId {
        self.begun += 1;
        self.ongoing.insert(self.begun, (kind, now));
        self.begun
    }

    /// Says whether it was so long that the pool is short.
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

    fn wants_holders(&self, now: Instant) -> bool {
        self.holders_at
            .is_none_or(|at| now.saturating_duration_since(at) >= LOOK_EVERY)
    }

    fn note_shortage(&mut self, state: &State, now: Instant) {
        self.short_at = Some(now);
        if self.wants_holders(now) {
            self.holders = state.largest();
            self.holders_at = Some(now);
        }
    }
}

impl State {
    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        // Every section is a few assignments.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn end_wait(&self, wait: WaitId) {
        let (mut record, now) = (self.record(), Instant::now());
        if record.end_wait(wait, now) {
            record.note_shortage(self, now);
        }
    }

    /// A holder that has its share is short of nothing that others could give.
    pub(super) fn note_refusal(&self, claim: &Claim, now: Instant) {
        let is_short = self.room(claim) != Room::OverShare && self.wait_kind == WaitKind::Shortage;
        let mut record = self.record();
        record.refused += 1;
        if is_short {
            record.note_shortage(self, now);
        }
    }

    /// Those who have most, the largest first, and of those who have as much the one that has had it longest.
    fn largest(&self) -> Vec<(Arc<str>, u64)> {
        let by_check = self.checks.iter().map(|(check, held)| {
            let order = (Reverse(held.units), held.since);
            (order, Arc::from(check), held.units)
        });
        let by_holder = self.holders.iter().map(|(holder, holding)| {
            let order = (Reverse(holding.units), self.began);
            (order, Arc::clone(holder), holding.units)
        });
        let mut all: Vec<(_, Arc<str>, u64)> = match self.checks.is_empty() {
            true => by_holder.filter(|(.., units)| *units > 0).collect(),
            false => by_check.collect(),
        };
        all.sort_unstable_by(|(a, one, _), (b, other, _)| a.cmp(b).then_with(|| one.cmp(other)));
        let largest = all.into_iter().take(HOLDERS_NAMED);
        largest.map(|(_, holder, units)| (holder, units)).collect()
    }
}

impl Pool {
    /// The pool as it is now.
    #[must_use]
    pub fn read(&self) -> PoolReading {
        let now = Instant::now();
        let state = self.0.state();
        let mut record = state.record();
        if record.has_long_wait(now) {
            record.note_shortage(&state, now);
        }
        let since_short = record.short_at.map(|at| now.saturating_duration_since(at));
        PoolReading {
            name: self.0.name,
            capacity: state.limits.capacity,
            used: state.used(),
            waiting: u64::try_from(record.ongoing.len()).unwrap_or(u64::MAX),
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
