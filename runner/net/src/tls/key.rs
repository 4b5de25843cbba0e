//! Certificate keys: their names and their strength.

use std::fmt::{self, Display, Formatter};

use rustls_pki_types::PrivateKeyDer;
use x509_parser::prelude::X509Certificate;
use x509_parser::public_key::PublicKey;

use super::der::{BIT_STRING, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, PART_0, Reader, SEQUENCE};
use super::pss;

/// Minimum size of an acceptable RSA key, in bits.
const MIN_RSA_BITS: usize = 2048;
/// Maximum size of an RSA key whose signatures are verified, in bits.
const MAX_RSA_BITS: usize = 8192;

/// Curves by the identifier in a key. The first three may be used by server certificates.
const CURVES: [(&str, &str); 9] = [
    ("1.2.840.10045.3.1.7", "P-256"),
    ("1.3.132.0.34", "P-384"),
    ("1.3.132.0.35", "P-521"),
    ("1.2.840.10045.3.1.1", "P-192"),
    ("1.3.132.0.33", "P-224"),
    ("1.3.132.0.10", "secp256k1"),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1"),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1"),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1"),
];
const STRONG_CURVES: [&str; 3] = ["P-256", "P-384", "P-521"];

/// Algorithm identifiers of keys that have a size or a curve.
const RSA: &str = "1.2.840.113549.1.1.1";
const EC: &str = "1.2.840.10045.2.1";
const RSA_PSS: &str = "1.2.840.113549.1.1.10";
/// Other key types, by the identifier of their algorithm.
const KINDS: [(&str, &str); 6] = [
    ("1.3.101.110", "X25519"),
    ("1.3.101.111", "X448"),
    ("1.3.101.112", "Ed25519"),
    ("1.3.101.113", "Ed448"),
    ("1.2.840.10040.4.1", "DSA"),
    (RSA_PSS, "RSA-PSS"),
];

/// A public or private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    Rsa {
        bits: usize,
    },
    /// Restricted to RSA-PSS.
    Pss {
        bits: usize,
        /// Whether its hash parameters are supported.
        is_known: bool,
    },
    /// On a known curve.
    Curve(&'static str),
    /// On another curve, with points of this size if that is known.
    Point {
        bits: Option<usize>,
    },
    Ed25519,
    /// The name of the key type, or the identifier of its algorithm.
    Other(String),
}

impl Key {
    /// The public key of a certificate.
    pub(super) fn from_certificate(certificate: &X509Certificate<'_>) -> Self {
        let info = certificate.public_key();
        if let Some(key) = Self::parse_pss(info.raw) {
            return key;
        }
        match info.parsed() {
            Ok(PublicKey::RSA(key)) => Self::Rsa {
                bits: bits(key.modulus),
            },
            Ok(PublicKey::EC(point)) => {
                let curve = info.algorithm.parameters.as_ref();
                let curve = curve.and_then(|curve| Some(curve.as_oid().ok()?.to_id_string()));
                curve.and_then(|id| Self::on_curve(&id)).unwrap_or(Self::Point {
                    bits: Some(point.key_size()),
                })
            }
            _ => Self::from_algorithm(&info.algorithm.algorithm.to_id_string()),
        }
    }

    /// An RSA-PSS public key (RFC 4055, section 1.2): an algorithm with parameters, and the same numbers as in other
    /// RSA keys.
    fn parse_pss(info: &[u8]) -> Option<Self> {
        let mut info = Reader(info).within(SEQUENCE)?;
        let algorithm = info.take(SEQUENCE)?.content;
        let kind = Reader(algorithm).take(OBJECT_IDENTIFIER)?.oid()?.to_id_string();
        let (_unused, key) = info.take(BIT_STRING)?.content.split_first()?;
        let modulus = Reader(key).within(SEQUENCE)?.take(INTEGER)?;
        (kind == RSA_PSS).then(|| Self::Pss {
            bits: bits(modulus.content),
            is_known: pss::is_known(algorithm),
        })
    }

    /// A private key, as far as its type can be determined.
    pub(super) fn from_private_key(key: &PrivateKeyDer<'_>) -> Option<Self> {
        match key {
            PrivateKeyDer::Pkcs1(key) => Self::parse_pkcs1(key.secret_pkcs1_der()),
            PrivateKeyDer::Sec1(key) => Self::parse_sec1(key.secret_sec1_der()),
            PrivateKeyDer::Pkcs8(key) => Self::parse_pkcs8(key.secret_pkcs8_der()),
            _ => None,
        }
    }

