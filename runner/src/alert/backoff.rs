//! How long to leave a receiver alone that does not take notifications.

use std::time::Duration;

use tokio::time::Instant;

const FIRST: Duration = Duration::from_secs(1);
/// Also the wait where only an operator can help.
pub(super) const LONGEST: Duration = Duration::from_secs(5 * 60);
/// The longest wait that a receiver may ask for.
pub(super) const LONGEST_ASKED: Duration = Duration::from_secs(60 * 60);

/// Doubling waits with jitter, so that many runners do not return in step.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// After one more failure, waits for at least half of 1 s, 2 s, 4 s ... 5 min and less than the whole of it; or
    /// for what the receiver asked for, at least 1 s and at most 1 h of it.
    pub(super) fn failed(&mut self, asked: Option<Duration>, now: Instant) {
        let doubled = FIRST.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        let wait = match asked {
            Some(asked) => asked.clamp(FIRST, LONGEST_ASKED),
            None => doubled.min(LONGEST).mul_f64(0.5 + fastrand::f64() / 2.0),
        };
        self.until = Some(now + wait);
    }

    /// Waits as long as it ever does of itself.
    pub(super) fn held(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + LONGEST);
    }

    /// The receiver answers.
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

    fn wait(backoff: &mut Backoff, asked: Option<Duration>) -> Duration {
        let now = Instant::now();
        backoff.failed(asked, now);
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
        assert!(wait(&mut backoff, None) <= FIRST);
    }

    #[test]
    fn where_only_an_operator_can_help_the_wait_is_five_minutes_and_counts_as_a_failure() {
        let mut backoff = Backoff::default();
        let now = Instant::now();
        backoff.held(now);
        assert_eq!(backoff.until(), Some(now + Duration::from_secs(300)));
        let next = wait(&mut backoff, None);
        assert!((FIRST..=2 * FIRST).contains(&next), "{next:?}");
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
