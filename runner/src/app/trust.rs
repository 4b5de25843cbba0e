//! The thread that reads the host's trusted certificates. A disk that hangs blocks nothing else.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use canary_net::ledger::audit::InternalFds;
use canary_net::tls::TrustReader;
use canary_system::liveness::{BEAT, Component, Impact, Progress, Registry, STALL, spawn};

const TRUST: Component = Component {
    name: "trust",
    impact: Impact::Readiness,
};
/// Number of beats between two reads, five minutes: then certificates that an operator added or distrusted take
/// effect.
const REFRESH_BEATS: u32 = 300;
/// How long the start of the host waits for the first read. Runs wait for it themselves.
const FIRST_READ_TIMEOUT: Duration = Duration::from_millis(500);

/// Stops when dropped; not joined, because a disk may block it.
pub(super) struct TrustThread {
    /// The thread ends when this sender is dropped.
    _stop: Sender<()>,
}

impl TrustThread {
    /// Reads the certificates now, and again every five minutes.
    ///
    /// # Errors
    /// The operating system refuses a thread.
    pub(super) fn start(
        reader: TrustReader,
        internal_fds: InternalFds,
        registry: &Registry,
    ) -> io::Result<Self> {
        let (stop_tx, stop_rx) = channel();
        let (first_tx, first_rx) = channel();
        let _unjoined = spawn(TRUST, registry, move |progress| {
            progress.working("reading trusted certificates", STALL);
            reader.read();
            // The receiver is gone if this comes too late.
            let _late = first_tx.send(());
            while wait_for_next(&stop_rx, progress) {
                progress.working("reading trusted certificates", STALL);
                let _folder_and_file = (internal_fds.acquire(), internal_fds.acquire());
                reader.read();
            }
        })?;
        // Descriptors that are open while the files are read would be counted as the host's own for ever.
        let _late = first_rx.recv_timeout(FIRST_READ_TIMEOUT);
        Ok(Self { _stop: stop_tx })
    }
}

/// Waits for the next read; false when the thread should stop.
fn wait_for_next(stop_rx: &Receiver<()>, progress: &Progress) -> bool {
    (0..REFRESH_BEATS).all(|_| {
        progress.beat();
        stop_rx.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout)
    })
}
