//! Errors, and whose fault they are.

use std::fmt;

use crate::endpoint::EndpointError;

/// Why a probe ended early.
///
/// The two kinds are never mixed up: a network error says something about the target and becomes a verdict of `fail`;
/// the other says that the plugin could not do its work, and nothing about the target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The target did not respond as it should: a verdict of `fail` with the phase and the reason.
    #[error(transparent)]
    Net(NetError),
    /// The plugin cannot do its work, for example because a pattern in its configuration does not compile.
    #[error("{0}")]
    Plugin(String),
}

impl Error {
    /// Creates an error for a plugin that cannot do its work.
    pub fn plugin(reason: impl fmt::Display) -> Self {
        Self::Plugin(reason.to_string())
    }
}

/// An invalid request, such as one with a malformed PEM, says nothing about the target.
impl From<NetError> for Error {
    fn from(error: NetError) -> Self {
        match error.code {
            ErrorCode::Invalid => Self::plugin(error),
            _ => Self::Net(error),
        }
    }
}

impl From<EndpointError> for Error {
    fn from(error: EndpointError) -> Self {
        Self::Plugin(format!("target: {error}"))
    }
}

/// The phase of an exchange in which something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Resolving the name.
    Resolve,
    /// Opening the connection.
    Connect,
    /// The TLS handshake.
    Handshake,
    /// Sending bytes.
    Send,
    /// Waiting for the first byte of a response.
    Wait,
    /// Receiving the rest of it.
    Receive,
}

impl Phase {
    /// The code in the contract, such as `handshake`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Handshake => "handshake",
            Self::Send => "send",
            Self::Wait => "wait",
            Self::Receive => "receive",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why the host could not do what the probe asked.
///
/// ```
/// use canary_sdk::{NetError, Phase};
///
/// let error = NetError::timeout(Phase::Handshake);
/// assert_eq!(error.explain(), "handshake: timed out"); // for a person
/// assert_eq!(error.reason(), "timeout"); // for a label
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetError {
    /// The kind of error.
    pub code: ErrorCode,
    /// The phase in which it occurred, if the host knows it.
    pub phase: Option<Phase>,
    /// One line for a person, without the phase.
    pub message: String,
    /// The quota that is exceeded, for [`ErrorCode::Quota`].
    pub quota: Option<Box<QuotaDenial>>,
    /// The progress of a response body that broke off.
    pub progress: Option<Box<Progress>>,
    /// What the peer sent first, if that was not the requested protocol; at most 64 bytes.
    pub peer_sent: Option<Vec<u8>>,
}

/// The kind of an error. Later hosts add more.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The suite does not grant this check the destination.
    Denied,
    /// The check's own quota is exceeded.
    Quota,
    /// The host has run out of a resource that all checks share, such as descriptors.
    HostExhausted,
    /// The run's deadline, or a shorter limit that the probe set, passed.
    Timeout,
    /// The name does not resolve.
    Unresolved,
    /// Nothing listens there.
    Refused,
    /// No route leads there.
    Unreachable,
    /// The peer reset the connection.
    Reset,
    /// The peer closed before the exchange was complete.
    Closed,
    /// TLS failed.
    Tls,
    /// The peer violated the protocol.
    Protocol,
    /// The probe's request is invalid, such as a malformed URL.
    Invalid,
    /// Anything else: the host's code.
    Other(String),
}

/// A quota that is exceeded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuotaDenial {
    /// Its key under `quota:` in a suite, such as `bytes_in`.
    pub what: String,
    /// The limit in the suite.
    pub limit: u64,
}

/// The progress of a response body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes received.
    pub received: u64,
    /// Bytes that the peer announced, if it did.
    pub announced: Option<u64>,
}

impl ErrorCode {
    /// The kinds that have a code of their own.
    const KNOWN: [Self; 12] = [
        Self::Denied,
        Self::Quota,
        Self::HostExhausted,
        Self::Timeout,
        Self::Unresolved,
        Self::Refused,
        Self::Unreachable,
        Self::Reset,
        Self::Closed,
        Self::Tls,
        Self::Protocol,
        Self::Invalid,
    ];

