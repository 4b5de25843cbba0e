//! The contents of a certificate, for users and plugins.

use std::net::IpAddr;
use std::sync::LazyLock;

use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::OidRegistry;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::key::Key;

/// One certificate of a chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificate {
    /// As sent.
    pub der: Vec<u8>,
    /// Distinguished name.
    pub subject: String,
    /// Distinguished name.
    pub issuer: String,
    /// Lower-case hexadecimal.
    pub serial: String,
    /// Unix seconds.
    pub not_before: i64,
    /// Unix seconds.
    pub not_after: i64,
    /// Subject alternative names.
    pub dns_names: Vec<String>,
    /// Subject alternative names.
    pub ip_addresses: Vec<String>,
    /// Basic constraints.
    pub is_ca: bool,
    /// Such as `RSA 2048` or `EC P-256`.
    pub public_key: String,
    /// Such as `ecdsa-with-SHA256`.
    pub signature_algorithm: String,
    /// SHA-256 of the DER, lower-case hexadecimal.
    pub fingerprint: String,
}

/// Parses a chain. Unreadable certificates have only their DER and fingerprint. Certificates in `known` are not parsed
/// again.
pub(super) fn parse_chain(chain: &[CertificateDer<'_>], known: &[Certificate]) -> Vec<Certificate> {
    let parse = |der: &CertificateDer<'_>| {
        let known = known.iter().find(|known| known.der == der.as_ref());
        known.cloned().unwrap_or_else(|| Certificate::parse(der))
    };
    chain.iter().map(parse).collect()
}

impl Certificate {
    /// Whether more than its DER and fingerprint is known.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        // Every readable certificate has a key.
        !self.public_key.is_empty()
    }

    fn parse(der: &[u8]) -> Self {
        let raw = Self {
            der: der.to_vec(),
            fingerprint: hex::encode(Sha256::digest(der)),
            ..Self::default()
        };
        match X509Certificate::from_der(der) {
            Ok((_, parsed)) => raw.with(&parsed),
            Err(_) => Self {
                subject: "unreadable certificate".to_owned(),
                ..raw
            },
        }
    }

    fn with(self, parsed: &X509Certificate<'_>) -> Self {
        let (dns_names, ip_addresses) = names(parsed);
        Self {
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            serial: hex::encode(parsed.raw_serial()),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            dns_names,
            ip_addresses,
            is_ca: parsed.is_ca(),
            public_key: Key::from_certificate(parsed).to_string(),
            signature_algorithm: signature_algorithm(parsed),
            ..self
        }
    }
}

fn names(parsed: &X509Certificate<'_>) -> (Vec<String>, Vec<String>) {
    let mut dns_names = Vec::new();
    let mut ip_addresses = Vec::new();
    let Ok(Some(extension)) = parsed.subject_alternative_name() else {
        return (dns_names, ip_addresses);
    };
    for name in &extension.value.general_names {
        match name {
            GeneralName::DNSName(name) => dns_names.push((*name).to_owned()),
            GeneralName::IPAddress(bytes) => ip_addresses.extend(address(bytes).map(|ip| ip.to_string())),
            _ => {}
        }
    }
    (dns_names, ip_addresses)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

pub(super) fn signature_algorithm(parsed: &X509Certificate<'_>) -> String {
    static REGISTRY: LazyLock<OidRegistry<'_>> = LazyLock::new(|| OidRegistry::default().with_crypto());
    let oid = &parsed.signature_algorithm.algorithm;
    match REGISTRY.get(oid) {
        Some(entry) => entry.sn().to_owned(),
        None => oid.to_id_string(),
    }
}
