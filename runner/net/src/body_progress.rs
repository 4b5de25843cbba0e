//! How much of a body was received.

use std::fmt;

/// How much of a body was received, and how much the head announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyProgress {
    /// Bytes received.
    pub received: u64,
    /// The value of `content-length`, in bytes.
    pub content_length: Option<u64>,
}

impl fmt::Display for BodyProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.content_length {
            Some(announced) => write!(f, "{} of {announced} bytes", self.received),
            None => write!(f, "{} bytes", self.received),
        }
    }
}
