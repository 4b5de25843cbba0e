//! The certificate verifier for one handshake: validates the chain without aborting the handshake, and records the
//! result.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::chain_validation::ChainValidator;
use super::key::Key;
use super::proof::HandshakeSignature;
use super::reasons::{Reasons, Untrusted};
use super::{MAX_CHAIN, Roots, TlsVersion, provider};

/// The peer's certificates and their faults.
#[derive(Debug)]
pub(super) struct PeerCertificates {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) verified_chain: Option<Vec<CertificateDer<'static>>>,
    pub(super) untrusted: Reasons,
    pub(super) ocsp_staple: Option<Vec<u8>>,
}

/// Verifies and records the chain of one handshake; continues with an invalid one unless it is required to be valid.
#[derive(Debug)]
pub(super) struct RecordingVerifier {
    roots: Arc<Roots>,
    algorithms: WebPkiSupportedAlgorithms,
    require_valid: bool,
    /// Written during the handshake, read afterwards.
    peer_certificates: Mutex<Option<PeerCertificates>>,
}

impl RecordingVerifier {
    pub(super) fn new(roots: Arc<Roots>, require_valid: bool) -> Self {
        let algorithms = provider().signature_verification_algorithms;
        Self {
            roots,
            algorithms,
            require_valid,
            peer_certificates: Mutex::new(None),
        }
    }

    pub(super) fn take(&self) -> Option<PeerCertificates> {
        self.peer_certificates().take()
    }

    /// Whether the peer's key is restricted to RSA-PSS.
    pub(super) fn has_seen_pss_key(&self) -> bool {
        let peer_certificates = self.peer_certificates();
        let leaf = peer_certificates
            .as_ref()
            .and_then(|peer_certificates| peer_certificates.chain.first());
        let leaf = leaf.and_then(|leaf| x509_parser::parse_x509_certificate(leaf).ok());
        leaf.is_some_and(|(_, leaf)| matches!(Key::from_certificate(&leaf), Key::Pss { .. }))
    }

    fn peer_certificates(&self) -> std::sync::MutexGuard<'_, Option<PeerCertificates>> {
        self.peer_certificates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A server that does not hold the key is an impostor: that fails the handshake in any case.
    fn verify_possession(
        &self,
        certificate: &CertificateDer<'_>,
        proof: &HandshakeSignature<'_>,
    ) -> Result<HandshakeSignatureValid, Error> {
        match proof.verify(certificate, &self.algorithms) {
            Ok(()) => Ok(HandshakeSignatureValid::assertion()),
            Err(proof_error) => Err(refused(proof_error)),
        }
    }
}

fn refused(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    CertificateError::Other(rustls::OtherError(Arc::new(cause))).into()
}

impl ServerCertVerifier for RecordingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).take(MAX_CHAIN);
        let chain: Vec<_> = chain
            .map(|certificate| certificate.clone().into_owned())
            .collect();
        let validator = ChainValidator {
            chain: &chain,
            sent: intermediates.len() + 1,
            name: server_name,
            staple: ocsp_response,
            now,
            roots: &self.roots,
            algorithms: &self.algorithms,
        };
        let chain_validation = validator.validate();
        let refused = (self.require_valid && !chain_validation.reasons.is_empty())
            .then(|| refused(Untrusted(chain_validation.reasons.clone())));
        *self.peer_certificates() = Some(PeerCertificates {
            chain,
            verified_chain: chain_validation.path,
            untrusted: chain_validation.reasons,
            ocsp_staple: (!ocsp_response.is_empty()).then(|| ocsp_response.to_vec()),
        });
        match refused {
            Some(error) => Err(error),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let version = TlsVersion::Tls12;
        self.verify_possession(
            certificate,
            &HandshakeSignature {
                message,
                signature,
                version,
            },
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let version = TlsVersion::Tls13;
        self.verify_possession(
            certificate,
            &HandshakeSignature {
                message,
                signature,
                version,
            },
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
