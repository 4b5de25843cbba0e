//! How a collector handles requests.

use std::time::Duration;

/// How a collector handles requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Accepts them.
    #[default]
    Answer,
    /// Accepts them after a delay.
    Slow(Duration),
    /// Accepts them with a partial success that rejects this many spans, points or records.
    PartialSuccess(i64),
    /// Accepts those of at most this many uncompressed bytes, and rejects larger ones as too large.
    UpTo(usize),
    /// Reads them and never responds.
    Silent,
    /// Rejects them with an HTTP status, over gRPC as well, as a proxy in front of the collector would.
    Status {
        /// The status.
        code: u16,
        /// `retry-after` in seconds.
        retry_after: Option<u64>,
    },
    /// Rejects them with a gRPC status, or over HTTP with status 500.
    Grpc {
        /// The status, as 14 for unavailable.
        code: i32,
        /// The delay of a `RetryInfo` in the status.
        retry_after: Option<Duration>,
    },
    /// Sends bytes that are neither HTTP/1.1 nor HTTP/2, and closes.
    Garbage,
    /// Closes the connection in the middle of an exchange.
    Close(ClosePoint),
}

impl Mode {
    /// Whether a request of this size is accepted, so that resending it would store it twice.
    pub(super) const fn accepts(self, bytes: usize) -> bool {
        match self {
            Self::Answer | Self::Slow(_) | Self::PartialSuccess(_) => true,
            Self::UpTo(most) => bytes <= most,
            _ => false,
        }
    }
}

/// Where a collector closes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosePoint {
    /// After the head of the request, before its body.
    Request,
    /// After half of the response.
    Response,
}
