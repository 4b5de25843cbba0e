//! Which events of a delivery are reported to the operator, so that an outage does not fill the log.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// How often events are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoticePolicy {
    /// The minimum time between the reports of two outages, for a peer that fails and recovers all the time.
    pub outage_interval: Duration,
    /// The minimum time between two reports of losses of one kind.
    pub loss_interval: Duration,
}

/// Decides which events of the delivery to one peer are reported: the first failure of an outage, its recovery, and the
/// first loss of each kind `K`.
#[derive(Debug, Clone)]
pub struct NoticeLimiter<K> {
    policy: NoticePolicy,
    /// Whether the current outage was reported, and its recovery was not.
    is_outage_reported: bool,
    last_outage: Option<Instant>,
    losses: BTreeMap<K, Instant>,
}

impl<K: Ord> NoticeLimiter<K> {
    /// A limiter for a peer that did not fail so far.
    #[must_use]
    pub const fn new(policy: NoticePolicy) -> Self {
        Self {
            policy,
            is_outage_reported: false,
            last_outage: None,
            losses: BTreeMap::new(),
        }
    }

    /// Records a failure. Returns whether to report it: no failure of this outage was reported yet, nor was an outage
    /// recently.
    #[must_use]
    pub fn record_failure(&mut self, now: Instant) -> bool {
        let is_recent = |last: Instant| now - last < self.policy.outage_interval;
        if self.is_outage_reported || self.last_outage.is_some_and(is_recent) {
            return false;
        }
        self.is_outage_reported = true;
        self.last_outage = Some(now);
        true
    }

    /// Records a success. Returns whether to report that the outage is over, as it was reported.
    #[must_use]
    pub fn record_success(&mut self) -> bool {
        std::mem::take(&mut self.is_outage_reported)
    }

    /// Records a loss. Returns whether to report it: none of its kind was reported recently.
    #[must_use]
    pub fn record_loss(&mut self, kind: K, now: Instant) -> bool {
        let last = self.losses.get(&kind);
        if last.is_some_and(|last| now - *last < self.policy.loss_interval) {
            return false;
        }
        self.losses.insert(kind, now);
        true
    }

    /// Forgets the losses: the next one of each kind is reported.
    pub fn clear_losses(&mut self) {
        self.losses.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const RARELY: NoticePolicy = NoticePolicy {
        outage_interval: MINUTE,
        loss_interval: MINUTE,
    };

    #[test]
    fn an_outage_is_reported_by_its_first_failure_and_its_recovery() {
        let mut limiter = NoticeLimiter::<()>::new(NoticePolicy {
            outage_interval: Duration::ZERO,
            loss_interval: Duration::MAX,
        });
        let now = Instant::now();
        assert!(!limiter.record_success());
        for _ in 0..2 {
            assert!(limiter.record_failure(now));
            assert!(!limiter.record_failure(now));
            assert!(limiter.record_success());
            assert!(!limiter.record_success());
        }
    }

    #[test]
    fn an_outage_soon_after_another_one_is_reported_if_it_lasts() {
        let mut limiter = NoticeLimiter::<()>::new(RARELY);
        let start = Instant::now();
        assert!(limiter.record_failure(start));
        assert!(limiter.record_success());
        assert!(!limiter.record_failure(start + MINUTE / 2));
        assert!(!limiter.record_success(), "what was not reported is not over");
        assert!(!limiter.record_failure(start + MINUTE / 2));
        assert!(limiter.record_failure(start + MINUTE));
        assert!(limiter.record_success());
    }

    #[test]
    fn losses_are_reported_once_an_interval_and_kind() {
        let mut limiter = NoticeLimiter::new(RARELY);
        let start = Instant::now();
        assert!(limiter.record_loss("full", start));
        assert!(limiter.record_loss("old", start));
        assert!(!limiter.record_loss("full", start + MINUTE / 2));
        assert!(limiter.record_loss("full", start + MINUTE));
        assert!(!limiter.record_loss("full", start + MINUTE));
        limiter.clear_losses();
        assert!(limiter.record_loss("full", start + MINUTE));
    }
}
