//! Measurement of elapsed time.

use std::time::Duration;

use crate::backend::Moment;

/// Measures elapsed time by the clock of the host that runs the plugin.
///
/// Prefer the timings of the clients if they contain what is needed: the host measures them close to the socket.
/// Under the [fake host](crate::fake) time passes only as its scripts say, so that no test sleeps.
///
/// ```
/// use canary_sdk::{Stopwatch, Verdict};
///
/// let stopwatch = Stopwatch::start();
/// let mut verdict = Verdict::pass("authenticated");
/// verdict.measure_time("login.duration", stopwatch.elapsed());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stopwatch(Moment);

impl Stopwatch {
    /// Starts measuring.
    pub fn start() -> Self {
        Self(Moment::now())
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
