//! A limit on a resource that all checks share, with a share for each holder and statistics on who holds it.
//!
//! A claim that cannot be granted at once waits. Waiting claims are served by rank: the first claim of one holder
//! comes before the second of another, so that a holder of many units does not delay one who has none.
//!
//! Claims may have a position of their own instead, a point in time ([`Claim::scheduled_at`]); the earliest comes
//! first.
//!
//! A fair pool orders by usage: first comes the claim whose plugin has used least and, among claims of one plugin,
//! the one whose check has used least. Usage is units times time and decays by half every 30 seconds; productive use
//! hardly counts (`PoolPermit::release_productive`). So no plugin gets more by having many checks, and no check by
//! making many claims. `usage` tracks the usage, and `fair_queue` compares it.

mod claim;
mod fair_queue;
mod queue;
mod snapshot;
mod state;
mod stats;
#[cfg(test)]
mod tests;
mod usage;
mod wait_queue;
mod yielding;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

pub use claim::Claim;
pub use snapshot::{PoolSnapshot, Pools};
pub use state::Limits;
pub use stats::WaitKind;

use fair_queue::UsageEvent;
use queue::Admission;
use state::State;
use usage::UseResult;
use wait_queue::{Rank, Waiter};

/// No units became free in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no room in the pool `{pool}`")]
pub struct Busy {
    /// Name of the pool.
    pub pool: &'static str,
}

/// A pool of units that all checks share. Clones are the same pool.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: &'static str,
    /// Locked for a few look-ups, never across an await.
    state: Mutex<State>,
}

impl Pool {
    /// Creates a pool. The name is used in metrics and messages.
    #[must_use]
    pub fn new(name: &'static str, limits: Limits) -> Self {
        let state = Mutex::new(State::new(limits));
        Self(Arc::new(Inner { name, state }))
    }

    /// Creates a fair pool: claims are served in the order of what their plugins and checks have used lately, the
    /// least first.
    #[must_use]
    pub fn fair(name: &'static str, limits: Limits) -> Self {
        let state = Mutex::new(State::fair(limits));
        Self(Arc::new(Inner { name, state }))
    }

    /// Creates a subpool with limits of its own: its units are taken in addition to those of the pool itself. Its
    /// waits are counted in this pool's snapshot.
    #[must_use]
    pub fn subpool(&self, limits: Limits, wait_kind: WaitKind) -> Self {
        let state = self.0.state().subpool(limits, wait_kind);
        Self(Arc::new(Inner {
            name: self.0.name,
            state: Mutex::new(state),
        }))
    }

    /// Whether the holder of a permit of `claim` should release it, in a fair pool: a claim is waiting whose plugin
    /// has used less than half of what this one's has, or whose check has, of the same plugin; and no holder has used
    /// more.
    #[must_use]
    pub(crate) fn should_yield(&self, claim: &Claim) -> bool {
        self.0.state().should_yield(claim)
    }

    /// Changes the limits. Units that are held stay held.
    pub fn resize(&self, limits: Limits) {
        let granted = {
            let mut state = self.0.state();
            state.limits = limits;
            state.serve()
        };
        self.0.deliver(granted);
    }

