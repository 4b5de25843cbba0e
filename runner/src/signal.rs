//! The signals that the runner takes.

mod guard;
mod hangup;

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

pub use guard::{MARGIN, guard};
pub use hangup::HeldHangup;

/// Takes over SIGXFSZ, which ends the process when a file grows over the limit of its size (`ulimit -f`,
/// `LimitFSIZE=`): the write fails instead, as on a full disk.
///
/// # Errors
/// The operating system refused.
pub fn survive_file_size_limit() -> io::Result<()> {
    // Nobody asks whether it came: the write says so.
    signal_hook::flag::register(rustix::process::Signal::XFSZ.as_raw(), Arc::default())?;
    Ok(())
}

/// SIGTERM and SIGINT, from now on.
#[derive(Debug)]
pub struct Shutdown {
    terminate: Signal,
    interrupt: Signal,
}

impl Shutdown {
    /// Takes over both signals; until then they end the process as usual.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next of them. Safe to drop and call again.
    pub async fn requested(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// SIGHUP, from now on: the suite is to be read again. Before, [`HeldHangup`] has it.
#[derive(Debug)]
pub struct Hangup(Option<Signal>);

impl Hangup {
    /// Takes over the signal; until then it ends the process as usual.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn listen() -> io::Result<Self> {
        Ok(Self(Some(signal(SignalKind::hangup())?)))
    }

    /// The signal is left as it is, and ends the process as usual.
    #[must_use]
    pub fn never() -> Self {
        Self(None)
    }

    /// Waits for the next one. Safe to drop and call again.
    pub async fn requested(&mut self) {
        let came = match &mut self.0 {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if came.is_none() {
            // No more will come.
            std::future::pending().await
        }
    }
}
