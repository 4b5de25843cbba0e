//! Failures of handshakes.

use super::Examination;
use crate::{NetError, Phase};

/// Why a handshake failed, and the server's legacy parameters if they could be determined.
#[derive(Debug)]
pub(crate) struct TlsFailure {
    pub(crate) error: NetError,
    pub(crate) examination: Option<Examination>,
}

impl TlsFailure {
    /// Adds the phase.
    pub(super) fn in_handshake(self) -> Self {
        Self {
            error: self.error.in_phase(Phase::Handshake),
            ..self
        }
    }
}

impl From<NetError> for TlsFailure {
    fn from(error: NetError) -> Self {
        Self {
            error,
            examination: None,
        }
    }
}

impl From<std::io::Error> for TlsFailure {
    fn from(error: std::io::Error) -> Self {
        NetError::from(error).into()
    }
}

impl From<TlsFailure> for NetError {
    fn from(failure: TlsFailure) -> Self {
        failure.error
    }
}

/// Why a handshake failed.
pub(super) enum HandshakeError {
    /// Possibly the server supports no modern TLS.
    Incompatible(NetError),
    Other(NetError),
}

impl From<NetError> for HandshakeError {
    fn from(error: NetError) -> Self {
        Self::Other(error)
    }
}
