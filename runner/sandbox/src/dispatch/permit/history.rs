//! How long checks held their permits, to predict how long they will hold the next one.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use canary_suite::CheckId;

/// The half-life of past usage.
const HALF_LIFE: Duration = Duration::from_secs(30);
/// The maximum penalty: a claim never comes after one that arrives later than this after it.
const MAX_DELAY: Duration = Duration::from_secs(60);

/// Thresholds between short and long holds: checks that hold permits for longer than a threshold leave some permits to
/// those that do not.
pub(super) const BOUNDS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// The usage of the checks under one limit. As large as the suite, once it is [pruned](History::retain).
#[derive(Debug, Default)]
pub(super) struct History {
    checks: HashMap<CheckId, CheckUsage>,
    /// The number of checks that hold their permits for up to each of the bounds, and longer than the previous bound.
    counts: [u64; BOUNDS.len()],
}

/// How long one check held its permits.
#[derive(Debug, Clone, Copy)]
struct CheckUsage {
    /// The total hold time, with exponential decay.
    used: Duration,
    /// When `used` was computed.
    at: Instant,
    /// The longest hold, halved by each later one.
    longest: Duration,
}

/// The prediction for a check that requests a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected {
    /// How long it will hold the permit.
    pub(super) hold: Duration,
    /// The penalty of its turn relative to a check without usage: its recent usage plus the expected hold.
    pub(super) delay: Duration,
}

impl History {
    /// The prediction for `check`; without a history it is expected to hold the permit for `default_hold`.
    pub(super) fn expect(&self, check: &CheckId, default_hold: Duration, now: Instant) -> Expected {
        let usage = self.checks.get(check);
        let hold = usage.map_or(default_hold, |usage| usage.longest);
        let used = usage.map_or(Duration::ZERO, |usage| usage.used_by(now));
        Expected {
            hold,
            delay: used.saturating_add(hold).min(MAX_DELAY),
        }
    }

    /// Records that `check` held a permit for `time`. Returns whether the counts have changed.
    pub(super) fn record(&mut self, check: &CheckId, time: Duration, now: Instant) -> bool {
        let before = self.checks.get(check).copied();
        let usage = CheckUsage {
            used: before.map_or(Duration::ZERO, |usage| usage.used_by(now)) + time,
            at: now,
            longest: before.map_or(time, |usage| time.max(usage.longest / 2)),
        };
        self.checks.insert(check.clone(), usage);
        let (old, new) = (before.map(|usage| level(usage.longest)), level(usage.longest));
        if old == Some(new) {
            return false;
        }
        if let Some(count) = old.and_then(|old| self.counts.get_mut(old)) {
            *count -= 1;
        }
        if let Some(count) = self.counts.get_mut(new) {
            *count += 1;
        }
        true
    }

    /// Discards the usage of all other checks.
    pub(super) fn retain(&mut self, is_known: impl Fn(&CheckId) -> bool) {
        self.checks.retain(|check, _| is_known(check));
        self.counts = Default::default();
        for usage in self.checks.values() {
            if let Some(count) = self.counts.get_mut(level(usage.longest)) {
                *count += 1;
            }
        }
    }

    /// The number of checks that hold their permits for up to each of the [`BOUNDS`], and longer than the previous one.
    pub(super) fn counts(&self) -> [u64; BOUNDS.len()] {
        self.counts
    }
}

impl CheckUsage {
    /// The total hold time, decayed up to `now`.
    fn used_by(&self, now: Instant) -> Duration {
        let elapsed = now.saturating_duration_since(self.at);
        let left = (-elapsed.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2();
        self.used.mul_f64(left)
    }
}

/// How many of the bounds a hold of this length exceeds.
fn level(hold: Duration) -> usize {
    BOUNDS.iter().filter(|bound| hold > **bound).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn check() -> CheckId {
        CheckId::new("a")
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_without_a_history_is_expected_to_take_its_whole_time_out() {
        let expected = History::default().expect(&check(), 10 * SECOND, Instant::now());
        assert_eq!((expected.hold, expected.delay), (10 * SECOND, 10 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn usage_decays_with_its_half_life_and_its_penalty_is_bounded() {
        let (mut history, start) = (History::default(), Instant::now());
        history.record(&check(), 8 * SECOND, start);
        let delay = |history: &History, now| history.expect(&check(), SECOND, now).delay;
        assert_eq!(delay(&history, start), 16 * SECOND);
        assert_eq!(delay(&history, start + HALF_LIFE), 12 * SECOND);
        history.record(&check(), 10_000 * SECOND, start);
        assert_eq!(delay(&history, start), MAX_DELAY);
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_sometimes_takes_long_is_expected_to_take_long() {
        let (mut history, now) = (History::default(), Instant::now());
        for _ in 0..5 {
            history.record(&check(), 20 * SECOND, now);
            history.record(&check(), SECOND / 100, now);
        }
        assert_eq!(history.expect(&check(), SECOND, now).hold, 10 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn checks_of_the_suite_are_counted_by_how_long_they_hold_permits() {
        let (mut history, now) = (History::default(), Instant::now());
        let named = |name: &str| CheckId::new(name);
        assert!(history.record(&named("short"), SECOND, now));
        assert!(history.record(&named("medium"), 2 * SECOND, now));
        assert!(history.record(&named("long"), 20 * SECOND, now));
        assert!(!history.record(&named("short"), SECOND / 10, now));
        assert_eq!(history.counts(), [1, 1]);
        assert!(history.record(&named("short"), 20 * SECOND, now));
        assert_eq!(history.counts(), [0, 1]);
        assert!(history.record(&named("other"), SECOND, now));
        history.retain(|check| *check != named("medium"));
        assert_eq!(history.counts(), [1, 0]);
        assert_eq!(history.expect(&named("medium"), 9 * SECOND, now).hold, 9 * SECOND);
    }
}
