//! What a suite writes under `config:`.

use canary_sdk::tcp::IpFamily;
use canary_sdk::tls::{Options, Version, check_identity, client_identity};
use canary_sdk::{Addresses, Duration, Error, Networks, Problems};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::starttls::{Greeting, Protocol};

/// A certificate that expires within this time is a warning.
pub const DEFAULT_WARN_WITHIN: Duration = Duration::from_days(21);
/// A certificate that expires within this time is a failure.
pub const DEFAULT_FAIL_WITHIN: Duration = Duration::from_days(7);

/// The client name in greetings to mail servers: a name that never resolves (RFC 6761).
const CLIENT_NAME: &str = "canary.invalid";

/// TLS options, and the expectations of the handshake and the certificates.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("dependentRequired" = { "client_cert": ["client_key"], "client_key": ["client_cert"] }))]
pub struct Config {
    /// Name sent as SNI and matched against the certificate; default: the host of the target.
    pub server_name: Option<String>,
    /// Whether the name is sent; the certificate has to match it in any case.
    pub sni: bool,
    /// Addresses to try.
    pub ip_family: IpFamily,
    /// Whether one address of the name has to meet the expectations, or each of them.
    pub addresses: Addresses,
    /// Addresses and networks, one of which must contain the address that answered.
    pub peer_address: Option<Networks>,
    /// Protocol to use before TLS starts.
    pub starttls: Option<Protocol>,
    /// Name or address literal for the greeting to a mail server; default: `canary.invalid`.
    #[schemars(
        regex(pattern = r"^[!-~]{1,255}$"),
        extend("patternErrorMessage" = "a name or an address in brackets, in ASCII and without spaces")
    )]
    pub ehlo: Option<String>,
    /// ALPN protocols to offer, in order of preference. The server must choose one of them.
    #[schemars(length(min = 1))]
    pub alpn: Vec<String>,
    /// PEM of the CA certificates to trust; default: the host's store.
    pub ca: Option<String>,
    /// PEM of the client's certificate chain.
    pub client_cert: Option<String>,
    /// PEM of the client's key.
    pub client_key: Option<String>,
    /// Whether the chain must be trusted; false does not check it.
    pub trusted: bool,
    /// Warn when the certificate expires within this time.
    pub warn_within: Duration,
    /// Fail when the certificate expires within this time.
    pub fail_within: Duration,
    /// The same for every certificate of the chain; default: only the leaf is checked.
    pub chain: Option<ChainExpiry>,
    /// DNS names and IP addresses that the certificate must cover.
    #[schemars(length(min = 1))]
    pub names: Vec<String>,
    /// The minimum TLS version that the server may choose.
    pub min_version: Option<Version>,
    /// Minimum bits of an RSA key.
    pub min_key_bits: Option<u32>,
    /// Text that the issuer's distinguished name must contain.
    #[schemars(length(min = 1))]
    pub issuer: Option<String>,
    /// SHA-256 fingerprints, one of which must be that of the leaf or of a certificate on its trusted path.
    #[schemars(length(min = 1))]
    pub fingerprints: Vec<Fingerprint>,
}

/// When certificates of the chain are too close to their expiry.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChainExpiry {
    /// Warn when the first of them expires within this time.
    pub warn_within: Duration,
    /// Fail when the first of them expires within this time.
    pub fail_within: Duration,
}

/// SHA-256 in hexadecimal, with or without colons.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(from = "String")]
#[schemars(extend(
    "pattern" = "^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$",
    "patternErrorMessage" = "a SHA-256 of 64 hexadecimal digits, with or without colons"
))]
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
            sni: true,
            ip_family: IpFamily::Any,
            addresses: Addresses::One,
            peer_address: None,
            starttls: None,
            ehlo: None,
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

impl ChainExpiry {
    /// Reports a warning that a failure would always precede. A limit that equals the default may not have been set
    /// by the suite.
    fn check(&self, problems: &mut Problems) {
        let Self {
            warn_within: warn,
            fail_within: fail,
        } = *self;
        let is_written = warn != DEFAULT_WARN_WITHIN;
        if warn < fail && is_written {
            let message = format!("{warn} is less than `fail_within` ({fail}): it would never warn");
            problems.at("warn_within", |problems| problems.report(message));
        }
    }
}

/// Reports names that no certificate can contain. The host knows which server names are valid.
fn check_name(name: &str, problems: &mut Problems) {
    let of_wildcard = name.strip_prefix("*.").unwrap_or(name);
    if of_wildcard.contains('*') {
        let rule = "in a certificate, `*` stands for the whole first label, as in `*.example.com`";
        problems.report(format_args!("invalid name `{}`; {rule}", name.escape_debug()));
        return;
    }
    let options = Options::new().server_name(of_wildcard);
    let invalid = options.check().into_iter();
    for invalid in invalid.filter(|invalid| invalid.field == "server-name") {
        problems.report(invalid.message);
    }
}

impl Config {
    /// The options of the handshake. Its result is evaluated afterwards, so that a bad chain and an old version are
    /// still reported in full.
    ///
    /// # Errors
    /// The client identity is incomplete.
    pub fn options(&self) -> Result<Options, Error> {
        let identity = client_identity(self.client_cert.as_deref(), self.client_key.as_deref())?;
        Ok(self.with_identity(identity))
    }

    /// Reports everything that would end a run early, or that no certificate could meet.
    pub fn check(&self, problems: &mut Problems) {
        check_identity(self.client_cert.as_deref(), self.client_key.as_deref(), problems);
        let identity = self.client_cert.clone().zip(self.client_key.clone());
        self.with_identity(identity).report_invalid(problems);
        self.limits().check(problems);
        if self.ehlo.is_some() && self.starttls != Some(Protocol::Smtp) {
            problems.at("ehlo", |problems| problems.report("it needs `starttls: smtp`"));
        }
        if let Some(networks) = &self.peer_address {
            problems.at("peer_address", |problems| {
                networks.check(self.ip_family, problems)
            });
        }
        if let Some(chain) = &self.chain {
            problems.at("chain", |problems| chain.check(problems));
        }
        problems.at("names", |problems| {
            for (index, name) in self.names.iter().enumerate() {
                problems.at_index(index, |problems| check_name(name, problems));
            }
        });
    }

    /// The expiry limits of the leaf.
    pub(crate) fn limits(&self) -> ChainExpiry {
        ChainExpiry {
            warn_within: self.warn_within,
            fail_within: self.fail_within,
        }
    }

    fn with_identity(&self, client_identity: Option<(String, String)>) -> Options {
        let mut options = Options::new().alpn(&self.alpn).sni(self.sni).require_valid(false);
        options.server_name.clone_from(&self.server_name);
        options.ca_certificates.clone_from(&self.ca);
        options.client_identity = client_identity;
        options
    }

    /// The names that the server is given before TLS begins.
    pub(crate) fn greeting<'a>(&'a self, host: &'a str) -> Greeting<'a> {
        let name = self.server_name.as_deref().unwrap_or(host);
        Greeting {
            domain: name.strip_suffix('.').unwrap_or(name),
            client: self.ehlo.as_deref().unwrap_or(CLIENT_NAME),
        }
    }

    /// The port of a target without one.
    pub fn default_port(&self) -> u16 {
        self.starttls.map_or(443, Protocol::port)
    }
}
