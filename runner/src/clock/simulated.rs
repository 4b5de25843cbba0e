//! Clocks that follow the paused clock of the thread's runtime, and that a test can set.

use std::cell::Cell;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Readings of all clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) wall: SystemTime,
    pub(crate) boot: Duration,
    pub(crate) awake: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Clocks {
    began: Instant,
    /// The time of day when they began, and every step since.
    wall: SystemTime,
    slept: Duration,
}

thread_local! {
    static CLOCKS: Cell<Option<Clocks>> = const { Cell::new(None) };
}

/// The clocks of this thread, until it is dropped.
#[derive(Debug)]
pub(crate) struct Simulated(());

impl Simulated {
    /// It is `wall` now.
    pub(crate) fn begin(wall: SystemTime) -> Self {
        let began = Instant::now();
        let slept = Duration::ZERO;
        CLOCKS.set(Some(Clocks { began, wall, slept }));
        Self(())
    }

    /// The machine slept.
    pub(crate) fn sleep(&self, time: Duration) {
        change(|clocks| clocks.slept += time);
    }

    /// The time of day is set, forward or back.
    pub(crate) fn step(&self, seconds: i64) {
        let time = Duration::from_secs(seconds.unsigned_abs());
        change(|clocks| match seconds < 0 {
            true => clocks.wall -= time,
            false => clocks.wall += time,
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

/// What the clocks of this thread say; nothing where it has none of its own.
pub(super) fn read() -> Option<Reading> {
    let Clocks { began, wall, slept } = CLOCKS.get()?;
    // Far from the boot, so that there is a time before it.
    let awake = Duration::from_secs(1_000_000) + began.elapsed();
    let boot = awake + slept;
    Some(Reading {
        wall: wall + began.elapsed() + slept,
        boot,
        awake,
    })
}
