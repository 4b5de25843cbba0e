//! The state of a pool: its limits, who holds units, and whose claims wait.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::claim::Claim;
use super::fair_queue::FairOrder;
use super::stats::{PoolStats, WaitId, WaitKind};
use super::wait_queue::WaitQueue;
use canary_suite::CheckId;

/// Maximum number of holders that a snapshot names.
const MAX_HOLDERS: usize = 5;

/// The limits of a pool and of each holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Units that may be held at once.
    pub capacity: u64,
    /// Units that one holder may hold at once.
    pub share: u64,
    /// The last units of the capacity, which only holders of nothing may take.
    pub reserved: u64,
}

impl Limits {
    /// Limits without a share: one holder may hold everything.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        Self {
            capacity,
            share: capacity,
            reserved: 0,
        }
    }

    /// One holder may hold `share` units, and a quarter of the capacity is reserved for holders of nothing.
    #[must_use]
    pub fn shared(capacity: u64, share: u64) -> Self {
        Self {
            capacity,
            share,
            reserved: capacity / 4,
        }
    }
}

/// Whether a claim can be granted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Availability {
    Available,
    /// Its holder would exceed its share.
    OverShare,
    /// The pool would exceed its capacity.
    Full,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HolderUnits {
    pub(super) units: u64,
    pub(super) waiting: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct HeldByCheck {
    pub(super) units: u64,
    pub(super) since: Instant,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) limits: Limits,
    pub(super) used: u64,
    pub(super) holders: HashMap<Arc<str>, HolderUnits>,
    pub(super) checks: HashMap<CheckId, HeldByCheck>,
    pub(super) waiting: WaitQueue,
    pub(super) arrivals: u64,
    /// Present in a fair pool.
    pub(super) usage: Option<FairOrder>,
    /// Scheduled positions are measured from here.
    pub(super) began: Instant,
    /// What a wait in this pool means.
    pub(super) wait_kind: WaitKind,
    /// Shared with the subpools of this pool. Locked after the state.
    pub(super) stats: Arc<Mutex<PoolStats>>,
}

impl State {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            used: 0,
            holders: HashMap::new(),
            checks: HashMap::new(),
            waiting: WaitQueue::default(),
            arrivals: 0,
            usage: None,
            began: Instant::now(),
            wait_kind: WaitKind::Shortage,
            stats: Arc::default(),
        }
    }

    /// The state of a subpool.
    pub(super) fn subpool(&self, limits: Limits, wait_kind: WaitKind) -> Self {
        Self {
            began: self.began,
            wait_kind,
            stats: Arc::clone(&self.stats),
            ..Self::new(limits)
        }
    }

    /// The state of a fair pool.
    pub(super) fn fair(limits: Limits) -> Self {
        Self {
            usage: Some(FairOrder::default()),
            ..Self::new(limits)
        }
    }

    pub(super) fn used(&self) -> u64 {
        self.used
    }

    pub(super) fn held_by(&self, holder: &str) -> u64 {
        self.holders.get(holder).map_or(0, |holding| holding.units)
    }

    pub(super) fn availability(&self, claim: &Claim) -> Availability {
        let Limits {
            capacity,
            share,
            reserved,
        } = self.limits;
        let wanted = self.used + claim.units;
        if claim.is_host {
            return if wanted > capacity {
                Availability::Full
            } else {
                Availability::Available
            };
        }
        let held = self.held_by(&claim.holder);
        let reserved_units = if held > 0 { reserved } else { 0 };
        match held + claim.units {
            units if units > share.min(claim.share) => Availability::OverShare,
            _ if wanted > capacity.saturating_sub(reserved_units) => Availability::Full,
            _ => Availability::Available,
        }
    }

    pub(super) fn stats(&self) -> MutexGuard<'_, PoolStats> {
        // No critical section can leave the statistics inconsistent.
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn end_wait(&self, wait: WaitId) {
        let (mut stats, now) = (self.stats(), Instant::now());
        if stats.end_wait(wait, now) {
            stats.record_shortage(|| self.largest(), now);
        }
    }

    /// A holder at its share lacks nothing that others could release.
    pub(super) fn record_refusal(&self, claim: &Claim, now: Instant) {
        let is_short =
            self.availability(claim) != Availability::OverShare && self.wait_kind == WaitKind::Shortage;
        let mut stats = self.stats();
        stats.refused += 1;
        if is_short {
            stats.record_shortage(|| self.largest(), now);
        }
    }

    /// The largest holders, the largest first; of equal ones the one that has held longest.
    pub(super) fn largest(&self) -> Vec<(Arc<str>, u64)> {
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
