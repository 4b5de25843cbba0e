//! Recent usage of a pool by each check or plugin, and how productive it was.
//!
//! Only unproductive usage counts in full. Productive usage hardly counts, so that much of it is no reason to wait.
//! Units that are held now are expected to be as productive as the earlier ones, so that a check which is usually
//! served does not rank with those that never are, while it waits for its answer.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// After this time usage counts half.
const HALF_LIFE: Duration = Duration::from_secs(30);
/// Time that is charged in advance for each unit held or waited for, so that a burst of claims does not come first as
/// a whole.
const ADVANCE: Duration = Duration::from_millis(50);
/// Productive usage counts for this fraction of its time.
const PRODUCTIVE_DIVISOR: u32 = 1_024;
/// Minimum time of productive use: a shorter one also shows that the check is served.
const MIN_PRODUCTIVE: Duration = Duration::from_millis(250);
/// Usage of an unknown check. The more productive usage is known, the less of this counts: a check that is usually
/// served comes before unknown ones.
const UNKNOWN: Duration = Duration::from_millis(100);
/// Maximum number of remembered users, besides those that hold or wait for something now.
const MAX_REMEMBERED: usize = 16_384;

/// Units times time, by user: a check, or a plugin with all its checks.
#[derive(Debug)]
pub(super) struct RecentUsage<K>(HashMap<K, Entry>);

/// How productive the use of released units was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UseResult {
    Productive,
    Unproductive,
}

#[derive(Debug, Clone)]
struct Entry {
    unproductive: Duration,
    productive: Duration,
    held: u64,
    /// Total time for which the held units have been held.
    held_time: Duration,
    waiting: u64,
    /// When this entry was last updated.
    at: Instant,
}

impl<K> Default for RecentUsage<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Clone + Eq + Hash> RecentUsage<K> {
    /// The usage charged to `user`, in microseconds.
    pub(super) fn charged(&self, user: &K, now: Instant) -> u64 {
        let entry = self.0.get(user);
        micros(entry.map_or(UNKNOWN, |entry| entry.as_of(now).counts()))
    }

    /// The unproductive usage of `user`, including what is held now.
    pub(super) fn unproductive(&self, user: &K, now: Instant) -> Duration {
        let entry = self.0.get(user).map(|entry| entry.as_of(now));
        entry.map_or(Duration::ZERO, |entry| {
            entry.unproductive.saturating_add(entry.held_time)
        })
    }

    /// As [`RecentUsage::charged`], with an advance for what `user` holds and waits for.
    pub(super) fn with_advance(&self, user: &K, now: Instant) -> u64 {
        let entry = self.0.get(user);
        micros(entry.map_or(UNKNOWN, |entry| entry.as_of(now).with_advance()))
    }

    pub(super) fn hold(&mut self, user: &K, units: u64, now: Instant) {
        let entry = self.entry(user, now);
        entry.held = entry.held.saturating_add(units);
    }

    /// Releases units that were held for `time`.
    pub(super) fn release(
        &mut self,
        user: &K,
        units: u64,
        (time, used): (Duration, UseResult),
        now: Instant,
    ) {
        let entry = self.entry(user, now);
        let time = times(time, units);
        entry.held = entry.held.saturating_sub(units);
        entry.held_time = entry.held_time.saturating_sub(time);
        match used {
            UseResult::Productive => {
                entry.productive = entry.productive.saturating_add(time.max(MIN_PRODUCTIVE))
            }
            UseResult::Unproductive => entry.unproductive = entry.unproductive.saturating_add(time),
        }
    }

    /// Turns use of `time` that was released as unproductive into productive use.
    pub(super) fn mark_productive(&mut self, user: &K, units: u64, time: Duration, now: Instant) {
        let entry = self.entry(user, now);
        let time = times(time, units);
        entry.unproductive = entry.unproductive.saturating_sub(time);
        entry.productive = entry.productive.saturating_add(time.max(MIN_PRODUCTIVE));
    }

    pub(super) fn wait(&mut self, user: &K, units: u64, now: Instant) {
        let entry = self.entry(user, now);
        entry.waiting = entry.waiting.saturating_add(units);
    }

    pub(super) fn stop_waiting(&mut self, user: &K, units: u64, now: Instant) {
        let entry = self.entry(user, now);
        entry.waiting = entry.waiting.saturating_sub(units);
    }

    /// The entry of a user, updated to `now`.
    fn entry(&mut self, user: &K, now: Instant) -> &mut Entry {
        if self.0.len() >= MAX_REMEMBERED && !self.0.contains_key(user) {
            self.0.retain(|_, entry| entry.held > 0 || entry.waiting > 0);
        }
        let entry = self.0.entry(user.clone()).or_insert_with(|| Entry {
            unproductive: Duration::ZERO,
            productive: Duration::ZERO,
            held: 0,
            held_time: Duration::ZERO,
            waiting: 0,
            at: now,
        });
        *entry = entry.as_of(now);
        entry
    }
}

