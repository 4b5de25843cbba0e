//! How much time the host itself has lost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A task of no other use comes to its turn this late at most while all is well; later, the host lost the time.
const USUAL: Duration = Duration::from_millis(500);

/// Adds up the time in which the threads that run checks came to nothing: because a check held them all, because the
/// machine was busy, or because the process was stopped. Cheap to clone; all clones are one clock.
#[derive(Debug, Clone, Default)]
pub struct StallClock(Arc<Mutex<Stalls>>);

#[derive(Debug, Default)]
struct Stalls {
    lost: Duration,
    /// When they last came to the task that says so; absent where there is no such task.
    seen: Option<Instant>,
}

impl Stalls {
    /// What was lost since the last time that they were seen, and may go on.
    fn since(&self, now: Instant) -> Duration {
        let silence = self.seen.map(|seen| now.duration_since(seen));
        silence.filter(|silence| *silence > USUAL).unwrap_or_default()
    }
}

impl StallClock {
    /// A thread that runs checks came to a task of no other use. Due several times within half a second.
    pub fn beat(&self) {
        let now = Instant::now();
        let mut stalls = self.stalls();
        let lost = stalls.since(now);
        stalls.lost += lost;
        stalls.seen = Some(now);
    }

    /// What was lost so far, a stall that goes on included.
    #[must_use]
    pub fn lost(&self) -> Duration {
        let stalls = self.stalls();
        stalls.lost + stalls.since(Instant::now())
    }

    fn stalls(&self) -> MutexGuard<'_, Stalls> {
        // Every section is a few assignments.
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
    async fn turns_that_come_in_time_lose_nothing() {
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
