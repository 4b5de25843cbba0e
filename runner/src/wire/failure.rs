//! Why a request got no answer.

/// An exchange without an answer that could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind of failure it is.
    pub cause: Cause,
    /// One line for people. It may name the host and the address, and never has the URL's path or query.
    pub message: String,
}

impl Failure {
    pub(crate) fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self {
            cause,
            message: message.into(),
        }
    }
}

/// What kept an exchange from its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The settings cannot be used as they are, such as a certificate file that is not there or broken.
    Settings,
    /// The peer's name has no address.
    Lookup,
    /// No address of the peer takes a connection, or the process has no descriptor left for one or for
    /// its files.
    Connect,
    /// There is no TLS session with the peer.
    Tls,
    /// The connection ended before the answer.
    Closed,
    /// The deadline passed.
    Timeout,
    /// The answer is none of the protocol.
    Garbage,
}

impl Cause {
    /// The word in metrics, one of seven.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Lookup => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Closed => "closed",
            Self::Timeout => "timeout",
            Self::Garbage => "garbage",
        }
    }
}
