//! CPU time of a run, in its guest and in the host functions that it calls.

mod clock;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::cpu_queue::Turn;
use super::polls::{HostFunction, RunPoll};
use canary_net::ledger::Denial;
use canary_record::quota::{Quota, QuotaKind};
use canary_run::outcome::StopCause;
use clock::CpuTimer;

/// What a run may compute before it queues for its next turn. A turn ends at the next tick of the engine, so it is
/// shorter than a tick.
const TURN_LENGTH: Duration = Duration::from_millis(5);

/// Measures the polls of one guest call: what the guest executes and what the host computes for it, not what either
/// waits for. Publishes the poll in progress to the watchdog.
///
/// Only one thread writes it at a time.
#[derive(Debug)]
pub(super) struct CpuMeter {
    limit: Duration,
    used_nanos: AtomicU64,
    /// The part of `used_nanos` since the last turn.
    turn_nanos: AtomicU64,
    /// Timer of the poll in progress.
    timer: Mutex<Option<CpuTimer>>,
    run_poll: RunPoll,
    /// The run's turn in the queue of those that compute for long.
    turn: Arc<Turn>,
    /// How long the run waited for its turns.
    queued_nanos: AtomicU64,
}

impl CpuMeter {
    pub(super) fn new(quota: &Quota, turn: Arc<Turn>, run_poll: RunPoll) -> Self {
        let is_long = turn.has_computed_long();
        let before = if is_long { TURN_LENGTH } else { Duration::ZERO };
        Self {
            limit: quota.cpu,
            used_nanos: AtomicU64::new(0),
            turn_nanos: AtomicU64::new(nanos(before)),
            timer: Mutex::new(None),
            run_poll,
            turn,
            queued_nanos: AtomicU64::new(0),
        }
    }

    /// CPU time used, including the poll in progress. Call it on the thread that polls, or between polls.
    pub(super) fn used(&self) -> Duration {
        let before = Duration::from_nanos(self.used_nanos.load(Ordering::Relaxed));
        let now = *self.timer();
        before.saturating_add(now.map_or(Duration::ZERO, |timer| timer.elapsed()))
    }

    /// The denial, once the quota is exceeded.
    pub(super) fn exceeded(&self) -> Option<Denial> {
        let limit = u64::try_from(self.limit.as_millis()).unwrap_or(u64::MAX);
        (self.used() >= self.limit).then_some(Denial {
            what: QuotaKind::Cpu,
            limit,
        })
    }

    /// How long the run waited for a turn when it could have continued.
    pub(super) fn queued(&self) -> Duration {
        Duration::from_nanos(self.queued_nanos.load(Ordering::Relaxed))
    }

    /// Measures the polls of `guest`, and ends it between two of them when the quota is exceeded or `is_late` returns
    /// a cause. A timer alone is not enough: while every worker computes, no worker processes timers.
    pub(super) async fn measure<F: Future>(
        &self,
        guest: F,
        is_late: impl Fn() -> Option<StopCause>,
    ) -> Result<F::Output, StopCause> {
        let mut guest = std::pin::pin!(guest);
        let mut pending = None;
        std::future::poll_fn(|cx| {
            let polled = if self.poll_turn(&mut pending, cx) {
                self.poll(guest.as_mut(), cx)
            } else {
                Poll::Pending
            };
            if polled.is_pending()
                && let Some(cause) = self.exceeded().map(StopCause::from).or_else(&is_late)
            {
                return Poll::Ready(Err(cause));
            }
            polled.map(Ok)
        })
        .await
    }

    fn poll<F: Future>(&self, guest: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.start();
        let polled = guest.poll(cx);
        self.stop();
        // The poll is over, and the worker is free.
        self.turn.release();
        polled
    }

    /// Polls the run's wait for a turn, if it needs one. A run that has computed for a full turn waits for others of
    /// its kind, whether the guest or the host computed. This is the only place to wait: a wait inside the poll would
    /// block on a turn that the run itself holds.
    fn poll_turn(&self, pending: &mut Option<PendingTurn>, cx: &mut Context<'_>) -> bool {
        if pending.is_none() && self.turn_nanos.load(Ordering::Relaxed) >= nanos(TURN_LENGTH) {
            *pending = Some(PendingTurn {
                waiting: self.turn.wait(),
                since: Instant::now(),
            });
        }
        let Some(PendingTurn { waiting, since }) = pending else {
            return true;
        };
        let is_ready = waiting.as_mut().poll(cx).is_ready();
        if is_ready {
            self.queued_nanos
                .fetch_add(nanos(since.elapsed()), Ordering::Relaxed);
            self.turn_nanos.store(0, Ordering::Relaxed);
            *pending = None;
        }
        is_ready
    }

    /// Marks the end of instantiation and the start of the guest's own code.
    pub(super) fn begin_guest(&self) {
        self.run_poll.enter(HostFunction::Guest);
    }

    /// Marks the host function that the guest is in, until the guard is dropped.
    pub(super) fn host_call(self: &Arc<Self>, function: HostFunction) -> HostCall {
        self.run_poll.enter(function);
        HostCall(Arc::clone(self))
    }

    fn start(&self) {
        let timer = CpuTimer::begin();
        self.run_poll.begin(timer.began());
        *self.timer() = Some(timer);
    }

