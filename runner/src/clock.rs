//! The clocks of the operating system, for all who decide by them. Tests put clocks of their own in their place.

use std::time::{Duration, SystemTime};

#[cfg(test)]
pub(crate) mod simulated;

/// The time of day; can be set.
#[must_use]
pub fn wall() -> SystemTime {
    #[cfg(test)]
    if let Some(reading) = simulated::read() {
        return reading.wall;
    }
    SystemTime::now()
}

/// Since the boot, sleep included (`CLOCK_BOOTTIME`).
#[must_use]
pub fn boot() -> Duration {
    #[cfg(test)]
    if let Some(reading) = simulated::read() {
        return reading.boot;
    }
    of(rustix::time::ClockId::Boottime)
}

/// Stands still while the machine sleeps (`CLOCK_MONOTONIC`).
#[must_use]
pub fn awake() -> Duration {
    #[cfg(test)]
    if let Some(reading) = simulated::read() {
        return reading.awake;
    }
    of(rustix::time::ClockId::Monotonic)
}

fn of(clock: rustix::time::ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), nanos)
}
