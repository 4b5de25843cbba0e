//! Who owns which descriptor.
//!
//! Every descriptor that a check uses is a [`Lease`] on its run's [`Page`]: taken before the descriptor exists,
//! first from the check's quota, then from the host's budget, and given back when the stream that keeps it is
//! dropped. [`Page::end`] closes whatever is still open at once, whoever still holds the stream, so that a run's
//! outcome is published only when nothing of the run is left.
//!
//! Invariant: `Ledger::leased` is the number of descriptors that exist for checks, at any moment.

pub mod audit;
mod budget;
mod charge;
mod lease;
mod live;
mod memory;
mod page;
mod record;
mod recording;
mod slot;
mod traffic;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

pub(crate) use budget::RESERVE;
pub use budget::{Budget, raise_descriptor_limit};
pub use charge::{Charge, Waiting};
pub use lease::{Lease, LeasedStream, LeasedUdp};
pub use page::Page;
pub use record::{LiveLease, PageOwner, Reclaimed, RunMark};
pub use recording::Recording;
pub use traffic::{Activity, LiveView};

use crate::pool::Pools;
use crate::quota::{Quota, QuotaKind};
use crate::record::Recorder;
use memory::Memory;

/// A refusal because a check's own quota is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("quota `{what}` is used up (limit {})", .what.show(*.limit))]
pub struct Denial {
    /// Which quota.
    pub what: QuotaKind,
    /// Its limit, in the quota's unit.
    pub limit: u64,
}

/// Why a descriptor, or its use, was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The check's quota.
    #[error(transparent)]
    Quota(#[from] Denial),
    /// The host itself has none left to lend.
    #[error("the host has no descriptor left to lend")]
    HostExhausted,
    /// The run is over: its descriptors are closed, and it gets no new ones.
    #[error("the run is over and its connections are closed")]
    Ended,
}

impl Refusal {
    /// Finds a refusal among the causes of an error, however deep a protocol library wrapped it.
    #[must_use]
    pub fn find(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(refusal) = error.downcast_ref::<Self>() {
                return Some(*refusal);
            }
            // An `io::Error` shows the source of what it wraps, not what it wraps.
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
    memory: Memory,
    /// Pages of the runs that go on now, for the live view; a page takes itself out when it is dropped.
    pages: Mutex<BTreeMap<u64, Weak<Page>>>,
}

impl Ledger {
    /// A ledger that lends at most `budget` descriptors at once.
    #[must_use]
    pub fn new(budget: Budget) -> Arc<Self> {
        let pools = Pools::default();
        pools.add(budget.pool());
        Arc::new(Self {
            budget,
            pools,
            next_page: AtomicU64::new(1),
            reclaimed: AtomicU64::new(0),
            memory: Memory::default(),
            pages: Mutex::new(BTreeMap::new()),
        })
    }

    /// Opens the account of one attempt, whose texts `recorder` records.
    #[must_use]
    pub fn open_page(self: &Arc<Self>, owner: PageOwner, quota: Quota, recorder: Arc<Recorder>) -> Arc<Page> {
        let id = self.next_page.fetch_add(1, Ordering::Relaxed);
        let page = Page::new(Arc::clone(self), id, owner, quota, recorder);
        self.pages().insert(id, Arc::downgrade(&page));
        page
    }

    /// What all checks share: descriptors, and the pools of those who lend from this ledger.
    #[must_use]
    pub fn pools(&self) -> &Pools {
        &self.pools
    }

    pub(in crate::ledger) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Descriptors lent now.
    #[must_use]
    pub fn leased(&self) -> u64 {
        self.budget.taken()
    }

    /// Descriptors that are kept for the host itself, besides those that it always has open.
    #[must_use]
    pub fn reserved(&self) -> u64 {
        self.budget.reserved()
    }

    /// Descriptors that may be lent at once.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.budget.capacity()
    }

    /// Lends at most what a process with this `descriptor_limit` has left when `open` are the host's own.
    pub fn fit(&self, descriptor_limit: u64, open: u64) {
        self.budget.refit(descriptor_limit, open);
    }

    /// Descriptors that guests left open and the host closed, since the start.
    #[must_use]
    pub fn reclaimed(&self) -> u64 {
        self.reclaimed.load(Ordering::Relaxed)
    }

    /// Every lease that is open now, oldest page first.
    #[must_use]
    pub fn live(&self) -> Vec<LiveLease> {
        let pages: Vec<_> = self.pages().values().filter_map(Weak::upgrade).collect();
        pages.iter().flat_map(|page| page.live()).collect()
    }

    /// The last 256 connections that guests left open and the host closed, the latest first.
    #[must_use]
    pub fn last_reclaimed(&self) -> Vec<Reclaimed> {
        self.memory.read()
    }

    fn pages(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Weak<Page>>> {
        // A panic while this short lock was held leaves nothing half done.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close_page(&self, id: u64) {
        self.pages().remove(&id);
    }

    fn note_reclaimed(&self, reclaimed: Reclaimed) {
        self.reclaimed.fetch_add(1, Ordering::Relaxed);
        self.memory.keep(reclaimed);
    }
}

#[cfg(test)]
mod tests;
