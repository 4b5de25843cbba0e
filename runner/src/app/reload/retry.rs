//! When a suite is read again that could not be read for a reason that may pass by itself.

use std::time::Duration;

use tokio::time::Instant;

/// Before the first further try; each wait is twice as long as the one before.
const FIRST: Duration = Duration::from_secs(5);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// Tries that failed, and when the next is due.
#[derive(Debug, Default)]
pub(super) struct Retry {
    failures: u32,
    at: Option<Instant>,
}

impl Retry {
    /// A try failed for a reason that may pass: when there is another one.
    pub(super) fn failed(&mut self, now: Instant) -> Instant {
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        let at = now + wait.min(LONGEST);
        self.at = Some(at);
        at
    }

    /// It went well, or somebody has to mend something: there is no other try.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// When the next try is due; nothing when there is none.
    pub(super) fn at(&self) -> Option<Instant> {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_bound_and_begin_anew_when_it_went_well() {
        let (mut retry, now) = (Retry::default(), Instant::now());
        assert_eq!(retry.at(), None);
        let waits: Vec<u64> = (0..40).map(|_| (retry.failed(now) - now).as_secs()).collect();
        assert_eq!(waits[..8], [5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(waits[39], 300);
        assert_eq!(retry.at(), Some(now + LONGEST));
        retry.clear();
        assert_eq!(retry.at(), None);
        assert_eq!(retry.failed(now) - now, FIRST);
    }
}
