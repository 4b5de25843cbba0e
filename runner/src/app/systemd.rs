//! Tells systemd of the service's state, from a thread of its own: a manager that takes no notices holds up nobody else.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};

use crate::liveness::{self, BEAT, Component, Impact, Progress, Registry, STALL};
use crate::watch::systemd;

/// Notices that may wait; further ones are dropped.
const WAITING: usize = 16;
const SYSTEMD: Component = Component {
    name: "systemd",
    impact: Impact::Readiness,
};

/// Takes notices without waiting. Cheap to clone; the thread ends with the last one.
#[derive(Debug, Clone)]
pub(super) struct Systemd(SyncSender<Notice>);

#[derive(Debug)]
enum Notice {
    Ready(String),
    Reloading,
    Stopping,
}

impl Systemd {
    /// Starts the thread. Without systemd, or what does as it does, nothing comes of a notice.
    ///
    /// # Errors
    /// The operating system refuses a thread.
    pub(super) fn start(registry: &Registry) -> io::Result<Self> {
        let (notices_tx, notices_rx) = sync_channel(WAITING);
        liveness::spawn(SYSTEMD, registry, move |progress| send_all(&notices_rx, progress))?;
        Ok(Self(notices_tx))
    }

    /// So many checks run.
    pub(super) fn ready(&self, checks: usize) {
        let plural = if checks == 1 { "" } else { "s" };
        self.send(Notice::Ready(format!("{checks} check{plural}")));
    }

    /// The suite is read again; [`Systemd::ready`] or [`Systemd::refused`] follows.
    pub(super) fn reloading(&self) {
        self.send(Notice::Reloading);
    }

    /// The old suite goes on.
    pub(super) fn refused(&self) {
        let status = "the suite was read again and refused; the old one goes on";
        self.send(Notice::Ready(status.to_owned()));
    }

    /// The service ends what is under way.
    pub(super) fn stopping(&self) {
        self.send(Notice::Stopping);
    }

    fn send(&self, notice: Notice) {
        // A manager that has not read sixteen of them does not read this one either.
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
            Notice::Stopping => systemd::stopping("waiting for the runs under way"),
        };
        if let Err(error) = sent {
            tracing::warn!("cannot tell systemd how the service is: {error}");
        }
    }
}
