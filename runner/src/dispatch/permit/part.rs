//! A part of all permits: that of a group, or that of the checks without one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::history::{BOUNDS, Expected, History};
use crate::pool::{Claim, Limits, Place, Pool, WaitKind};
use crate::suite::CheckId;

/// Of a part, as its divisor, what may be left to the checks that hold permits for up to each of the bounds.
const LEFT: u64 = 8;

/// So many permits, and who of the part's checks gets the next. That is the one whose turn it is first: when it came, and
/// later by what it used lately ([`History::expect`]). What is held for long leaves some of them to what is not, as many as
/// there are such checks, up to an eighth.
#[derive(Debug)]
pub(super) struct Part {
    all: Pool,
    /// Those of them that may be held for longer than each of the bounds.
    long: [(Duration, Pool); BOUNDS.len()],
    /// Locked before the pools.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    size: u64,
    history: History,
}

/// A permit of a part; given back on drop, which is when its time is noted.
#[derive(Debug)]
pub(super) struct Held {
    part: Arc<Part>,
    check: CheckId,
    since: Instant,
    _places: Vec<Place>,
}

impl Part {
    /// A part of the permits in `pool`.
    pub(super) fn new(pool: &Pool, size: usize, wait_kind: WaitKind) -> Arc<Self> {
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        let part = || pool.part(Limits::of(size), wait_kind);
        Arc::new(Self {
            all: part(),
            long: BOUNDS.map(|bound| (bound, part())),
            state: Mutex::new(State {
                size,
                history: History::default(),
            }),
        })
    }

    /// Changes the size, and forgets all checks but those that are known. What is taken stays taken.
    pub(super) fn resize(&self, size: usize, is_known: impl Fn(&CheckId) -> bool) {
        let mut state = self.state();
        state.size = u64::try_from(size).unwrap_or(u64::MAX);
        state.history.retain(is_known);
        self.all.resize(Limits::of(state.size));
        self.share_out(&state);
    }

    pub(super) fn expect(&self, check: &CheckId, unknown: Duration) -> Expected {
        self.state().history.expect(check, unknown, Instant::now())
    }

    /// Waits for a permit.
    ///
    /// Cancellation: gives back what it has.
    pub(super) async fn acquire(
        self: Arc<Self>,
        claim: Claim,
        check: &CheckId,
        hold: Duration,
    ) -> Option<Held> {
        let mut places = Vec::new();
        // Whoever waits for the tighter bound keeps nobody from the wider one.
        for (bound, pool) in self.long.iter().rev() {
            if hold > *bound {
                places.push(pool.acquire(claim.clone(), None).await.ok()?);
            }
        }
        places.push(self.all.acquire(claim, None).await.ok()?);
        Some(Held {
            part: self,
            check: check.clone(),
            since: Instant::now(),
            _places: places,
        })
    }

    fn note(&self, check: &CheckId, time: Duration) {
        let mut state = self.state();
        if state.history.note(check, time, Instant::now()) {
            self.share_out(&state);
        }
    }

    fn share_out(&self, state: &State) {
        let mut size = state.size;
        for ((_, pool), shorter) in self.long.iter().zip(state.history.counts()) {
            size -= shorter.min(state.size / LEFT);
            pool.resize(Limits::of(size));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every section leaves the history whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.part.note(&self.check, self.since.elapsed());
    }
}
