//! The end that nothing prevents: of a process that does not end by itself in time, or that is asked a second time.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::park_timeout;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use crate::liveness::{self, Component, Impact, Progress, Registry};

/// How long the end may take beyond the grace period for runs: the last export, the last deliveries and the last
/// commit have their own limits, which together are less.
pub const MARGIN: Duration = Duration::from_secs(15);
/// The exit code of a process that did not end in time, as `timeout(1)` has it.
const OVERDUE: i32 = 124;
/// Added to the number of a signal, it is the exit code of a process that the signal ended.
const SIGNALLED: i32 = 128;
/// How often the thread looks whether the end was asked for.
const LOOK: Duration = Duration::from_millis(100);
/// A second signal this soon is the same request: `timeout(1)` sends its signal to the process and to its group.
const SAME: Duration = Duration::from_millis(500);
const SHUTDOWN: Component = Component {
    name: "shutdown",
    impact: Impact::Readiness,
};

/// From the first SIGTERM or SIGINT on, gives the process `limit` and [`MARGIN`] to end; then ends it as it is, with
/// exit code 124. A second signal ends it at once, in the signal's handler, so that no thread has to be able to run.
///
/// What has been committed or spooled by then stays.
///
/// # Errors
/// The operating system refuses a handler or a thread.
pub fn guard(registry: &Registry, limit: Duration) -> io::Result<()> {
    let (asked, is_armed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    for signal in [SIGTERM, SIGINT] {
        flag::register_conditional_shutdown(signal, SIGNALLED + signal, Arc::clone(&is_armed))?;
        flag::register(signal, Arc::clone(&asked))?;
    }
    liveness::spawn(SHUTDOWN, registry, move |progress| {
        while !asked.load(Ordering::Acquire) {
            pause(progress, LOOK);
        }
        pause(progress, SAME);
        is_armed.store(true, Ordering::Release);
        pause(progress, limit + MARGIN);
        tracing::error!("the process did not end in time, and is ended as it is");
        // Past everything that could block; the log has had a moment.
        pause(progress, LOOK);
        low_level::exit(OVERDUE);
    })?;
    Ok(())
}

fn pause(progress: &Progress, time: Duration) {
    let mut left = time;
    while !left.is_zero() {
        progress.beat();
        let step = left.min(liveness::BEAT);
        // Nobody wakes it; a spurious wake-up shortens the pause by a second at most.
        park_timeout(step);
        left -= step;
    }
}
