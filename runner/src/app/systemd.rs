//! Notifies systemd of the service's state from a separate thread, so that a manager that does not read its socket
//! blocks nothing else.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};

use canary_system::liveness::{self, BEAT, Component, Impact, Progress, Registry, STALL};
use canary_watch::systemd;

/// Capacity of the queue; further notices are dropped.
const QUEUE_CAPACITY: usize = 16;
const SYSTEMD: Component = Component {
    name: "systemd",
    impact: Impact::Readiness,
};

/// Queues notices without blocking. Cheap to clone; the thread ends with the last clone.
#[derive(Debug, Clone)]
pub(super) struct SystemdNotifier(SyncSender<Notice>);

#[derive(Debug)]
enum Notice {
    Ready(String),
    Reloading,
    Stopping,
}

impl SystemdNotifier {
    /// Starts the thread. Without systemd, or a compatible manager, notices are discarded.
    ///
    /// # Errors
    /// The operating system refuses a thread.
    pub(super) fn start(registry: &Registry) -> io::Result<Self> {
        let (notices_tx, notices_rx) = sync_channel(QUEUE_CAPACITY);
        liveness::spawn(SYSTEMD, registry, move |progress| send_all(&notices_rx, progress))?;
        Ok(Self(notices_tx))
    }

    /// The service runs so many checks.
    pub(super) fn ready(&self, checks: usize) {
        let plural = if checks == 1 { "" } else { "s" };
        self.send(Notice::Ready(format!("{checks} check{plural}")));
    }

    /// A reload began; [`SystemdNotifier::ready`] or [`SystemdNotifier::refused`] follows.
    pub(super) fn reloading(&self) {
        self.send(Notice::Reloading);
    }

    /// The new suite was rejected; the old one stays active.
    pub(super) fn refused(&self) {
        let status = "reload failed, keeping the current suite";
        self.send(Notice::Ready(status.to_owned()));
    }

    /// The service is shutting down.
    pub(super) fn stopping(&self) {
        self.send(Notice::Stopping);
    }

    fn send(&self, notice: Notice) {
        // A manager that has not read sixteen notices would not read this one either.
        let _full = self.0.try_send(notice);
    }
}

fn send_all(notices: &Receiver<Notice>, progress: &Progress) {
    loop {
        progress.beat();
        let notice = match notices.recv_timeout(BEAT) {
            Ok(notice) => notice,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        progress.working("notifying systemd", STALL);
        let sent = match notice {
            Notice::Ready(status) => systemd::ready(&status),
            Notice::Reloading => systemd::reloading(),
            Notice::Stopping => systemd::stopping("waiting for running checks"),
        };
        if let Err(error) = sent {
            tracing::warn!("cannot notify systemd: {error}");
        }
    }
}
