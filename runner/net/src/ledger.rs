//! The ledger: accounts for every file descriptor that is opened on behalf of a check.
//!
//! Every descriptor that a check uses is a [`Lease`] on its run's [`Page`]. The lease is acquired before the descriptor
//! exists, first from the check's quota, then from the host's budget, and released when the stream that owns it is
//! dropped. [`Page::end`] immediately closes everything that is still open, even if the guest still holds the stream,
//! so a run's outcome is published only when none of its descriptors are left.
//!
//! Invariant: `Ledger::leased` always equals the number of descriptors that exist for checks.

mod active_step;
pub mod audit;
mod budget;
mod charge;
mod lease;
mod live;
mod model;
mod page;
mod reclaim_log;
mod slot;
mod traffic;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

pub use active_step::ActiveStep;
pub use budget::RESERVED_FDS;
pub use budget::{Budget, raise_descriptor_limit};
pub use charge::{Charge, ShortageWait};
pub use lease::{Lease, LeasedStream, LeasedUdp};
pub use model::{LiveLease, PageOwner, Reclaimed, RunRef};
pub use page::Page;
pub use traffic::{Activity, ActivityHandle};

use crate::pool::Pools;
use canary_record::Recorder;
use canary_record::quota::{Quota, QuotaKind};
use canary_run::outcome::StopCause;
use reclaim_log::ReclaimLog;

/// The denial of an operation because the check's own quota is exhausted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("quota `{what}` is used up (limit {})", .what.format_value(*.limit))]
pub struct Denial {
    /// The exhausted quota.
    pub what: QuotaKind,
    /// Its limit, in the quota's unit.
    pub limit: u64,
}

impl From<Denial> for StopCause {
    fn from(denial: Denial) -> Self {
        Self::Quota {
            what: denial.what,
            limit: denial.limit,
        }
    }
}

/// The reason why a descriptor, or its use, was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The check's quota is exhausted.
    #[error(transparent)]
    Quota(#[from] Denial),
    /// The host has no descriptors left to lend.
    #[error("the host is out of file descriptors")]
    HostExhausted,
    /// The run is over: its descriptors are closed and it gets no new ones.
    #[error("the run is over and its connections are closed")]
    Ended,
}

impl Refusal {
    /// Finds a refusal in the source chain of an error, however deeply a protocol library wrapped it.
    #[must_use]
    pub fn find(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(refusal) = error.downcast_ref::<Self>() {
                return Some(*refusal);
            }
            // `io::Error::source` returns the source of the wrapped error, not the wrapped error itself.
            let wrapped = error
                .downcast_ref::<std::io::Error>()
                .and_then(|error| error.get_ref());
            next = match wrapped {
                Some(inner) => Some(inner),
                None => error.source(),
            };
        }
        None
    }
}

/// The account of every descriptor that exists for checks.
#[derive(Debug)]
pub struct Ledger {
    budget: Budget,
    pools: Pools,
    next_page: AtomicU64,
    reclaimed: AtomicU64,
    reclaim_log: ReclaimLog,
    /// Pages of active runs, for the live view; a page removes itself when it is dropped.
    pages: Mutex<BTreeMap<u64, Weak<Page>>>,
}

impl Ledger {
    /// Creates a ledger that lends at most `budget` descriptors at once.
    #[must_use]
    pub fn new(budget: Budget) -> Arc<Self> {
        let pools = Pools::default();
        pools.add(budget.pool());
        Arc::new(Self {
            budget,
            pools,
            next_page: AtomicU64::new(1),
            reclaimed: AtomicU64::new(0),
            reclaim_log: ReclaimLog::default(),
            pages: Mutex::new(BTreeMap::new()),
        })
    }

    /// Opens the account of one attempt, whose texts are recorded by `recorder`.
    #[must_use]
    pub fn open_page(self: &Arc<Self>, owner: PageOwner, quota: Quota, recorder: Arc<Recorder>) -> Arc<Page> {
        let id = self.next_page.fetch_add(1, Ordering::Relaxed);
        let page = Page::new(Arc::clone(self), id, owner, quota, recorder);
        self.pages().insert(id, Arc::downgrade(&page));
        page
    }

    /// Resource pools shared by all checks: descriptors, and the pools of components that lend from this ledger.
    #[must_use]
    pub fn pools(&self) -> &Pools {
        &self.pools
    }

    pub(in crate::ledger) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Descriptors that are currently lent.
    #[must_use]
    pub fn leased(&self) -> u64 {
        self.budget.leased()
    }

    /// Descriptors reserved for the host itself, in addition to those that it always has open.
    #[must_use]
    pub fn reserved(&self) -> u64 {
        self.budget.reserved()
    }

    /// Maximum number of descriptors that can be lent at once.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.budget.capacity()
    }

    /// Resizes the budget: it lends at most what a process with this `descriptor_limit` has left when `open`
    /// descriptors are the host's own.
    pub fn set_budget(&self, descriptor_limit: u64, open: u64) {
        self.budget.resize(descriptor_limit, open);
    }

    /// Number of descriptors that guests leaked and the host closed, since the start.
    #[must_use]
    pub fn reclaimed(&self) -> u64 {
        self.reclaimed.load(Ordering::Relaxed)
    }

    /// Every open lease, oldest page first.
    #[must_use]
    pub fn live(&self) -> Vec<LiveLease> {
        let pages: Vec<_> = self.pages().values().filter_map(Weak::upgrade).collect();
        pages.iter().flat_map(|page| page.live()).collect()
    }

    /// The last 256 connections that guests leaked and the host closed, latest first.
    #[must_use]
    pub fn last_reclaimed(&self) -> Vec<Reclaimed> {
        self.reclaim_log.latest_first()
    }

    fn pages(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Weak<Page>>> {
        // The lock is held briefly; a panic under it leaves no partial update.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close_page(&self, id: u64) {
        self.pages().remove(&id);
    }

    fn record_reclaimed(&self, reclaimed: Reclaimed) {
        self.reclaimed.fetch_add(1, Ordering::Relaxed);
        self.reclaim_log.push(reclaimed);
    }
}

#[cfg(test)]
mod tests;
