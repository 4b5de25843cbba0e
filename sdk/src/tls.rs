//! TLS options and what a handshake showed.
//!
//! Fetching a certificate and judging it are apart: with [`Options::require_valid`] off, an expired or untrusted
//! chain is reported in full, and [`Session::verified`] tells why it is not trusted.
//!
//! ```no_run
//! # fn main() -> Result<(), canary_sdk::Error> {
//! use canary_sdk::{tcp, tls};
//!
//! let connection = tcp::connect(&"example.com:443".parse()?)?;
//! let session = connection.start_tls(&tls::Options::new().alpn(["h2"]).require_valid(false))?;
//! if let (Err(reason), Some(leaf)) = (&session.verified, session.leaf()) {
//!     canary_sdk::log::warn(&format!("{reason}; {} ends {}", leaf.subject, leaf.not_after));
//! }
//! # Ok(()) }
//! ```

use std::fmt;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::punycode;
use crate::timestamp::Timestamp;

/// A version of TLS. Orders from old to new; `1.2` and `1.3` in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Version {
    /// TLS 1.2.
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    Tls13,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        })
    }
}

/// How to shake hands. The default asks for a chain that the host trusts and that covers the endpoint's host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Name sent as SNI and matched against the certificate; `None` is the endpoint's host.
    pub server_name: Option<String>,
    /// ALPN protocols, in order of preference.
    pub alpn: Vec<String>,
    /// The oldest version to agree on.
    pub min_version: Option<Version>,
    /// The newest version to agree on.
    pub max_version: Option<Version>,
    /// PEM; `None` is the host's trust store.
    pub ca_certificates: Option<String>,
    /// PEM certificate chain and key, for mutual TLS.
    pub client_identity: Option<(String, String)>,
    /// When true, a chain that does not verify fails the handshake. When false, the handshake goes on and
    /// [`Session::verified`] tells what is wrong.
    pub require_valid: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            server_name: None,
            alpn: Vec::new(),
            min_version: None,
            max_version: None,
            ca_certificates: None,
            client_identity: None,
            require_valid: true,
        }
    }
}

impl Options {
    /// The default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends this name as SNI and matches it against the certificate.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Offers these ALPN protocols, in order of preference.
    pub fn alpn(mut self, protocols: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.alpn = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Agrees on no older version.
    pub fn min_version(mut self, version: Version) -> Self {
        self.min_version = Some(version);
        self
    }

    /// Agrees on no newer version.
    pub fn max_version(mut self, version: Version) -> Self {
        self.max_version = Some(version);
        self
    }

    /// Trusts these certificates (PEM) in place of the host's store.
    pub fn ca_certificates(mut self, pem: impl Into<String>) -> Self {
        self.ca_certificates = Some(pem.into());
        self
    }

    /// Presents this certificate chain and key (PEM).
    pub fn client_identity(mut self, chain: impl Into<String>, key: impl Into<String>) -> Self {
        self.client_identity = Some((chain.into(), key.into()));
        self
    }

    /// Whether a chain that does not verify fails the handshake.
    pub fn require_valid(mut self, required: bool) -> Self {
        self.require_valid = required;
        self
    }
}

/// TLS as a part of a plugin's configuration.
///
/// ```yaml
/// tls: { server_name: example.com, min_version: "1.2", ca: "${file:/etc/ssl/internal.pem}" }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Name sent as SNI and matched against the certificate; default: the host of the target.
    pub server_name: Option<String>,
    /// ALPN protocols, in order of preference.
    pub alpn: Vec<String>,
    /// The oldest version to agree on.
    pub min_version: Option<Version>,
    /// The newest version to agree on.
    pub max_version: Option<Version>,
    /// PEM of the authorities to trust; default: the host's store.
    pub ca: Option<String>,
    /// PEM of the client's certificate chain.
    pub client_cert: Option<String>,
    /// PEM of the client's key.
    pub client_key: Option<String>,
    /// Whether a chain that does not verify fails the handshake.
    pub trusted: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server_name: None,
            alpn: Vec::new(),
            min_version: None,
            max_version: None,
            ca: None,
            client_cert: None,
            client_key: None,
            trusted: true,
        }
    }
}

impl Settings {
    /// The options that these settings ask for. A certificate without a key, or the other way round, is an error.
    pub fn options(&self) -> Result<Options, crate::Error> {
        Ok(Options {
            server_name: self.server_name.clone(),
            alpn: self.alpn.clone(),
            min_version: self.min_version,
            max_version: self.max_version,
            ca_certificates: self.ca.clone(),
            client_identity: client_identity(self.client_cert.as_deref(), self.client_key.as_deref())?,
            require_valid: self.trusted,
        })
    }
}

