//! Where a lane ends.

use std::time::Duration;

use hyper::body::Bytes;

use super::answer::Answer;
use super::console::Console;
use super::transport::Transport;
use crate::telemetry::settings::Signal;

/// A collector or the console.
#[derive(Debug)]
pub(super) enum Outlet {
    Collector(Box<Transport>),
    Console(Signal, Console),
    /// A collector in a test.
    #[cfg(test)]
    Simulated(Signal, super::simulated::Collector),
}

impl Outlet {
    /// Whether what it did not take is worth something later.
    pub(super) fn is_collector(&self) -> bool {
        !matches!(self, Self::Console(..))
    }

    /// The longest that sending one request takes.
    pub(super) fn timeout(&self) -> Duration {
        match self {
            Self::Collector(transport) => transport.timeout(),
            Self::Console(..) => Duration::ZERO,
            #[cfg(test)]
            Self::Simulated(..) => super::simulated::TIMEOUT,
        }
    }

    /// Sends one request, within the time that the destination has for it.
    ///
    /// Cancellation: closes the connection; the collector may have the request.
    pub(super) async fn export(&mut self, request: Bytes) -> Answer {
        match self {
            Self::Collector(transport) => transport.export(request).await,
            Self::Console(signal, console) => console.write(*signal, &request),
            #[cfg(test)]
            Self::Simulated(signal, collector) => collector.export(*signal, request).await,
        }
    }
}
