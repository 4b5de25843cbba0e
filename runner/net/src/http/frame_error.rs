//! Violations and limits that end a connection over HTTP/2.

/// Maximum number of header blocks per exchange: informational responses, the response itself, its trailers.
pub(super) const HEADER_BLOCKS: u32 = 64;

/// What makes a connection fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("the peer sent more than {HEADER_BLOCKS} header blocks")]
    TooManyHeaders,
    #[error("the peer's first frame is not SETTINGS")]
    NoSettings,
    #[error("the peer enabled server push")]
    PushEnabled,
    #[error("the peer sent a pseudo-header field that no response has")]
    PseudoField,
    #[error("the peer switched protocols")]
    SwitchingProtocols,
}
