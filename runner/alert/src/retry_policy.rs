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
    use super::*;

    #[test]
    fn a_notifier_waits_for_five_minutes_at_most_or_for_an_hour_if_its_receiver_asks_for_more() {
        for policy in [RECEIVER, FAULTY_NOTIFICATION, UNREACHED_RECIPIENTS] {
            assert_eq!(policy.max(), Duration::from_secs(300));
            let a_day = Duration::from_secs(86_400);
            assert_eq!(policy.limit_requested(a_day), Duration::from_secs(3_600));
        }
    }
}
