//! Where the runner shows itself, and to whom.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::written::{Origin, Written};
use super::{Problem, Report, Section};
use crate::suite::Environment;

/// Where it is, unless told otherwise.
const USUAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9_464);
/// Characters of a token. A shorter one can be guessed.
const TOKEN: std::ops::RangeInclusive<usize> = 16..=4_096;
const TOKEN_HINT: &str = "make one with `openssl rand -hex 32`";

/// Where the runner shows itself.
#[derive(Debug, Clone)]
pub enum Admin {
    /// Nowhere.
    None,
    /// On an address.
    Listen(Listen),
}

/// An address, and where it was written.
#[derive(Debug, Clone)]
pub struct Listen {
    /// To listen on; port 0 is any free one.
    pub address: SocketAddr,
    /// Absent for the usual one.
    written: Option<Written>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: USUAL,
            written: None,
        }
    }
}

impl Listen {
    /// An address of the command line or the environment.
    #[must_use]
    pub fn flag(name: &str, address: SocketAddr) -> Self {
        let origin = Origin::Variable(name.to_owned());
        Self {
            address,
            written: Some(Written::new(address.to_string(), origin)),
        }
    }

    /// Whether only this machine reaches it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.address.ip().to_canonical().is_loopback()
    }

    /// Where others reach it, nobody may read along, and nobody may come in without a token.
    pub(crate) fn judge(&self, access: &Access, report: &mut Report) {
        let Some(written) = self.written.as_ref().filter(|_| !self.is_loopback()) else {
            return;
        };
        let missing = match (&access.token, &access.tls) {
            _ if access.insecure => return,
            (Some(_), Some(_)) => return,
            (None, Some(_)) => "a token",
            (Some(_), None) => "TLS",
            (None, None) => "a token and TLS",
        };
        let problem = written.problem(format!(
            "{} can be reached from other machines, which takes {missing}",
            written.quoted()
        ));
        report.add(problem.hint(
            "set `admin.token` and `admin.tls` in the file of `--config`, listen on a loopback address, \
             or say `admin.insecure: true` where the network itself is trusted",
        ));
    }
}

/// Who may look, and who may change something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Whoever brings it may change something.
    pub token: Option<Token>,
    /// What the address shows itself by; absent: plain HTTP.
    pub tls: Option<Identity>,
    /// The operator takes it upon himself that others may read along.
    pub insecure: bool,
    /// Names by which clients may ask, besides addresses, `localhost` and those of the certificate; `*.` stands for one
    /// label.
    pub hosts: Vec<String>,
}

/// PEM files of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The chain, the leaf first.
    pub certificate: PathBuf,
    /// The key to the leaf.
    pub key: PathBuf,
}

/// What a client proves its right by. `Debug` shows nothing of it.
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
    /// A token of the command line or the environment; nothing for an empty one.
    pub(crate) fn flag(name: &str, text: &str, report: &mut Report) -> Option<Self> {
        let text = text.trim();
        let written = Written::new(text.to_owned(), Origin::Variable(name.to_owned()));
        (!text.is_empty()).then(|| Self::read(&written, report)).flatten()
    }

    /// The token that a file holds, blanks around it left out.
    pub(crate) fn of_file(
        name: &str,
        path: &Path,
        environment: &dyn Environment,
        report: &mut Report,
    ) -> Option<Self> {
        let origin = Origin::Variable(name.to_owned());
        let written = Written::new(path.display().to_string(), origin.clone());
        let wrong = match environment.file(path).map(String::from_utf8) {
            Ok(Ok(text)) if !text.trim().is_empty() => {
                return Self::read(&Written::new(text.trim().to_owned(), origin), report);
            }
            Ok(_) => "holds no token".to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => "does not exist".to_owned(),
            Err(error) => format!("cannot be read: {error}"),
        };
        let problem = written.problem(format!("the file {} {wrong}", written.quoted_path()));
        report.add(problem.hint(TOKEN_HINT));
        None
    }

    fn read(written: &Written, report: &mut Report) -> Option<Self> {
        let text = written.expose();
        let problem = match text.chars().count() {
            _ if !text.chars().all(|char| char.is_ascii_graphic()) => {
                "the token has characters that no header can carry".to_owned()
            }
            length if !TOKEN.contains(&length) => {
                let (least, most) = (TOKEN.start(), TOKEN.end());
                format!("the token has {length} characters; allowed: {least} to {most}")
            }
            _ => return Some(Self::new(text)),
        };
        report.add(written.problem(problem).hint(TOKEN_HINT));
        None
    }

    /// A token that is known to be one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self {
            text: text.into(),
            digest: Sha256::digest(text).into(),
        }
    }

    /// Whether it is this one. The time it takes tells nothing of the token: digests are compared, and whoever guesses
    /// does not choose them.
    #[must_use]
    pub fn is(&self, guess: &str) -> bool {
        let digest: [u8; 32] = Sha256::digest(guess).into();
        digest == self.digest
    }

    /// The token in the clear, to be sent.
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

fn host(written: &Written, report: &mut Report) -> Option<String> {
    let name = written.expose();
    let labels = name.strip_prefix("*.").unwrap_or(name);
    let is_label = |label: &str| {
        let is_allowed = |char: char| char.is_ascii_alphanumeric() || char == '-' || char == '_';
        (1..=63).contains(&label.len()) && label.chars().all(is_allowed)
    };
    if labels.len() <= 253 && labels.split('.').all(is_label) {
        return Some(name.to_owned());
    }
    let problem = written.problem(format!("invalid host name {}", written.quoted()));
    report.add(
        problem.hint("write a name without scheme and port, such as `canary.example.com` or `*.example.com`"),
    );
    None
}

fn address(written: Written, report: &mut Report) -> Option<Listen> {
    let Ok(address) = written.expose().parse() else {
        let problem = written.problem(format!("{} is no address with a port", written.quoted()));
        report.add(problem.hint("write `127.0.0.1:9464` or `[::1]:9464`, or `admin: none`"));
        return None;
    };
    Some(Listen {
        address,
        written: Some(written),
    })
}

fn identity(section: &mut Section, report: &mut Report) -> Option<Identity> {
    let mut tls = section.section("tls", report);
    let (certificate, key) = (tls.value("certificate"), tls.value("key"));
    tls.finish(report);
    let half = |written: &Written, missing: &str| -> Problem {
        written.problem(format!(
            "a certificate and its key go together: `admin.tls.{missing}` is missing"
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
