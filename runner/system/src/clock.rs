//! The clocks of the operating system. Tests replace them by simulated ones.

use std::time::{Duration, SystemTime};

#[cfg(any(test, feature = "test-util"))]
pub mod simulated;

/// The time of day; can be set.
#[must_use]
pub fn wall() -> SystemTime {
    #[cfg(any(test, feature = "test-util"))]
    if let Some(sample) = simulated::read() {
        return sample.wall;
    }
    SystemTime::now()
}

/// Time since the boot, including suspend (`CLOCK_BOOTTIME`).
#[must_use]
pub fn boot() -> Duration {
    #[cfg(any(test, feature = "test-util"))]
    if let Some(sample) = simulated::read() {
        return sample.boot;
    }
    clock_time(rustix::time::ClockId::Boottime)
}

/// Monotonic time, excluding suspend (`CLOCK_MONOTONIC`).
#[must_use]
pub fn monotonic() -> Duration {
    #[cfg(any(test, feature = "test-util"))]
    if let Some(sample) = simulated::read() {
        return sample.monotonic;
    }
    clock_time(rustix::time::ClockId::Monotonic)
}

fn clock_time(clock: rustix::time::ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), nanos)
}
