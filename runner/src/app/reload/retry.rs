//! Backoff for reloads that failed with a transient error.

use std::time::Duration;

use tokio::time::Instant;

/// Initial delay; each delay is twice the previous one.
const INITIAL_DELAY: Duration = Duration::from_secs(5);
/// Maximum delay.
const MAX_DELAY: Duration = Duration::from_secs(5 * 60);

/// Number of failures, and when the next attempt is due.
#[derive(Debug, Default)]
pub(super) struct RetryBackoff {
    failures: u32,
    at: Option<Instant>,
}

impl RetryBackoff {
    /// Records a transient failure and returns when to retry.
    pub(super) fn failed(&mut self, now: Instant) -> Instant {
        let wait = INITIAL_DELAY.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        let at = now + wait.min(MAX_DELAY);
        self.at = Some(at);
        at
    }

    /// Resets the backoff: the reload succeeded, or its problems are permanent.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// When the next attempt is due, if any.
    pub(super) fn at(&self) -> Option<Instant> {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_bound_and_begin_anew_when_it_went_well() {
        let (mut retry, now) = (RetryBackoff::default(), Instant::now());
        assert_eq!(retry.at(), None);
        let waits: Vec<u64> = (0..40).map(|_| (retry.failed(now) - now).as_secs()).collect();
        assert_eq!(waits[..8], [5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(waits[39], 300);
        assert_eq!(retry.at(), Some(now + MAX_DELAY));
        retry.clear();
        assert_eq!(retry.at(), None);
        assert_eq!(retry.failed(now) - now, INITIAL_DELAY);
    }
}
