//! Certificates that no library generates: malformed, outdated or modified.
#![expect(
    clippy::expect_used,
    reason = "a certificate that cannot be made must fail its test"
)]

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rcgen::{CertificateParams, PublicKeyData, SigningKey};
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::ocsp::{der, elements};
use super::{Authority, Certificate, Leaf, provider};

/// Tags of the fields that X.509 version 1 does not have: the version and the extensions.
const OF_VERSION_3: [u8; 2] = [0xa0, 0xa3];

impl Authority {
    /// Reissues the authority's certificate with the same name and key, changed before it is signed.
    #[must_use]
    pub fn renewed(&self, change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let (mut params, _) = super::authority_params(&self.name, super::KeyKind::P256);
        change(&mut params);
        let signed = params.self_signed(self.issuer.key());
        signed.expect("the parameters are complete").der().clone()
    }
}

impl Authority {
    /// Issues another certificate for the name and key of an intermediate, changed before it is signed.
    #[must_use]
    pub fn certify_anew(
        &self,
        below: &Self,
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificateDer<'static> {
        let (mut params, _) = super::authority_params(&below.name, super::KeyKind::P256);
        change(&mut params);
        let signed = params.signed_by(below.issuer.key(), &self.issuer);
        signed.expect("the parameters are complete").der().clone()
    }
}

impl Leaf<'_> {
    /// Issues a certificate for a public key whose private key does not exist.
    #[must_use]
    pub fn issue_for(self, key: &impl PublicKeyData) -> CertificateDer<'static> {
        let authority = self
            .authority
            .expect("only an authority signs the keys of others");
        let signed = self.params.signed_by(key, &authority.issuer);
        signed.expect("the parameters are complete").der().clone()
    }
}

impl Leaf<'_> {
    /// Issues the certificate as X.509 version 1, which has no extensions.
    #[must_use]
    pub fn issue_version_1(self) -> Certificate {
        let authority = self
            .authority
            .expect("only an authority signs such a certificate");
        let mut certificate = self.issue();
        let leaf = certificate.chain.first_mut().expect("a chain has a leaf");
        let Some((_, _, whole)) = elements(leaf).first().copied() else {
            unreachable!("a certificate is one element");
        };
        let [(_, _, signed), (_, algorithm, _), ..] = elements(whole)[..] else {
            unreachable!("a certificate has what is signed, an algorithm and a signature");
        };
        let kept: Vec<&[u8]> = elements(signed)
            .into_iter()
            .filter(|(tag, ..)| !OF_VERSION_3.contains(tag))
            .map(|(_, whole, _)| whole)
            .collect();
        let signed = der(0x30, &kept);
        let signature = authority.issuer.key().sign(&signed).expect("a key signs");
        let signature = der(3, &[&[0], &signature]);
        *leaf = der(0x30, &[&signed, algorithm, &signature]).into();
        certificate
    }
}

impl Certificate {
    /// Replaces the chain.
    #[must_use]
    pub fn showing(mut self, chain: Vec<CertificateDer<'static>>) -> Self {
        self.chain = chain;
        self
    }

    /// Removes the intermediates from the chain.
    #[must_use]
    pub fn without_intermediates(mut self) -> Self {
        self.chain.truncate(1);
        self
    }

    /// A server configuration with this certificate that staples an OCSP response.
    #[must_use]
    pub fn server_config_stapling(&self, answer: Vec<u8>) -> ServerConfig {
        ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider speaks every version")
            .with_no_client_auth()
            .with_cert_resolver(self.shown(Some(answer)))
    }

    /// A certificate resolver that presents this certificate without validating it.
    pub(super) fn shown(&self, staple: Option<Vec<u8>>) -> Arc<SingleCertAndKey> {
        let key = provider().key_provider.load_private_key(self.key());
        let key = key.expect("the provider knows keys of this kind");
        let mut certified = CertifiedKey::new(self.chain(), key);
        certified.ocsp = staple;
        Arc::new(certified.into())
    }
}

/// Encodes a certificate as PEM (RFC 7468).
#[must_use]
pub fn pem(der: &CertificateDer<'_>) -> String {
    let text = BASE64_STANDARD.encode(der);
    let mut lines = String::new();
    for (place, letter) in text.chars().enumerate() {
        if place > 0 && place % 64 == 0 {
            lines.push('\n');
        }
        lines.push(letter);
    }
    format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
}

/// Replaces a byte sequence in a certificate by another of the same length, wherever it occurs. The signature no longer
/// verifies.
///
/// # Panics
/// The sequence is not there, or the other has another length.
#[must_use]
pub fn patched(certificate: &CertificateDer<'_>, from: &[u8], to: &[u8]) -> CertificateDer<'static> {
    assert_eq!(
        from.len(),
        to.len(),
        "the lengths in a certificate must stay right"
    );
    let mut bytes = certificate.as_ref().to_vec();
    let mut found = 0;
    for place in 0..bytes.len() {
        if let Some(part) = bytes
            .get_mut(place..place + from.len())
            .filter(|part| *part == from)
        {
            part.copy_from_slice(to);
            found += 1;
        }
    }
    assert!(found > 0, "the certificate does not have these bytes");
    bytes.into()
}
