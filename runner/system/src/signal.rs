//! Signal handling.

mod guard;
mod hangup;
mod mask;

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

pub use guard::{MARGIN, guard};
pub use hangup::HeldHangup;
pub use mask::unblock_all;

/// Installs a handler for SIGXFSZ, which ends the process when a file grows over the size limit (`ulimit -f`,
/// `LimitFSIZE=`): the write fails instead, as on a full disk.
///
/// # Errors
/// The operating system refused.
pub fn survive_file_size_limit() -> io::Result<()> {
    // The flag is not read: the write reports the error.
    signal_hook::flag::register(rustix::process::Signal::XFSZ.as_raw(), Arc::default())?;
    Ok(())
}

/// Receives SIGTERM and SIGINT.
#[derive(Debug)]
pub struct Shutdown {
    terminate: Signal,
    interrupt: Signal,
}

impl Shutdown {
    /// Installs handlers for both signals; until then they end the process as usual.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal. Cancel safe.
    pub async fn requested(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Receives SIGHUP, which requests a reload. Until then, [`HeldHangup`] holds it.
#[derive(Debug)]
pub struct Hangup(Option<Signal>);

impl Hangup {
    /// Installs the handler; until then the signal ends the process as usual.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn listen() -> io::Result<Self> {
        Ok(Self(Some(signal(SignalKind::hangup())?)))
    }

    /// Leaves the signal alone, so that it ends the process as usual.
    #[must_use]
    pub fn never() -> Self {
        Self(None)
    }

    /// Waits for the next signal. Cancel safe.
    pub async fn requested(&mut self) {
        let received = match &mut self.0 {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if received.is_none() {
            // No more will come.
            std::future::pending().await
        }
    }
}
