//! Exponential backoff: how long to wait before something that failed is tried again.
//!
//! How waits grow is data: a [`Policy`], which is a constant of the module that retries. A [`Backoff`] counts the
//! failures in a row.

use std::time::Duration;

use tokio::time::Instant;

/// How waits grow: each failure in a row doubles the wait, from the first one up to a maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    first: Duration,
    max: Duration,
    has_jitter: bool,
    max_requested: Duration,
}

impl Policy {
    /// Waits of `first`, twice that, four times that, and so on, up to `max`; without jitter.
    #[must_use]
    pub const fn new(first: Duration, max: Duration) -> Self {
        Self {
            first,
            max,
            has_jitter: false,
            max_requested: max,
        }
    }

    /// Each wait is a random one between one half and the whole, so that runners or checks that failed at the same time
    /// do not retry at the same time.
    #[must_use]
    pub const fn with_jitter(self) -> Self {
        Self {
            has_jitter: true,
            ..self
        }
    }

    /// The longest wait that the peer may request, as with `Retry-After` [default: the longest wait].
    #[must_use]
    pub const fn with_max_requested(self, max_requested: Duration) -> Self {
        Self {
            max_requested,
            ..self
        }
    }

    /// The longest wait.
    #[must_use]
    pub const fn max(self) -> Duration {
        self.max
    }

    /// The wait after this many failures in a row, counted from 1.
    #[must_use]
    pub fn wait(self, failures: u32) -> Duration {
        let doubled = self
            .first
            .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)))
            .min(self.max);
        if self.has_jitter {
            jittered(doubled, fastrand::f64())
        } else {
            doubled
        }
    }

    /// A wait that the peer requested, within what is reasonable: at least the first wait, so that a peer that requests
    /// none is not sent requests in a loop, and at most what the policy allows.
    #[must_use]
    pub fn limit_requested(self, requested: Duration) -> Duration {
        requested.min(self.max_requested).max(self.first)
    }
}

/// Between one half and the whole of a wait; `random` is in `0.0..1.0`.
fn jittered(whole: Duration, random: f64) -> Duration {
    whole / 2 + (whole / 2).mul_f64(random.clamp(0.0, 1.0))
}

/// A backoff in progress: the number of failures since the last success, and until when to wait.
#[derive(Debug, Clone)]
pub struct Backoff {
    policy: Policy,
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// A backoff without a failure so far.
    #[must_use]
    pub const fn new(policy: Policy) -> Self {
        Self {
            policy,
            failures: 0,
            until: None,
        }
    }

    /// Records a failure, and returns when to try again: after the wait that the peer requested, within the policy's
    /// limits, or else after the next wait of the policy.
    pub fn record_failure(&mut self, requested: Option<Duration>, now: Instant) -> Instant {
        self.failures = self.failures.saturating_add(1);
        let wait = match requested {
            Some(requested) => self.policy.limit_requested(requested),
            None => self.policy.wait(self.failures),
        };
        *self.until.insert(now + wait)
    }

    /// Records a failure that waiting alone does not fix, and waits for the longest time of the policy.
    pub fn block(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + self.policy.max);
    }

    /// Starts anew, after a success.
    pub fn reset(&mut self) {
        *self = Self::new(self.policy);
    }

    /// Until when to wait; `None` if there was no failure since the last success.
    #[must_use]
    pub fn until(&self) -> Option<Instant> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(1);
    const POLICY: Policy = Policy::new(FIRST, Duration::from_secs(30)).with_jitter();

    fn wait(backoff: &mut Backoff, requested: Option<Duration>) -> Duration {
        let now = Instant::now();
        backoff.record_failure(requested, now) - now
    }

    #[test]
    fn waits_double_up_to_the_maximum_and_start_anew_after_a_success() {
        let mut backoff = Backoff::new(POLICY);
        assert_eq!(backoff.until(), None);
        for whole in [1, 2, 4, 8, 16, 30, 30] {
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
    fn at_least_half_of_the_backoff_remains_for_any_random_value() {
        let whole = Duration::from_millis(200);
        assert_eq!(jittered(whole, 0.0), whole / 2);
        assert_eq!(jittered(whole, 1.0), whole);
        assert_eq!(jittered(whole, -1.0), whole / 2);
        assert!(POLICY.wait(u32::MAX) >= Duration::from_secs(15));
    }

    #[test]
    fn two_runners_do_not_wait_in_step() {
        let wait = || wait(&mut Backoff::new(POLICY), None);
        let first = wait();
        assert!((0..20).any(|_| wait() != first));
    }

    #[test]
    fn without_jitter_waits_are_exact() {
        let policy = Policy::new(FIRST, Duration::from_secs(5));
        let waits = [0, 1, 2, 3, 4, 40, u32::MAX].map(|failures| policy.wait(failures).as_secs());
        assert_eq!(waits, [1, 1, 2, 4, 5, 5, 5]);
    }

    #[test]
    fn what_waiting_does_not_fix_waits_for_the_longest_time_and_counts_as_a_failure() {
        let mut backoff = Backoff::new(POLICY);
        let now = Instant::now();
        backoff.block(now);
        assert_eq!(backoff.until(), Some(now + POLICY.max()));
        let next = wait(&mut backoff, None);
        assert!((FIRST..=2 * FIRST).contains(&next), "{next:?}");
    }

    #[test]
    fn a_peer_is_given_the_time_it_requests_within_reason() {
        let policy = POLICY.with_max_requested(Duration::from_secs(300));
        let wait = |policy, seconds| {
            let requested = Some(Duration::from_secs(seconds));
            wait(&mut Backoff::new(policy), requested).as_secs()
        };
        assert_eq!([7, 0, 86_400].map(|seconds| wait(policy, seconds)), [7, 1, 300]);
        assert_eq!(wait(POLICY, 86_400), 30);
    }
}