    /// A stable code for a label or a filter, such as `refused`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Denied => "denied",
            Self::Quota => "quota",
            Self::HostExhausted => "host_exhausted",
            Self::Timeout => "timeout",
            Self::Unresolved => "unresolved",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::Invalid => "invalid",
            Self::Other(word) => word,
        }
    }

    /// The kind with this code of the contract, such as `host-exhausted`.
    #[must_use]
    pub fn of(word: &str) -> Self {
        let word = word.replace('-', "_");
        let known = Self::KNOWN.into_iter().find(|code| code.as_str() == word);
        known.unwrap_or(Self::Other(word))
    }

    /// The message if the host sends none.
    const fn message(&self) -> &'static str {
        match self {
            Self::Denied => "the suite does not allow it",
            Self::Quota => "a quota is used up",
            Self::HostExhausted => "the host is out of file descriptors",
            Self::Timeout => "timed out",
            Self::Unresolved => "the name does not resolve",
            Self::Refused => "connection refused",
            Self::Unreachable => "host or network unreachable",
            Self::Reset => "connection reset by the peer",
            Self::Closed => "connection closed by the peer",
            Self::Tls => "TLS failed",
            Self::Protocol => "protocol error",
            Self::Invalid => "invalid request",
            Self::Other(_) => "failed",
        }
    }

    /// The phase in which it usually occurs.
    const fn usual_phase(&self) -> Option<Phase> {
        match self {
            Self::Unresolved => Some(Phase::Resolve),
            Self::Denied | Self::HostExhausted | Self::Refused | Self::Unreachable => Some(Phase::Connect),
            Self::Tls => Some(Phase::Handshake),
            _ => None,
        }
    }
}

impl From<ErrorCode> for NetError {
    fn from(code: ErrorCode) -> Self {
        Self {
            phase: code.usual_phase(),
            message: code.message().to_owned(),
            code,
            quota: None,
            progress: None,
            peer_sent: None,
        }
    }
}

impl NetError {
    /// Creates an error with a message that replaces the default one, for example for the peers of a test.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..code.into()
        }
    }

    /// A time-out in this phase.
    #[must_use]
    pub fn timeout(phase: Phase) -> Self {
        Self::from(ErrorCode::Timeout).in_phase(phase)
    }

    /// An exceeded quota, by its key in a suite.
    #[must_use]
    pub fn quota(what: &str, limit: u64) -> Self {
        let what = what.to_owned();
        Self {
            phase: quota_phase(&what),
            quota: Some(Box::new(QuotaDenial {
                what: what.clone(),
                limit,
            })),
            ..Self::new(
                ErrorCode::Quota,
                format!("the quota of {limit} `{what}` is used up"),
            )
        }
    }

    /// The same error, in this phase.
    #[must_use]
    pub fn in_phase(self, phase: Phase) -> Self {
        Self {
            phase: Some(phase),
            ..self
        }
    }

    /// A stable code for a label or a filter, such as `refused`.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.code.as_str()
    }

    /// The message with its phase in front: `connect: connection refused`.
    #[must_use]
    pub fn explain(&self) -> String {
        match self.phase {
            Some(phase) => format!("{phase}: {self}"),
            None => self.to_string(),
        }
    }
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for NetError {}

/// The phase in which a quota, by its key in a suite, is exceeded.
fn quota_phase(what: &str) -> Option<Phase> {
    match what {
        "sockets" | "fds" | "connections" => Some(Phase::Connect),
        "lookups" => Some(Phase::Resolve),
        "bytes_in" => Some(Phase::Receive),
        "bytes_out" => Some(Phase::Send),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_makes_no_sense_is_no_verdict() {
        let error = NetError::new(ErrorCode::Invalid, "invalid request: ca: no certificate");
        let error = Error::from(error);
        assert_eq!(error, Error::Plugin("invalid request: ca: no certificate".into()));
    }

    #[test]
    fn an_error_explains_its_phase_and_its_reason() {
        let explained = |code: ErrorCode| NetError::from(code).explain();
        assert_eq!(explained(ErrorCode::Refused), "connect: connection refused");
        assert_eq!(explained(ErrorCode::Reset), "connection reset by the peer");
        assert_eq!(NetError::timeout(Phase::Wait).explain(), "wait: timed out");
        let reset = NetError::from(ErrorCode::Reset).in_phase(Phase::Receive);
        assert_eq!(reset.explain(), "receive: connection reset by the peer");
        let quota = NetError::quota("bytes_in", 10);
        assert_eq!(quota.explain(), "receive: the quota of 10 `bytes_in` is used up");
        assert_eq!(quota.reason(), "quota");
    }

    #[test]
    fn a_word_of_a_later_host_is_kept() {
        for code in ErrorCode::KNOWN {
            assert_eq!(ErrorCode::of(&code.as_str().replace('_', "-")), code);
        }
        let unknown = ErrorCode::of("too-early");
        assert_eq!(
            (unknown.as_str(), &unknown),
            ("too_early", &ErrorCode::Other("too_early".into()))
        );
    }
}
