//! What a run computes, in its guest and in the host functions that it calls.

mod clock;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::line::Place;
use super::polls::{HostFunction, RunPoll};
use crate::ledger::Denial;
use crate::outcome::StopCause;
use crate::quota::{Quota, QuotaKind};
use clock::Stretch;

/// What a run may compute before it waits in line for its next turn. A turn ends at the next tick of the engine, so it is
/// less than a tick.
const TURN: Duration = Duration::from_millis(5);

/// Counts the polls of one call of a guest: what the guest executes and what the host computes for it, not what either
/// waits for. Lends the poll that goes on to the watchdog.
///
/// One thread at a time writes it.
#[derive(Debug)]
pub(super) struct CpuMeter {
    limit: Duration,
    used_nanos: AtomicU64,
    /// The part of it that was computed since it had its last turn.
    turn_nanos: AtomicU64,
    /// The poll that goes on.
    stretch: Mutex<Option<Stretch>>,
    shown: RunPoll,
    /// Among those that compute for long.
    place: Arc<Place>,
    /// How long it waited there.
    queued_nanos: AtomicU64,
}

impl CpuMeter {
    pub(super) fn new(quota: &Quota, place: Arc<Place>, shown: RunPoll) -> Self {
        let is_long = place.has_computed_long();
        let before = if is_long { TURN } else { Duration::ZERO };
        Self {
            limit: quota.cpu,
            used_nanos: AtomicU64::new(0),
            turn_nanos: AtomicU64::new(nanos(before)),
            stretch: Mutex::new(None),
            shown,
            place,
            queued_nanos: AtomicU64::new(0),
        }
    }

    /// What was computed, the poll that goes on included. Asked from the thread that polls, or between polls.
    pub(super) fn used(&self) -> Duration {
        let before = Duration::from_nanos(self.used_nanos.load(Ordering::Relaxed));
        let now = *self.stretch();
        before.saturating_add(now.map_or(Duration::ZERO, |stretch| stretch.elapsed()))
    }

    /// The refusal of more, once the quota is used up.
    pub(super) fn over(&self) -> Option<Denial> {
        let limit = u64::try_from(self.limit.as_millis()).unwrap_or(u64::MAX);
        (self.used() >= self.limit).then_some(Denial {
            what: QuotaKind::Cpu,
            limit,
        })
    }

    /// How long it waited for others that compute, when it could have gone on.
    pub(super) fn queued(&self) -> Duration {
        Duration::from_nanos(self.queued_nanos.load(Ordering::Relaxed))
    }