    /// The current limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.0.state().limits
    }

    /// Units held now.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.0.state().used()
    }

    /// Whether `holder` holds its full share, and so waits for itself.
    #[must_use]
    pub(crate) fn has_share(&self, holder: &str) -> bool {
        let state = self.0.state();
        state.held_by(holder) >= state.limits.share
    }

    /// The recent unproductive usage of the check of `claim`, in a fair pool; zero in another one.
    #[must_use]
    pub fn recent_usage(&self, claim: &Claim) -> Duration {
        self.0.state().recent_usage(claim)
    }

    /// Units that `holder` holds now.
    #[must_use]
    pub fn held_by(&self, holder: &str) -> u64 {
        self.0.state().held_by(holder)
    }

    /// Takes units that are free now.
    ///
    /// # Errors
    /// No units are free, or other claims are waiting.
    pub fn try_acquire(&self, claim: Claim) -> Result<PoolPermit, Busy> {
        let admission = self.0.state().try_admit(&claim);
        if admission {
            Ok(PoolPermit::new(&self.0, claim))
        } else {
            Err(self.busy())
        }
    }

    /// Takes units, or waits for them: for `patience` at most, without limit if it is `None`.
    ///
    /// Cancellation: gives up the wait, which counts as refused unless the claim is optional.
    ///
    /// # Errors
    /// No units became free in time, or the claim's own holder has everything that it would wait for.
    pub async fn acquire(&self, claim: Claim, patience: Option<Duration>) -> Result<PoolPermit, Busy> {
        let (tx, rx) = oneshot::channel();
        let admission = self.0.state().admit(&claim, tx);
        let rank = match admission {
            Admission::Granted => return Ok(PoolPermit::new(&self.0, claim)),
            Admission::Refused => return Err(self.busy()),
            Admission::Queued(rank) => rank,
        };
        let mut guard = WaitGuard {
            inner: &self.0,
            claim: &claim,
            rank: Some(rank),
            is_refusal: !claim.is_optional(),
        };
        let granted = match patience {
            None => rx.await.ok(),
            Some(patience) => timeout(patience, rx).await.ok().and_then(Result::ok),
        };
        match granted {
            Some(permit) => {
                guard.rank = None;
                Ok(permit)
            }
            None => {
                guard.is_refusal = true;
                Err(self.busy())
            }
        }
    }

    fn busy(&self) -> Busy {
        Busy { pool: self.0.name }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every critical section leaves the counts consistent at each step that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called without the lock: the permit of a receiver that is gone is dropped here, which takes the lock.
    fn deliver(self: &Arc<Self>, granted: Vec<Waiter>) {
        for waiter in granted {
            let permit = PoolPermit::new(self, waiter.claim);
            drop(waiter.tx.send(permit));
        }
    }
}

/// Units that are held; released on drop.
#[derive(Debug)]
#[must_use = "units are given back when this is dropped"]
pub struct PoolPermit {
    pool: Arc<Inner>,
    claim: Claim,
    since: Instant,
    used: UseResult,
}

impl PoolPermit {
    fn new(pool: &Arc<Inner>, claim: Claim) -> Self {
        Self {
            pool: Arc::clone(pool),
            claim,
            since: Instant::now(),
            used: UseResult::Unproductive,
        }
    }

    /// Releases the units after productive use, which hardly counts in a fair pool.
    pub(crate) fn release_productive(mut self) {
        self.used = UseResult::Productive;
    }

    /// Releases the units before it is known whether their use was productive.
    pub(crate) fn release_undecided(self) -> UndecidedUse {
        UndecidedUse {
            pool: Arc::clone(&self.pool),
            claim: self.claim.clone(),
            time: self.since.elapsed(),
        }
    }
}

/// Units that were released before it was known whether their use was productive. Until then it counts as
/// unproductive.
#[derive(Debug)]
pub(crate) struct UndecidedUse {
    pool: Arc<Inner>,
    claim: Claim,
    time: Duration,
}

impl UndecidedUse {
    /// Marks the use as productive.
    pub(crate) fn mark_productive(self) {
        let mut state = self.pool.state();
        state.record_use(&self.claim, UsageEvent::MarkProductive(self.time));
    }
}

impl Drop for PoolPermit {
    fn drop(&mut self) {
        let granted = {
            let mut state = self.pool.state();
            state.release(&self.claim, self.since.elapsed(), self.used);
            state.serve()
        };
        self.pool.deliver(granted);
    }
}

/// A claim in the queue; removed when the wait ends without a permit.
struct WaitGuard<'a> {
    inner: &'a Arc<Inner>,
    claim: &'a Claim,
    /// `None` once the permit was granted.
    rank: Option<Rank>,
    /// Whether ending the wait now counts as a refusal.
    is_refusal: bool,
}

impl Drop for WaitGuard<'_> {
    fn drop(&mut self) {
        let Some(rank) = &self.rank else { return };
        let granted = {
            let mut state = self.inner.state();
            state.cancel_wait(self.claim, rank, self.is_refusal);
            // It may have blocked claims behind it that need less.
            state.serve()
        };
        self.inner.deliver(granted);
    }
}
