//! Whether a server holds the key of the certificate that it shows: its signature of the handshake, held against that key.
//! Neither matters here whether the certificate is trusted, nor whether all of it makes sense.

use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::{CertificateError, DigitallySignedStruct, Error};
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use webpki::RawPublicKeyEntity;

use super::key::Key;
use super::{TlsVersion, pss};

/// Why it is not proven.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unproven {
    /// Somebody else has signed, or something else was signed.
    #[error(
        "the server did not prove that it holds the certificate's key: its signature of the handshake does not verify"
    )]
    Signature,
    /// No key of this kind makes such signatures.
    #[error(
        "the server did not prove that it holds the certificate's key: its signature of the handshake is of another kind \
         than the key"
    )]
    Kind,
    /// There is no algorithm for the key.
    #[error("that the server holds the certificate's key cannot be verified: the key ({name}) {weakness}")]
    Key {
        /// Such as `RSA 1024`.
        name: String,
        /// As [`Key::weakness`] says it.
        weakness: String,
    },
    /// There is no key.
    #[error("that the server holds the certificate's key cannot be verified: the certificate cannot be read")]
    Certificate,
}

/// The signature that a server made of a handshake.
pub(super) struct Proof<'a> {
    /// What is signed.
    pub(super) message: &'a [u8],
    pub(super) signature: &'a DigitallySignedStruct,
    pub(super) version: TlsVersion,
}

impl Proof<'_> {
    /// Holds the signature against the key of a certificate.
    ///
    /// # Errors
    /// It is not by this key, or that cannot be verified.
    pub(super) fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), Unproven> {
        let parsed = x509_parser::parse_x509_certificate(certificate);
        let (_, parsed) = parsed.map_err(|_| Unproven::Certificate)?;
        let key = Key::of(&parsed);
        if let Some(weakness) = key.weakness() {
            let name = key.to_string();
            return Err(Unproven::Key { name, weakness });
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
    ) -> Result<(), Unproven> {
        match verify_tls13_signature_with_raw_key(self.message, key, self.signature, algorithms) {
            Ok(_) => Ok(()),
            Err(Error::InvalidCertificate(CertificateError::BadSignature)) => Err(Unproven::Signature),
            Err(_) => Err(Unproven::Kind),
        }
    }

    /// In TLS 1.2 an algorithm does not say which curve it is used with, and a key for RSA-PSS alone may say which hash it is
    /// for.
    fn verify_by_any(
        &self,
        key: &SubjectPublicKeyInfoDer<'_>,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), Unproven> {
        let key = RawPublicKeyEntity::try_from(key).map_err(|_| Unproven::Certificate)?;
        let mut mapping = algorithms.mapping.iter();
        let scheme = mapping.find(|(scheme, _)| *scheme == self.signature.scheme);
        let (_, candidates) = scheme.ok_or(Unproven::Kind)?;
        let signature = self.signature.signature();
        for candidate in *candidates {
            match key.verify_signature(*candidate, self.message, signature) {
                Ok(()) => return Ok(()),
                Err(webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)) => {}
                Err(_) => return Err(Unproven::Signature),
            }
        }
        Err(Unproven::Kind)
    }
}
