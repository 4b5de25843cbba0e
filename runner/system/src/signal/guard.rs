//! Forced exit, for a process that does not shut down in time, or gets a second signal.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::park_timeout;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level;

use crate::clock;
use crate::liveness::{self, Component, Impact, Progress, Registry};

/// How long shutdown may take beyond the grace period for runs: the last export, the last deliveries and the last
/// commit have limits of their own, which together are less.
pub const MARGIN: Duration = Duration::from_secs(15);
/// Exit code of a process that did not shut down in time, as that of `timeout(1)`.
const EXIT_OVERDUE: i32 = 124;
/// Added to the number of the signal that ended the process.
const EXIT_SIGNAL_BASE: i32 = 128;
/// How often the thread checks for a shutdown request.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// A second signal within this time is the same request: `timeout(1)` sends its signal to the process and to its
/// group.
const DUPLICATE_WINDOW: Duration = Duration::from_millis(500);
const SHUTDOWN: Component = Component {
    name: "shutdown",
    impact: Impact::Readiness,
};

/// After the first SIGTERM or SIGINT, gives the process `limit` plus [`MARGIN`] to end; then exits with code 124. A
/// second signal ends the process at once, in the signal handler, so that no thread has to be able to run.
///
/// What has been committed or spooled by then is kept.
///
/// # Errors
/// The operating system refuses a handler or a thread.
pub fn guard(registry: &Registry, limit: Duration) -> io::Result<()> {
    let request = Arc::new(ShutdownRequest::default());
    for signal in [SIGTERM, SIGINT] {
        request.exit_at_second(signal)?;
    }
    liveness::spawn(SHUTDOWN, registry, move |progress| {
        while !request.is_requested() {
            pause(progress, POLL_INTERVAL);
        }
        pause(progress, limit + MARGIN);
        tracing::error!("the process did not end in time, and is ended as it is");
        // Beyond everything that could block; the log has had a moment.
        pause(progress, POLL_INTERVAL);
        low_level::exit(EXIT_OVERDUE);
    })?;
    Ok(())
}

/// When shutdown was first requested.
#[derive(Debug, Default)]
struct ShutdownRequest {
    /// Milliseconds of the monotonic clock; 0 before.
    first_at: AtomicU64,
}

impl ShutdownRequest {
    /// Installs a handler for `signal`; the second of any such signals ends the process. No thread is involved: each
    /// may be what hangs.
    fn exit_at_second(self: &Arc<Self>, signal: i32) -> io::Result<()> {
        let request = Arc::clone(self);
        let action = move || {
            if request.is_second(clock::monotonic()) {
                low_level::exit(EXIT_SIGNAL_BASE + signal);
            }
        };
        #[expect(
            unsafe_code,
            reason = "an action that decides by the time has no safe wrapper"
        )]
        // SAFETY: the action only reads the clock, uses an atomic, and calls `_exit`, which are async-signal-safe.
        let _for_good = unsafe { low_level::register(signal, action) }?;
        Ok(())
    }

    /// Records a signal at `now`; returns whether it is a second request.
    fn is_second(&self, now: Duration) -> bool {
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX).max(1);
        match self
            .first_at
            .compare_exchange(0, now, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => false,
            Err(first) => Duration::from_millis(now.saturating_sub(first)) >= DUPLICATE_WINDOW,
        }
    }

    fn is_requested(&self) -> bool {
        self.first_at.load(Ordering::Acquire) != 0
    }
}

fn pause(progress: &Progress, time: Duration) {
    let mut left = time;
    while !left.is_zero() {
        progress.beat();
        let step = left.min(liveness::BEAT);
        // Nothing unparks the thread; a spurious wake-up shortens the pause by a second at most.
        park_timeout(step);
        left -= step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_at_the_same_moment_are_one_request_and_a_later_one_is_another() {
        let (request, now) = (ShutdownRequest::default(), Duration::from_secs(5));
        assert!(!request.is_requested());
        assert!(!request.is_second(now) && request.is_requested());
        assert!(!request.is_second(now));
        assert!(!request.is_second(now + DUPLICATE_WINDOW - Duration::from_millis(1)));
        assert!(request.is_second(now + DUPLICATE_WINDOW));
    }

    #[test]
    fn a_signal_right_after_the_start_of_the_machine_counts() {
        let request = ShutdownRequest::default();
        assert!(!request.is_second(Duration::ZERO) && request.is_requested());
        assert!(request.is_second(Duration::from_secs(1)));
    }
}
