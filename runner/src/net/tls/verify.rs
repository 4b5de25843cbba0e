//! The library's verifier of one handshake: judges the chain without ending the handshake, and remembers the judgement.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::judgement::Question;
use super::key::Key;
use super::proof::Proof;
use super::reasons::{Reasons, Untrusted};
use super::{CHAIN, Roots, TlsVersion, provider};

/// What was seen of the peer's certificates, and what is wrong with them.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) verified_chain: Option<Vec<CertificateDer<'static>>>,
    pub(super) untrusted: Reasons,
    pub(super) ocsp_staple: Option<Vec<u8>>,
}

/// Verifies one handshake's chain against `roots`; goes on with a bad one unless it must be valid.
#[derive(Debug)]
pub(super) struct Recorder {
    roots: Arc<Roots>,
    algorithms: WebPkiSupportedAlgorithms,
    require_valid: bool,
    /// Written during the one handshake, read after it.
    seen: Mutex<Option<Seen>>,
}

impl Recorder {
    pub(super) fn new(roots: Arc<Roots>, require_valid: bool) -> Self {
        let algorithms = provider().signature_verification_algorithms;
        Self {
            roots,
            algorithms,
            require_valid,
            seen: Mutex::new(None),
        }
    }

    pub(super) fn take(&self) -> Option<Seen> {
        self.seen().take()
    }

    /// Whether the peer has shown a key that is for RSA-PSS alone.
    pub(super) fn has_seen_pss_key(&self) -> bool {
        let seen = self.seen();
        let leaf = seen.as_ref().and_then(|seen| seen.chain.first());
        let leaf = leaf.and_then(|leaf| x509_parser::parse_x509_certificate(leaf).ok());
        leaf.is_some_and(|(_, leaf)| matches!(Key::of(&leaf), Key::Pss { .. }))
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Option<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A server that does not hold the key is somebody else: that fails whatever else is allowed.
    fn prove(
        &self,
        certificate: &CertificateDer<'_>,
        proof: &Proof<'_>,
    ) -> Result<HandshakeSignatureValid, Error> {
        match proof.verify(certificate, &self.algorithms) {
            Ok(()) => Ok(HandshakeSignatureValid::assertion()),
            Err(unproven) => Err(refused(unproven)),
        }
    }
}

fn refused(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    CertificateError::Other(rustls::OtherError(Arc::new(cause))).into()
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).take(CHAIN);
        let chain: Vec<_> = chain
            .map(|certificate| certificate.clone().into_owned())
            .collect();
        let question = Question {
            chain: &chain,
            sent: intermediates.len() + 1,
            name: server_name,
            staple: ocsp_response,
            now,
            roots: &self.roots,
            algorithms: &self.algorithms,
        };
        let judgement = question.judge();
        let refused = (self.require_valid && !judgement.reasons.is_empty())
            .then(|| refused(Untrusted(judgement.reasons.clone())));
        *self.seen() = Some(Seen {
            chain,
            verified_chain: judgement.path,
            untrusted: judgement.reasons,
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
        self.prove(
            certificate,
            &Proof {
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
        self.prove(
            certificate,
            &Proof {
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
