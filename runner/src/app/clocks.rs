//! The clocks of the world, held against the one that the service waits by: that one stands still while the machine
//! sleeps, and knows nothing of the time of day.

pub(super) mod pauses;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock;

/// Smaller differences are noise.
const NOISE: Duration = Duration::from_millis(100);
/// Smaller changes of the time of day are those that NTP makes all the time.
const STEP: Duration = Duration::from_secs(2);

/// Readings of three clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// Stands still while the machine sleeps (`CLOCK_MONOTONIC`).
    pub(super) awake: Duration,
    /// Goes on while the machine sleeps (`CLOCK_BOOTTIME`).
    pub(super) boot: Duration,
    /// The time of day; can be set.
    pub(super) wall: SystemTime,
}

impl Reading {
    pub(super) fn take() -> Self {
        Self {
            awake: clock::awake(),
            boot: clock::boot(),
            wall: clock::wall(),
        }
    }
}

/// What the clocks did since they were last looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    /// How long the machine slept.
    pub(super) slept: Option<Duration>,
    /// How the time of day was set.
    pub(super) step: Option<ClockStep>,
}

/// The time of day was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClockStep {
    /// Forward, or back.
    pub(super) seconds: i64,
    /// The time of day as it would be now without that.
    pub(super) unset: SystemTime,
}

/// Remembers the last reading.
#[derive(Debug)]
pub(super) struct Clocks(Reading);

impl Clocks {
    pub(super) fn new(now: Reading) -> Self {
        Self(now)
    }

    pub(super) fn look(&mut self, now: Reading) -> Moved {
        let before = std::mem::replace(&mut self.0, now);
        let went_on = now.boot.saturating_sub(before.boot);
        let slept = went_on.saturating_sub(now.awake.saturating_sub(before.awake));
        let unset = before.wall + went_on;
        let seconds = seconds(now.wall) - seconds(unset);
        Moved {
            slept: (slept > NOISE).then_some(slept),
            step: (seconds.unsigned_abs() >= STEP.as_secs()).then_some(ClockStep { seconds, unset }),
        }
    }
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(awake: u64, boot: u64, wall: u64) -> Reading {
        let secs = Duration::from_secs;
        Reading {
            awake: secs(awake),
            boot: secs(boot),
            wall: UNIX_EPOCH + secs(wall),
        }
    }

    #[test]
    fn clocks_that_go_together_say_nothing() {
        let mut clocks = Clocks::new(at(10, 100, 1_000));
        assert_eq!(clocks.look(at(11, 101, 1_001)), Moved::default());
        assert_eq!(clocks.look(at(3_611, 3_701, 4_601)), Moved::default());
    }

    #[test]
    fn a_sleep_of_the_machine_is_seen_once() {
        let mut clocks = Clocks::new(at(10, 100, 1_000));
        let moved = clocks.look(at(11, 401, 1_301));
        assert_eq!((moved.slept, moved.step), (Some(Duration::from_secs(300)), None));
        assert_eq!(clocks.look(at(12, 402, 1_302)), Moved::default());
    }

    #[test]
    fn a_clock_that_is_set_forth_and_back_is_seen_and_is_no_sleep() {
        let mut clocks = Clocks::new(at(10, 100, 1_000_000));
        let step = |seconds, unset| {
            let unset = UNIX_EPOCH + Duration::from_secs(unset);
            Some(ClockStep { seconds, unset })
        };
        let forth = clocks.look(at(11, 101, 1_003_601));
        assert_eq!((forth.slept, forth.step), (None, step(3_600, 1_000_001)));
        let back = clocks.look(at(12, 102, 996_402));
        assert_eq!((back.slept, back.step), (None, step(-7_200, 1_003_602)));
    }
}
