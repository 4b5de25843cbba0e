//! The thread that sees when a run holds a worker thread up, which no worker can see itself.

use std::io;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Host;
use crate::liveness::{Component, Impact, Thread, runtime};
use crate::telemetry::Exposition;
use crate::watch::slow_polls::{LOOK, SlowPolls};

const POLLS: Component = Component {
    name: "polls",
    impact: Impact::Readiness,
};

/// Looks at the polls of all runs four times a second; a slow one is logged, counted, and a problem of the runner.
///
/// # Errors
/// The operating system refuses a thread or what a runtime needs.
pub(super) fn start(
    host: &Host,
    exposition: &Exposition,
    begin: &CancellationToken,
) -> io::Result<(Thread, SlowPolls)> {
    let slow_polls = SlowPolls::default();
    let counted = slow_polls.clone();
    exposition.count_slow_polls(move || counted.counts());
    let (registry, seen) = (host.sandbox.polls().clone(), slow_polls.clone());
    let liveness = &host.settings().liveness;
    let thread = Thread::start(POLLS, liveness, runtime()?, begin, |stop| async move {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(looks.tick()).await.is_some() {
            for poll in seen.look(&registry) {
                tracing::warn!("{poll}");
            }
        }
    })?;
    Ok((thread, slow_polls))
}
