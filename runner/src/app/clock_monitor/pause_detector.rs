//! Detects that the whole process was paused: stopped by a signal, its cgroup frozen, or its virtual machine paused.
//!
//! No clock of the kernel distinguishes a pause from a stuck scheduler. A thread that only samples the clock does: it
//! continues while another part of the process is stuck. A process that was runnable but got no processor, on a busy
//! machine or beyond its cgroup's quota, was not paused: the kernel counts for each thread how long it waited.

mod run_queue_wait;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use self::run_queue_wait::RunQueueWait;
use canary_system::liveness::{self, Component, Impact, Registry};

/// Time between two samples.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(250);
/// Without a sample for this long, the process did not run.
const PAUSE: Duration = Duration::from_millis(2_500);
/// A process that used more than one part in this many of the time did run: only the samples were late.
const BUSY: u32 = 10;
/// How long stopping the thread may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);
const PAUSES: Component = Component {
    name: "pauses",
    impact: Impact::Readiness,
};

/// Handle of the sampling thread, which stops when this is dropped.
#[derive(Debug)]
pub struct PauseDetector {
    samples: Arc<Mutex<Samples>>,
    /// Run-queue waits of the thread that calls [`PauseDetector::ended`].
    run_queue_wait: Mutex<RunQueueWait>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Samples {
    last: Sample,
    /// When the last pause ended.
    ended: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    /// Processor time of all threads.
    used: Duration,
    /// How long the sampling thread waited for a processor since its last sample.
    waited: Duration,
}

impl Sample {
    fn now(run_queue_wait: &mut RunQueueWait) -> Self {
        let used = clock_gettime(ClockId::ProcessCPUTime);
        let nanos = u32::try_from(used.tv_nsec).unwrap_or_default();
        Self {
            at: Instant::now(),
            used: Duration::new(u64::try_from(used.tv_sec).unwrap_or_default(), nanos),
            waited: run_queue_wait.since_last_read(),
        }
    }
}

impl Samples {
    fn add(&mut self, now: Sample) {
        let before = std::mem::replace(&mut self.last, now);
        let gap = now.at.duration_since(before.at);
        let used = now.used.saturating_sub(before.used);
        if gap.saturating_sub(now.waited) > PAUSE && used < gap / BUSY {
            self.ended = Some(now.at);
        }
    }
}

impl PauseDetector {
    /// Starts sampling. Has to be called by the thread that calls [`PauseDetector::ended`] later.
    ///
    /// # Errors
    /// The operating system refuses a thread.
    pub(in crate::app) fn start(registry: &Registry) -> io::Result<Self> {
        let mut run_queue_wait = RunQueueWait::of_this_thread();
        let samples = Arc::new(Mutex::new(Samples {
            last: Sample::now(&mut run_queue_wait),
            ended: None,
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopped) = (Arc::clone(&samples), Arc::clone(&stop));
        let (started_tx, started_rx) = sync_channel(1);
        let thread = liveness::spawn(PAUSES, registry, move |progress| {
            let mut run_queue_wait = RunQueueWait::of_this_thread();
            // The receiver is gone if this comes too late.
            let _late = started_tx.send(());
            while !stopped.load(Ordering::Acquire) {
                lock(&shared).add(Sample::now(&mut run_queue_wait));
                progress.beat();
                std::thread::park_timeout(SAMPLE_INTERVAL);
            }
        })?;
        // The thread's descriptors have to be open before the host's own are counted.
        let _late = started_rx.recv_timeout(STOP_TIMEOUT);
        Ok(Self {
            samples,
            run_queue_wait: Mutex::new(run_queue_wait),
            stop,
            thread: Some(thread),
        })
    }

    /// Without a thread, so that it takes no samples by itself.
    #[cfg(test)]
    pub(in crate::app) fn without_a_thread() -> Self {
        let mut run_queue_wait = RunQueueWait::default();
        let samples = Samples {
            last: Sample::now(&mut run_queue_wait),
            ended: None,
        };
        Self {
            samples: Arc::new(Mutex::new(samples)),
            run_queue_wait: Mutex::new(run_queue_wait),
            stop: Arc::default(),
            thread: None,
        }
    }

    /// When the last pause ended, including one that ended just now.
    pub(in crate::app) fn ended(&self) -> Option<Instant> {
        let mut samples = lock(&self.samples);
        samples.add(Sample::now(&mut lock(&self.run_queue_wait)));
        samples.ended
    }
}

impl Drop for PauseDetector {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            liveness::join(thread, STOP_TIMEOUT);
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every critical section is a few assignments.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a gap of `gap` between two samples is a pause, given the processor time used and waited for.
    fn is_pause(gap: Duration, used: Duration, waited: Duration) -> bool {
        let at = Instant::now();
        let mut samples = Samples {
            last: Sample {
                at,
                used: Duration::ZERO,
                waited: Duration::ZERO,
            },
            ended: None,
        };
        let now = Sample {
            at: at + gap,
            used,
            waited,
        };
        samples.add(now);
        samples.ended == Some(now.at)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_process_that_did_nothing_for_long_was_paused() {
        assert!(is_pause(SECOND * 10, Duration::ZERO, Duration::ZERO));
        assert!(is_pause(SECOND * 10, Duration::ZERO, SECOND));
        assert!(!is_pause(SECOND * 2, Duration::ZERO, Duration::ZERO));
    }

    #[test]
    fn a_process_that_computed_meanwhile_was_busy() {
        assert!(!is_pause(SECOND * 10, SECOND * 5, Duration::ZERO));
    }

    #[test]
    fn a_process_that_waited_for_a_processor_meanwhile_was_not_stopped() {
        assert!(!is_pause(SECOND * 10, Duration::ZERO, SECOND * 8));
        assert!(!is_pause(SECOND * 10, Duration::ZERO, SECOND * 11));
    }
}
