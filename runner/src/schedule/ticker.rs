//! The schedule's clock.

use tokio::time::{Instant, sleep_until};

use super::{Due, Schedule};

/// Waits for due times.
#[derive(Debug)]
pub struct Ticker {
    schedule: Schedule,
}

impl Ticker {
    /// A ticker that owns its schedule.
    #[must_use]
    pub fn new(schedule: Schedule) -> Self {
        Self { schedule }
    }

    /// The next due check, as soon as it is due; for ever pending when there are no checks.
    ///
    /// Cancellation: dropping the future loses no due time.
    pub async fn next(&mut self) -> Due {
        loop {
            if let Some(due) = self.schedule.pop_due(Instant::now()) {
                return due;
            }
            match self.schedule.next_due() {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        }
    }
}
