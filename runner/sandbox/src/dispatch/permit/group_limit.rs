//! The concurrency limit of one group, or of the checks without a group.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::history::{BOUNDS, Expected, History};
use canary_net::pool::{Claim, Limits, Pool, PoolPermit, WaitKind};
use canary_suite::CheckId;

/// At most this fraction of the permits, as a divisor, is reserved for checks that hold permits for up to each bound.
const RESERVED_DIVISOR: u64 = 8;

/// A number of permits, and the order in which checks get them. The order is by arrival time plus a penalty for recent
/// usage ([`History::expect`]). Some permits are reserved for checks that hold them for a short time: as many as there
/// are such checks, up to an eighth.
#[derive(Debug)]
pub(super) struct GroupLimit {
    all: Pool,
    /// The permits that may be held for longer than each of the bounds.
    long: [(Duration, Pool); BOUNDS.len()],
    /// Locked before the pools.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    size: u64,
    history: History,
}

/// A permit of a group; released on drop, when its hold time is recorded.
#[derive(Debug)]
pub(super) struct GroupPermit {
    limit: Arc<GroupLimit>,
    check: CheckId,
    since: Instant,
    _places: Vec<PoolPermit>,
}

impl GroupLimit {
    /// A limit on the permits in `pool`.
    pub(super) fn new(pool: &Pool, size: usize, wait_kind: WaitKind) -> Arc<Self> {
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        let permits = || pool.subpool(Limits::new(size), wait_kind);
        Arc::new(Self {
            all: permits(),
            long: BOUNDS.map(|bound| (bound, permits())),
            state: Mutex::new(State {
                size,
                history: History::default(),
            }),
        })
    }

    /// Changes the size, and discards the history of checks that are not known. Held permits stay valid.
    pub(super) fn resize(&self, size: usize, is_known: impl Fn(&CheckId) -> bool) {
        let mut state = self.state();
        state.size = u64::try_from(size).unwrap_or(u64::MAX);
        state.history.retain(is_known);
        self.all.resize(Limits::new(state.size));
        self.share_out(&state);
    }

    pub(super) fn expect(&self, check: &CheckId, default_hold: Duration) -> Expected {
        self.state().history.expect(check, default_hold, Instant::now())
    }

    /// Waits for a permit.
    ///
    /// Cancellation: releases the permits acquired so far.
    pub(super) async fn acquire(
        self: Arc<Self>,
        claim: Claim,
        check: &CheckId,
        hold: Duration,
    ) -> Option<GroupPermit> {
        let mut places = Vec::new();
        // The tightest limit first, so that waiting for it occupies no permit of the wider ones.
        for (bound, pool) in self.long.iter().rev() {
            if hold > *bound {
                places.push(pool.acquire(claim.clone(), None).await.ok()?);
            }
        }
        places.push(self.all.acquire(claim, None).await.ok()?);
        Some(GroupPermit {
            limit: self,
            check: check.clone(),
            since: Instant::now(),
            _places: places,
        })
    }

    fn record(&self, check: &CheckId, time: Duration) {
        let mut state = self.state();
        if state.history.record(check, time, Instant::now()) {
            self.share_out(&state);
        }
    }

    fn share_out(&self, state: &State) {
        let mut size = state.size;
        for ((_, pool), shorter) in self.long.iter().zip(state.history.counts()) {
            size -= shorter.min(state.size / RESERVED_DIVISOR);
            pool.resize(Limits::new(size));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A critical section cannot leave the history inconsistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for GroupPermit {
    fn drop(&mut self) {
        self.limit.record(&self.check, self.since.elapsed());
    }
}
