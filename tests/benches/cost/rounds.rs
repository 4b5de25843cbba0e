//! CPU time, measured in turns so that whatever else the machine does falls on both sides.

use std::fmt;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Rounds of each side.
pub(crate) const ROUNDS: u32 = 21;
/// Iterations of a round; few enough that the local ports of all rounds last.
const ITERATIONS: u32 = 300;

/// CPU of one iteration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) least: Duration,
    pub(crate) median: Duration,
}

impl Figures {
    pub(crate) fn of(mut rounds: Vec<Duration>) -> Self {
        rounds.sort_unstable();
        let middle = rounds.get(rounds.len() / 2).copied();
        Self {
            least: rounds.first().copied().unwrap_or_default(),
            median: middle.unwrap_or_default(),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        write!(f, "{:.1} / {:.1}", micros(self.least), micros(self.median))
    }
}

/// Measures two sides in turns, after one round each for warmth.
pub(crate) async fn in_turns(mut one: impl AsyncFnMut(), mut other: impl AsyncFnMut()) -> (Figures, Figures) {
    round(&mut one).await;
    round(&mut other).await;
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ones.push(round(&mut one).await);
        others.push(round(&mut other).await);
    }
    (Figures::of(ones), Figures::of(others))
}

async fn round(work: &mut impl AsyncFnMut()) -> Duration {
    let before = thread_cpu();
    for _ in 0..ITERATIONS {
        work().await;
    }
    (thread_cpu() - before) / ITERATIONS
}

/// What this thread has used, the kernel's work for it included.
pub(crate) fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("CPU time is not negative")
}
