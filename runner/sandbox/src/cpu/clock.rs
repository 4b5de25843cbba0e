//! CPU time of a thread: on a busy machine or in a throttled container, wall-clock time would use up a check's quota.
#![expect(
    clippy::disallowed_types,
    reason = "execution time is the machine's, also where a test pauses the clock"
)]

use std::cell::Cell;
use std::time::Duration;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

/// Maximum age of a sample of the thread's clock. Sampling is a system call, and most polls are much shorter.
const MAX_SAMPLE_AGE: Duration = Duration::from_millis(1);

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
struct ClockSample {
    at: Instant,
    cpu: Duration,
}

thread_local! {
    static LAST: Cell<Option<ClockSample>> = const { Cell::new(None) };
}

/// Measures the CPU time of work on the current thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct CpuTimer {
    began: Instant,
    /// CPU time of the thread at the start, at most [`MAX_SAMPLE_AGE`] too early.
    before: Duration,
}

impl CpuTimer {
    /// Starts a timer on the calling thread.
    pub(super) fn begin() -> Self {
        let began = Instant::now();
        let recent = LAST
            .get()
            .filter(|last| began.duration_since(last.at) < MAX_SAMPLE_AGE);
        let sample = recent.unwrap_or_else(|| {
            let sampled = ClockSample {
                at: began,
                cpu: thread_time(),
            };
            LAST.set(Some(sampled));
            sampled
        });
        Self {
            began,
            before: sample.cpu,
        }
    }

    /// When it was started.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// CPU time since the start; below a millisecond, elapsed time. Call it on the thread that started the timer.
    pub(super) fn elapsed(&self) -> Duration {
        let took = self.began.elapsed();
        if took < MAX_SAMPLE_AGE {
            took
        } else {
            took.min(thread_time().saturating_sub(self.before))
        }
    }
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // The kernel reports neither as negative.
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(time.tv_nsec).unwrap_or_default();
    Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_waits_uses_no_processor() {
        let timer = CpuTimer::begin();
        std::thread::park_timeout(Duration::from_millis(50));
        assert!(timer.elapsed() < Duration::from_millis(25), "{timer:?}");
    }

    #[test]
    fn what_a_thread_computed_before_a_stretch_is_no_part_of_it() {
        CpuTimer::begin();
        let computed = thread_time() + Duration::from_millis(30);
        while thread_time() < computed {}
        let timer = CpuTimer::begin();
        std::thread::park_timeout(Duration::from_millis(50));
        assert!(timer.elapsed() < Duration::from_millis(25), "{timer:?}");
    }

    #[test]
    fn a_thread_that_computes_uses_one() {
        let timer = CpuTimer::begin();
        let mut sum = 0_u64;
        while timer.elapsed() < Duration::from_millis(5) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(timer.began.elapsed() >= Duration::from_millis(5));
    }
}
