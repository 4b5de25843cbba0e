//! What a plugin asks of a handshake, bounded by type.

use super::TlsVersion;
use crate::net::NetError;
use crate::net::bounded::{HostText, Pem, too_many};

/// Most protocols that a handshake offers.
const PROTOCOLS: usize = 16;
/// Longest name of one, in bytes: its length is one byte on the wire (RFC 7301).
const PROTOCOL_BYTES: usize = 255;

/// What a plugin asks of a handshake.
#[derive(Debug, Clone, Default)]
pub struct TlsOptions {
    /// Sent as SNI and matched against the certificate; absent: the endpoint's host.
    pub server_name: Option<HostText>,
    /// In order of preference.
    pub alpn: Alpn,
    /// Absent: TLS 1.2.
    pub min_version: Option<TlsVersion>,
    /// Absent: TLS 1.3.
    pub max_version: Option<TlsVersion>,
    /// PEM; absent: the host's trust store.
    pub ca_certificates: Option<Pem>,
    /// PEM certificate chain and key, for mutual TLS.
    pub client_identity: Option<(Pem, Pem)>,
    /// Whether a chain that does not verify fails the handshake.
    pub require_valid: bool,
}

/// Protocols to agree on, in order of preference: at most 16, of 1 to 255 bytes each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alpn(Vec<Vec<u8>>);

impl Alpn {
    /// Takes the names of protocols.
    ///
    /// # Errors
    /// `Invalid` when there are too many, or one is empty or too long.
    pub fn new(names: Vec<String>) -> Result<Self, NetError> {
        if names.len() > PROTOCOLS {
            return Err(too_many("alpn protocols", PROTOCOLS));
        }
        if names
            .iter()
            .any(|name| name.is_empty() || name.len() > PROTOCOL_BYTES)
        {
            return Err(NetError::Invalid(format!(
                "an alpn protocol has 1 to {PROTOCOL_BYTES} bytes"
            )));
        }
        Ok(Self(names.into_iter().map(String::into_bytes).collect()))
    }

    /// Whether nothing is offered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::net) fn of(names: &[&str]) -> Self {
        Self(names.iter().map(|name| name.as_bytes().to_vec()).collect())
    }

    pub(in crate::net) fn into_protocols(self) -> Vec<Vec<u8>> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_have_a_number_and_a_length() {
        let refused = |names: Vec<String>| Alpn::new(names).unwrap_err().to_string();
        assert!(Alpn::new(vec!["x".repeat(PROTOCOL_BYTES); PROTOCOLS]).is_ok());
        let many = vec!["h2".to_owned(); PROTOCOLS + 1];
        assert_eq!(refused(many), "invalid request: more than 16 alpn protocols");
        for length in [0, PROTOCOL_BYTES + 1] {
            assert_eq!(
                refused(vec!["x".repeat(length)]),
                "invalid request: an alpn protocol has 1 to 255 bytes"
            );
        }
    }
}
