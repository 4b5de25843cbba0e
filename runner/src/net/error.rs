//! Why the host could not do what a plugin asked.

use std::error::Error as StdError;
use std::io;

use rustix::io::Errno;

use super::http::Extent;
use super::tls;
use crate::ledger::{Denial, Refusal};
use crate::trace;

/// The step of an exchange in which something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Name to addresses.
    Resolve,
    /// The TCP connect.
    Connect,
    /// The TLS handshake.
    Handshake,
    /// Writing a request.
    Send,
    /// From the last byte sent to the first received.
    Wait,
    /// Reading an answer.
    Receive,
}

/// Bytes of what a peer sent first.
const PEER_SENT: usize = 64;

impl Phase {
    /// The word in metrics, spans and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        trace::Phase::from(self).word()
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

/// A refusal or failure, as the plugin sees it: always a value, never a trap.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// The suite grants this check no such destination; the text names it.
    #[error("{0}")]
    Denied(String),
    /// The check's own quota is used up.
    #[error(transparent)]
    Quota(#[from] Denial),
    /// The host itself has no descriptor left to lend.
    #[error("the host has no descriptor left to lend")]
    HostExhausted,
    /// The host's own roots cannot be read, and the check brings none.
    #[error("the host's trusted certificates cannot be read: {0}")]
    TrustStore(String),
    /// The host asks too many other questions of name servers.
    #[error("the host is busy with other DNS questions")]
    DnsBusy,
    /// The run's deadline, or a shorter limit that the plugin set, passed.
    #[error("timed out in phase {}", .0.word())]
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
    /// The peer broke its protocol.
    #[error("protocol: {0}")]
    Protocol(String),
    /// The body of an answer did not come whole.
    #[error("{} after {extent} of the body", break_off(.cause))]
    Body {
        /// What ended it.
        cause: Box<Self>,
        /// How far it came.
        extent: Extent,
    },
    /// What happened in this phase, of an error that does not say so itself.
    #[error("{cause}")]
    In {
        /// The phase.
        phase: Phase,
        /// What it was.
        cause: Box<Self>,
        /// What the peer sent first where that was another protocol: 64 bytes at most.
        peer_sent: Option<Box<[u8]>>,
    },
    /// What the check itself asked for on the way to its target failed: its proxy, its source address.
    #[error("{what}: {cause}")]
    Own {
        /// Such as ``the proxy `proxy.test:3128` ``.
        what: String,
        /// How.
        cause: Box<Self>,
    },
    /// The plugin asked for something that makes no sense.
    #[error("invalid request: {0}")]
    Invalid(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// What ended a body, without the phase, which is that of all of them.
fn break_off(cause: &NetError) -> String {
    match cause {
        NetError::In { cause, .. } => break_off(cause),
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
        if let Some(failed) = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            return Self::Tls(tls::explain(failed));
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown => Self::Unreachable,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                Self::Reset
            }
            io::ErrorKind::UnexpectedEof => Self::Closed,
            // The kernel's own give-up on a connect: nobody answered.
            io::ErrorKind::TimedOut => Self::Timeout(Phase::Connect),
            _ => Self::Other(error.to_string()),
        }
    }
}

/// What rustls says where a connection ended without a goodbye.
const NO_CLOSE_NOTIFY: &str = "without sending TLS close_notify";

/// The kernel has no descriptor or memory to give, which says nothing of the peer.
fn is_exhausted(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        number,
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}

impl NetError {
    /// A bounded set of words, fit for a metric.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::Quota(_) => "quota",
            Self::HostExhausted => trace::Shortage::Descriptors.word(),
            Self::DnsBusy => trace::Shortage::Dns.word(),
            Self::TrustStore(_) => trace::Shortage::TrustStore.word(),
            Self::Timeout(_) => "timeout",
            Self::Unresolved(_) => "unresolved",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::Tls(_) => "tls",
            Self::Protocol(_) => "protocol",
            Self::Body { cause, .. } | Self::In { cause, .. } | Self::Own { cause, .. } => cause.word(),
            Self::Invalid(_) => "invalid",
            Self::Other(_) => "other",
        }
    }

    /// The same, with the phase that it came in where it does not say so itself.
    pub(crate) fn during(self, phase: Phase) -> Self {
        match self {
            Self::Reset | Self::Closed | Self::Tls(_) | Self::Protocol(_) | Self::Other(_) => Self::In {
                phase,
                cause: Box::new(self),
                peer_sent: None,
            },
            other => other,
        }
    }

    /// The same, as a failure of something that the check itself asked for. What the host refused or lacks stays that.
    pub(super) fn own(self, what: impl Into<String>) -> Self {
        match self {
            Self::Denied(_) | Self::Quota(_) | Self::HostExhausted | Self::DnsBusy | Self::Invalid(_) => self,
            cause => Self::Own {
                what: what.into(),
                cause: Box::new(cause),
            },
        }
    }

    /// Whether it is a failure of something that the check itself asked for.
    pub(super) fn is_own(&self) -> bool {
        matches!(self.without_phase(), Self::Own { .. })
    }

    /// The same, of a peer that first sent this in place of the protocol that it was asked for.
    pub(super) fn after(self, sent: &[u8], phase: Phase) -> Self {
        let sent = sent.get(..PEER_SENT).unwrap_or(sent);
        Self::In {
            phase,
            cause: Box::new(self),
            peer_sent: (!sent.is_empty()).then(|| sent.into()),
        }
    }

    /// What the peer sent first, where that was not the protocol that it was asked for.
    #[must_use]
    pub fn peer_sent(&self) -> Option<&[u8]> {
        match self {
            Self::In { peer_sent, .. } => peer_sent.as_deref(),
            _ => None,
        }
    }

    /// Without its phase.
    #[must_use]
    pub fn without_phase(&self) -> &Self {
        match self {
            Self::In { cause, .. } => cause.without_phase(),
            other => other,
        }
    }

    /// As a step of the run's record is told of it.
    pub(super) fn told(&self) -> (&'static str, String) {
        (self.word(), self.to_string())
    }

    /// What a protocol library says, with the cause that it wrapped when that was a refusal or an I/O error.
    pub(super) fn from_protocol(error: &(dyn StdError + 'static)) -> Self {
        if let Some(refusal) = Refusal::find(error) {
            return refusal.into();
        }
        let mut next: Option<&(dyn StdError + 'static)> = Some(error);
        let mut text = String::new();
        while let Some(error) = next {
            if let Some(io) = error.downcast_ref::<io::Error>() {
                let inner = io.get_ref();
                if let Some(failed) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                    return Self::Tls(tls::explain(failed));
                }
                match (io.kind(), inner) {
                    // What HTTP/2's library makes of the end of a connection; the kernel's own comes without a text.
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
            // An end of an HTTP/2 connection brings bytes of the peer's along, which the library writes as Rust does.
            let said = error.to_string();
            // HTTP/2's library keeps the text of an I/O error and no more.
            if said.contains(NO_CLOSE_NOTIFY) {
                return Self::Closed;
            }
            text.push_str(said.split_once(" (b\"").map_or(&*said, |(reason, _)| reason));
            next = error.source();
        }
        Self::Protocol(text)
    }
}
