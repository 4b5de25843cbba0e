//! Judging a chain without ending the handshake, and remembering the judgement.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use webpki::{EndEntityCert, KeyUsage};

use super::candidates::candidates;
use super::explain::{explain, explain_chain};
use super::{CHAIN, Roots, provider};

/// What was seen of the peer's certificates, and what is wrong with them.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) verified_chain: Option<Vec<CertificateDer<'static>>>,
    pub(super) verified: Result<(), String>,
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

    fn seen(&self) -> std::sync::MutexGuard<'_, Option<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The path to a root, or why there is none.
    fn path(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Vec<CertificateDer<'static>>, webpki::Error> {
        if self
            .roots
            .certificates
            .iter()
            .any(|root| root.as_ref() == leaf.as_ref())
        {
            // Trusted by name: a self-signed certificate that the suite itself gives as its root.
            return Ok(vec![leaf.clone().into_owned()]);
        }
        let parsed = EndEntityCert::try_from(leaf)?;
        let above = candidates(intermediates);
        let path = parsed.verify_for_usage(
            self.algorithms.all,
            &self.roots.anchors,
            &above,
            now,
            KeyUsage::server_auth(),
            None,
            None,
        )?;
        let place = self.roots.anchors.iter().position(|root| root == path.anchor());
        let root = place.and_then(|place| self.roots.certificates.get(place));
        let between = path
            .intermediate_certificates()
            .map(|certificate| certificate.der().into_owned());
        let leaf = std::iter::once(leaf.clone().into_owned());
        Ok(leaf.chain(between).chain(root.cloned()).collect())
    }

    /// A signature that does not verify says that the peer lacks the key: a reason like any other.
    fn signature(
        &self,
        verified: Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        match verified {
            Err(error) if !self.require_valid => {
                if let Some(seen) = self.seen().as_mut() {
                    seen.verified = Err(format!("handshake signature: {}", explain(&error)));
                }
                Ok(HandshakeSignatureValid::assertion())
            }
            other => other,
        }
    }
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
        let sent = intermediates.len() + 1;
        let intermediates = intermediates.get(..CHAIN - 1).unwrap_or(intermediates);
        let path = match sent > CHAIN {
            true => Err(format!("the peer sent {sent} certificates, more than {CHAIN}")),
            false => self
                .path(end_entity, intermediates, now)
                .map_err(|error| describe(&error)),
        };
        let mut reasons: Vec<String> = path.as_ref().err().cloned().into_iter().collect();
        reasons.extend(wrong_time(end_entity, now).filter(|_| path.is_ok()));
        let name = EndEntityCert::try_from(end_entity)
            .and_then(|leaf| leaf.verify_is_valid_for_subject_name(server_name));
        if let Err(error) = name {
            reasons.push(describe_name(&error, server_name));
        }
        reasons.dedup();
        let verified = if reasons.is_empty() {
            Ok(())
        } else {
            Err(reasons.join("; "))
        };
        let refused = verified.clone().err().filter(|_| self.require_valid);
        let chain = std::iter::once(end_entity).chain(intermediates);
        *self.seen() = Some(Seen {
            chain: chain
                .map(|certificate| certificate.clone().into_owned())
                .collect(),
            verified_chain: path.ok(),
            verified,
            ocsp_staple: (!ocsp_response.is_empty()).then(|| ocsp_response.to_vec()),
        });
        match refused {
            Some(reasons) => {
                Err(CertificateError::Other(rustls::OtherError(Arc::new(Untrusted(reasons)))).into())
            }
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.algorithms,
        ))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.algorithms,
        ))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The reasons, as the cause of a refused handshake.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Untrusted(String);

/// A certificate that is a root by itself is held to its dates as any other.
fn wrong_time(leaf: &CertificateDer<'_>, now: UnixTime) -> Option<String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(leaf).ok()?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = parsed.validity();
    let (from, until) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    if now > until {
        return Some(expired(until));
    }
    (now < from).then(|| early(from))
}

fn describe(error: &webpki::Error) -> String {
    match error {
        webpki::Error::CertExpired { not_after, .. } => expired(not_after.as_secs().cast_signed()),
        webpki::Error::CertNotValidYet { not_before, .. } => early(not_before.as_secs().cast_signed()),
        webpki::Error::UnknownIssuer => "unknown issuer: the chain ends in no trusted root".to_owned(),
        webpki::Error::CaUsedAsEndEntity => {
            "the certificate is self-signed or a certificate authority's own".to_owned()
        }
        other => explain_chain(other),
    }
}

fn describe_name(error: &webpki::Error, name: &ServerName<'_>) -> String {
    match error {
        webpki::Error::CertNotValidForName(_) => {
            format!("the certificate is not for `{}`", name.to_str())
        }
        other => format!("the certificate's names: {}", explain_chain(other)),
    }
}

fn expired(at: i64) -> String {
    format!("certificate expired at {}", date(at))
}

fn early(at: i64) -> String {
    format!("certificate is not valid before {}", date(at))
}

/// RFC 3339, or the Unix seconds of a date beyond the calendar.
fn date(unix_seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(unix_seconds)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_else(|| unix_seconds.to_string())
}
