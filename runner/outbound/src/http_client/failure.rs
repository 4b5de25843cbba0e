//! Failures of requests.

/// A request without a valid response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The kind of failure.
    pub cause: FailureCause,
    /// One line for people. It may contain the host and the address, but never the path or query of the URL.
    pub message: String,
}

impl Failure {
    /// A failure of one kind; for the rules of `message` see the field.
    pub fn new(cause: FailureCause, message: impl Into<String>) -> Self {
        Self {
            cause,
            message: message.into(),
        }
    }
}

/// The kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureCause {
    /// The settings are invalid, such as a certificate file that is missing or malformed.
    Settings,
    /// The host name cannot be resolved.
    Lookup,
    /// No address of the host accepts a connection, or the process is out of descriptors for it or for its files.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// The connection was closed before the response.
    Closed,
    /// The deadline passed.
    Timeout,
    /// The response is not valid HTTP.
    InvalidResponse,
}

impl FailureCause {
    /// The value in metrics, one of seven.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Lookup => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Closed => "closed",
            Self::Timeout => "timeout",
            Self::InvalidResponse => "garbage",
        }
    }
}