    /// Counts the polls of `guest`, and ends it between two of them when the quota is used up, or `is_late`. A timer
    /// alone does not do: while every worker computes, nobody looks at timers.
    pub(super) async fn measure<F: Future>(
        &self,
        guest: F,
        is_late: impl Fn() -> Option<StopCause>,
    ) -> Result<F::Output, StopCause> {
        let mut guest = std::pin::pin!(guest);
        let mut turn = None;
        std::future::poll_fn(|cx| {
            let polled = match self.is_its_turn(&mut turn, cx) {
                true => self.poll(guest.as_mut(), cx),
                false => Poll::Pending,
            };
            if polled.is_pending()
                && let Some(cause) = self.over().map(StopCause::from).or_else(&is_late)
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
        // It has the worker no longer.
        self.place.leave();
        polled
    }

    /// Whether the run may go on now. One that has computed for a turn waits until others of its kind had theirs, whether
    /// it was the guest or the host that computed. Only here: what is under way would wait for a turn that the run has.
    fn is_its_turn(&self, turn: &mut Option<Turn>, cx: &mut Context<'_>) -> bool {
        if turn.is_none() && self.turn_nanos.load(Ordering::Relaxed) >= nanos(TURN) {
            *turn = Some(Turn {
                waiting: self.place.queue(),
                since: Instant::now(),
            });
        }
        let Some(Turn { waiting, since }) = turn else {
            return true;
        };
        let is_ready = waiting.as_mut().poll(cx).is_ready();
        if is_ready {
            self.queued_nanos
                .fetch_add(nanos(since.elapsed()), Ordering::Relaxed);
            self.turn_nanos.store(0, Ordering::Relaxed);
            *turn = None;
        }
        is_ready
    }

    /// The instance is there, and the guest itself begins.
    pub(super) fn begin_guest(&self) {
        self.shown.enter(HostFunction::Guest);
    }

    /// What the guest is in is this function of the host, until the guard is dropped.
    pub(super) fn host_call(self: &Arc<Self>, function: HostFunction) -> HostCall {
        self.shown.enter(function);
        HostCall(Arc::clone(self))
    }

    fn start(&self) {
        let stretch = Stretch::begin();
        self.shown.begin(stretch.began());
        *self.stretch() = Some(stretch);
    }

    fn stop(&self) {
        self.shown.end();
        let Some(stretch) = self.stretch().take() else {
            return;
        };
        let nanos = nanos(stretch.elapsed());
        self.used_nanos.fetch_add(nanos, Ordering::Relaxed);
        self.turn_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    fn stretch(&self) -> MutexGuard<'_, Option<Stretch>> {
        self.stretch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of a run that waits until the line is at it.
struct Turn {
    waiting: Pin<Box<dyn Future<Output = ()> + Send>>,
    since: Instant,
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A host function at work.
pub(super) struct HostCall(Arc<CpuMeter>);

impl Drop for HostCall {
    fn drop(&mut self) {
        self.0.shown.enter(HostFunction::Guest);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::sandbox::line::Line;
    use crate::sandbox::polls::PollRegistry;
    use crate::suite::CheckId;

    fn meter(limit: Duration) -> Arc<CpuMeter> {
        meter_in(&Line::beside(2), limit)
    }

    fn meter_in(line: &Line, limit: Duration) -> Arc<CpuMeter> {
        let quota = Quota {
            cpu: limit,
            ..Quota::default()
        };
        let shown = PollRegistry::default().enter(&CheckId::new("a"));
        Arc::new(CpuMeter::new(&quota, line.place(&CheckId::new("a")), shown))
    }

    /// Computes for a while.
    fn compute() -> u64 {
        (0..100_000_u64).fold(0, |sum, number| std::hint::black_box(sum ^ number))
    }

    fn compute_for_a_turn(meter: &CpuMeter) {
        let before = meter.used();
        while meter.used() - before <= TURN {
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
        let line = Line::beside(2);
        let meter = meter_in(&line, Duration::from_secs(60));
        let neighbour = line.place(&CheckId::new("b"));
        let host = async {
            let _call = meter.host_call(HostFunction::SendAll);
            compute_for_a_turn(&meter);
            tokio::task::yield_now().await;
        };
        neighbour.queue().await;
        let mut run = std::pin::pin!(meter.measure(host, || None));
        for _ in 0..10 {
            let polled = tokio::task::unconstrained(&mut run).now_or_never();
            assert!(polled.is_none(), "it has no turn while its neighbour has it");
            tokio::task::yield_now().await;
        }
        assert_eq!(meter.queued(), Duration::ZERO);
        neighbour.leave();
        assert_eq!(run.await, Ok(()));
        assert!(meter.queued() > Duration::ZERO);
    }

    #[tokio::test]
    async fn a_run_that_computes_for_less_than_a_turn_waits_for_nobody() {
        let line = Line::beside(2);
        let meter = meter_in(&line, Duration::from_secs(60));
        let neighbour = line.place(&CheckId::new("b"));
        neighbour.queue().await;
        let host = async {
            let _call = meter.host_call(HostFunction::Read);
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(meter.measure(host, || None).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_of_a_check_that_computed_for_long_begins_in_line() {
        let line = Line::beside(2);
        let earlier = line.place(&CheckId::new("a"));
        earlier.queue().await;
        tokio::time::advance(Duration::from_secs(1)).await;
        earlier.leave();
        let neighbour = line.place(&CheckId::new("b"));
        neighbour.queue().await;
        let meter = meter_in(&line, Duration::from_secs(60));
        let mut run = std::pin::pin!(meter.measure(std::future::ready(()), || None));
        for _ in 0..10 {
            let polled = tokio::task::unconstrained(&mut run).now_or_never();
            assert!(polled.is_none(), "it has no turn while its neighbour has it");
            tokio::task::yield_now().await;
        }
        neighbour.leave();
        assert_eq!(run.await, Ok(()));
    }

    #[tokio::test]
    async fn a_run_alone_in_line_goes_on_turn_after_turn() {
        // One turn at a time, and nobody else wants it.
        let line = Line::beside(2);
        let meter = meter_in(&line, Duration::from_secs(60));
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
    async fn a_run_that_is_late_ends_at_its_next_poll_though_no_timer_is_looked_at() {
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
