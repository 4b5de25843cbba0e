//! TLS options, and the result of a handshake.
//!
//! Fetching a certificate and judging it are separate: with [`Options::require_valid`] off, an expired or untrusted
//! chain is reported in full, and [`Session::reasons`] explain why it is not trusted.
//!
//! ```no_run
//! # fn main() -> Result<(), canary_sdk::Error> {
//! use canary_sdk::{tcp, tls};
//!
//! let connection = tcp::connect(&"example.com:443".parse()?)?;
//! let session = connection.start_tls(&tls::Options::new().alpn(["h2"]).require_valid(false))?;
//! if let (Err(reason), Some(leaf)) = (session.verified(), session.leaf()) {
//!     canary_sdk::log::warn(&format!("{reason}; {} ends {}", leaf.subject, leaf.not_after));
//! }
//! # Ok(()) }
//! ```

mod session;

use std::fmt;
use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::backend;
use crate::problems::{Invalid, Problems};

pub use session::{Certificate, Examination, Reason, Session, verified};

/// Length of an ALPN protocol in bytes (RFC 7301, section 3.1).
const PROTOCOL_BYTES: RangeInclusive<usize> = 1..=255;

/// A version of TLS. Orders from old to new; `1.2` and `1.3` in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
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

/// Options of a handshake. The default requires a chain that the host trusts and that covers the endpoint's host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Options {
    /// Name sent as SNI and matched against the certificate; `None` is the endpoint's host.
    pub server_name: Option<String>,
    /// Whether the name is sent. The certificate has to match it in any case.
    pub sni: bool,
    /// ALPN protocols, in order of preference.
    pub alpn: Vec<String>,
    /// The minimum version.
    pub min_version: Option<Version>,
    /// The maximum version.
    pub max_version: Option<Version>,
    /// PEM; `None` is the host's trust store.
    pub ca_certificates: Option<String>,
    /// PEM certificate chain and key, for mutual TLS.
    pub client_identity: Option<(String, String)>,
    /// If true, a chain that does not verify fails the handshake. If false, the handshake continues and
    /// [`Session::reasons`] explain what is wrong.
    pub require_valid: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            server_name: None,
            sni: true,
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

    /// Whether to send the server's name. If not, the server chooses its certificate without it.
    pub fn sni(mut self, is_sent: bool) -> Self {
        self.sni = is_sent;
        self
    }

    /// Offers these ALPN protocols, in order of preference.
    pub fn alpn(mut self, protocols: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.alpn = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the minimum version.
    pub fn min_version(mut self, version: Version) -> Self {
        self.min_version = Some(version);
        self
    }

    /// Sets the maximum version.
    pub fn max_version(mut self, version: Version) -> Self {
        self.max_version = Some(version);
        self
    }

    /// Trusts these certificates (PEM) instead of the host's store.
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

    /// What the host would refuse of these options. Nothing is sent.
    pub fn check(&self) -> Vec<Invalid> {
        backend::check_tls(self)
    }

    /// Reports what the host would refuse, at the corresponding keys of [`Settings`].
    pub fn report_invalid(&self, problems: &mut Problems) {
        for invalid in self.check() {
            match key_of(&invalid.field) {
                Some("alpn") => self.report_protocols(&invalid.message, problems),
                Some(key) => problems.at(key, |problems| problems.report(&invalid.message)),
                None => problems.report(&invalid.message),
            }
        }
    }

    /// Reports each ALPN protocol that has no valid length; all of them, if another thing is wrong with the list.
    fn report_protocols(&self, message: &str, problems: &mut Problems) {
        let protocols = self.alpn.iter().enumerate();
        let invalid = protocols.filter(|(_, protocol)| !PROTOCOL_BYTES.contains(&protocol.len()));
        let invalid: Vec<usize> = invalid.map(|(index, _)| index).collect();
        problems.at("alpn", |problems| {
            for index in &invalid {
                problems.at_index(*index, |problems| problems.report(message));
            }
            if invalid.is_empty() {
                problems.report(message);
            }
        });
    }
}

/// The key of [`Settings`] that corresponds to a field of the options.
pub fn key_of(field: &str) -> Option<&'static str> {
    Some(match field {
        "server-name" => "server_name",
        "sni" => "sni",
        "alpn" => "alpn",
        "min-version" => "min_version",
        "max-version" => "max_version",
        "ca-certificates" => "ca",
        "client-certificate" => "client_cert",
        "client-key" => "client_key",
        _ => return None,
    })
}

/// TLS as a part of a plugin's configuration.
///
/// ```yaml
/// tls: { server_name: example.com, min_version: "1.2", ca: "${file:/etc/ssl/internal.pem}" }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("dependentRequired" = { "client_cert": ["client_key"], "client_key": ["client_cert"] }))]
pub struct Settings {
    /// Name sent as SNI and matched against the certificate; default: the host of the target.
    pub server_name: Option<String>,
    /// Whether the name is sent; the certificate has to match it in any case.
    pub sni: bool,
    /// ALPN protocols, in order of preference.
    #[schemars(length(min = 1))]
    pub alpn: Vec<String>,
    /// The minimum TLS version.
    pub min_version: Option<Version>,
    /// The maximum TLS version.
    pub max_version: Option<Version>,
    /// PEM of the CA certificates to trust; default: the host's store.
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
            sni: true,
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
    /// Reports an incomplete client identity, and what the host would refuse of the rest. Nothing is sent.
    pub fn check(&self, problems: &mut Problems) {
        self.check_identity(problems);
        self.report_invalid(problems);
    }

    /// Reports a client certificate without its key, or the other way round.
    pub fn check_identity(&self, problems: &mut Problems) {
        check_identity(self.client_cert.as_deref(), self.client_key.as_deref(), problems);
    }

    /// Reports what the host would refuse; an incomplete client identity is ignored. Nothing is sent.
    pub fn report_invalid(&self, problems: &mut Problems) {
        let identity = self.client_cert.clone().zip(self.client_key.clone());
        self.with_identity(identity).report_invalid(problems);
    }

    fn with_identity(&self, client_identity: Option<(String, String)>) -> Options {
        Options {
            server_name: self.server_name.clone(),
            sni: self.sni,
            alpn: self.alpn.clone(),
            min_version: self.min_version,
            max_version: self.max_version,
            ca_certificates: self.ca.clone(),
            client_identity,
            require_valid: self.trusted,
        }
    }

    /// The options of these settings. A certificate without a key, or the other way round, is an error.
    pub fn options(&self) -> Result<Options, crate::Error> {
        let identity = client_identity(self.client_cert.as_deref(), self.client_key.as_deref())?;
        Ok(self.with_identity(identity))
    }
}

/// A client certificate chain and its key, which belong together.
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

/// Reports a client certificate chain without its key, or the other way round, at `client_cert` and `client_key`.
pub fn check_identity(certificate: Option<&str>, key: Option<&str>, problems: &mut Problems) {
    match (certificate, key) {
        (Some(_), None) => problems.at("client_cert", |problems| problems.report("needs a `client_key`")),
        (None, Some(_)) => problems.at("client_key", |problems| problems.report("needs a `client_cert`")),
        (Some(_), Some(_)) | (None, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
