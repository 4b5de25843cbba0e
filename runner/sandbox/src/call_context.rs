//! Running the guest's and the host's part of one call, with everything that can end it early.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::cpu::CpuMeter;
use super::fault;
use canary_record::Recorder;
use canary_run::outcome::{Outcome, StopCause};

/// The context in which a call is run: its CPU meter, its recorder and the shutdown signal.
pub(super) struct CallContext<'a> {
    pub(super) meter: &'a CpuMeter,
    pub(super) recorder: &'a Recorder,
    pub(super) shutdown: &'a CancellationToken,
}

impl CallContext<'_> {
    /// Runs `work` to its result, or stops it at `deadline`.
    pub(super) async fn run_until<T>(
        &self,
        deadline: Instant,
        limit: Duration,
        work: Pin<&mut impl Future<Output = Result<T, Outcome>>>,
    ) -> Result<T, Outcome> {
        let late = || StopCause::Deadline { limit };
        let is_late = || (Instant::now() >= deadline).then(late);
        let timed = timeout_at(deadline, self.run_metered(work, is_late)).await;
        timed.unwrap_or_else(|_| Err(late().into()))
    }

    /// Runs `work` to its result, or stops it on a panic, an exceeded quota of `cpu`, a shutdown, or when `is_late`
    /// returns a cause.
    pub(super) async fn run_metered<T>(
        &self,
        work: Pin<&mut impl Future<Output = Result<T, Outcome>>>,
        is_late: impl Fn() -> Option<StopCause>,
    ) -> Result<T, Outcome> {
        let work = AssertUnwindSafe(work).catch_unwind();
        let metered = tokio::select! {
            biased;
            metered = self.meter.measure(work, is_late) => metered,
            () = self.shutdown.cancelled() => Err(StopCause::Shutdown),
        };
        match metered {
            Ok(Ok(ended)) => ended,
            Ok(Err(panic)) => Err(fault::from_panic(panic.as_ref(), self.recorder)),
            Err(cause) => Err(cause.into()),
        }
    }
}

/// Replaces the result by the quota's denial if a host function exceeded `cpu` just before the guest returned.
pub(super) fn within_cpu<T>(meter: &CpuMeter, ended: Result<T, Outcome>) -> Result<T, Outcome> {
    match (ended, meter.exceeded()) {
        (Ok(_), Some(denial)) => Err(StopCause::from(denial).into()),
        (ended, _) => ended,
    }
}
