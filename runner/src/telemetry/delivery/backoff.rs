//! How long to leave a collector alone that does not take requests.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// The longest wait that a collector may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(5 * 60);

/// Doubling waits with jitter, so that many runners do not return in step.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure: at least half of 1 s, 2 s, 4 s ... 30 s and less than the whole of it; or
    /// what the collector asked for, at least 1 s and at most 5 min of it.
    pub(super) fn after_failure(&mut self, asked: Option<Duration>) -> Duration {
        let doubled = FIRST.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        match asked {
            Some(asked) => asked.clamp(FIRST, LONGEST_ASKED),
            None => doubled.min(LONGEST).mul_f64(0.5 + fastrand::f64() / 2.0),
        }
    }

    /// The collector answers.
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
