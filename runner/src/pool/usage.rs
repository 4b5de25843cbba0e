//! How much of a pool each check has used lately, and what for.
//!
//! What counts is what was used in vain. Units that led to something hardly count, so that many of them are no reason to
//! wait; those that are held now count as the check's earlier ones did, so that one which is served as a rule is not
//! taken for one that never is while it waits for its answer.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// After this time, what was used counts half.
const HALF_LIFE: Duration = Duration::from_secs(30);
/// A unit that is held or waited for counts as used for so long in advance: what comes all at once is not all first.
const ADVANCE: Duration = Duration::from_millis(50);
/// What was used well counts a part of its time.
const WELL: u32 = 1_024;
/// What was used well for less counts as much: it is known to be served all the same.
const LEAST: Duration = Duration::from_millis(250);
/// What counts where nothing is known. The more was used well, the less of it counts: one that is served as a rule comes
/// before those of which nothing is known.
const UNKNOWN: Duration = Duration::from_millis(100);
/// Users that are remembered, apart from those that have or want something now.
const REMEMBERED: usize = 16_384;

/// Units times time, by user: a check, or a plugin with all its checks.
#[derive(Debug)]
pub(super) struct Usage<K>(HashMap<K, Recent>);

/// How units were used that are given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Used {
    Well,
    InVain,
}

#[derive(Debug, Clone)]
struct Recent {
    in_vain: Duration,
    well: Duration,
    held: u64,
    /// How long what is held has been, all together.
    so_far: Duration,
    waiting: u64,
    /// When all of this was last brought up to date.
    at: Instant,
}

impl<K> Default for Usage<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Clone + Eq + Hash> Usage<K> {
    /// What counts as used by `user`, in microseconds.
    pub(super) fn of(&self, user: &K, now: Instant) -> u64 {
        let recent = self.0.get(user);
        micros(recent.map_or(UNKNOWN, |recent| recent.by(now).counts()))
    }

    /// What `user` is known to have used, and not well.
    pub(super) fn in_vain(&self, user: &K, now: Instant) -> Duration {
        let recent = self.0.get(user).map(|recent| recent.by(now));
        recent.map_or(Duration::ZERO, |recent| {
            recent.in_vain.saturating_add(recent.so_far)
        })
    }

    /// The same as [`Usage::of`], with what counts in advance for what `user` has and waits for.
    pub(super) fn with_advance(&self, user: &K, now: Instant) -> u64 {
        let recent = self.0.get(user);
        micros(recent.map_or(UNKNOWN, |recent| recent.by(now).with_advance()))
    }

    pub(super) fn hold(&mut self, user: &K, units: u64, now: Instant) {
        let recent = self.recent(user, now);
        recent.held = recent.held.saturating_add(units);
    }

    /// Gives back units that were held for `time`.
    pub(super) fn give_back(&mut self, user: &K, units: u64, (time, used): (Duration, Used), now: Instant) {
        let recent = self.recent(user, now);
        let time = times(time, units);
        recent.held = recent.held.saturating_sub(units);
        recent.so_far = recent.so_far.saturating_sub(time);
        match used {
            Used::Well => recent.well = recent.well.saturating_add(time.max(LEAST)),
            Used::InVain => recent.in_vain = recent.in_vain.saturating_add(time),
        }
    }

    /// What was given back as used in vain after `time` turns out to have been used well.
    pub(super) fn turns_out_well(&mut self, user: &K, units: u64, time: Duration, now: Instant) {
        let recent = self.recent(user, now);
        let time = times(time, units);
        recent.in_vain = recent.in_vain.saturating_sub(time);
        recent.well = recent.well.saturating_add(time.max(LEAST));
    }

    pub(super) fn wait(&mut self, user: &K, units: u64, now: Instant) {
        let recent = self.recent(user, now);
        recent.waiting = recent.waiting.saturating_add(units);
    }

    pub(super) fn stop_waiting(&mut self, user: &K, units: u64, now: Instant) {
        let recent = self.recent(user, now);
        recent.waiting = recent.waiting.saturating_sub(units);
    }

    /// The record of a user, up to date.
    fn recent(&mut self, user: &K, now: Instant) -> &mut Recent {
        if self.0.len() >= REMEMBERED && !self.0.contains_key(user) {
            self.0.retain(|_, recent| recent.held > 0 || recent.waiting > 0);
        }
        let recent = self.0.entry(user.clone()).or_insert_with(|| Recent {
            in_vain: Duration::ZERO,
            well: Duration::ZERO,
            held: 0,
            so_far: Duration::ZERO,
            waiting: 0,
            at: now,
        });
        *recent = recent.by(now);
        recent
    }
}