    fn stop(&self) {
        self.run_poll.end();
        let Some(timer) = self.timer().take() else {
            return;
        };
        let nanos = nanos(timer.elapsed());
        self.used_nanos.fetch_add(nanos, Ordering::Relaxed);
        self.turn_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    fn timer(&self) -> MutexGuard<'_, Option<CpuTimer>> {
        self.timer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run's wait for its turn.
struct PendingTurn {
    waiting: Pin<Box<dyn Future<Output = ()> + Send>>,
    since: Instant,
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Guard of a host function that is running.
pub(super) struct HostCall(Arc<CpuMeter>);

impl Drop for HostCall {
    fn drop(&mut self) {
        self.0.run_poll.enter(HostFunction::Guest);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::cpu_queue::CpuFairQueue;
    use crate::polls::PollRegistry;
    use canary_net::ledger::PageOwner;
    use canary_suite::CheckId;

    fn meter(limit: Duration) -> Arc<CpuMeter> {
        meter_in(&CpuFairQueue::for_workers(2), limit)
    }

    fn meter_in(queue: &CpuFairQueue, limit: Duration) -> Arc<CpuMeter> {
        let quota = Quota {
            cpu: limit,
            ..Quota::default()
        };
        let run_poll = PollRegistry::default().enter(&CheckId::new("a"));
        Arc::new(CpuMeter::new(
            &quota,
            queue.turn(&PageOwner::service("a")),
            run_poll,
        ))
    }

    /// Computes for a while.
    fn compute() -> u64 {
        (0..100_000_u64).fold(0, |sum, number| std::hint::black_box(sum ^ number))
    }

    fn compute_for_a_turn(meter: &CpuMeter) {
        let before = meter.used();
        while meter.used() - before <= TURN_LENGTH {
            compute();
        }
    }

    #[tokio::test]
    async fn a_host_function_that_computes_on_and_on_is_ended_by_the_quota() {
        let meter = meter(Duration::from_millis(5));
        let host = async {
            let _call = meter.host_call(HostFunction::Send);
            loop {
                compute();
                tokio::task::yield_now().await;
            }
        };
        let ended: Result<(), _> = meter.measure(host, || None).await;
        let quota = StopCause::Quota {
            what: QuotaKind::Cpu,
            limit: 5,
        };
        assert_eq!(ended, Err(quota));
        assert!(meter.used() >= Duration::from_millis(5));
    }

    #[tokio::test]
    async fn what_the_host_computes_for_long_takes_turns_with_what_others_compute() {
        // One turn at a time.
        let queue = CpuFairQueue::for_workers(2);
        let meter = meter_in(&queue, Duration::from_secs(60));
        let neighbour = queue.turn(&PageOwner::service("b"));
        let host = async {
            let _call = meter.host_call(HostFunction::SendAll);
            compute_for_a_turn(&meter);
            tokio::task::yield_now().await;
        };
        neighbour.wait().await;
        let mut run = std::pin::pin!(meter.measure(host, || None));
        for _ in 0..10 {
            let polled = tokio::task::unconstrained(&mut run).now_or_never();
            assert!(polled.is_none(), "it has no turn while its neighbour has it");
            tokio::task::yield_now().await;
        }
        assert_eq!(meter.queued(), Duration::ZERO);
        neighbour.release();
        assert_eq!(run.await, Ok(()));
        assert!(meter.queued() > Duration::ZERO);
    }

    #[tokio::test]
    async fn a_run_that_computes_for_less_than_a_turn_does_not_wait() {
        let queue = CpuFairQueue::for_workers(2);
        let meter = meter_in(&queue, Duration::from_secs(60));
        let neighbour = queue.turn(&PageOwner::service("b"));
        neighbour.wait().await;
        let host = async {
            let _call = meter.host_call(HostFunction::Read);
            // Few, so that they stay below a turn on a slow machine too.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(meter.measure(host, || None).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_of_a_check_that_computed_for_long_begins_in_the_queue() {
        let queue = CpuFairQueue::for_workers(2);
        let earlier = queue.turn(&PageOwner::service("a"));
        earlier.wait().await;
        tokio::time::advance(Duration::from_secs(1)).await;
        earlier.release();
        let neighbour = queue.turn(&PageOwner::service("b"));
        neighbour.wait().await;
        let meter = meter_in(&queue, Duration::from_secs(60));
        let mut run = std::pin::pin!(meter.measure(std::future::ready(()), || None));
        for _ in 0..10 {
            let polled = tokio::task::unconstrained(&mut run).now_or_never();
            assert!(polled.is_none(), "it has no turn while its neighbour has it");
            tokio::task::yield_now().await;
        }
        neighbour.release();
        assert_eq!(run.await, Ok(()));
    }

    #[tokio::test]
    async fn a_run_alone_in_the_queue_continues_turn_after_turn() {
        // One turn at a time, and no other run wants it.
        let queue = CpuFairQueue::for_workers(2);
        let meter = meter_in(&queue, Duration::from_secs(60));
        let host = async {
            let _call = meter.host_call(HostFunction::Verdict);
            for _ in 0..4 {
                compute_for_a_turn(&meter);
                tokio::task::yield_now().await;
            }
        };
        let mut run = std::pin::pin!(meter.measure(host, || None));
        for _ in 0..20 {
            if tokio::task::unconstrained(&mut run).now_or_never().is_some() {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("it waits for ever");
    }

    #[tokio::test]
    async fn a_run_that_is_late_ends_at_its_next_poll_without_a_timer() {
        let meter = meter(Duration::from_secs(60));
        let late = || Some(StopCause::Shutdown);
        let ended = meter.measure(std::future::pending::<()>(), late).await;
        assert_eq!(ended, Err(StopCause::Shutdown));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_costs_nothing() {
        let meter = meter(Duration::from_secs(1));
        let waiting = tokio::time::sleep(Duration::from_secs(3_600));
        assert_eq!(meter.measure(waiting, || None).await, Ok(()));
        assert!(meter.used() < Duration::from_secs(1));
    }
}
