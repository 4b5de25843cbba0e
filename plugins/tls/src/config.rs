//! What a suite writes under `config:`.

use canary_sdk::tcp::IpFamily;
use canary_sdk::tls::{Options, Version, client_identity};
use canary_sdk::{Duration, Error};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::starttls::Protocol;

/// A certificate that ends within this time is a warning.
pub const DEFAULT_WARN_WITHIN: Duration = Duration::from_days(21);
/// A certificate that ends within this time is a failure.
pub const DEFAULT_FAIL_WITHIN: Duration = Duration::from_days(7);

/// How to shake hands, and what to expect of what is shown.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Name sent as SNI and matched against the certificate; default: the host of the target.
    pub server_name: Option<String>,
    /// Addresses to try.
    pub ip_family: IpFamily,
    /// Protocol that is spoken before TLS begins.
    pub starttls: Option<Protocol>,
    /// ALPN protocols to offer, in order of preference. The server must choose one of them.
    pub alpn: Vec<String>,
    /// PEM of the authorities to trust; default: the host's store.
    pub ca: Option<String>,
    /// PEM of the client's certificate chain.
    pub client_cert: Option<String>,
    /// PEM of the client's key.
    pub client_key: Option<String>,
    /// Whether the chain must be trusted; false does not judge it.
    pub trusted: bool,
    /// Warn when the certificate ends within this time.
    pub warn_within: Duration,
    /// Fail when the certificate ends within this time.
    pub fail_within: Duration,
    /// The same for every certificate of the chain; default: only the leaf is judged.
    pub chain: Option<ChainExpiry>,
    /// DNS names and IP addresses that the certificate must cover.
    pub names: Vec<String>,
    /// The oldest version of TLS that the server may choose.
    pub min_version: Option<Version>,
    /// The least number of bits of an RSA key.
    pub min_key_bits: Option<u32>,
    /// Text that the issuer's distinguished name must contain.
    pub issuer: Option<String>,
    /// SHA-256 fingerprints, one of which must be that of the leaf or of a certificate on its trusted path.
    pub fingerprints: Vec<Fingerprint>,
}

/// When certificates of the chain are too close to their end.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChainExpiry {
    /// Warn when the first of them ends within this time.
    pub warn_within: Duration,
    /// Fail when the first of them ends within this time.
    pub fail_within: Duration,
}

/// SHA-256 in hexadecimal, with or without colons.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(from = "String")]
#[schemars(extend("pattern" = "^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$"))]
pub struct Fingerprint(#[schemars(with = "String")] pub String);

impl From<String> for Fingerprint {
    fn from(written: String) -> Self {
        Self(written.replace(':', "").to_ascii_lowercase())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server_name: None,
            ip_family: IpFamily::Any,
            starttls: None,
            alpn: Vec::new(),
            ca: None,
            client_cert: None,
            client_key: None,
            trusted: true,
            warn_within: DEFAULT_WARN_WITHIN,
            fail_within: DEFAULT_FAIL_WITHIN,
            chain: None,
            names: Vec::new(),
            min_version: None,
            min_key_bits: None,
            issuer: None,
            fingerprints: Vec::new(),
        }
    }
}

impl Default for ChainExpiry {
    fn default() -> Self {
        Self {
            warn_within: DEFAULT_WARN_WITHIN,
            fail_within: DEFAULT_FAIL_WITHIN,
        }
    }
}

impl Config {
    /// What to ask of the handshake. What it must show is judged afterwards, so that a bad chain and an old version
    /// are still reported in full.
    pub fn options(&self) -> Result<Options, Error> {
        Ok(Options {
            server_name: self.server_name.clone(),
            alpn: self.alpn.clone(),
            min_version: None,
            max_version: None,
            ca_certificates: self.ca.clone(),
            client_identity: client_identity(self.client_cert.as_deref(), self.client_key.as_deref())?,
            require_valid: false,
        })
    }

    /// The port of a target that names none.
    pub fn default_port(&self) -> u16 {
        self.starttls.map_or(443, Protocol::port)
    }
}
