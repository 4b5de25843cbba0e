//! CPU time, measured alternately so that other load on the machine affects both sides.

use std::fmt;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Rounds of each side.
pub(crate) const ROUNDS: u32 = 21;
/// Iterations of a round; few enough that all rounds together do not run out of local ports.
const ITERATIONS: u32 = 300;

/// CPU of one iteration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CpuTime {
    pub(crate) least: Duration,
    pub(crate) median: Duration,
}

impl CpuTime {
    pub(crate) fn new(mut rounds: Vec<Duration>) -> Self {
        rounds.sort_unstable();
        let middle = rounds.get(rounds.len() / 2).copied();
        Self {
            least: rounds.first().copied().unwrap_or_default(),
            median: middle.unwrap_or_default(),
        }
    }
}

impl fmt::Display for CpuTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        write!(f, "{:.1} / {:.1}", micros(self.least), micros(self.median))
    }
}

/// Measures two sides alternately, after a warm-up round each.
pub(crate) async fn in_turns(mut one: impl AsyncFnMut(), mut other: impl AsyncFnMut()) -> (CpuTime, CpuTime) {
    round(&mut one).await;
    round(&mut other).await;
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ones.push(round(&mut one).await);
        others.push(round(&mut other).await);
    }
    (CpuTime::new(ones), CpuTime::new(others))
}

async fn round(work: &mut impl AsyncFnMut()) -> Duration {
    let before = thread_cpu();
    for _ in 0..ITERATIONS {
        work().await;
    }
    (thread_cpu() - before) / ITERATIONS
}

/// CPU time of this thread, including system time.
pub(crate) fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("CPU time is not negative")
}
