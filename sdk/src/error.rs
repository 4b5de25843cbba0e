//! What can go wrong, and whose fault it is.

use std::fmt;

use crate::endpoint::EndpointError;

/// Why a probe ended early.
///
/// The two kinds are never mixed up: a network error says something about the target and becomes a verdict of
/// `fail`; the rest says that the plugin could not do its work and nothing about the target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The target did not answer as it should: a verdict of `fail` with the phase and the reason.
    #[error(transparent)]
    Net(NetError),
    /// The plugin cannot do its work, such as a pattern in its configuration that does not compile.
    #[error("{0}")]
    Plugin(String),
}

impl Error {
    /// The plugin cannot do its work, for this reason.
    pub fn plugin(reason: impl fmt::Display) -> Self {
        Self::Plugin(reason.to_string())
    }
}

/// A request that makes no sense, such as one with a malformed PEM, says nothing about the target.
impl From<NetError> for Error {
    fn from(error: NetError) -> Self {
        match error {
            NetError::Invalid(_) => Self::plugin(error),
            error => Self::Net(error),
        }
    }
}

impl From<EndpointError> for Error {
    fn from(error: EndpointError) -> Self {
        Self::Plugin(format!("target: {error}"))
    }
}

/// The step of an exchange in which something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Looking the name up.
    Resolve,
    /// Opening the connection.
    Connect,
    /// Agreeing on TLS.
    Handshake,
    /// Sending bytes.
    Send,
    /// Waiting for the first byte of an answer.
    Wait,
    /// Receiving the rest of it.
    Receive,
}

impl Phase {
    /// The word of the contract, such as `handshake`.
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

/// What ran out. The words are the keys of `quota:` in a suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// Sockets open at once.
    Sockets,
    /// Descriptors of any kind open at once.
    Fds,
    /// Connects over the run.
    Connections,
    /// DNS questions over the run.
    Lookups,
    /// Bytes received over the run.
    BytesIn,
    /// Bytes sent over the run.
    BytesOut,
}

impl ResourceKind {
    /// The key in a suite, such as `bytes_in`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sockets => "sockets",
            Self::Fds => "fds",
            Self::Connections => "connections",
            Self::Lookups => "lookups",
            Self::BytesIn => "bytes_in",
            Self::BytesOut => "bytes_out",
        }
    }

    const fn phase(self) -> Phase {
        match self {
            Self::Sockets | Self::Fds | Self::Connections => Phase::Connect,
            Self::Lookups => Phase::Resolve,
            Self::BytesIn => Phase::Receive,
            Self::BytesOut => Phase::Send,
        }
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why the host could not do what the probe asked.
///
/// ```
/// use canary_sdk::{NetError, Phase};
///
/// let error = NetError::Timeout(Phase::Handshake);
/// assert_eq!(error.explain(), "handshake: timed out"); // for a person
/// assert_eq!(error.reason(), "timeout"); // for a label
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// The suite grants this check no such destination. The text names it.
    #[error("the suite does not allow it: {0}")]
    Denied(String),
    /// The check's own quota is used up.
    #[error("the quota of {limit} `{what}` is used up")]
    Quota {
        /// Which one.
        what: ResourceKind,
        /// How much the suite grants.
        limit: u64,
    },
    /// The host itself has none left of what all checks share: no descriptor, or no place for a DNS question.
    #[error("the host has no descriptor left to lend")]
    HostExhausted,
    /// The run's deadline, or a shorter limit that the probe set, passed in this phase.
    #[error("timed out")]
    Timeout(Phase),
    /// The name does not resolve. The text is the resolver's answer, such as `NXDOMAIN`.
    #[error("the name does not resolve: {0}")]
    Unresolved(String),
    /// Nothing listens there.
    #[error("connection refused")]
    Refused,
    /// No route leads there.
    #[error("host or network unreachable")]
    Unreachable,
    /// The peer reset the connection.
    #[error("connection reset by the peer")]
    Reset,
    /// The peer closed before the exchange was complete.
    #[error("connection closed by the peer")]
    Closed,
    /// The TLS handshake failed. The text holds the alert or the reason.
    #[error("TLS: {0}")]
    Tls(String),
    /// The peer broke its protocol.
    #[error("protocol error: {0}")]
    Protocol(String),
    /// The probe asked for something that makes no sense, such as a malformed URL.
    #[error("invalid request: {0}")]
    Invalid(String),
    /// Anything else; the text tells.
    #[error("{0}")]
    Other(String),
}

impl NetError {
    /// The phase in which it happened, where the error itself tells.
    pub const fn phase(&self) -> Option<Phase> {
        match self {
            Self::Timeout(phase) => Some(*phase),
            Self::Quota { what, .. } => Some(what.phase()),
            Self::Unresolved(_) => Some(Phase::Resolve),
            Self::Denied(_) | Self::HostExhausted | Self::Refused | Self::Unreachable => Some(Phase::Connect),
            Self::Tls(_) => Some(Phase::Handshake),
            Self::Reset | Self::Closed | Self::Protocol(_) | Self::Invalid(_) | Self::Other(_) => None,
        }
    }

    /// One stable word for a label or a filter, such as `refused`.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::Quota { .. } => "quota",
            Self::HostExhausted => "host_exhausted",
            Self::Timeout(_) => "timeout",
            Self::Unresolved(_) => "unresolved",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::Tls(_) => "tls",
            Self::Protocol(_) => "protocol",
            Self::Invalid(_) => "invalid",
            Self::Other(_) => "other",
        }
    }

    /// The message with its phase in front: `connect: connection refused`.
    pub fn explain(&self) -> String {
        match self.phase() {
            Some(phase) => format!("{phase}: {self}"),
            None => self.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_makes_no_sense_is_no_verdict() {
        let error = Error::from(NetError::Invalid("ca: no certificate".into()));
        assert_eq!(error, Error::Plugin("invalid request: ca: no certificate".into()));
    }

    #[test]
    fn an_error_explains_its_phase_and_its_reason() {
        assert_eq!(NetError::Refused.explain(), "connect: connection refused");
        assert_eq!(NetError::Timeout(Phase::Wait).explain(), "wait: timed out");
        assert_eq!(NetError::Reset.explain(), "connection reset by the peer");
        let quota = NetError::Quota {
            what: ResourceKind::BytesIn,
            limit: 10,
        };
        assert_eq!(quota.explain(), "receive: the quota of 10 `bytes_in` is used up");
        assert_eq!(quota.reason(), "quota");
    }
}
