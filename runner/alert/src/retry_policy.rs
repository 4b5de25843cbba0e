//! How long notifiers wait before they try again.

use std::time::Duration;

use canary_system::backoff::Policy;

/// The longest wait; also used where only an operator can help.
const MAX: Duration = Duration::from_secs(5 * 60);
/// The longest `Retry-After` that is honoured: an alert that is an hour late is of little use, and some services ask
/// for a day.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// For a receiver that does not accept notifications.
pub(super) const RECEIVER: Policy = Policy::new(Duration::from_secs(1), MAX)
    .with_jitter()
    .with_max_requested(MAX_RETRY_AFTER);
/// For one notification that fails while its receiver accepts others.
pub(super) const FAULTY_NOTIFICATION: Policy =
    Policy::new(Duration::from_secs(1), MAX).with_max_requested(MAX_RETRY_AFTER);
/// For a notification that some recipients of a mail did not accept: greylisting servers ask every unknown sender to
/// retry later.
pub(super) const UNREACHED_RECIPIENTS: Policy =
    Policy::new(Duration::from_secs(60), MAX).with_max_requested(MAX_RETRY_AFTER);

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use canary_system::backoff::Backoff;

    fn wait(backoff: &mut Backoff, retry_after: Option<Duration>) -> Duration {
        let now = Instant::now();
        backoff.record_failure(retry_after, now) - now
    }

    #[test]
    fn waits_double_up_to_five_minutes_and_start_anew_after_a_success() {
        let mut backoff = Backoff::new(RECEIVER);
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
        assert!(wait(&mut backoff, None) <= Duration::from_secs(1));
    }

    #[test]
    fn where_only_an_operator_can_help_the_wait_is_five_minutes_and_counts_as_a_failure() {
        let mut backoff = Backoff::new(RECEIVER);
        let now = Instant::now();
        backoff.block(now);
        assert_eq!(backoff.until(), Some(now + Duration::from_secs(300)));
        let (next, first) = (wait(&mut backoff, None), Duration::from_secs(1));
        assert!((first..=2 * first).contains(&next), "{next:?}");
    }

    #[test]
    fn a_receiver_is_given_the_time_it_asks_for_within_reason() {
        for policy in [RECEIVER, FAULTY_NOTIFICATION] {
            let wait = |seconds| wait(&mut Backoff::new(policy), Some(Duration::from_secs(seconds)));
            assert_eq!(wait(7), Duration::from_secs(7));
            assert_eq!(wait(0), Duration::from_secs(1));
            assert_eq!(wait(86_400), Duration::from_secs(3_600));
        }
    }
}
