//! Notices that the whole process did not run for a while: it was stopped by a signal, its cgroup was frozen, or the
//! machine under it was paused.
//!
//! No clock of the kernel tells that from a scheduler that is stuck. A thread that does nothing but look at the clock
//! does: while one part of the process is stuck, that thread goes on. A process that wanted to go on and got no processor,
//! on a busy machine or beyond the quota of its cgroup, did not stop: the kernel counts for each thread how long it
//! waited.

mod waits;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use self::waits::Waits;
use crate::liveness::{self, Component, Impact, Registry};

/// From one look to the next.
const LOOK: Duration = Duration::from_millis(250);
/// When nothing of the process looked for this long, it did not run.
const PAUSE: Duration = Duration::from_millis(2_500);
/// A process that used more than this part of the time, as its divisor, did run: only the looks were late.
const BUSY: u32 = 10;
/// How long the thread may take to end.
const LAST_LOOK: Duration = Duration::from_secs(1);
const PAUSES: Component = Component {
    name: "pauses",
    impact: Impact::Readiness,
};

/// The thread that looks; ends when dropped.
#[derive(Debug)]
pub struct Pauses {
    looks: Arc<Mutex<Looks>>,
    /// Of the thread that asks.
    waits: Mutex<Waits>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Looks {
    last: Look,
    /// When the last pause ended.
    ended: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    /// Processor time of all threads.
    used: Duration,
    /// How long the thread that looks waited for a processor, since it looked last.
    waited: Duration,
}

impl Look {
    fn take(waits: &mut Waits) -> Self {
        let used = clock_gettime(ClockId::ProcessCPUTime);
        let nanos = u32::try_from(used.tv_nsec).unwrap_or_default();
        Self {
            at: Instant::now(),
            used: Duration::new(u64::try_from(used.tv_sec).unwrap_or_default(), nanos),
            waited: waits.since_asked(),
        }
    }
}

impl Looks {
    fn add(&mut self, now: Look) {
        let before = std::mem::replace(&mut self.last, now);
        let silence = now.at.duration_since(before.at);
        let used = now.used.saturating_sub(before.used);
        if silence.saturating_sub(now.waited) > PAUSE && used < silence / BUSY {
            self.ended = Some(now.at);
        }
    }
}

impl Pauses {
    /// Begins to look. The thread that calls this is the one that asks later.
    ///
    /// # Errors
    /// The operating system refuses a thread.
    pub(in crate::app) fn start(registry: &Registry) -> io::Result<Self> {
        let mut waits = Waits::of_this_thread();
        let looks = Arc::new(Mutex::new(Looks {
            last: Look::take(&mut waits),
            ended: None,
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopped) = (Arc::clone(&looks), Arc::clone(&stop));
        let (opening, opened) = sync_channel(1);
        let thread = liveness::spawn(PAUSES, registry, move |progress| {
            let mut waits = Waits::of_this_thread();
            // Nobody waits any more when this is late.
            let _late = opening.send(());
            while !stopped.load(Ordering::Acquire) {
                open(&shared).add(Look::take(&mut waits));
                progress.beat();
                std::thread::park_timeout(LOOK);
            }
        })?;
        // What the thread keeps open is there before stock is taken of what is.
        let _late = opened.recv_timeout(LAST_LOOK);
        Ok(Self {
            looks,
            waits: Mutex::new(waits),
            stop,
            thread: Some(thread),
        })
    }

    /// The same without a thread: what does not run, does not look.
    #[cfg(test)]
    pub(in crate::app) fn without_a_thread() -> Self {
        let mut waits = Waits::default();
        let looks = Looks {
            last: Look::take(&mut waits),
            ended: None,
        };
        Self {
            looks: Arc::new(Mutex::new(looks)),
            waits: Mutex::new(waits),
            stop: Arc::default(),
            thread: None,
        }
    }

    /// When the last pause ended, one that ended just now included.
    pub(in crate::app) fn ended(&self) -> Option<Instant> {
        let mut looks = open(&self.looks);
        looks.add(Look::take(&mut open(&self.waits)));
        looks.ended
    }
}

impl Drop for Pauses {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            liveness::join(thread, LAST_LOOK);
        }
    }
}

fn open<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every section is a few assignments.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether this long without a look is a pause, while so much processor time was used, and waited for.
    fn is_pause(silence: Duration, used: Duration, waited: Duration) -> bool {
        let at = Instant::now();
        let mut looks = Looks {
            last: Look {
                at,
                used: Duration::ZERO,
                waited: Duration::ZERO,
            },
            ended: None,
        };
        let now = Look {
            at: at + silence,
            used,
            waited,
        };
        looks.add(now);
        looks.ended == Some(now.at)
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
