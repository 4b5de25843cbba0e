//! The signals that the runner takes.

mod guard;

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

pub use guard::{MARGIN, guard};

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

/// SIGHUP, from now on: the suite is to be read again.
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
