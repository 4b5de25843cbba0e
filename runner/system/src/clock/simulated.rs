//! Clocks that follow the paused clock of the thread's runtime, and that a test can set.
#![expect(clippy::expect_used, reason = "what cannot be simulated must fail its test")]

use std::cell::Cell;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// A sample of all clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockSample {
    pub(crate) wall: SystemTime,
    pub(crate) boot: Duration,
    pub(crate) monotonic: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Clocks {
    began: Instant,
    /// The time of day at the start, plus every step since.
    wall: SystemTime,
    slept: Duration,
}

thread_local! {
    static CLOCKS: Cell<Option<Clocks>> = const { Cell::new(None) };
}

/// Replaces the clocks of this thread until it is dropped.
#[derive(Debug)]
pub struct Simulated(());

impl Simulated {
    /// Starts at `wall`.
    pub fn begin(wall: SystemTime) -> Self {
        let began = Instant::now();
        let slept = Duration::ZERO;
        CLOCKS.set(Some(Clocks { began, wall, slept }));
        Self(())
    }

    /// Simulates a suspend of the machine.
    pub fn sleep(&self, time: Duration) {
        change(|clocks| clocks.slept += time);
    }

    /// Sets the time of day forward or back.
    pub fn step(&self, seconds: i64) {
        let time = Duration::from_secs(seconds.unsigned_abs());
        change(|clocks| {
            if seconds < 0 {
                clocks.wall -= time
            } else {
                clocks.wall += time
            }
        });
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        CLOCKS.set(None);
    }
}

fn change(change: impl FnOnce(&mut Clocks)) {
    let mut clocks = CLOCKS.get().expect("they have begun");
    change(&mut clocks);
    CLOCKS.set(Some(clocks));
}

/// The simulated clocks of this thread, if any.
pub(super) fn read() -> Option<ClockSample> {
    let Clocks { began, wall, slept } = CLOCKS.get()?;
    // Far from the boot, so that there is a time before it.
    let monotonic = Duration::from_secs(1_000_000) + began.elapsed();
    let boot = monotonic + slept;
    Some(ClockSample {
        wall: wall + began.elapsed() + slept,
        boot,
        monotonic,
    })
}
