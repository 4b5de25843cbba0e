//! Verifies signatures in certificates and OCSP responses with the algorithms of the handshake.

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls_pki_types::{SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use webpki::RawPublicKeyEntity;
use x509_parser::prelude::X509Certificate;

use super::der::{Reader, SEQUENCE};

/// The result of verifying a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verification {
    /// Made by this key.
    Valid,
    /// Made by another key, or over other data.
    Invalid,
    /// The algorithm is unsupported, or insecure.
    Unsupported,
}

/// Signed data and its signature.
pub(super) struct SignedData<'a> {
    pub(super) message: &'a [u8],
    /// Including its parameters, in DER without the outer sequence.
    pub(super) algorithm: &'a [u8],
    pub(super) signature: &'a [u8],
}

impl<'a> SignedData<'a> {
    /// The part of a certificate signed by its issuer.
    pub(super) fn from_certificate(certificate: &'a X509Certificate<'_>) -> Self {
        Self {
            message: certificate.tbs_certificate.as_ref(),
            algorithm: algorithm(certificate.as_raw()).unwrap_or_default(),
            signature: &certificate.signature_value.data,
        }
    }

    /// Verifies the signature with a key.
    pub(super) fn verify(
        &self,
        key: &SubjectPublicKeyInfoDer<'_>,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Verification {
        let mut candidates = self.candidates(algorithms).peekable();
        if candidates.peek().is_none() {
            return Verification::Unsupported;
        }
        let Ok(key) = RawPublicKeyEntity::try_from(key) else {
            return Verification::Unsupported;
        };
        let is_valid = candidates.any(|algorithm| {
            key.verify_signature(algorithm, self.message, self.signature)
                .is_ok()
        });
        if is_valid {
            Verification::Valid
        } else {
            Verification::Invalid
        }
    }

    /// Whether the algorithm is supported; insecure ones are not.
    pub(super) fn is_supported(&self, algorithms: &WebPkiSupportedAlgorithms) -> bool {
        self.candidates(algorithms).next().is_some()
    }

    fn candidates(
        &self,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> impl Iterator<Item = &'static dyn SignatureVerificationAlgorithm> {
        let all = algorithms.all.iter().copied();
        all.filter(|algorithm| algorithm.signature_alg_id().as_ref() == self.algorithm)
    }
}

/// The signature algorithm in a certificate.
fn algorithm(der: &[u8]) -> Option<&[u8]> {
    let mut parts = Reader(der).within(SEQUENCE)?;
    parts.take(SEQUENCE)?; // what is signed
    Some(parts.take(SEQUENCE)?.content)
}
