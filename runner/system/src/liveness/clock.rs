//! Measures the time that the host itself has lost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The maximum delay of the probe task under normal conditions; beyond it, the host lost the time.
const MAX_PROBE_DELAY: Duration = Duration::from_millis(500);

/// Adds up the time in which the worker threads did not reach their tasks: because a check blocked them all, because
/// the machine was busy, or because the process was stopped. Cheap to clone; all clones share their state.
#[derive(Debug, Clone, Default)]
pub struct StallClock(Arc<Mutex<Stalls>>);

#[derive(Debug, Default)]
struct Stalls {
    lost: Duration,
    /// When the probe task last ran; `None` if there is no such task.
    last_probe: Option<Instant>,
}

impl Stalls {
    /// Time lost since the probe task last ran; may still be growing.
    fn since(&self, now: Instant) -> Duration {
        let gap = self.last_probe.map(|last_probe| now.duration_since(last_probe));
        gap.filter(|gap| *gap > MAX_PROBE_DELAY).unwrap_or_default()
    }
}

impl StallClock {
    /// A worker thread ran the probe task. Due several times within half a second.
    pub fn beat(&self) {
        let now = Instant::now();
        let mut stalls = self.stalls();
        let lost = stalls.since(now);
        stalls.lost += lost;
        stalls.last_probe = Some(now);
    }

    /// Time lost so far, including an ongoing stall.
    #[must_use]
    pub fn lost(&self) -> Duration {
        let stalls = self.stalls();
        stalls.lost + stalls.since(Instant::now())
    }

    fn stalls(&self) -> MutexGuard<'_, Stalls> {
        // Every critical section is a few assignments.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    async fn millis(millis: u64) {
        advance(Duration::from_millis(millis)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn probes_that_run_in_time_lose_nothing() {
        let clock = StallClock::default();
        millis(10_000).await;
        assert_eq!(clock.lost(), Duration::ZERO);
        for _ in 0..10 {
            clock.beat();
            millis(400).await;
        }
        assert_eq!(clock.lost(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_counts_while_it_goes_on_and_once_when_it_is_over() {
        let clock = StallClock::default();
        clock.beat();
        millis(2_000).await;
        assert_eq!(clock.lost(), Duration::from_secs(2));
        clock.beat();
        assert_eq!(clock.lost(), Duration::from_secs(2));
    }
}
