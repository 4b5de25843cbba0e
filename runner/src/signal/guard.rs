//! The end that nothing prevents: of a process that does not end by itself in time, or that is asked a second time.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::park_timeout;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level;

use crate::clock;
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
    let asked = Arc::new(Asked::default());
    for signal in [SIGTERM, SIGINT] {
        asked.end_at_second(signal)?;
    }
    liveness::spawn(SHUTDOWN, registry, move |progress| {
        while !asked.is_asked() {
            pause(progress, LOOK);
        }
        pause(progress, limit + MARGIN);
        tracing::error!("the process did not end in time, and is ended as it is");
        // Past everything that could block; the log has had a moment.
        pause(progress, LOOK);
        low_level::exit(OVERDUE);
    })?;
    Ok(())
}

/// When the end was asked for first.
#[derive(Debug, Default)]
struct Asked {
    /// Milliseconds of the clock that stands still while the machine sleeps; 0 before.
    at: AtomicU64,
}

impl Asked {
    /// Takes over `signal`; a second one of any that were taken over ends the process. No thread has a part in it: each
    /// may be what hangs.
    fn end_at_second(self: &Arc<Self>, signal: i32) -> io::Result<()> {
        let asked = Arc::clone(self);
        let action = move || {
            if asked.is_second(clock::awake()) {
                low_level::exit(SIGNALLED + signal);
            }
        };
        #[expect(
            unsafe_code,
            reason = "an action that decides by the time has no safe wrapper"
        )]
        // SAFETY: reading the clock, an atomic number and `_exit` are all that it does, and a handler may.
        let _for_good = unsafe { low_level::register(signal, action) }?;
        Ok(())
    }

    /// Notes a signal at `now`, and says whether it is another request than the first.
    fn is_second(&self, now: Duration) -> bool {
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX).max(1);
        match self
            .at
            .compare_exchange(0, now, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => false,
            Err(first) => Duration::from_millis(now.saturating_sub(first)) >= SAME,
        }
    }

    fn is_asked(&self) -> bool {
        self.at.load(Ordering::Acquire) != 0
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_at_the_same_moment_are_one_request_and_a_later_one_is_another() {
        let (asked, now) = (Asked::default(), Duration::from_secs(5));
        assert!(!asked.is_asked());
        assert!(!asked.is_second(now) && asked.is_asked());
        assert!(!asked.is_second(now));
        assert!(!asked.is_second(now + SAME - Duration::from_millis(1)));
        assert!(asked.is_second(now + SAME));
    }

    #[test]
    fn a_signal_right_after_the_start_of_the_machine_counts() {
        let asked = Asked::default();
        assert!(!asked.is_second(Duration::ZERO) && asked.is_asked());
        assert!(asked.is_second(Duration::from_secs(1)));
    }
}
