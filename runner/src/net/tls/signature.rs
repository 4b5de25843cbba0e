//! Signatures in certificates and in what stands for them, verified with the algorithms of the handshake.

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls_pki_types::{SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use webpki::RawPublicKeyEntity;
use x509_parser::prelude::X509Certificate;

use super::der::{Reader, SEQUENCE};

/// What became of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verification {
    /// It is of this key.
    Valid,
    /// It is of another key, or of another text.
    Invalid,
    /// No algorithm for it, which holds for those that are broken as well.
    Unsupported,
}

/// A text and a signature of it.
pub(super) struct Signed<'a> {
    pub(super) message: &'a [u8],
    /// With its parameters, as it stands in DER without the sequence around both.
    pub(super) algorithm: &'a [u8],
    pub(super) signature: &'a [u8],
}

impl<'a> Signed<'a> {
    /// A certificate as what its issuer has signed.
    pub(super) fn of(certificate: &'a X509Certificate<'_>) -> Self {
        Self {
            message: certificate.tbs_certificate.as_ref(),
            algorithm: algorithm(certificate.as_raw()).unwrap_or_default(),
            signature: &certificate.signature_value.data,
        }
    }

    /// Holds the signature against a key.
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
        match is_valid {
            true => Verification::Valid,
            false => Verification::Invalid,
        }
    }

    /// Whether there is an algorithm for it; for those that are broken there is none.
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

/// What a certificate says that it is signed with.
fn algorithm(der: &[u8]) -> Option<&[u8]> {
    let mut parts = Reader(der).within(SEQUENCE)?;
    parts.take(SEQUENCE)?; // what is signed
    Some(parts.take(SEQUENCE)?.content)
}
