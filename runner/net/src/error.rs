//! Errors of network operations that plugins request.

use std::error::Error as StdError;
use std::io;

use rustix::io::Errno;

use crate::body_progress::BodyProgress;
use crate::ledger::{Denial, Refusal};
use crate::tls::explain::explain;
use canary_record::trace;

/// The phase of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Resolving the name.
    Resolve,
    /// The TCP connect.
    Connect,
    /// The TLS handshake.
    Handshake,
    /// Writing the request.
    Send,
    /// From the last byte sent to the first byte received.
    Wait,
    /// Reading the response.
    Receive,
}

/// Maximum number of bytes kept of what a peer sent first.
const MAX_PEER_SENT: usize = 64;

impl Phase {
    /// The name in metrics, spans and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        trace::Phase::from(self).as_str()
    }
}

impl From<Phase> for trace::Phase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Resolve => Self::Resolve,
            Phase::Connect => Self::Connect,
            Phase::Handshake => Self::Handshake,
            Phase::Send => Self::Send,
            Phase::Wait => Self::Wait,
            Phase::Receive => Self::Receive,
        }
    }
}

/// A denial or failure of a network operation, returned to the plugin as a value; never a trap.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// The destination is not granted to this check; the message names it.
    #[error("{0}")]
    Denied(String),
    /// The check's own quota is exhausted.
    #[error(transparent)]
    Quota(#[from] Denial),
    /// The host has no descriptors left to lend.
    #[error("the host is out of file descriptors")]
    HostExhausted,
    /// The host's root certificates cannot be read, and the check provides none.
    #[error("the host's trusted certificates cannot be read: {0}")]
    TrustStore(String),
    /// The host has too many other DNS queries in flight.
    #[error("the host is busy with other DNS queries")]
    DnsBusy,
    /// The run's deadline passed, or a shorter time limit set by the plugin.
    #[error("timed out in phase {}", .0.as_str())]
    Timeout(Phase),
    /// The name does not resolve.
    #[error("name does not resolve: {0}")]
    Unresolved(String),
    /// The peer refused the connection.
    #[error("connection refused")]
    Refused,
    /// No route to the peer.
    #[error("unreachable")]
    Unreachable,
    /// The peer reset the connection.
    #[error("connection reset")]
    Reset,
    /// The peer closed before the exchange was complete.
    #[error("closed by the peer")]
    Closed,
    /// The TLS handshake failed.
    #[error("tls: {0}")]
    Tls(String),
    /// The peer violated the protocol.
    #[error("protocol: {0}")]
    Protocol(String),
    /// The body of a response is incomplete.
    #[error("{} after {extent} of the body", body_cause(.cause))]
    Body {
        /// Why it ended.
        cause: Box<Self>,
        /// How much was received.
        extent: BodyProgress,
    },
    /// An error with its phase, for errors that do not name it themselves.
    #[error("{cause}")]
    InPhase {
        /// The phase.
        phase: Phase,
        /// The error.
        cause: Box<Self>,
        /// The first bytes that the peer sent, if they belong to another protocol: at most 64 bytes.
        peer_sent: Option<Box<[u8]>>,
    },
    /// Something that the check itself configured on the way to its target failed: its proxy, its source address.
    #[error("{what}: {cause}")]
    OwnFailure {
        /// Such as ``the proxy `proxy.test:3128` ``.
        what: String,
        /// The error.
        cause: Box<Self>,
    },
    /// The plugin requested something invalid.
    #[error("invalid request: {0}")]
    Invalid(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// A failure of the TLS session with a proxy, which must not be mistaken for one of a session with the target.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ProxyFailure(pub(super) NetError);

impl ProxyFailure {
    /// The failure of a proxy, if that caused an I/O error.
    pub(super) fn find(error: &io::Error) -> Option<NetError> {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        inner.map(|Self(failure)| failure.clone())
    }
}

/// Why a body ended, without the phase, which is always the same.
fn body_cause(cause: &NetError) -> String {
    match cause {
        NetError::InPhase { cause, .. } => body_cause(cause),
        NetError::Timeout(_) => "timed out".to_owned(),
        NetError::Closed => "the connection was closed".to_owned(),
        NetError::Reset => "the connection was reset".to_owned(),
        other => other.to_string(),
    }
}

impl From<Refusal> for NetError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Quota(denial) => Self::Quota(denial),
            Refusal::HostExhausted => Self::HostExhausted,
            Refusal::Ended => Self::Other(refusal.to_string()),
        }
    }
}

impl From<io::Error> for NetError {
    fn from(error: io::Error) -> Self {
        if let Some(refusal) = Refusal::find(&error) {
            return refusal.into();
        }
        if is_exhausted(&error) {
            return Self::HostExhausted;
        }
        if let Some(failure) = ProxyFailure::find(&error) {
            return failure;
        }
        if let Some(failed) = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            return Self::Tls(explain(failed));
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown => Self::Unreachable,
            // After a reset, the kernel no longer knows the addresses of a connection.
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected => Self::Reset,
            io::ErrorKind::UnexpectedEof => Self::Closed,
            // The kernel gave up on the connect because the peer did not respond.
            io::ErrorKind::TimedOut => Self::Timeout(Phase::Connect),
            _ => Self::Other(error.to_string()),
        }
    }
}

/// The text of rustls for a connection that ended without a close_notify alert.
const NO_CLOSE_NOTIFY: &str = "without sending TLS close_notify";

