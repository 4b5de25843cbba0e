//! Backoff between export attempts.

use std::time::Duration;

const INITIAL: Duration = Duration::from_secs(1);
const MAX: Duration = Duration::from_secs(30);
/// Upper bound for the delay that a collector may request.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

/// Exponential backoff with jitter, so that many runners do not retry in lockstep.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The delay after another failure: a random value between one half and the whole of 1 s, 2 s, 4 s ... 30 s; or the
    /// delay requested by the collector, limited to 1 s to 5 min.
    pub(super) fn after_failure(&mut self, retry_after: Option<Duration>) -> Duration {
        let doubled = INITIAL.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        match retry_after {
            Some(retry_after) => retry_after.clamp(INITIAL, MAX_RETRY_AFTER),
            None => doubled.min(MAX).mul_f64(0.5 + fastrand::f64() / 2.0),
        }
    }

    /// Resets the backoff after a response that is not retried.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_within(wait: Duration, whole: u64) -> bool {
        let whole = Duration::from_secs(whole);
        (whole / 2..whole).contains(&wait)
    }

    #[test]
    fn waits_double_up_to_half_a_minute_and_start_anew_after_a_success() {
        let mut backoff = Backoff::default();
        for whole in [1, 2, 4, 8, 16, 30, 30] {
            let wait = backoff.after_failure(None);
            assert!(is_within(wait, whole), "{wait:?} is not about {whole} s");
        }
        for _ in 0..100 {
            assert!(is_within(backoff.after_failure(None), 30));
        }
        backoff.reset();
        assert!(is_within(backoff.after_failure(None), 1));
    }

    #[test]
    fn two_runners_do_not_wait_in_step() {
        let wait = || Backoff::default().after_failure(None);
        let first = wait();
        assert!((0..20).any(|_| wait() != first));
    }

    #[test]
    fn a_collector_is_given_the_time_it_asks_for_within_reason() {
        let wait = |seconds| Backoff::default().after_failure(Some(Duration::from_secs(seconds)));
        assert_eq!(wait(7), Duration::from_secs(7));
        assert_eq!(wait(0), Duration::from_secs(1));
        assert_eq!(wait(86_400), Duration::from_secs(300));
    }
}
