//! Explains errors of the TLS libraries to humans: their own texts contain names of Rust types.

pub(super) mod alert;
pub(super) mod chain;
mod message;
mod peer;
#[cfg(test)]
mod tests;

use rustls::{CertificateError, Error};

/// Why a handshake or a session failed.
#[must_use]
pub fn explain(error: &Error) -> String {
    match error {
        Error::AlertReceived(alert) => alert::explain(*alert),
        Error::InvalidMessage(reason) => message::explain(*reason),
        Error::InappropriateMessage { got_type, .. } => message::unexpected(*got_type),
        Error::InappropriateHandshakeMessage { got_type, .. } => message::unexpected_handshake(*got_type),
        Error::PeerIncompatible(reason) => peer::explain_incompatibility(reason).to_owned(),
        Error::PeerMisbehaved(reason) => {
            format!(
                "the peer violated the TLS protocol: {}",
                peer::explain_misbehavior(reason)
            )
        }
        Error::InvalidCertificate(CertificateError::Other(reason)) => explain_chain(&*reason.0),
        Error::InvalidCertificate(reason) => {
            format!("invalid peer certificate: {}", explain_certificate(reason))
        }
        Error::InvalidCertRevocationList(_) => "the certificate revocation list cannot be used".to_owned(),
        other => without_details(other).to_owned(),
    }
}

/// Errors without parameters.
fn without_details(error: &Error) -> &str {
    match error {
        Error::NoCertificatesPresented => "the peer sent no certificates",
        Error::UnsupportedNameType => "a name of this kind is not a valid server name for TLS",
        Error::DecryptError => "a message of the peer's cannot be decrypted",
        Error::EncryptError => "a message to the peer cannot be encrypted",
        Error::InvalidEncryptedClientHello(_) => "the encrypted hello is invalid",
        Error::FailedToGetCurrentTime => "the time of the host is not known",
        Error::FailedToGetRandomBytes => "the host has no random numbers",
        Error::HandshakeNotComplete => "the handshake is not complete",
        Error::PeerSentOversizedRecord => "the peer sent a record that is longer than TLS allows",
        Error::NoApplicationProtocol => "the peer supports none of the offered application protocols",
        Error::BadMaxFragmentSize => "the size of fragments is out of range",
        Error::InconsistentKeys(_) => "the private key does not belong to the certificate",
        // Created by this program, as a complete sentence.
        Error::General(message) => message,
        _ => "TLS failed for an unknown reason",
    }
}

/// A chain error already consists of complete sentences.
fn explain_chain(reason: &(dyn std::error::Error + 'static)) -> String {
    let of_library = reason.downcast_ref().map(|error| chain::explain(error).1);
    of_library.unwrap_or_else(|| reason.to_string())
}

fn explain_certificate(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::BadEncoding => "it is damaged: it is not DER, or has a part that cannot be read",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its validity has not begun"
        }
        CertificateError::Revoked => "it is revoked",
        CertificateError::UnhandledCriticalExtension => "it has a critical extension that is not understood",
        CertificateError::UnknownIssuer => "no path leads from it to a trusted root",
        CertificateError::UnknownRevocationStatus
        | CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. } => "its revocation status is unknown",
        CertificateError::BadSignature => "a signature does not verify with its issuer's key or its own",
        CertificateError::UnsupportedSignatureAlgorithmContext { .. } => {
            "it is signed with a weak or unsupported algorithm"
        }
        CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "a signature algorithm does not match the key"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is not for this name"
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is not for this purpose, according to its extended key usage"
        }
        CertificateError::InvalidOcspResponse => "the stapled OCSP response cannot be read",
        CertificateError::ApplicationVerificationFailure => "it is refused",
        _ => "it contains something unsupported",
    }
}

/// Why a handshake failed, or the connection under it.
#[must_use]
pub fn explain_io(error: &std::io::Error) -> String {
    find_failure(error).unwrap_or_else(|| error.to_string())
}

/// Why TLS failed, if that caused an I/O error.
pub(crate) fn find_failure(error: &std::io::Error) -> Option<String> {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    inner.map(explain)
}
