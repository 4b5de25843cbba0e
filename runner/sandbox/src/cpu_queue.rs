//! A fair queue for runs that compute for long. They share all worker threads but one, so that a check that is ready
//! to continue finds a worker, and measures its target and not its neighbours.
//!
//! The plugin whose checks have computed least lately is served first, and of its checks the one that has computed
//! least: a check that computes a little from time to time does not wait behind a plugin whose many checks compute all
//! the time.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use canary_net::ledger::{Ledger, PageOwner};
use canary_net::pool::{Claim, Limits, Pool, PoolPermit};

/// A check that has used more than this in turns lately starts its runs in the queue: all such runs together would
/// compute more, before they reach their first turn, than the one worker that is left to the others can take. It
/// equals one turn half a minute ago: with many runs in the queue each has few turns.
const LONG_USAGE: Duration = Duration::from_millis(4);

/// The queue of runs that compute for long.
#[derive(Debug, Clone)]
pub(super) struct CpuFairQueue(Pool);

impl CpuFairQueue {
    /// A queue for a runtime with `workers` worker threads: its turns use all of them but one.
    pub(super) fn for_workers(workers: usize) -> Self {
        let turns = u64::try_from(workers.saturating_sub(1).max(1)).unwrap_or(u64::MAX);
        Self(Pool::fair("workers", Limits::new(turns)))
    }

    /// Adds the queue to the pools that a ledger reports.
    pub(super) fn register_in(&self, ledger: &Ledger) {
        ledger.pools().add(&self.0);
    }

    /// The turn of one run, which is not in the queue yet.
    pub(super) fn turn(&self, owner: &PageOwner) -> Arc<Turn> {
        let claim = Claim::new(&owner.check).for_check(owner.check.clone()).optional();
        Arc::new(Turn {
            queue: self.0.clone(),
            claim: match &owner.run {
                Some(run) => claim.for_plugin(Arc::clone(&run.plugin)),
                None => claim,
            },
            permit: Mutex::new(None),
        })
    }
}

/// One run's turn to compute.
#[derive(Debug)]
pub(super) struct Turn {
    queue: Pool,
    claim: Claim,
    /// Present while the run has its turn.
    permit: Mutex<Option<PoolPermit>>,
}

impl Turn {
    /// Whether the run's check has computed for long lately.
    pub(super) fn has_computed_long(&self) -> bool {
        self.queue.recent_usage(&self.claim) > LONG_USAGE
    }

    /// Yields the worker thread and waits for the turn, which lasts until [`Turn::release`].
    ///
    /// Cancellation: leaves the queue.
    pub(super) fn wait(self: &Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.release();
        let turn = Arc::clone(self);
        Box::pin(async move {
            // A run alone in the queue would continue at once and block all others.
            tokio::task::yield_now().await;
            // Denied if another run of the same check holds the only turn: the run then continues without one.
            let permit = turn.queue.acquire(turn.claim.clone(), None).await.ok();
            *turn.permit.lock().unwrap_or_else(PoisonError::into_inner) = permit;
        })
    }

    /// Ends the turn and lets the next run have its own.
    pub(super) fn release(&self) {
        drop(self.permit.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use futures_util::FutureExt as _;
    use tokio::time::advance;

    use canary_net::ledger::RunRef;

    fn turn(queue: &CpuFairQueue, check: &str) -> Arc<Turn> {
        queue.turn(&PageOwner::service(check))
    }

    fn turn_of_plugin(queue: &CpuFairQueue, plugin: &str, check: &str) -> Arc<Turn> {
        let run = RunRef {
            trace_id: [1; 16],
            plugin: plugin.into(),
        };
        queue.turn(&PageOwner {
            run: Some(run),
            ..PageOwner::service(check)
        })
    }

    /// Polls it twice: the first poll yields the worker.
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
    async fn computing_runs_leave_one_worker_to_the_others() {
        let queue = CpuFairQueue::for_workers(3);
        let turns = ["a", "b", "c"].map(|check| turn(&queue, check));
        turns[0].wait().await;
        turns[1].wait().await;
        let mut third = turns[2].wait();
        assert!(is_waiting(&mut third).await);
        turns[0].release();
        third.await;
    }

    #[tokio::test]
    async fn with_a_single_worker_one_computes() {
        turn(&CpuFairQueue::for_workers(1), "a").wait().await;
    }

    #[tokio::test]
    async fn a_run_that_gives_up_or_ends_blocks_no_other() {
        let queue = CpuFairQueue::for_workers(2);
        let (first, second, third) = (turn(&queue, "a"), turn(&queue, "b"), turn(&queue, "c"));
        first.wait().await;
        let mut waiting = second.wait();
        assert!(is_waiting(&mut waiting).await);
        drop((waiting, first));
        third.wait().await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_check_that_has_computed_least_is_next() {
        let queue = CpuFairQueue::for_workers(2);
        let (first, busy, idle) = (turn(&queue, "a"), turn(&queue, "busy"), turn(&queue, "idle"));
        busy.wait().await;
        advance(Duration::from_secs(1)).await;
        busy.release();
        first.wait().await;
        let (mut second, mut third) = (busy.wait(), idle.wait());
        assert!(is_waiting(&mut second).await && is_waiting(&mut third).await);
        first.release();
        third.await;
        assert!(is_waiting(&mut second).await);
        idle.release();
        second.await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_does_not_wait_behind_a_plugin_with_many_checks_that_compute_less_each() {
        let queue = CpuFairQueue::for_workers(2);
        let other = turn_of_plugin(&queue, "http", "often");
        other.wait().await;
        advance(Duration::from_millis(50)).await;
        other.release();
        let crowd: Vec<_> = (0..10)
            .map(|number| turn_of_plugin(&queue, "own", &number.to_string()))
            .collect();
        for one in &crowd {
            one.wait().await;
            advance(Duration::from_millis(10)).await;
            one.release();
        }
        crowd[0].wait().await;
        let (mut again, mut first) = (crowd[1].wait(), other.wait());
        assert!(is_waiting(&mut again).await && is_waiting(&mut first).await);
        crowd[0].release();
        first.await;
        assert!(is_waiting(&mut again).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_computed_for_long_lately_is_known_for_a_while() {
        let queue = CpuFairQueue::for_workers(2);
        assert!(!turn(&queue, "a").has_computed_long());
        let run = turn(&queue, "a");
        run.wait().await;
        advance(Duration::from_secs(1)).await;
        run.release();
        assert!(turn(&queue, "a").has_computed_long());
        assert!(!turn(&queue, "b").has_computed_long());
        advance(Duration::from_secs(600)).await;
        assert!(!turn(&queue, "a").has_computed_long());
    }

    #[tokio::test]
    async fn a_run_that_computes_on_comes_after_those_that_wait() {
        let queue = CpuFairQueue::for_workers(2);
        let (first, second) = (turn(&queue, "a"), turn(&queue, "b"));
        first.wait().await;
        let mut waiting = second.wait();
        assert!(is_waiting(&mut waiting).await);
        let mut again = first.wait();
        waiting.await;
        assert!(is_waiting(&mut again).await);
        second.release();
        again.await;
    }
}
