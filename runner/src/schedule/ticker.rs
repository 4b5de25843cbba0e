//! The schedule's clock.

use tokio::time::{Instant, sleep_until};

use super::{Schedule, Tick};

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

    /// The schedule, to change it between two ticks.
    pub fn schedule(&mut self) -> &mut Schedule {
        &mut self.schedule
    }

    /// The next tick, as soon as its time has come; for ever pending when there are no checks.
    ///
    /// Cancellation: dropping the future loses no due time.
    pub async fn next(&mut self) -> Tick {
        loop {
            if let Some(tick) = self.schedule.pop(Instant::now()) {
                return tick;
            }
            match self.schedule.next_due() {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        }
    }
}
