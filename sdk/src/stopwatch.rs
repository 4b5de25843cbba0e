//! Measuring how long something takes.

use std::time::Duration;

use crate::backend::Moment;

/// Measures how long something takes, by the clock of the host that runs the plugin.
///
/// Prefer the timings of the clients where they say what is needed: the host takes them close to the socket.
/// Under the [fake host](crate::fake) time passes only as its scripts say, so that no test sleeps.
///
/// ```
/// use canary_sdk::{Stopwatch, Verdict};
///
/// let stopwatch = Stopwatch::start();
/// let mut verdict = Verdict::pass("authenticated");
/// verdict.measure_time("login.duration", stopwatch.elapsed());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Moment);

impl Stopwatch {
    /// Starts to measure.
    pub fn start() -> Self {
        Self(Moment::now())
    }

    /// How long ago it was started.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
