//! Settings of the admin server: address, authentication and TLS.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::value::ConfigValue;
use super::{Origin, Problem, Report, Section};
use canary_suite::Environment;

/// The default address.
const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9_464);
/// Allowed lengths of a token, in characters. A shorter one can be guessed.
const TOKEN_LENGTH: std::ops::RangeInclusive<usize> = 16..=4_096;
const TOKEN_HINT: &str = "generate one with `openssl rand -hex 32`";

/// Whether and where the admin server listens.
#[derive(Debug, Clone)]
pub enum Admin {
    /// Disabled.
    None,
    /// Enabled, on this address.
    Listen(Listen),
}

/// An address and the origin of its setting.
#[derive(Debug, Clone)]
pub struct Listen {
    /// The address to listen on; port 0 picks a free one.
    pub address: SocketAddr,
    /// Absent for the default.
    value: Option<ConfigValue>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: DEFAULT_ADDRESS,
            value: None,
        }
    }
}

impl Listen {
    /// An address from the command line or the environment.
    #[must_use]
    pub fn from_flag(name: &str, address: SocketAddr) -> Self {
        let origin = Origin::Variable(name.to_owned());
        Self {
            address,
            value: Some(ConfigValue::new(address.to_string(), origin)),
        }
    }

    /// Whether the address is reachable only from this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.address.ip().to_canonical().is_loopback()
    }

    /// An address that is reachable from other machines requires a token and TLS, unless `insecure` is set.
    pub fn validate(&self, access: &Access, report: &mut Report) {
        let Some(value) = self.value.as_ref().filter(|_| !self.is_loopback()) else {
            return;
        };
        let missing = match (&access.token, &access.tls) {
            _ if access.insecure => return,
            (Some(_), Some(_)) => return,
            (None, Some(_)) => "`admin.token` is required",
            (Some(_), None) => "`admin.tls` is required",
            (None, None) => "`admin.token` and `admin.tls` are required",
        };
        let problem = value.problem(format!("{} is not a loopback address: {missing}", value.quoted()));
        report.add(problem.hint(
            "set `admin.token` and `admin.tls` in the file of `--config`, listen on a loopback address, \
             or set `admin.insecure: true` on a trusted network",
        ));
    }
}

/// Authentication and TLS of the admin server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// The bearer token that write access requires.
    pub token: Option<Token>,
    /// Certificate and key; absent: plain HTTP.
    pub tls: Option<Identity>,
    /// Whether the operator accepts unencrypted or unauthenticated access.
    pub insecure: bool,
    /// Host names that clients may use, in addition to addresses, `localhost` and those of the certificate; `*.`
    /// matches one label.
    pub hosts: Vec<String>,
}

/// The PEM files of a TLS server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate chain, leaf first.
    pub certificate: PathBuf,
    /// The private key of the leaf.
    pub key: PathBuf,
}

/// A bearer token. `Debug` redacts it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: Arc<str>,
    digest: [u8; 32],
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

impl Token {
    /// A token from the command line or the environment; nothing if it is empty.
    pub fn from_flag(name: &str, text: &str, report: &mut Report) -> Option<Self> {
        let text = text.trim();
        let value = ConfigValue::new(text.to_owned(), Origin::Variable(name.to_owned()));
        (!text.is_empty()).then(|| Self::read(&value, report)).flatten()
    }

    /// The token in a file, without surrounding whitespace.
    pub fn from_file(
        name: &str,
        path: &Path,
        environment: &dyn Environment,
        report: &mut Report,
    ) -> Option<Self> {
        let origin = Origin::Variable(name.to_owned());
        let value = ConfigValue::new(path.display().to_string(), origin.clone());
        let wrong = match environment.file(path).map(String::from_utf8) {
            Ok(Ok(text)) if !text.trim().is_empty() => {
                return Self::read(&ConfigValue::new(text.trim().to_owned(), origin), report);
            }
            Ok(_) => "contains no token".to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => "does not exist".to_owned(),
            Err(error) => format!("cannot be read: {error}"),
        };
        let problem = value.problem(format!("the file {} {wrong}", value.quoted_path()));
        report.add(problem.hint(TOKEN_HINT));
        None
    }

