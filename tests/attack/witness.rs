//! How late this machine itself wakes those who sleep: what a runner on it cannot be blamed for.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::time::Instant;

const WAKE: Duration = Duration::from_millis(20);

/// A thread of the test that sleeps and wakes, as anybody may who computes nothing.
pub(crate) struct Witness {
    stop: Sender<()>,
    thread: JoinHandle<Vec<Duration>>,
}

/// How late it was.
#[derive(Debug, Default)]
pub(crate) struct Lateness {
    pub(crate) most: Duration,
    /// What 99 of 100 times did not exceed.
    pub(crate) p99: Duration,
}

impl Witness {
    pub(crate) fn start() -> Self {
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            let mut all = Vec::new();
            let mut before = Instant::now();
            while stopped.recv_timeout(WAKE) == Err(RecvTimeoutError::Timeout) {
                all.push(before.elapsed().saturating_sub(WAKE));
                before = Instant::now();
            }
            all
        });
        Self { stop, thread }
    }

    pub(crate) fn stop(self) -> Lateness {
        drop(self.stop);
        let mut all = self.thread.join().unwrap();
        all.sort();
        let rank = (all.len() * 99).div_ceil(100).saturating_sub(1);
        Lateness {
            most: all.last().copied().unwrap_or_default(),
            p99: all.get(rank).copied().unwrap_or_default(),
        }
    }
}
