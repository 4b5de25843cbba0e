//! Detects suspend and clock steps by comparing the system clocks with the monotonic clock that the supervisor's
//! timers use, which stops during suspend and does not know the time of day.

pub(super) mod pause_detector;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use canary_system::clock;

/// Differences below this are noise.
const NOISE: Duration = Duration::from_millis(100);
/// Smaller changes of the time of day are ordinary NTP corrections.
const STEP: Duration = Duration::from_secs(2);

/// A sample of three clocks taken at the same moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClockSample {
    /// `CLOCK_MONOTONIC`: stops during suspend.
    pub(super) monotonic: Duration,
    /// `CLOCK_BOOTTIME`: includes suspend.
    pub(super) boot: Duration,
    /// The time of day; can be set.
    pub(super) wall: SystemTime,
}

impl ClockSample {
    pub(super) fn now() -> Self {
        Self {
            monotonic: clock::monotonic(),
            boot: clock::boot(),
            wall: clock::wall(),
        }
    }
}

/// What the clocks did since the last sample.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ClockChange {
    /// How long the machine was suspended.
    pub(super) slept: Option<Duration>,
    /// By how much the time of day was set.
    pub(super) step: Option<ClockStep>,
}

/// A step of the time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClockStep {
    /// Positive is forward, negative is back.
    pub(super) seconds: i64,
    /// What the time of day would be now without the step.
    pub(super) unset: SystemTime,
}

/// Compares each sample with the previous one.
#[derive(Debug)]
pub(super) struct ClockMonitor(ClockSample);

impl ClockMonitor {
    pub(super) fn new(now: ClockSample) -> Self {
        Self(now)
    }

    pub(super) fn observe(&mut self, now: ClockSample) -> ClockChange {
        let before = std::mem::replace(&mut self.0, now);
        let elapsed = now.boot.saturating_sub(before.boot);
        let slept = elapsed.saturating_sub(now.monotonic.saturating_sub(before.monotonic));
        let unset = before.wall + elapsed;
        let seconds = seconds(now.wall) - seconds(unset);
        ClockChange {
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

    fn at(monotonic: u64, boot: u64, wall: u64) -> ClockSample {
        let secs = Duration::from_secs;
        ClockSample {
            monotonic: secs(monotonic),
            boot: secs(boot),
            wall: UNIX_EPOCH + secs(wall),
        }
    }

    #[test]
    fn clocks_that_go_together_say_nothing() {
        let mut monitor = ClockMonitor::new(at(10, 100, 1_000));
        assert_eq!(monitor.observe(at(11, 101, 1_001)), ClockChange::default());
        assert_eq!(monitor.observe(at(3_611, 3_701, 4_601)), ClockChange::default());
    }

    #[test]
    fn a_sleep_of_the_machine_is_seen_once() {
        let mut monitor = ClockMonitor::new(at(10, 100, 1_000));
        let change = monitor.observe(at(11, 401, 1_301));
        assert_eq!(
            (change.slept, change.step),
            (Some(Duration::from_secs(300)), None)
        );
        assert_eq!(monitor.observe(at(12, 402, 1_302)), ClockChange::default());
    }

    #[test]
    fn a_clock_that_is_set_forth_and_back_is_seen_and_is_no_sleep() {
        let mut monitor = ClockMonitor::new(at(10, 100, 1_000_000));
        let step = |seconds, unset| {
            let unset = UNIX_EPOCH + Duration::from_secs(unset);
            Some(ClockStep { seconds, unset })
        };
        let forth = monitor.observe(at(11, 101, 1_003_601));
        assert_eq!((forth.slept, forth.step), (None, step(3_600, 1_000_001)));
        let back = monitor.observe(at(12, 102, 996_402));
        assert_eq!((back.slept, back.step), (None, step(-7_200, 1_003_602)));
    }
}
