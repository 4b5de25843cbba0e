//! How far a streamed exchange has come.

use crate::tcp::Timings;

/// The progress of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExchangeInfo {
    /// Timings of the last hop. `receive` is how long the host waited for the response since its first byte: what the
    /// probe does between two reads is not part of it.
    pub timings: Timings,
    /// Bytes of body received, which may be more than was read.
    pub received: u64,
    /// Bytes of body that the head announced, if it did.
    pub announced: Option<u64>,
    /// True once a read has found the end of the body.
    pub complete: bool,
}

impl ExchangeInfo {
    pub(crate) fn new(timings: Timings, received: u64, announced: Option<u64>, complete: bool) -> Self {
        Self {
            timings,
            received,
            announced,
            complete,
        }
    }
}
