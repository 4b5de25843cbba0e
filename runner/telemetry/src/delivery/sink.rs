//! The destination of an export worker.

use std::time::Duration;

use hyper::body::Bytes;

use super::console::Console;
use super::export_result::ExportResult;
use super::transport::Transport;
use crate::signal::Signal;

/// A collector or the console.
#[derive(Debug)]
pub(super) enum Sink {
    Collector(Box<Transport>),
    Console(Signal, Console),
    /// A simulated collector.
    #[cfg(any(test, feature = "test-util"))]
    Simulated(Signal, super::simulated::Collector),
}

impl Sink {
    /// Whether undelivered data is worth buffering.
    pub(super) fn is_collector(&self) -> bool {
        !matches!(self, Self::Console(..))
    }

    /// The maximum duration of one request.
    pub(super) fn timeout(&self) -> Duration {
        match self {
            Self::Collector(transport) => transport.timeout(),
            Self::Console(..) => Duration::ZERO,
            #[cfg(any(test, feature = "test-util"))]
            Self::Simulated(..) => super::simulated::TIMEOUT,
        }
    }

    /// Sends one request within the destination's time-out.
    ///
    /// Cancellation: closes the connection; the collector may have received the request.
    pub(super) async fn export(&mut self, request: Bytes) -> ExportResult {
        match self {
            Self::Collector(transport) => transport.export(request).await,
            Self::Console(signal, console) => console.write(*signal, &request),
            #[cfg(any(test, feature = "test-util"))]
            Self::Simulated(signal, collector) => match collector.answer(*signal, request).await {
                Ok((status, after)) => super::transport::classify_status(status, after),
                Err(failure) => failure.into(),
            },
        }
    }
}