    /// RFC 8017, section A.1.2: a version and the modulus come first.
    fn parse_pkcs1(der: &[u8]) -> Option<Self> {
        let mut key = Reader(der).within(SEQUENCE)?;
        key.take(INTEGER)?;
        let bits = bits(key.take(INTEGER)?.content);
        Some(Self::Rsa { bits })
    }

    /// RFC 5915: a version, the key, and maybe the curve.
    fn parse_sec1(der: &[u8]) -> Option<Self> {
        let mut key = Reader(der).within(SEQUENCE)?;
        key.take(INTEGER)?;
        key.take(OCTET_STRING)?;
        let curve = key
            .within(PART_0)
            .and_then(|mut part| part.take(OBJECT_IDENTIFIER)?.oid());
        let known = curve.and_then(|curve| Self::on_curve(&curve.to_id_string()));
        Some(known.unwrap_or(Self::Point { bits: None }))
    }

    /// RFC 5208: a version, the algorithm with its parameters, and the key.
    fn parse_pkcs8(der: &[u8]) -> Option<Self> {
        let mut key = Reader(der).within(SEQUENCE)?;
        key.take(INTEGER)?;
        let mut algorithm = key.within(SEQUENCE)?;
        let kind = algorithm.take(OBJECT_IDENTIFIER)?.oid()?.to_id_string();
        match kind.as_str() {
            RSA => Self::parse_pkcs1(key.take(OCTET_STRING)?.content),
            EC => {
                let curve = algorithm.take(OBJECT_IDENTIFIER).and_then(|curve| curve.oid());
                let known = curve.and_then(|curve| Self::on_curve(&curve.to_id_string()));
                Some(known.unwrap_or(Self::Point { bits: None }))
            }
            other => Some(Self::from_algorithm(other)),
        }
    }

    fn on_curve(id: &str) -> Option<Self> {
        let known = CURVES.iter().find(|(known, _)| *known == id);
        known.map(|(_, name)| Self::Curve(name))
    }

    fn from_algorithm(id: &str) -> Self {
        let known = KINDS.iter().find(|(known, _)| *known == id);
        match known.map_or(id, |(_, name)| *name) {
            "Ed25519" => Self::Ed25519,
            name => Self::Other(name.to_owned()),
        }
    }

    /// Why a key must not be trusted, or why its signatures cannot be verified.
    pub(super) fn weakness(&self) -> Option<String> {
        match self {
            Self::Rsa { bits } | Self::Pss { bits, .. } if *bits < MIN_RSA_BITS => {
                Some(format!("is too weak: RSA keys need at least {MIN_RSA_BITS} bits"))
            }
            Self::Rsa { bits } | Self::Pss { bits, .. } if *bits > MAX_RSA_BITS => Some(format!(
                "is too long: RSA keys of up to {MAX_RSA_BITS} bits are supported"
            )),
            Self::Pss { is_known: false, .. } => Some(
                "has unsupported parameters: hash, mask and salt must have the same length of at least 256 bits"
                    .to_owned(),
            ),
            Self::Rsa { .. } | Self::Pss { .. } | Self::Ed25519 => None,
            Self::Curve(name) if STRONG_CURVES.contains(name) => None,
            _ => Some("is of an unsupported type".to_owned()),
        }
    }
}

/// Such as `RSA 2048` or `EC P-256`.
impl Display for Key {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA {bits}"),
            Self::Pss { bits, .. } => write!(f, "RSA-PSS {bits}"),
            Self::Curve(name) => write!(f, "EC {name}"),
            Self::Point { bits: Some(bits) } => write!(f, "EC {bits} bits"),
            Self::Point { bits: None } => f.write_str("EC on an unknown curve"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// Size of a number in bits, without leading zeros.
fn bits(number: &[u8]) -> usize {
    let mut digits = number.iter().skip_while(|byte| **byte == 0);
    match digits.next() {
        Some(first) => {
            let of_first = u8::BITS.saturating_sub(first.leading_zeros());
            8 * digits.count() + usize::try_from(of_first).unwrap_or_default()
        }
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_counted_without_the_zeros_in_front() {
        assert_eq!(bits(&[]), 0);
        assert_eq!(bits(&[0, 0]), 0);
        assert_eq!(bits(&[0, 1]), 1);
        assert_eq!(bits(&[0, 0x80, 0]), 16);
        assert_eq!(bits(&[0x7f, 0xff]), 15);
    }
}
