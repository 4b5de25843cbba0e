//! The line of runs that compute for long. They share all workers but one among them, so that a check that has something
//! to do next finds a worker, and measures its target and not its neighbours.
//!
//! The next one is of the check that has computed least lately: one that computes a little now and then does not wait
//! behind those that compute all the time.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::ledger::Ledger;
use crate::pool::{Claim, Limits, Place as Turn, Pool};
use crate::suite::CheckId;

/// A check that has computed for so long lately, in turns, begins its runs in line: together, what many such runs compute
/// before they would get there is more than the one worker that is left to all others. It is one turn half a minute ago:
/// with many in line, each has few.
const LONG: Duration = Duration::from_millis(4);

/// Where runs wait that have computed for long.
#[derive(Debug, Clone)]
pub(super) struct Line(Pool);

impl Line {
    /// A line for a runtime with so many workers: all but one are for those who wait in it.
    pub(super) fn beside(workers: usize) -> Self {
        let turns = u64::try_from(workers.saturating_sub(1).max(1)).unwrap_or(u64::MAX);
        Self(Pool::by_use("workers", Limits::of(turns)))
    }

    /// Shows it among the pools of a ledger.
    pub(super) fn show(&self, ledger: &Ledger) {
        ledger.pools().add(&self.0);
    }

    /// Where one run of a check stands: nowhere yet.
    pub(super) fn place(&self, check: &CheckId) -> Arc<Place> {
        Arc::new(Place {
            line: self.0.clone(),
            claim: Claim::by(check).for_check(check.clone()).optional(),
            turn: Mutex::new(None),
        })
    }
}

/// Of one run.
#[derive(Debug)]
pub(super) struct Place {
    line: Pool,
    claim: Claim,
    /// While it is its turn.
    turn: Mutex<Option<Turn>>,
}

impl Place {
    /// Whether its check has computed for long lately.
    pub(super) fn has_computed_long(&self) -> bool {
        self.line.used_lately(&self.claim) > LONG
    }

    /// Gives the worker back, and waits until it is its turn, which lasts until [`Place::leave`].
    ///
    /// Cancellation: gives up the place.
    pub(super) fn queue(self: &Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.leave();
        let place = Arc::clone(self);
        Box::pin(async move {
            // Alone in the line it would go on at once, and all others wait.
            tokio::task::yield_now().await;
            // It is refused to another run of the check that has the only turn, and then it goes on without one.
            let turn = place.line.acquire(place.claim.clone(), None).await.ok();
            *place.turn.lock().unwrap_or_else(PoisonError::into_inner) = turn;
        })
    }

    /// It is the next one's turn.
    pub(super) fn leave(&self) {
        drop(self.turn.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use futures_util::FutureExt as _;
    use tokio::time::advance;

    fn place(line: &Line, check: &str) -> Arc<Place> {
        line.place(&CheckId::new(check))
    }

    /// Polls it twice: it gives the worker back first.
    async fn is_waiting(run: &mut (impl Future<Output = ()> + Unpin)) -> bool {
        for _ in 0..2 {
            if tokio::task::unconstrained(&mut *run).now_or_never().is_some() {
                return false;
            }
            tokio::task::yield_now().await;
        }
        true
    }

    #[tokio::test]
    async fn those_who_compute_leave_one_worker_to_the_others() {
        let line = Line::beside(3);
        let places = ["a", "b", "c"].map(|check| place(&line, check));
        places[0].queue().await;
        places[1].queue().await;
        let mut third = places[2].queue();
        assert!(is_waiting(&mut third).await);
        places[0].leave();
        third.await;
    }

    #[tokio::test]
    async fn with_a_single_worker_one_computes() {
        place(&Line::beside(1), "a").queue().await;
    }

    #[tokio::test]
    async fn a_run_that_gives_up_or_is_gone_holds_up_nobody() {
        let line = Line::beside(2);
        let (first, second, third) = (place(&line, "a"), place(&line, "b"), place(&line, "c"));
        first.queue().await;
        let mut waiting = second.queue();
        assert!(is_waiting(&mut waiting).await);
        drop((waiting, first));
        third.queue().await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_check_that_has_computed_least_is_next() {
        let line = Line::beside(2);
        let (first, busy, idle) = (place(&line, "a"), place(&line, "busy"), place(&line, "idle"));
        busy.queue().await;
        advance(Duration::from_secs(1)).await;
        busy.leave();
        first.queue().await;
        let (mut second, mut third) = (busy.queue(), idle.queue());
        assert!(is_waiting(&mut second).await && is_waiting(&mut third).await);
        first.leave();
        third.await;
        assert!(is_waiting(&mut second).await);
        idle.leave();
        second.await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_computed_for_long_lately_is_known_for_a_while() {
        let line = Line::beside(2);
        assert!(!place(&line, "a").has_computed_long());
        let run = place(&line, "a");
        run.queue().await;
        advance(Duration::from_secs(1)).await;
        run.leave();
        assert!(place(&line, "a").has_computed_long());
        assert!(!place(&line, "b").has_computed_long());
        advance(Duration::from_secs(600)).await;
        assert!(!place(&line, "a").has_computed_long());
    }

    #[tokio::test]
    async fn a_run_that_computes_on_comes_after_those_that_wait() {
        let line = Line::beside(2);
        let (first, second) = (place(&line, "a"), place(&line, "b"));
        first.queue().await;
        let mut waiting = second.queue();
        assert!(is_waiting(&mut waiting).await);
        let mut again = first.queue();
        waiting.await;
        assert!(is_waiting(&mut again).await);
        second.leave();
        again.await;
    }
}
