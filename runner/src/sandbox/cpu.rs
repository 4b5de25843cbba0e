//! What a run computes, in its guest and in the host functions that it calls.

mod clock;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use super::line::Place;
use super::polls::{HostFunction, RunPoll};
use crate::ledger::Denial;
use crate::outcome::StopCause;
use crate::quota::{Quota, QuotaKind};
use clock::Stretch;

/// What the host may compute for a run before each further portion of it stands in line with what else computes for long.
/// A guest does so by itself, see [`CpuMeter::queue_next`].
const HOST_SHARE: Duration = Duration::from_millis(10);

/// Counts the polls of one call of a guest: what the guest executes and what the host computes for it, not what either
/// waits for. Lends the poll that goes on to the watchdog.
///
/// One thread at a time writes it.
#[derive(Debug)]
pub(super) struct CpuMeter {
    limit: Duration,
    used_nanos: AtomicU64,
    /// The part of it that ended in a function of the host.
    host_nanos: AtomicU64,
    /// The poll that goes on.
    stretch: Mutex<Option<Stretch>>,
    shown: RunPoll,
    /// Among those that compute for long.
    place: Arc<Place>,
    /// Whether its next poll waits in line.
    must_queue: AtomicBool,
}

impl CpuMeter {
    pub(super) fn new(quota: &Quota, place: Arc<Place>, shown: RunPoll) -> Self {
        Self {
            limit: quota.cpu,
            used_nanos: AtomicU64::new(0),
            host_nanos: AtomicU64::new(0),
            stretch: Mutex::new(None),
            shown,
            place,
            must_queue: AtomicBool::new(false),
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

    /// Lets the run go on only once others that compute for long had a turn, from its next poll on. What was under way
    /// must not wait in line itself: the run would wait for a turn that it holds.
    pub(super) fn queue_next(&self) {
        self.must_queue.store(true, Ordering::Relaxed);
    }

    /// Gives the worker back to others that compute for long.
    pub(super) async fn take_turns(&self) {
        self.queue_next();
        tokio::task::yield_now().await;
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

    /// Whether the run may go on now. One for which the host computes for long waits until others of its kind had a turn:
    /// their portions, one after the other, would keep the workers from whoever has something to do next.
    fn is_its_turn(&self, turn: &mut Option<Turn>, cx: &mut Context<'_>) -> bool {
        if turn.is_none() && self.takes_turns() {
            *turn = Some(self.place.queue());
        }
        if let Some(waiting) = turn
            && waiting.as_mut().poll(cx).is_pending()
        {
            return false;
        }
        *turn = None;
        true
    }

    fn takes_turns(&self) -> bool {
        let is_long = self.host_nanos.load(Ordering::Relaxed) > nanos(HOST_SHARE);
        self.must_queue.swap(false, Ordering::Relaxed)
            || (is_long && self.shown.function() != HostFunction::Guest)
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
        if self.shown.function() != HostFunction::Guest {
            self.host_nanos.fetch_add(nanos, Ordering::Relaxed);
        }
    }

    fn stretch(&self) -> MutexGuard<'_, Option<Stretch>> {
        self.stretch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until the line is at a run.
type Turn = Pin<Box<dyn Future<Output = ()> + Send>>;

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
        Arc::new(CpuMeter::new(&quota, line.place(), shown))
    }

    /// Computes for a while.
    fn compute() -> u64 {
        (0..100_000_u64).fold(0, |sum, number| std::hint::black_box(sum ^ number))
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
        let neighbour = line.place();
        let host = async {
            let _call = meter.host_call(HostFunction::SendAll);
            while meter.used() <= HOST_SHARE {
                compute();
            }
            tokio::task::yield_now().await;
        };
        neighbour.queue().await;
        let mut run = std::pin::pin!(meter.measure(host, || None));
        for _ in 0..10 {
            let polled = tokio::task::unconstrained(&mut run).now_or_never();
            assert!(polled.is_none(), "it has no turn while its neighbour has it");
            tokio::task::yield_now().await;
        }
        neighbour.leave();
        assert_eq!(run.await, Ok(()));
    }

    #[tokio::test]
    async fn a_long_run_that_gives_its_turn_back_does_not_wait_for_itself() {
        // One turn at a time, and nobody else wants it.
        let line = Line::beside(2);
        let meter = meter_in(&line, Duration::from_secs(60));
        let host = async {
            let _call = meter.host_call(HostFunction::Verdict);
            while meter.used() <= HOST_SHARE {
                compute();
            }
            for _ in 0..4 {
                meter.take_turns().await;
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
