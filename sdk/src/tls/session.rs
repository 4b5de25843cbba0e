//! The result of a handshake: certificates, and why they are not trusted.

use std::net::IpAddr;

use super::Version;
use crate::punycode;
use crate::timestamp::Timestamp;

/// A certificate as the peer sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate itself.
    pub der: Vec<u8>,
    /// Distinguished name of the subject.
    pub subject: String,
    /// Distinguished name of the issuer.
    pub issuer: String,
    /// Lower-case hexadecimal.
    pub serial: String,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// DNS names that it covers, wildcards included.
    pub dns_names: Vec<String>,
    /// IP addresses that it covers.
    pub ip_addresses: Vec<String>,
    /// Whether it may sign others.
    pub is_ca: bool,
    /// Such as `RSA 2048` or `EC P-256`.
    pub public_key: String,
    /// Such as `ecdsa-with-SHA256`.
    pub signature_algorithm: String,
    /// SHA-256 of the DER, lower-case hexadecimal.
    pub fingerprint: String,
}

impl Certificate {
    /// Whether the host could parse it. For a damaged certificate only [`der`](Self::der) and
    /// [`fingerprint`](Self::fingerprint) are meaningful. The leaf of a session can always be parsed.
    pub fn is_readable(&self) -> bool {
        !self.public_key.is_empty()
    }

    /// Days until it expires, negative once it has.
    pub fn days_left(&self, now: Timestamp) -> f64 {
        self.not_after.days_since(now)
    }

    /// Whether it covers a DNS name, in international or ASCII form, or an IP address. A wildcard stands for exactly
    /// one label, the leftmost.
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

/// Why a chain is not trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reason {
    /// The code, such as `expired` or `unknown-issuer`; `other` if there is none.
    pub code: String,
    /// One line for a person.
    pub message: String,
    /// The certificate concerned, as an index of [`Session::chain`].
    pub certificate: Option<usize>,
}

impl Reason {
    /// A reason that concerns no certificate in particular.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            certificate: None,
        }
    }
}

/// The result of a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The negotiated version.
    pub version: Version,
    /// Such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher_suite: String,
    /// The negotiated protocol, if any.
    pub alpn: Option<String>,
    /// As the peer sent it, leaf first.
    pub chain: Vec<Certificate>,
    /// The path that verified, leaf first, root last; absent when none did.
    pub verified_chain: Option<Vec<Certificate>>,
    /// Every reason why the chain is not trusted; none when it is.
    pub reasons: Vec<Reason>,
    /// DER of a stapled OCSP response.
    pub ocsp_staple: Option<Vec<u8>>,
}

/// What a server presents in clear that accepts nothing of what the host offers in a handshake. There is no session,
/// and it is not proven that the server holds the certificate's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// Such as `TLS 1.0`.
    pub version: String,
    /// Its IANA name.
    pub cipher_suite: String,
    /// As the peer sent it, leaf first.
    pub chain: Vec<Certificate>,
    /// The path that verified, leaf first, root last; absent when none did.
    pub verified_chain: Option<Vec<Certificate>>,
    /// Every reason why the chain is not trusted; none if it is.
    pub reasons: Vec<Reason>,
}

/// `Ok` if there is no reason to distrust a chain, or else all reasons as one text.
pub fn verified(reasons: &[Reason]) -> Result<(), String> {
    let texts: Vec<_> = reasons.iter().map(|reason| reason.message.as_str()).collect();
    if texts.is_empty() {
        Ok(())
    } else {
        Err(texts.join("; "))
    }
}

impl Session {
    /// `Ok` if the chain is trusted, or else all reasons why it is not, as one text.
    pub fn verified(&self) -> Result<(), String> {
        verified(&self.reasons)
    }

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
}
