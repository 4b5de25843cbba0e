//! Exponential backoff for a receiver that does not accept notifications.

use std::time::Duration;

use tokio::time::Instant;

const INITIAL: Duration = Duration::from_secs(1);
/// The longest wait; also used where only an operator can help.
pub(super) const MAX_BACKOFF: Duration = Duration::from_secs(5 * 60);
/// The longest `Retry-After` that is honoured.
pub(super) const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// Exponential backoff with jitter, so that many instances do not retry in step.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// Schedules a wait after one more failure: between half and all of 1 s, 2 s, 4 s ... 5 min, or the receiver's
    /// `Retry-After` clamped to 1 s ... 1 h.
    pub(super) fn record_failure(&mut self, retry_after: Option<Duration>, now: Instant) {
        let doubled = INITIAL.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        let wait = match retry_after {
            Some(retry_after) => retry_after.clamp(INITIAL, MAX_RETRY_AFTER),
            None => doubled.min(MAX_BACKOFF).mul_f64(0.5 + fastrand::f64() / 2.0),
        };
        self.until = Some(now + wait);
    }

    /// Schedules the longest wait.
    pub(super) fn block(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + MAX_BACKOFF);
    }

    /// Resets after a success.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// When the receiver may be tried again.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(backoff: &mut Backoff, retry_after: Option<Duration>) -> Duration {
        let now = Instant::now();
        backoff.record_failure(retry_after, now);
        backoff.until().unwrap() - now
    }

    #[test]
    fn waits_double_up_to_five_minutes_and_start_anew_after_a_success() {
        let mut backoff = Backoff::default();
        for whole in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            let wait = wait(&mut backoff, None);
            let whole = Duration::from_secs(whole);
            assert!(
                (whole / 2..=whole).contains(&wait),
                "{wait:?} is not about {whole:?}"
            );
        }
        backoff.reset();
        assert_eq!(backoff.until(), None);
        assert!(wait(&mut backoff, None) <= INITIAL);
    }

    #[test]
    fn where_only_an_operator_can_help_the_wait_is_five_minutes_and_counts_as_a_failure() {
        let mut backoff = Backoff::default();
        let now = Instant::now();
        backoff.block(now);
        assert_eq!(backoff.until(), Some(now + Duration::from_secs(300)));
        let next = wait(&mut backoff, None);
        assert!((INITIAL..=2 * INITIAL).contains(&next), "{next:?}");
    }

    #[test]
    fn two_runners_do_not_wait_in_step() {
        let wait = || wait(&mut Backoff::default(), None);
        let first = wait();
        assert!((0..20).any(|_| wait() != first));
    }

    #[test]
    fn a_receiver_is_given_the_time_it_asks_for_within_reason() {
        let wait = |seconds| wait(&mut Backoff::default(), Some(Duration::from_secs(seconds)));
        assert_eq!(wait(7), Duration::from_secs(7));
        assert_eq!(wait(0), Duration::from_secs(1));
        assert_eq!(wait(86_400), Duration::from_secs(3_600));
    }
}
