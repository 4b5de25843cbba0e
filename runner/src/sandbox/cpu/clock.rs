//! Time that a thread spent on a processor: a machine that is busy with others, or a container that is throttled, must
//! not use up a check's quota.
#![expect(
    clippy::disallowed_types,
    reason = "execution time is the machine's, also where a test pauses the clock"
)]

use std::cell::Cell;
use std::time::Duration;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

/// How old a reading of the thread's clock may be. Reading it is a system call, and most polls are much shorter.
const FRESH: Duration = Duration::from_millis(1);

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
struct Reading {
    at: Instant,
    cpu: Duration,
}

thread_local! {
    static LAST: Cell<Option<Reading>> = const { Cell::new(None) };
}

/// A stretch of work on this thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    began: Instant,
    /// At most [`FRESH`] before it.
    before: Duration,
}

impl Stretch {
    /// Begins now, on the calling thread.
    pub(super) fn begin() -> Self {
        let began = Instant::now();
        let fresh = LAST.get().filter(|last| began.duration_since(last.at) < FRESH);
        let reading = fresh.unwrap_or_else(|| {
            let read = Reading {
                at: began,
                cpu: thread_time(),
            };
            LAST.set(Some(read));
            read
        });
        Self {
            began,
            before: reading.cpu,
        }
    }

    /// When it began.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// Time on the processor up to now; of less than a millisecond, time as such. On the thread that began it.
    pub(super) fn elapsed(&self) -> Duration {
        let took = self.began.elapsed();
        match took < FRESH {
            true => took,
            false => took.min(thread_time().saturating_sub(self.before)),
        }
    }
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // The kernel counts both from 0 up.
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(time.tv_nsec).unwrap_or_default();
    Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_waits_uses_no_processor() {
        let stretch = Stretch::begin();
        std::thread::park_timeout(Duration::from_millis(50));
        assert!(stretch.elapsed() < Duration::from_millis(25), "{stretch:?}");
    }

    #[test]
    fn what_a_thread_computed_before_a_stretch_is_no_part_of_it() {
        Stretch::begin();
        let computed = thread_time() + Duration::from_millis(30);
        while thread_time() < computed {}
        let stretch = Stretch::begin();
        std::thread::park_timeout(Duration::from_millis(50));
        assert!(stretch.elapsed() < Duration::from_millis(25), "{stretch:?}");
    }

    #[test]
    fn a_thread_that_computes_uses_one() {
        let stretch = Stretch::begin();
        let mut sum = 0_u64;
        while stretch.elapsed() < Duration::from_millis(5) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(stretch.began.elapsed() >= Duration::from_millis(5));
    }
}