/// The kernel is out of descriptors or memory, which says nothing about the peer.
fn is_exhausted(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        number,
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}

impl NetError {
    /// A code from a bounded set, suitable as a metric attribute.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::Quota(_) => "quota",
            Self::HostExhausted => trace::Shortage::Descriptors.as_str(),
            Self::DnsBusy => trace::Shortage::Dns.as_str(),
            Self::TrustStore(_) => trace::Shortage::TrustStore.as_str(),
            Self::Timeout(_) => "timeout",
            Self::Unresolved(_) => "unresolved",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::Tls(_) => "tls",
            Self::Protocol(_) => "protocol",
            Self::Body { cause, .. } | Self::InPhase { cause, .. } | Self::OwnFailure { cause, .. } => {
                cause.code()
            }
            Self::Invalid(_) => "invalid",
            Self::Other(_) => "other",
        }
    }

    /// Adds the phase, unless the error already names one.
    pub fn in_phase(self, phase: Phase) -> Self {
        match self {
            Self::Reset | Self::Closed | Self::Tls(_) | Self::Protocol(_) | Self::Other(_) => Self::InPhase {
                phase,
                cause: Box::new(self),
                peer_sent: None,
            },
            Self::OwnFailure { what, cause } => Self::OwnFailure {
                what,
                cause: Box::new(cause.in_phase(phase)),
            },
            other => other,
        }
    }

    /// Adds how much of the body was received, to an error that ended it.
    pub(super) fn in_body(self, extent: BodyProgress) -> Self {
        match self.without_phase().clone() {
            cause @ (Self::Timeout(_)
            | Self::Reset
            | Self::Closed
            | Self::Tls(_)
            | Self::Protocol(_)
            | Self::Other(_)) => Self::Body {
                cause: Box::new(cause),
                extent,
            },
            _ => self,
        }
    }

    /// Marks a failure of something that the check itself configured. Denials and shortages are returned unchanged, and
    /// so are failures that are marked already.
    pub(super) fn into_own_failure(self, what: impl Into<String>) -> Self {
        match self {
            Self::Denied(_)
            | Self::Quota(_)
            | Self::HostExhausted
            | Self::DnsBusy
            | Self::TrustStore(_)
            | Self::Invalid(_)
            | Self::OwnFailure { .. } => self,
            cause => Self::OwnFailure {
                what: what.into(),
                cause: Box::new(cause),
            },
        }
    }

    /// Whether it is a failure of something that the check itself configured.
    pub(super) fn is_own_failure(&self) -> bool {
        match self.without_phase() {
            Self::OwnFailure { .. } => true,
            Self::Body { cause, .. } => cause.is_own_failure(),
            _ => false,
        }
    }

    /// Adds the first bytes of a peer that uses another protocol than requested.
    pub(super) fn with_peer_sent(self, sent: &[u8], phase: Phase) -> Self {
        let sent = sent.get(..MAX_PEER_SENT).unwrap_or(sent);
        Self::InPhase {
            phase,
            cause: Box::new(self),
            peer_sent: (!sent.is_empty()).then(|| sent.into()),
        }
    }

    /// The first bytes that the peer sent, if they belong to another protocol than requested.
    #[must_use]
    pub fn peer_sent(&self) -> Option<&[u8]> {
        match self {
            Self::InPhase { peer_sent, .. } => peer_sent.as_deref(),
            _ => None,
        }
    }

    /// The error without its phase.
    #[must_use]
    pub fn without_phase(&self) -> &Self {
        match self {
            Self::InPhase { cause, .. } => cause.without_phase(),
            other => other,
        }
    }

    /// Code and message for a step of the run's record.
    pub(super) fn code_and_message(&self) -> (&'static str, String) {
        (self.code(), self.to_string())
    }

    /// Converts an error of a protocol library; a wrapped refusal or I/O error takes precedence.
    pub(super) fn from_protocol(error: &(dyn StdError + 'static)) -> Self {
        if let Some(refusal) = Refusal::find(error) {
            return refusal.into();
        }
        let mut next: Option<&(dyn StdError + 'static)> = Some(error);
        let mut text = String::new();
        while let Some(error) = next {
            if let Some(io) = error.downcast_ref::<io::Error>() {
                if let Some(failure) = ProxyFailure::find(io) {
                    return failure;
                }
                let inner = io.get_ref();
                if let Some(failed) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                    return Self::Tls(explain(failed));
                }
                match (io.kind(), inner) {
                    // The HTTP/2 library's error for a closed connection; the kernel's own error has no text.
                    (io::ErrorKind::BrokenPipe, Some(_)) => return Self::Closed,
                    (kind, None) => return io::Error::from(kind).into(),
                    (kind @ (io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset), Some(_)) => {
                        return io::Error::from(kind).into();
                    }
                    _ => {}
                }
            }
            if !text.is_empty() {
                text.push_str(": ");
            }
            // The HTTP/2 library includes bytes from the peer in its error, formatted as Rust literals.
            let message = error.to_string();
            // The HTTP/2 library keeps only the text of an I/O error.
            if message.contains(NO_CLOSE_NOTIFY) {
                return Self::Closed;
            }
            text.push_str(
                message
                    .split_once(" (b\"")
                    .map_or(&*message, |(reason, _)| reason),
            );
            next = error.source();
        }
        Self::Protocol(text)
    }
}
