//! Verifies that a server holds the private key of its certificate: checks the handshake signature against the
//! certificate's key. Whether the certificate is trusted, or entirely valid, is irrelevant here.

use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::{CertificateError, DigitallySignedStruct, Error};
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use webpki::RawPublicKeyEntity;

use super::key::Key;
use super::{TlsVersion, pss};

/// Why the possession of the key is not proven.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyProofError {
    /// The signature was made with another key, or over other data.
    #[error(
        "the server did not prove that it holds the certificate's key: its signature of the handshake is invalid"
    )]
    Signature,
    /// Keys of this type do not make such signatures.
    #[error(
        "the server did not prove that it holds the certificate's key: its signature of the handshake is of another type than the key"
    )]
    Kind,
    /// There is no algorithm for the key.
    #[error("cannot verify that the server holds the certificate's key: the key ({name}) {weakness}")]
    Key {
        /// Such as `RSA 1024`.
        name: String,
        /// As returned by [`Key::weakness`].
        weakness: String,
    },
    /// The certificate has no usable key.
    #[error("cannot verify that the server holds the certificate's key: the certificate cannot be read")]
    Certificate,
}

/// A server's handshake signature.
pub(super) struct HandshakeSignature<'a> {
    /// The signed message.
    pub(super) message: &'a [u8],
    pub(super) signature: &'a DigitallySignedStruct,
    pub(super) version: TlsVersion,
}

impl HandshakeSignature<'_> {
    /// Verifies the signature with the key of a certificate.
    ///
    /// # Errors
    /// The signature is not by this key, or cannot be verified.
    pub(super) fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), KeyProofError> {
        let parsed = x509_parser::parse_x509_certificate(certificate);
        let (_, parsed) = parsed.map_err(|_| KeyProofError::Certificate)?;
        let key = Key::from_certificate(&parsed);
        if let Some(weakness) = key.weakness() {
            let name = key.to_string();
            return Err(KeyProofError::Key { name, weakness });
        }
        let key = SubjectPublicKeyInfoDer::from(parsed.public_key().raw);
        match self.version {
            TlsVersion::Tls12 => self.verify_by_any(&key, algorithms),
            TlsVersion::Tls13 if pss::is_scheme(self.signature.scheme) => {
                self.verify_by_any(&key, algorithms)
            }
            TlsVersion::Tls13 => self.verify_13(&key, algorithms),
        }
    }

    fn verify_13(
        &self,
        key: &SubjectPublicKeyInfoDer<'_>,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), KeyProofError> {
        match verify_tls13_signature_with_raw_key(self.message, key, self.signature, algorithms) {
            Ok(_) => Ok(()),
            Err(Error::InvalidCertificate(CertificateError::BadSignature)) => Err(KeyProofError::Signature),
            Err(_) => Err(KeyProofError::Kind),
        }
    }

    /// In TLS 1.2 a signature algorithm does not determine the curve, and an RSA-PSS key may restrict the hash.
    fn verify_by_any(
        &self,
        key: &SubjectPublicKeyInfoDer<'_>,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), KeyProofError> {
        let key = RawPublicKeyEntity::try_from(key).map_err(|_| KeyProofError::Certificate)?;
        let mut mapping = algorithms.mapping.iter();
        let scheme = mapping.find(|(scheme, _)| *scheme == self.signature.scheme);
        let (_, candidates) = scheme.ok_or(KeyProofError::Kind)?;
        let signature = self.signature.signature();
        for candidate in *candidates {
            match key.verify_signature(*candidate, self.message, signature) {
                Ok(()) => return Ok(()),
                Err(webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)) => {}
                Err(_) => return Err(KeyProofError::Signature),
            }
        }
        Err(KeyProofError::Kind)
    }
}
