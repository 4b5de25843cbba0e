//! A bound on what all checks share, with a share for each of them, and a record of who holds it.
//!
//! A claim that finds no room waits. Waiting claims are served by rank: the first claim of one holder comes before
//! the second of another, so that a holder of many units delays nobody who has none.
//!
//! Claims may have a turn of their own instead, a moment ([`Claim::turn`]); the earliest comes first.
//!
//! A pool may order by use instead: the claim comes first whose plugin has used least and, among those of one plugin, whose
//! check has. What counts is units times time, of which half is forgotten every 30 seconds; what was used well hardly
//! counts ([`Place::used_well`]). So no plugin takes a part from others by its number of checks, and no check by that of
//! its claims. `usage` keeps the account, and `turns` compares.

mod claim;
mod queue;
mod reading;
#[cfg(test)]
mod tests;
mod turns;
mod usage;
mod waiting;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

pub use claim::Claim;
pub use queue::Limits;
pub use reading::{PoolReading, Pools, WaitKind};

use queue::{Entered, State};
use turns::Note;
use usage::Used;
use waiting::{Rank, Waiter};

/// Nothing became free in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no room in the pool `{pool}`")]
pub struct Busy {
    /// Which pool.
    pub pool: &'static str,
}

/// Units that all checks share. Clones are the same pool.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: &'static str,
    /// Held for a few look-ups, never across an await.
    state: Mutex<State>,
}

impl Pool {
    /// A pool of which nothing is taken yet. The name is a word for metrics and messages.
    #[must_use]
    pub fn new(name: &'static str, limits: Limits) -> Self {
        let state = Mutex::new(State::new(limits));
        Self(Arc::new(Inner { name, state }))
    }

    /// The same, but claims are served in the order of what their plugins and checks have used lately, the least first.
    #[must_use]
    pub fn by_use(name: &'static str, limits: Limits) -> Self {
        let state = Mutex::new(State::by_use(limits));
        Self(Arc::new(Inner { name, state }))
    }

    /// A part with limits of its own: its units are taken besides those of the pool itself. Whoever waits in it is counted in
    /// this pool's reading.
    #[must_use]
    pub fn part(&self, limits: Limits, wait_kind: WaitKind) -> Self {
        let state = self.0.state().part(limits, wait_kind);
        Self(Arc::new(Inner {
            name: self.0.name,
            state: Mutex::new(state),
        }))
    }

    /// Whether the holder of a place of `claim` should give it back, in a pool by use: a claim waits for it whose plugin has
    /// used less than half of what this one's has, or whose check has, of the same plugin; and nobody holds a place who has
    /// used more.
    #[must_use]
    pub fn should_give_way(&self, claim: &Claim) -> bool {
        self.0.state().should_give_way(claim)
    }

    /// Changes the limits. What is taken stays taken.
    pub fn resize(&self, limits: Limits) {
        let granted = {
            let mut state = self.0.state();
            state.limits = limits;
            state.serve()
        };
        self.0.hand_out(granted);
    }

    /// The limits that are in force.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.0.state().limits
    }

    /// Units taken now.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.0.state().used()
    }

    /// Whether `holder` has its share, and waits for itself.
    #[must_use]
    pub fn has_share(&self, holder: &str) -> bool {
        let state = self.0.state();
        state.held_by(holder) >= state.limits.share
    }

    /// What the check of `claim` is known to have used lately, and not well, in a pool by use; nothing in another one.
    #[must_use]
    pub fn used_lately(&self, claim: &Claim) -> Duration {
        self.0.state().used_lately(claim)
    }

    /// Units that `holder` has now.
    #[must_use]
    pub fn held_by(&self, holder: &str) -> u64 {
        self.0.state().held_by(holder)
    }

    /// Takes what is free now.
    ///
    /// # Errors
    /// There is no room, or others were waiting before.
    pub fn try_acquire(&self, claim: Claim) -> Result<Place, Busy> {
        let entered = self.0.state().try_enter(&claim);
        match entered {
            true => Ok(Place::new(&self.0, claim)),
            false => Err(self.busy()),
        }
    }

    /// Takes what is free, or waits for it: for `patience` at most, without an end when that is absent.
    ///
    /// Cancellation: gives up the wait, which counts as refused unless the claim is optional.
    ///
    /// # Errors
    /// There was no room in time, or the claim's holder has everything that it would wait for.
    pub async fn acquire(&self, claim: Claim, patience: Option<Duration>) -> Result<Place, Busy> {
        let (tx, rx) = oneshot::channel();
        let entered = self.0.state().enter(&claim, tx);
        let rank = match entered {
            Entered::Now => return Ok(Place::new(&self.0, claim)),
            Entered::Refused => return Err(self.busy()),
            Entered::Waits(rank) => rank,
        };
        let mut waiting = Waiting {
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
            Some(place) => {
                waiting.rank = None;
                Ok(place)
            }
            None => {
                waiting.is_refusal = true;
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
        // Every section leaves the counts whole at each step that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called without the lock: a receiver that is gone gives its place back, which takes it.
    fn hand_out(self: &Arc<Self>, granted: Vec<Waiter>) {
        for waiter in granted {
            let place = Place::new(self, waiter.claim);
            drop(waiter.tx.send(place));
        }
    }
}

/// Units that are taken; given back on drop.
#[derive(Debug)]
#[must_use = "units are given back when this is dropped"]
pub struct Place {
    pool: Arc<Inner>,
    claim: Claim,
    since: Instant,
    used: Used,
}

impl Place {
    fn new(pool: &Arc<Inner>, claim: Claim) -> Self {
        Self {
            pool: Arc::clone(pool),
            claim,
            since: Instant::now(),
            used: Used::InVain,
        }
    }

    /// Gives back what led to something: it hardly counts, in a pool by use.
    pub fn used_well(mut self) {
        self.used = Used::Well;
    }

    /// Gives back what may still lead to something.
    pub fn used_so_far(self) -> UsedSoFar {
        UsedSoFar {
            pool: Arc::clone(&self.pool),
            claim: self.claim.clone(),
            time: self.since.elapsed(),
        }
    }
}

/// Units that were given back before it was known whether they led to something. Until then they count as used in vain.
#[derive(Debug)]
pub struct UsedSoFar {
    pool: Arc<Inner>,
    claim: Claim,
    time: Duration,
}

impl UsedSoFar {
    /// They did.
    pub fn used_well(self) {
        let mut state = self.pool.state();
        state.note_use(&self.claim, Note::TurnsOutWell(self.time));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let granted = {
            let mut state = self.pool.state();
            state.leave(&self.claim, self.since.elapsed(), self.used);
            state.serve()
        };
        self.pool.hand_out(granted);
    }
}

/// A claim in the queue; taken out when the wait ends without a place.
struct Waiting<'a> {
    inner: &'a Arc<Inner>,
    claim: &'a Claim,
    /// Absent once the place is there.
    rank: Option<Rank>,
    /// Whether it is a refusal that the wait ends now.
    is_refusal: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(rank) = &self.rank else { return };
        let granted = {
            let mut state = self.inner.state();
            state.give_up(self.claim, rank, self.is_refusal);
            // It may have stood before others who need less.
            state.serve()
        };
        self.inner.hand_out(granted);
    }
}
