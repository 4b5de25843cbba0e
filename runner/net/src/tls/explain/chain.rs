//! Explains why a certificate chain is invalid.

use webpki::Error;

use crate::tls::reasons::ReasonCode;

/// The kind of an error, and its message.
pub(in crate::tls) fn explain(error: &Error) -> (ReasonCode, String) {
    if let Some(message) = damage(error) {
        return (
            ReasonCode::Malformed,
            format!("a certificate of the chain {message}"),
        );
    }
    let (code, message) = time_error(error)
        .or_else(|| issuer_error(error))
        .or_else(|| signature_error(error))
        .or_else(|| revocation_error(error))
        .unwrap_or((
            ReasonCode::Malformed,
            "a certificate of the chain contains something unsupported",
        ));
    (code, message.to_owned())
}

fn time_error(error: &Error) -> Option<(ReasonCode, &'static str)> {
    Some(match error {
        Error::CertExpired { .. } => (ReasonCode::Expired, "a certificate of the chain has expired"),
        Error::CertNotValidYet { .. } => (
            ReasonCode::NotYetValid,
            "a certificate of the chain is not valid yet",
        ),
        Error::InvalidCertValidity => (
            ReasonCode::Malformed,
            "a certificate of the chain expires before it becomes valid",
        ),
        _ => return None,
    })
}

fn issuer_error(error: &Error) -> Option<(ReasonCode, &'static str)> {
    #[expect(deprecated, reason = "whatever can be matched has a sentence")]
    let found = match error {
        Error::UnknownIssuer => (
            ReasonCode::NoPath,
            "no path through the certificates that the server sent leads to a trusted root",
        ),
        Error::CaUsedAsEndEntity => (
            ReasonCode::AuthorityAsLeaf,
            "the certificate is a CA certificate, not a server certificate",
        ),
        Error::EndEntityUsedAsCa => (
            ReasonCode::NotAnAuthority,
            "a certificate of the chain issued another certificate, but is not a CA certificate",
        ),
        Error::CertNotValidForName(_) => (ReasonCode::WrongName, "the certificate is for other names"),
        Error::CertDistrusted => (
            ReasonCode::Revoked,
            "the key of a certificate of the chain is known to be unsafe",
        ),
        Error::EmptyEkuExtension | Error::RequiredEkuNotFound | Error::RequiredEkuNotFoundContext(_) => (
            ReasonCode::WrongPurpose,
            "a certificate of the chain is not for servers, according to its extended key usage",
        ),
        Error::NameConstraintViolation => (
            ReasonCode::Constraint,
            "the certificate is for names that its certificate authority may not issue for",
        ),
        Error::PathLenConstraintViolated => (
            ReasonCode::Constraint,
            "the chain has more CA certificates than one of them allows below it",
        ),
        Error::MaximumPathDepthExceeded => (
            ReasonCode::TooComplex,
            "no path with six intermediate certificates or fewer leads to a trusted root",
        ),
        Error::MaximumSignatureChecksExceeded | Error::MaximumPathBuildCallsExceeded => (
            ReasonCode::TooComplex,
            "the chain has too many possible paths to find one to a trusted root",
        ),
        Error::MaximumNameConstraintComparisonsExceeded => (
            ReasonCode::TooComplex,
            "the CAs of the chain constrain too many names to check them all",
        ),
        _ => return None,
    };
    Some(found)
}

fn signature_error(error: &Error) -> Option<(ReasonCode, &'static str)> {
    #[expect(deprecated, reason = "whatever can be matched has a sentence")]
    let found = match error {
        Error::InvalidSignatureForPublicKey => (
            ReasonCode::BadSignature,
            "a certificate of the chain is not signed with the key of its issuer",
        ),
        Error::UnsupportedSignatureAlgorithm | Error::UnsupportedSignatureAlgorithmContext(_) => (
            ReasonCode::WeakSignature,
            "a certificate of the chain is signed with a weak or unsupported algorithm",
        ),
        Error::UnsupportedSignatureAlgorithmForPublicKey
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => (
            ReasonCode::WeakSignature,
            "a certificate of the chain is signed with an algorithm that does not match the key of its issuer",
        ),
        _ => return None,
    };
    Some(found)
}

/// These do not occur, since no revocation list is used.
fn revocation_error(error: &Error) -> Option<(ReasonCode, &'static str)> {
    #[expect(deprecated, reason = "whatever can be matched has a sentence")]
    let found = match error {
        Error::CertRevoked => (ReasonCode::Revoked, "a certificate of the chain is revoked"),
        Error::UnknownRevocationStatus => (
            ReasonCode::Revoked,
            "the revocation status of a certificate of the chain is unknown",
        ),
        Error::CrlExpired { .. }
        | Error::InvalidCrlNumber
        | Error::InvalidCrlSignatureForPublicKey
        | Error::IssuerNotCrlSigner
        | Error::UnsupportedCrlIssuingDistributionPoint
        | Error::UnsupportedCrlVersion
        | Error::UnsupportedDeltaCrl
        | Error::UnsupportedIndirectCrl
        | Error::UnsupportedRevocationReason
        | Error::UnsupportedRevocationReasonsPartitioning
        | Error::UnsupportedCrlSignatureAlgorithm
        | Error::UnsupportedCrlSignatureAlgorithmContext(_)
        | Error::UnsupportedCrlSignatureAlgorithmForPublicKey
        | Error::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => (
            ReasonCode::Revoked,
            "the certificate revocation list cannot be used",
        ),
        _ => return None,
    };
    Some(found)
}

/// What is unreadable or unsupported in a certificate, phrased as the end of a sentence.
pub(in crate::tls) fn damage(error: &Error) -> Option<&'static str> {
    let message = match error {
        Error::BadDer | Error::TrailingData(_) => "is damaged: it is not DER",
        Error::BadDerTime => "has a date that cannot be read",
        Error::ExtensionValueInvalid | Error::MalformedExtensions => "has an extension that cannot be read",
        Error::InvalidSerialNumber => "has a serial number that is not allowed: it is negative or too long",
        Error::InvalidNetworkMaskConstraint | Error::MalformedNameConstraint => {
            "constrains names in a way that cannot be read"
        }
        Error::MalformedDnsIdentifier => "has a name in it that is not a DNS name",
        Error::SignatureAlgorithmMismatch => "names two different algorithms for its signature",
        Error::UnsupportedNameType => "has a name of a kind that is not supported",
        Error::UnsupportedCertVersion => "is not X.509 version 3, the only supported version",
        Error::UnsupportedCriticalExtension => "has a critical extension that is not understood",
        _ => return None,
    };
    Some(message)
}
