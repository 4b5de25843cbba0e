//! The thread that reads the host's trusted certificates. A disk that hangs holds up nobody else.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::ledger::audit::Reserve;
use crate::liveness::{BEAT, Component, Impact, Progress, Registry, STALL, spawn};
use crate::net::tls::TrustReader;

const TRUST: Component = Component {
    name: "trust",
    impact: Impact::Readiness,
};
/// Beats from one reading to the next, five minutes: certificates that an operator adds or distrusts are in force then.
const REFRESH: u32 = 300;
/// How long the start of the host waits for the first reading. Runs wait for it themselves.
const FIRST_READING: Duration = Duration::from_millis(500);

/// Ends when it is dropped, unless a disk holds it up: nobody waits for that.
pub(super) struct TrustThread {
    /// The thread ends when this is gone.
    _stop: Sender<()>,
}

impl TrustThread {
    /// Reads the certificates now, and again every five minutes.
    ///
    /// # Errors
    /// The operating system refuses a thread.
    pub(super) fn start(reader: TrustReader, reserve: Reserve, registry: &Registry) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let (first_tx, first_rx) = channel();
        let _unjoined = spawn(TRUST, registry, move |progress| {
            progress.working("reading trusted certificates", STALL);
            reader.read();
            // Nobody waits any more when this is late.
            let _late = first_tx.send(());
            while is_due(&stopped, progress) {
                progress.working("reading trusted certificates", STALL);
                let _folder_and_file = (reserve.hold(), reserve.hold());
                reader.read();
            }
        })?;
        // What is open while the files are read would be taken for the host's own for ever.
        let _late = first_rx.recv_timeout(FIRST_READING);
        Ok(Self { _stop: stop })
    }
}

/// Waits for the next reading; false when there is none any more.
fn is_due(stopped: &Receiver<()>, progress: &Progress) -> bool {
    (0..REFRESH).all(|_| {
        progress.beat();
        stopped.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout)
    })
}
