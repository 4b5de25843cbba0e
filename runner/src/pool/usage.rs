//! How much of a pool each check has used lately.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::suite::CheckId;

/// After this time, what a check has used counts half.
const HALF_LIFE: Duration = Duration::from_secs(30);
/// A unit that a check has or waits for counts as used for so long in advance: what comes all at once is not all first.
const ADVANCE: Duration = Duration::from_millis(50);
/// Checks that are remembered, apart from those that have or want something now.
const REMEMBERED: usize = 16_384;

/// Units times time, by check.
#[derive(Debug, Default)]
pub(super) struct Usage(HashMap<CheckId, Recent>);

#[derive(Debug)]
struct Recent {
    used: Duration,
    held: u64,
    waiting: u64,
    /// When `used` was last brought up to date.
    at: Instant,
}

impl Usage {
    /// What a check has used, with what it has and waits for.
    pub(super) fn of(&self, check: &CheckId, now: Instant) -> Duration {
        let recent = self.0.get(check);
        recent.map_or(Duration::ZERO, |recent| {
            let advance = times(ADVANCE, recent.held.saturating_add(recent.waiting));
            recent.used_by(now).saturating_add(advance)
        })
    }

    pub(super) fn hold(&mut self, check: &CheckId, units: u64, now: Instant) {
        let recent = self.recent(check, now);
        recent.held = recent.held.saturating_add(units);
    }

    pub(super) fn give_back(&mut self, check: &CheckId, units: u64, now: Instant) {
        let recent = self.recent(check, now);
        recent.held = recent.held.saturating_sub(units);
    }

    pub(super) fn wait(&mut self, check: &CheckId, units: u64, now: Instant) {
        let recent = self.recent(check, now);
        recent.waiting = recent.waiting.saturating_add(units);
    }

    pub(super) fn stop_waiting(&mut self, check: &CheckId, units: u64, now: Instant) {
        let recent = self.recent(check, now);
        recent.waiting = recent.waiting.saturating_sub(units);
    }

    /// Forgets that `units` were used for so long.
    pub(super) fn forgive(&mut self, check: &CheckId, units: u64, time: Duration, now: Instant) {
        let recent = self.recent(check, now);
        recent.used = recent.used.saturating_sub(times(time, units));
    }

    /// The record of a check, up to date.
    fn recent(&mut self, check: &CheckId, now: Instant) -> &mut Recent {
        if self.0.len() >= REMEMBERED && !self.0.contains_key(check) {
            self.0.retain(|_, recent| recent.held > 0 || recent.waiting > 0);
        }
        let recent = self.0.entry(check.clone()).or_insert_with(|| Recent {
            used: Duration::ZERO,
            held: 0,
            waiting: 0,
            at: now,
        });
        recent.used = recent.used_by(now);
        recent.at = now;
        recent
    }
}

impl Recent {
    fn used_by(&self, now: Instant) -> Duration {
        let elapsed = now.saturating_duration_since(self.at);
        let left = (-elapsed.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2();
        self.used.mul_f64(left).saturating_add(times(elapsed, self.held))
    }
}

fn times(duration: Duration, units: u64) -> Duration {
    duration.saturating_mul(u32::try_from(units).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_used_counts_less_as_time_passes() {
        let (mut usage, check, start) = (Usage::default(), CheckId::new("a"), Instant::now());
        assert_eq!(usage.of(&check, start), Duration::ZERO);
        usage.hold(&check, 2, start);
        assert_eq!(usage.of(&check, start + seconds(4)), seconds(8) + 2 * ADVANCE);
        usage.give_back(&check, 2, start + seconds(4));
        assert_eq!(usage.of(&check, start + seconds(4)), seconds(8));
        assert_eq!(usage.of(&check, start + seconds(4) + HALF_LIFE), seconds(4));
        assert_eq!(usage.of(&check, start + seconds(1_000_000)), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_waited_for_counts_until_the_wait_ends() {
        let (mut usage, check, now) = (Usage::default(), CheckId::new("a"), Instant::now());
        usage.wait(&check, 3, now);
        assert_eq!(usage.of(&check, now + seconds(9)), 3 * ADVANCE);
        usage.stop_waiting(&check, 3, now);
        assert_eq!(usage.of(&check, now), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_forgiven_does_not_count() {
        let (mut usage, check, start) = (Usage::default(), CheckId::new("a"), Instant::now());
        usage.hold(&check, 2, start);
        let end = start + seconds(8);
        usage.forgive(&check, 2, seconds(7), end);
        usage.give_back(&check, 2, end);
        assert_eq!(usage.of(&check, end), seconds(2));
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_checks_are_remembered() {
        let (mut usage, now) = (Usage::default(), Instant::now());
        let holds = CheckId::new("holds");
        usage.hold(&holds, 1, now);
        for number in 0..2 * REMEMBERED {
            let check = CheckId::new(&format!("{number}"));
            usage.hold(&check, 1, now);
            usage.give_back(&check, 1, now);
        }
        assert!(usage.0.len() <= REMEMBERED && usage.of(&holds, now) > Duration::ZERO);
    }
}
