//! How a collector treats what it is sent.

use std::time::Duration;

/// How a collector treats requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Takes them and says so.
    #[default]
    Answer,
    /// Takes them after a while.
    Slow(Duration),
    /// Takes them, but says that this many spans, points or records were no good.
    PartialSuccess(i64),
    /// Takes those of so many bytes at most, uncompressed, and says of larger ones that they are too large.
    UpTo(usize),
    /// Reads them and never answers.
    Silent,
    /// Refuses them with an HTTP status, with gRPC as well: what a proxy before the collector does.
    Status {
        /// The status.
        code: u16,
        /// `retry-after` in seconds.
        retry_after: Option<u64>,
    },
    /// Refuses them with a gRPC status; over HTTP the client is told 500.
    Grpc {
        /// The status, as 14 for unavailable.
        code: i32,
        /// The delay of a `RetryInfo` in the status.
        retry_after: Option<Duration>,
    },
    /// Answers bytes that are neither HTTP/1.1 nor HTTP/2, and closes.
    Garbage,
    /// Closes in the middle.
    Close(Half),
}

impl Mode {
    /// Whether a request of so many bytes is taken, so that sending it again would store it twice.
    pub(super) const fn takes(self, bytes: usize) -> bool {
        match self {
            Self::Answer | Self::Slow(_) | Self::PartialSuccess(_) => true,
            Self::UpTo(most) => bytes <= most,
            _ => false,
        }
    }
}

/// The middle of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// It has read the head of the request, and not its body.
    Request,
    /// It has read the request and sent half of the answer.
    Answer,
}
