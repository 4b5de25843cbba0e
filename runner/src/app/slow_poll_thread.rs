//! The thread that detects runs which block a worker thread; a blocked worker cannot detect that itself.

use std::io;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Host;
use canary_system::liveness::{Component, Impact, Thread, runtime};
use canary_telemetry::MetricsHandle;
use canary_watch::slow_polls::{SCAN_INTERVAL, SlowPolls};

const POLLS: Component = Component {
    name: "polls",
    impact: Impact::Readiness,
};

/// Scans the polls of all runs four times a second. A slow poll is logged, counted, and reported as a health issue.
///
/// # Errors
/// The operating system refuses a thread or what a runtime needs.
pub(super) fn start(
    host: &Host,
    metrics: &MetricsHandle,
    begin: &CancellationToken,
) -> io::Result<(Thread, SlowPolls)> {
    let slow_polls = SlowPolls::default();
    let counted = slow_polls.clone();
    metrics.set_slow_polls_source(move || counted.counts());
    let (registry, detector) = (host.sandbox.polls().clone(), slow_polls.clone());
    let liveness = &host.settings().liveness;
    let thread = Thread::start(POLLS, liveness, runtime()?, begin, |stop| async move {
        let mut scans = interval(SCAN_INTERVAL);
        scans.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(scans.tick()).await.is_some() {
            for poll in detector.scan(&registry) {
                tracing::warn!("{poll}");
            }
        }
    })?;
    Ok((thread, slow_polls))
}
