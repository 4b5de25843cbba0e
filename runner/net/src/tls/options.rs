//! TLS options of a plugin, bounded by type.

use rustls::SupportedProtocolVersion;

use super::TlsVersion;
use crate::NetError;
use crate::bounded::{HostText, Pem, too_many};

/// Maximum number of protocols offered in a handshake.
const MAX_PROTOCOLS: usize = 16;
/// Maximum length of a protocol name, in bytes: its length is one byte on the wire (RFC 7301).
const MAX_PROTOCOL_BYTES: usize = 255;

/// TLS options of a plugin.
#[derive(Debug, Clone, Default)]
pub struct TlsOptions {
    /// Used for SNI and verification; if `None`, the endpoint's host.
    pub server_name: Option<HostText>,
    /// Does not send the name; it is used for verification only.
    pub without_sni: bool,
    /// In order of preference.
    pub alpn: Alpn,
    /// Minimum version; TLS 1.2 if `None`.
    pub min_version: Option<TlsVersion>,
    /// Maximum version; TLS 1.3 if `None`.
    pub max_version: Option<TlsVersion>,
    /// PEM; if `None`, the host's trust store.
    pub ca_certificates: Option<Pem>,
    /// PEM certificate chain and key, for mutual TLS.
    pub client_identity: Option<(Pem, Pem)>,
    /// Whether an invalid chain fails the handshake.
    pub require_valid: bool,
}

/// The versions to offer.
pub(super) fn versions(
    options: &TlsOptions,
) -> Result<&'static [&'static SupportedProtocolVersion], NetError> {
    use rustls::version::{TLS12, TLS13};
    let min = options.min_version.unwrap_or(TlsVersion::Tls12);
    let max = options.max_version.unwrap_or(TlsVersion::Tls13);
    static ONLY_12: [&SupportedProtocolVersion; 1] = [&TLS12];
    static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
    static ONLY_13: [&SupportedProtocolVersion; 1] = [&TLS13];
    match (min, max) {
        (TlsVersion::Tls12, TlsVersion::Tls12) => Ok(&ONLY_12),
        (TlsVersion::Tls12, TlsVersion::Tls13) => Ok(&BOTH),
        (TlsVersion::Tls13, TlsVersion::Tls13) => Ok(&ONLY_13),
        (TlsVersion::Tls13, TlsVersion::Tls12) => Err(NetError::Invalid(
            "the minimum TLS version is above the maximum".to_owned(),
        )),
    }
}

/// ALPN protocols in order of preference: at most 16, of 1 to 255 bytes each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alpn(Vec<Vec<u8>>);

impl Alpn {
    /// Accepts the names of protocols.
    ///
    /// # Errors
    /// `Invalid` if there are too many, or one is empty or too long.
    pub fn new(names: Vec<String>) -> Result<Self, NetError> {
        if names.len() > MAX_PROTOCOLS {
            return Err(too_many("alpn protocols", MAX_PROTOCOLS));
        }
        if names
            .iter()
            .any(|name| name.is_empty() || name.len() > MAX_PROTOCOL_BYTES)
        {
            return Err(NetError::Invalid(format!(
                "an alpn protocol has 1 to {MAX_PROTOCOL_BYTES} bytes"
            )));
        }
        Ok(Self(names.into_iter().map(String::into_bytes).collect()))
    }

    /// Whether no protocol is offered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn from_static(names: &[&str]) -> Self {
        Self(names.iter().map(|name| name.as_bytes().to_vec()).collect())
    }

    pub(crate) fn into_protocols(self) -> Vec<Vec<u8>> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_have_a_number_and_a_length() {
        let refused = |names: Vec<String>| Alpn::new(names).unwrap_err().to_string();
        assert!(Alpn::new(vec!["x".repeat(MAX_PROTOCOL_BYTES); MAX_PROTOCOLS]).is_ok());
        let many = vec!["h2".to_owned(); MAX_PROTOCOLS + 1];
        assert_eq!(refused(many), "invalid request: more than 16 alpn protocols");
        for length in [0, MAX_PROTOCOL_BYTES + 1] {
            assert_eq!(
                refused(vec!["x".repeat(length)]),
                "invalid request: an alpn protocol has 1 to 255 bytes"
            );
        }
    }
}
