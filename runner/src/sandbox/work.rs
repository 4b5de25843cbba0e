//! What ends the work for one call before it is done.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::cpu::CpuMeter;
use super::fault;
use crate::outcome::{Outcome, StopCause};
use crate::record::Recorder;

/// What bounds the work of one call, the guest's and the host's.
pub(super) struct Work<'a> {
    pub(super) meter: &'a CpuMeter,
    pub(super) recorder: &'a Recorder,
    pub(super) shutdown: &'a CancellationToken,
}

impl Work<'_> {
    /// The result of `work`, unless it is not there at the deadline.
    pub(super) async fn until<T>(
        &self,
        deadline: Instant,
        limit: Duration,
        work: Pin<&mut impl Future<Output = Result<T, Outcome>>>,
    ) -> Result<T, Outcome> {
        let late = || StopCause::Deadline { limit };
        let is_late = || (Instant::now() >= deadline).then(late);
        let timed = timeout_at(deadline, self.measured(work, is_late)).await;
        timed.unwrap_or_else(|_| Err(late().into()))
    }

    /// The result of `work`, unless a panic, the quota of `cpu`, a shutdown, or what `is_late` says comes first.
    pub(super) async fn measured<T>(
        &self,
        work: Pin<&mut impl Future<Output = Result<T, Outcome>>>,
        is_late: impl Fn() -> Option<StopCause>,
    ) -> Result<T, Outcome> {
        let work = AssertUnwindSafe(work).catch_unwind();
        let measured = tokio::select! {
            biased;
            measured = self.meter.measure(work, is_late) => measured,
            () = self.shutdown.cancelled() => Err(StopCause::Shutdown),
        };
        match measured {
            Ok(Ok(ended)) => ended,
            Ok(Err(panic)) => Err(fault::host(panic.as_ref(), self.recorder)),
            Err(cause) => Err(cause.into()),
        }
    }
}

/// A host function may have used up the quota just before the guest returned.
pub(super) fn within_cpu<T>(meter: &CpuMeter, ended: Result<T, Outcome>) -> Result<T, Outcome> {
    match (ended, meter.over()) {
        (Ok(_), Some(denial)) => Err(StopCause::from(denial).into()),
        (ended, _) => ended,
    }
}
