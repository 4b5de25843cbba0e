//! How long checks held their permits, and what that lets expect of the next time.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::suite::CheckId;

/// After this time, what was used counts half.
const HALF_LIFE: Duration = Duration::from_secs(30);
/// A claim is never put behind one that comes later than this after it.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// Lengths of time that make a difference: what is held for longer than one of them leaves permits to what is not.
pub(super) const BOUNDS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// The checks of one part, by what they did. As large as the suite is, once it is [pruned](History::retain).
#[derive(Debug, Default)]
pub(super) struct History {
    checks: HashMap<CheckId, Holds>,
    /// How many of them hold their permits for up to each of the bounds, and for longer than the one before.
    counts: [u64; BOUNDS.len()],
}

#[derive(Debug, Clone, Copy)]
struct Holds {
    /// How long permits were held, all together, as far as it counts still.
    used: Duration,
    /// When that was.
    at: Instant,
    /// How long one was held: the last, or earlier ones, of which each later one halves the length.
    longest: Duration,
}

/// What is to be expected of a check that wants a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected {
    /// How long it will hold the permit.
    pub(super) hold: Duration,
    /// How much later it has its turn than one that used nothing: by what it used lately, and is to use now.
    pub(super) delay: Duration,
}

impl History {
    /// What is to be expected of `check`, which holds a permit for `unknown` where nothing is known of it.
    pub(super) fn expect(&self, check: &CheckId, unknown: Duration, now: Instant) -> Expected {
        let holds = self.checks.get(check);
        let hold = holds.map_or(unknown, |holds| holds.longest);
        let used = holds.map_or(Duration::ZERO, |holds| holds.used_by(now));
        Expected {
            hold,
            delay: used.saturating_add(hold).min(LONGEST_DELAY),
        }
    }

    /// Notes that `check` held a permit for `time`. Says whether the counts have changed.
    pub(super) fn note(&mut self, check: &CheckId, time: Duration, now: Instant) -> bool {
        let before = self.checks.get(check).copied();
        let holds = Holds {
            used: before.map_or(Duration::ZERO, |holds| holds.used_by(now)) + time,
            at: now,
            longest: before.map_or(time, |holds| time.max(holds.longest / 2)),
        };
        self.checks.insert(check.clone(), holds);
        let (old, new) = (before.map(|holds| level(holds.longest)), level(holds.longest));
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

    /// Forgets all other checks.
    pub(super) fn retain(&mut self, is_known: impl Fn(&CheckId) -> bool) {
        self.checks.retain(|check, _| is_known(check));
        self.counts = Default::default();
        for holds in self.checks.values() {
            if let Some(count) = self.counts.get_mut(level(holds.longest)) {
                *count += 1;
            }
        }
    }

    /// How many checks hold their permits for up to each of the [`BOUNDS`], and for longer than the one before.
    pub(super) fn counts(&self) -> [u64; BOUNDS.len()] {
        self.counts
    }
}

impl Holds {
    fn used_by(&self, now: Instant) -> Duration {
        let elapsed = now.saturating_duration_since(self.at);
        let left = (-elapsed.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2();
        self.used.mul_f64(left)
    }
}

/// How many of the bounds a hold of this length is beyond.
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
    async fn a_check_of_which_nothing_is_known_is_expected_to_take_its_whole_time() {
        let expected = History::default().expect(&check(), 10 * SECOND, Instant::now());
        assert_eq!((expected.hold, expected.delay), (10 * SECOND, 10 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_used_counts_half_after_its_half_life_and_puts_nobody_off_for_ever() {
        let (mut history, start) = (History::default(), Instant::now());
        history.note(&check(), 8 * SECOND, start);
        let delay = |history: &History, now| history.expect(&check(), SECOND, now).delay;
        assert_eq!(delay(&history, start), 16 * SECOND);
        assert_eq!(delay(&history, start + HALF_LIFE), 12 * SECOND);
        history.note(&check(), 10_000 * SECOND, start);
        assert_eq!(delay(&history, start), LONGEST_DELAY);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_takes_long_now_and_then_is_expected_to() {
        let (mut history, now) = (History::default(), Instant::now());
        for _ in 0..5 {
            history.note(&check(), 20 * SECOND, now);
            history.note(&check(), SECOND / 100, now);
        }
        assert_eq!(history.expect(&check(), SECOND, now).hold, 10 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn checks_are_counted_by_how_long_they_hold_permits_while_the_suite_has_them() {
        let (mut history, now) = (History::default(), Instant::now());
        let named = |name: &str| CheckId::new(name);
        assert!(history.note(&named("short"), SECOND, now));
        assert!(history.note(&named("medium"), 2 * SECOND, now));
        assert!(history.note(&named("long"), 20 * SECOND, now));
        assert!(!history.note(&named("short"), SECOND / 10, now));
        assert_eq!(history.counts(), [1, 1]);
        assert!(history.note(&named("short"), 20 * SECOND, now));
        assert_eq!(history.counts(), [0, 1]);
        assert!(history.note(&named("other"), SECOND, now));
        history.retain(|check| *check != named("medium"));
        assert_eq!(history.counts(), [1, 0]);
        assert_eq!(history.expect(&named("medium"), 9 * SECOND, now).hold, 9 * SECOND);
    }
}
