//! How long a guest executed.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
#[expect(
    clippy::disallowed_types,
    reason = "execution time is the machine's, also where a test pauses the clock"
)]
use std::time::Instant;

use super::line::Place;

/// Counts the time in which the guest holds a worker thread: not while it waits, not while the host works for it.
///
/// One thread at a time touches it; the atomics only make it shareable.
#[derive(Debug)]
#[expect(clippy::disallowed_types, reason = "see the import")]
pub(super) struct CpuMeter {
    created_at: Instant,
    limit: Duration,
    used_nanos: AtomicU64,
    /// When the guest took the thread, in nanoseconds since `created_at` and one more; 0 while it does not hold it.
    since: AtomicU64,
    in_host: std::sync::atomic::AtomicBool,
    /// Among those that compute for long.
    place: std::sync::Arc<Place>,
}

impl CpuMeter {
    #[expect(clippy::disallowed_types, reason = "see the import")]
    pub(super) fn new(limit: Duration, place: std::sync::Arc<Place>) -> Self {
        Self {
            created_at: Instant::now(),
            limit,
            used_nanos: AtomicU64::new(0),
            since: AtomicU64::new(0),
            in_host: false.into(),
            place,
        }
    }

    pub(super) fn used(&self) -> Duration {
        Duration::from_nanos(self.used_nanos.load(Ordering::Relaxed))
    }

    /// Whether the guest is over its limit, the stretch that goes on now included.
    pub(super) fn is_over(&self) -> bool {
        self.stop();
        self.start();
        self.used() >= self.limit
    }

    /// Where the guest stands among those that compute for long.
    pub(super) fn place(&self) -> &std::sync::Arc<Place> {
        &self.place
    }

    /// Counts the polls of `guest`.
    pub(super) async fn measure<F: Future>(&self, guest: F) -> F::Output {
        let mut guest = std::pin::pin!(guest);
        std::future::poll_fn(|cx| {
            if !self.in_host.load(Ordering::Relaxed) {
                self.start();
            }
            let polled = guest.as_mut().poll(cx);
            self.stop();
            // It has the worker no longer.
            self.place.leave();
            polled
        })
        .await
    }

    /// From a host function's start to its end the time is the host's.
    pub(super) fn host_call(self: &std::sync::Arc<Self>) -> HostCall {
        self.stop();
        self.in_host.store(true, Ordering::Relaxed);
        HostCall(std::sync::Arc::clone(self))
    }

    fn start(&self) {
        let now = u64::try_from(self.created_at.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.since.store(now.saturating_add(1), Ordering::Relaxed);
    }

    fn stop(&self) {
        let since = self.since.swap(0, Ordering::Relaxed);
        if since > 0 {
            let now = u64::try_from(self.created_at.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.used_nanos
                .fetch_add(now.saturating_add(1).saturating_sub(since), Ordering::Relaxed);
        }
    }
}

/// A host function at work.
pub(super) struct HostCall(std::sync::Arc<CpuMeter>);

impl Drop for HostCall {
    fn drop(&mut self) {
        self.0.in_host.store(false, Ordering::Relaxed);
        self.0.start();
    }
}
