//! What a server without modern TLS shows of itself.

use super::{Certificate, Reasons};

/// The legacy parameters and the certificate of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// Such as `TLS 1.0`.
    pub version: String,
    /// As IANA names it.
    pub cipher_suite: String,
    /// As sent by the server, leaf first; at most 32.
    pub chain: Vec<Certificate>,
    /// The path that was verified, leaf first, root last.
    pub verified_chain: Option<Vec<Certificate>>,
    /// Why the chain is not trusted; empty if it is. Possession of the private key is not verified.
    pub untrusted: Reasons,
}
