//! Wake-up latency of the machine: delays that the runner cannot be blamed for.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::time::Instant;

const WAKE_INTERVAL: Duration = Duration::from_millis(20);

/// A thread that sleeps repeatedly and measures how late it wakes up.
pub(crate) struct WakeLatencyMonitor {
    stop_tx: Sender<()>,
    thread: JoinHandle<Vec<Duration>>,
}

/// Measured wake-up latencies.
#[derive(Debug, Default)]
pub(crate) struct WakeLatency {
    pub(crate) max: Duration,
    /// The 99th percentile.
    pub(crate) p99: Duration,
}

impl WakeLatencyMonitor {
    pub(crate) fn start() -> Self {
        let (stop_tx, stop_rx) = channel();
        let thread = std::thread::spawn(move || {
            let mut all = Vec::new();
            let mut before = Instant::now();
            while stop_rx.recv_timeout(WAKE_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                all.push(before.elapsed().saturating_sub(WAKE_INTERVAL));
                before = Instant::now();
            }
            all
        });
        Self { stop_tx, thread }
    }

    pub(crate) fn stop(self) -> WakeLatency {
        drop(self.stop_tx);
        let mut all = self.thread.join().unwrap();
        all.sort();
        let rank = (all.len() * 99).div_ceil(100).saturating_sub(1);
        WakeLatency {
            max: all.last().copied().unwrap_or_default(),
            p99: all.get(rank).copied().unwrap_or_default(),
        }
    }
}