impl Recent {
    /// As it is now.
    fn by(&self, now: Instant) -> Self {
        let elapsed = now.saturating_duration_since(self.at);
        let left = (-elapsed.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2();
        Self {
            in_vain: self.in_vain.mul_f64(left),
            well: self.well.mul_f64(left),
            so_far: self.so_far.saturating_add(times(elapsed, self.held)),
            at: now,
            ..*self
        }
    }

    fn counts(&self) -> Duration {
        self.with_expected(self.so_far)
    }

    fn with_advance(&self) -> Duration {
        let units = self.held.saturating_add(self.waiting);
        self.with_expected(self.so_far.saturating_add(times(ADVANCE, units)))
    }

    /// What was used, and the part of `open` that will have been used in vain if it is as before.
    fn with_expected(&self, open: Duration) -> Duration {
        let in_vain = self.in_vain.saturating_add(UNKNOWN);
        let part = in_vain.as_secs_f64() / in_vain.saturating_add(self.well).as_secs_f64();
        let expected = open.saturating_add(UNKNOWN).mul_f64(part);
        self.in_vain
            .saturating_add(expected)
            .saturating_add(self.well / WELL)
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

    fn of(usage: &Usage<&'static str>, now: Instant) -> Duration {
        Duration::from_micros(usage.of(&USER, now))
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_used_in_vain_counts_less_as_time_passes() {
        let (mut usage, start) = (Usage::default(), Instant::now());
        assert_eq!(of(&usage, start), UNKNOWN);
        usage.hold(&USER, 2, start);
        let end = start + 4 * SECOND;
        assert_eq!(of(&usage, end), 8 * SECOND + UNKNOWN);
        usage.give_back(&USER, 2, (4 * SECOND, Used::InVain), end);
        assert_eq!(of(&usage, end), 8 * SECOND + UNKNOWN);
        assert_eq!(of(&usage, end + HALF_LIFE), 4 * SECOND + UNKNOWN);
        assert_eq!(of(&usage, end + 1_000 * HALF_LIFE), UNKNOWN);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_waited_for_counts_in_advance_until_the_wait_ends() {
        let (mut usage, now) = (Usage::default(), Instant::now());
        let ahead = |usage: &Usage<_>| Duration::from_micros(usage.with_advance(&USER, now));
        usage.wait(&USER, 3, now);
        assert_eq!(ahead(&usage), 3 * ADVANCE + UNKNOWN);
        usage.stop_waiting(&USER, 3, now);
        assert_eq!(ahead(&usage), UNKNOWN);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_used_well_counts_less_than_what_is_not_known() {
        let (mut usage, now) = (Usage::default(), Instant::now());
        for time in [Duration::ZERO, SECOND] {
            usage.hold(&USER, 1, now);
            usage.give_back(&USER, 1, (time, Used::Well), now);
            assert!(of(&usage, now) < UNKNOWN / 3, "{time:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_counts_as_earlier_units_did() {
        for (used, more) in [(Used::Well, Duration::ZERO), (Used::InVain, 8 * SECOND)] {
            let (mut usage, start) = (Usage::default(), Instant::now());
            usage.hold(&USER, 1, start);
            usage.give_back(&USER, 1, (1_000 * SECOND, used), start);
            let now = start + 8 * SECOND;
            let before = of(&usage, now);
            usage.hold(&USER, 1, start);
            let counts = of(&usage, now).saturating_sub(before);
            assert!(
                counts.abs_diff(more) < Duration::from_millis(10),
                "{used:?} {counts:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_turns_out_well_was_not_in_vain() {
        let (mut usage, now) = (Usage::default(), Instant::now());
        usage.hold(&USER, 2, now);
        usage.give_back(&USER, 2, (SECOND, Used::InVain), now);
        assert!(of(&usage, now) > SECOND);
        usage.turns_out_well(&USER, 2, SECOND, now);
        assert!(of(&usage, now) < UNKNOWN);
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_users_are_remembered() {
        let (mut usage, now) = (Usage::default(), Instant::now());
        usage.hold(&0, 1, now);
        for number in 1..2 * REMEMBERED {
            usage.hold(&number, 1, now);
            usage.give_back(&number, 1, (Duration::ZERO, Used::InVain), now);
        }
        assert!(usage.0.len() <= REMEMBERED && usage.0.contains_key(&0));
    }
}