    fn read(value: &ConfigValue, report: &mut Report) -> Option<Self> {
        let text = value.expose();
        let problem = match text.chars().count() {
            _ if !text.chars().all(|char| char.is_ascii_graphic()) => {
                "the token contains characters that are not allowed in a header".to_owned()
            }
            length if !TOKEN_LENGTH.contains(&length) => {
                let (least, most) = (TOKEN_LENGTH.start(), TOKEN_LENGTH.end());
                format!("the token has {length} characters; allowed: {least} to {most}")
            }
            _ => return Some(Self::new(text)),
        };
        report.add(value.problem(problem).hint(TOKEN_HINT));
        None
    }

    /// A token that is known to be valid.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self {
            text: text.into(),
            digest: Sha256::digest(text).into(),
        }
    }

    /// Whether `guess` equals the token. The comparison is of digests, which an attacker cannot choose, so its timing
    /// reveals nothing.
    #[must_use]
    pub fn matches(&self, guess: &str) -> bool {
        let digest: [u8; 32] = Sha256::digest(guess).into();
        digest == self.digest
    }

    /// The token in the clear, for sending it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }
}

/// `admin: none`, or `admin: { listen, token, tls: { certificate, key }, insecure, hosts }`.
pub(super) fn read(root: &mut Section, report: &mut Report) -> (Option<Admin>, Access) {
    if root.is_none("admin") {
        return (Some(Admin::None), Access::default());
    }
    let mut section = root.section("admin", report);
    let listen = section.value("listen").and_then(|listen| address(listen, report));
    let token = section.text("token", report);
    let access = Access {
        token: token.and_then(|token| Token::read(&token, report)),
        tls: identity(&mut section, report),
        insecure: section
            .value("insecure")
            .and_then(|insecure| insecure.boolean(report))
            .unwrap_or_default(),
        hosts: section
            .list("hosts", report)
            .unwrap_or_default()
            .iter()
            .filter_map(|name| host(name, report))
            .collect(),
    };
    section.finish(report);
    (listen.map(Admin::Listen), access)
}

fn host(value: &ConfigValue, report: &mut Report) -> Option<String> {
    let name = value.expose();
    let labels = name.strip_prefix("*.").unwrap_or(name);
    let is_label = |label: &str| {
        let is_allowed = |char: char| char.is_ascii_alphanumeric() || char == '-' || char == '_';
        (1..=63).contains(&label.len()) && label.chars().all(is_allowed)
    };
    if labels.len() <= 253 && labels.split('.').all(is_label) {
        return Some(name.to_owned());
    }
    let problem = value.problem(format!("invalid host name {}", value.quoted()));
    report.add(
        problem.hint("write a name without scheme and port, such as `canary.example.com` or `*.example.com`"),
    );
    None
}

fn address(value: ConfigValue, report: &mut Report) -> Option<Listen> {
    let Ok(address) = value.expose().parse() else {
        let problem = value.problem(format!("invalid listen address {}", value.quoted()));
        report.add(problem.hint("write `127.0.0.1:9464` or `[::1]:9464`, or `admin: none`"));
        return None;
    };
    Some(Listen {
        address,
        value: Some(value),
    })
}

fn identity(section: &mut Section, report: &mut Report) -> Option<Identity> {
    let mut tls = section.section("tls", report);
    let (certificate, key) = (tls.value("certificate"), tls.value("key"));
    tls.finish(report);
    let half = |value: &ConfigValue, missing: &str| -> Problem {
        value.problem(format!(
            "certificate and key must be set together: `admin.tls.{missing}` is missing"
        ))
    };
    match (certificate, key) {
        (None, None) => {}
        (Some(certificate), None) => report.add(half(&certificate, "key")),
        (None, Some(key)) => report.add(half(&key, "certificate")),
        (Some(certificate), Some(key)) => {
            return Some(Identity {
                certificate: certificate.path(report),
                key: key.path(report),
            });
        }
    }
    None
}