impl Entry {
    /// The entry as of `now`.
    fn as_of(&self, now: Instant) -> Self {
        let elapsed = now.saturating_duration_since(self.at);
        let left = (-elapsed.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2();
        Self {
            unproductive: self.unproductive.mul_f64(left),
            productive: self.productive.mul_f64(left),
            held_time: self.held_time.saturating_add(times(elapsed, self.held)),
            at: now,
            ..*self
        }
    }

    fn counts(&self) -> Duration {
        self.with_expected(self.held_time)
    }

    fn with_advance(&self) -> Duration {
        let units = self.held.saturating_add(self.waiting);
        self.with_expected(self.held_time.saturating_add(times(ADVANCE, units)))
    }

    /// The usage, and the part of `open` that is expected to be unproductive if it is like before.
    fn with_expected(&self, open: Duration) -> Duration {
        let unproductive = self.unproductive.saturating_add(UNKNOWN);
        let part = unproductive.as_secs_f64() / unproductive.saturating_add(self.productive).as_secs_f64();
        let expected = open.saturating_add(UNKNOWN).mul_f64(part);
        self.unproductive
            .saturating_add(expected)
            .saturating_add(self.productive / PRODUCTIVE_DIVISOR)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn times(duration: Duration, units: u64) -> Duration {
    duration.saturating_mul(u32::try_from(units).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const USER: &str = "a";

    fn charged(usage: &RecentUsage<&'static str>, now: Instant) -> Duration {
        Duration::from_micros(usage.charged(&USER, now))
    }

    #[tokio::test(start_paused = true)]
    async fn unproductive_use_counts_less_as_time_passes() {
        let (mut usage, start) = (RecentUsage::default(), Instant::now());
        assert_eq!(charged(&usage, start), UNKNOWN);
        usage.hold(&USER, 2, start);
        let end = start + 4 * SECOND;
        assert_eq!(charged(&usage, end), 8 * SECOND + UNKNOWN);
        usage.release(&USER, 2, (4 * SECOND, UseResult::Unproductive), end);
        assert_eq!(charged(&usage, end), 8 * SECOND + UNKNOWN);
        assert_eq!(charged(&usage, end + HALF_LIFE), 4 * SECOND + UNKNOWN);
        assert_eq!(charged(&usage, end + 1_000 * HALF_LIFE), UNKNOWN);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_waited_for_counts_in_advance_until_the_wait_ends() {
        let (mut usage, now) = (RecentUsage::default(), Instant::now());
        let ahead = |usage: &RecentUsage<_>| Duration::from_micros(usage.with_advance(&USER, now));
        usage.wait(&USER, 3, now);
        assert_eq!(ahead(&usage), 3 * ADVANCE + UNKNOWN);
        usage.stop_waiting(&USER, 3, now);
        assert_eq!(ahead(&usage), UNKNOWN);
    }

    #[tokio::test(start_paused = true)]
    async fn productive_use_counts_less_than_unknown_use() {
        let (mut usage, now) = (RecentUsage::default(), Instant::now());
        for time in [Duration::ZERO, SECOND] {
            usage.hold(&USER, 1, now);
            usage.release(&USER, 1, (time, UseResult::Productive), now);
            assert!(charged(&usage, now) < UNKNOWN / 3, "{time:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_counts_as_earlier_units_did() {
        for (used, more) in [
            (UseResult::Productive, Duration::ZERO),
            (UseResult::Unproductive, 8 * SECOND),
        ] {
            let (mut usage, start) = (RecentUsage::default(), Instant::now());
            usage.hold(&USER, 1, start);
            usage.release(&USER, 1, (1_000 * SECOND, used), start);
            let now = start + 8 * SECOND;
            let before = charged(&usage, now);
            usage.hold(&USER, 1, start);
            let counts = charged(&usage, now).saturating_sub(before);
            assert!(
                counts.abs_diff(more) < Duration::from_millis(10),
                "{used:?} {counts:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn use_that_turns_out_productive_no_longer_counts_as_unproductive() {
        let (mut usage, now) = (RecentUsage::default(), Instant::now());
        usage.hold(&USER, 2, now);
        usage.release(&USER, 2, (SECOND, UseResult::Unproductive), now);
        assert!(charged(&usage, now) > SECOND);
        usage.mark_productive(&USER, 2, SECOND, now);
        assert!(charged(&usage, now) < UNKNOWN);
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_users_are_remembered() {
        let (mut usage, now) = (RecentUsage::default(), Instant::now());
        usage.hold(&0, 1, now);
        for number in 1..2 * MAX_REMEMBERED {
            usage.hold(&number, 1, now);
            usage.release(&number, 1, (Duration::ZERO, UseResult::Unproductive), now);
        }
        assert!(usage.0.len() <= MAX_REMEMBERED && usage.0.contains_key(&0));
    }
}