/// A client's certificate chain and key, which only make sense together.
pub fn client_identity(
    certificate: Option<&str>,
    key: Option<&str>,
) -> Result<Option<(String, String)>, crate::Error> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some((certificate.into(), key.into()))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(crate::Error::plugin("`client_cert` needs a `client_key`")),
        (None, Some(_)) => Err(crate::Error::plugin("`client_key` needs a `client_cert`")),
    }
}

/// A certificate as the peer sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate itself.
    pub der: Vec<u8>,
    /// Distinguished name of its owner.
    pub subject: String,
    /// Distinguished name of who signed it.
    pub issuer: String,
    /// Lower-case hexadecimal.
    pub serial: String,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// Names that it covers, wildcards included.
    pub dns_names: Vec<String>,
    /// Addresses that it covers.
    pub ip_addresses: Vec<String>,
    /// It may sign others.
    pub is_ca: bool,
    /// Such as `RSA 2048` or `EC P-256`.
    pub public_key: String,
    /// Such as `ecdsa-with-SHA256`.
    pub signature_algorithm: String,
    /// SHA-256 of the DER, lower-case hexadecimal.
    pub fingerprint: String,
}

impl Certificate {
    /// Days until it expires, negative once it has.
    pub fn days_left(&self, now: Timestamp) -> f64 {
        self.not_after.days_since(now)
    }

    /// Whether it covers a DNS name, international ones as people write them included, or an IP address. A wildcard stands
    /// for exactly one label, the leftmost.
    pub fn covers(&self, name: &str) -> bool {
        if let Ok(address) = name.parse::<IpAddr>() {
            return self.ip_addresses.iter().any(|known| known.parse() == Ok(address));
        }
        let Some(name) = punycode::to_ascii(name.strip_suffix('.').unwrap_or(name)) else {
            return false;
        };
        self.dns_names.iter().any(|pattern| name_matches(pattern, &name))
    }

    /// Bits of an RSA key; `None` for other keys.
    pub fn rsa_bits(&self) -> Option<u32> {
        self.public_key.strip_prefix("RSA ")?.trim().parse().ok()
    }
}

fn name_matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(suffix) => name
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(suffix)),
        None => pattern.eq_ignore_ascii_case(name),
    }
}

/// What a handshake showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The version that was agreed on.
    pub version: Version,
    /// Such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher_suite: String,
    /// The protocol that was agreed on, if one was.
    pub alpn: Option<String>,
    /// As the peer sent it, leaf first.
    pub chain: Vec<Certificate>,
    /// The path that verified, leaf first, root last; absent when none did.
    pub verified_chain: Option<Vec<Certificate>>,
    /// The reason why the chain is not trusted, or nothing when it is.
    pub verified: Result<(), String>,
    /// DER of a stapled OCSP response.
    pub ocsp_staple: Option<Vec<u8>>,
}

impl Session {
    /// The peer's own certificate.
    pub fn leaf(&self) -> Option<&Certificate> {
        self.chain.first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;

    #[test]
    fn a_wildcard_covers_one_label() {
        let certificate = fake::certificate("*.example.com");
        assert!(certificate.covers("www.example.com") && certificate.covers("WWW.Example.com."));
        assert!(!certificate.covers("example.com") && !certificate.covers("a.b.example.com"));
        assert!(!certificate.covers(".example.com"));
    }

    #[test]
    fn an_international_name_is_covered_as_people_write_it() {
        let certificate = Certificate {
            dns_names: vec!["xn--bcher-kva.test".into(), "*.xn--mller-kva.test".into()],
            ..fake::certificate("unused.test")
        };
        assert!(certificate.covers("Bücher.test") && certificate.covers("www.müller.test"));
        assert!(!certificate.covers("bucher.test") && !certificate.covers("müller.test"));
    }

    #[test]
    fn an_address_is_covered_by_addresses_only() {
        let mut certificate = fake::certificate("192.0.2.1");
        assert!(!certificate.covers("192.0.2.1"));
        certificate.ip_addresses = vec!["192.0.2.1".into(), "2001:db8:0::1".into()];
        assert!(certificate.covers("192.0.2.1") && certificate.covers("2001:db8::1"));
    }

    #[test]
    fn a_client_certificate_and_its_key_belong_together() {
        let settings = Settings {
            client_cert: Some("pem".into()),
            ..Settings::default()
        };
        assert_eq!(
            settings.options().unwrap_err().to_string(),
            "`client_cert` needs a `client_key`"
        );
    }
}
