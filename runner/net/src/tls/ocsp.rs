//! Stapled OCSP responses of servers (RFC 6066, section 8): verified, and matched with the certificate.
//!
//! No responder is queried: without a staple, and for certificates other than the leaf, revocation is not checked.

mod response;

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use x509_parser::prelude::X509Certificate;

use super::dates::{date, expired};
use super::reasons::{Reason, ReasonCode};
use super::roots::Dates;
use super::signature::{SignedData, Verification};
use response::{OcspError, OcspResponse, SingleResponse, Status};

/// Tolerated clock skew of a responder, in seconds.
const MAX_SKEW: i64 = 300;
/// Validity of a response without an expiry, in seconds.
const DEFAULT_VALIDITY: i64 = 7 * 24 * 3600;
/// The extension with which a certificate requires a staple (RFC 7633), and the number of the staple's TLS extension.
const FEATURES: &str = "1.3.6.1.5.5.7.1.24";
const STATUS_REQUEST: u8 = 5;

/// A stapled response and the certificate it concerns.
pub(super) struct Staple<'a> {
    /// DER; empty if the server sent none.
    pub(super) response: &'a [u8],
    pub(super) leaf: &'a X509Certificate<'a>,
    /// `None` if no path leads to a root.
    pub(super) issuer: Option<&'a X509Certificate<'a>>,
    /// Unix seconds.
    pub(super) now: i64,
    pub(super) algorithms: &'a WebPkiSupportedAlgorithms,
}

impl Staple<'_> {
    /// The fault, if there is one. An unusable response counts as missing, which matters if the certificate requires
    /// one.
    pub(super) fn check(&self) -> Option<Reason> {
        let unusable = match (self.response, self.issuer) {
            ([], _) => "the server sent none".to_owned(),
            (_, None) => return None,
            (_, Some(issuer)) => match self.status(issuer) {
                Ok(status) => return reason(status),
                Err(unusable) => unusable,
            },
        };
        demands_staple(self.leaf).then(|| {
            let message = format!("the certificate requires a stapled OCSP response, but {unusable}");
            Reason::new(ReasonCode::NoStaple, Some(0), message)
        })
    }

    fn status(&self, issuer: &X509Certificate<'_>) -> Result<Status, String> {
        let response = OcspResponse::parse(self.response).map_err(unusable)?;
        let single = response
            .singles
            .iter()
            .find(|single| single.is_about(self.leaf, issuer))
            .ok_or("the server's is about other certificates")?;
        if !self.is_signed(&response, issuer) {
            return Err("the server's is not signed by the certificate's issuer".to_owned());
        }
        self.in_time(single)
    }

    /// "Revoked" expires too, since a certificate on hold may be reinstated.
    fn in_time(&self, single: &SingleResponse<'_>) -> Result<Status, String> {
        let until = single
            .until
            .unwrap_or(single.from.saturating_add(DEFAULT_VALIDITY));
        if self.now > until {
            return Err(format!("the server's {}", expired(until)));
        }
        if single.from > self.now.saturating_add(MAX_SKEW) {
            let from = date(single.from);
            return Err(format!("the server's is not valid before {from}"));
        }
        Ok(single.status)
    }

    /// Signed by the issuer itself, or by a responder that the issuer has certified (RFC 6960, section 4.2.2.2).
    fn is_signed(&self, response: &OcspResponse<'_>, issuer: &X509Certificate<'_>) -> bool {
        let signed = SignedData {
            message: response.signed,
            algorithm: response.algorithm,
            signature: response.signature,
        };
        let by = |signed: &SignedData<'_>, signer: &X509Certificate<'_>| {
            let key = SubjectPublicKeyInfoDer::from(signer.public_key().raw);
            signed.verify(&key, self.algorithms) == Verification::Valid
        };
        if by(&signed, issuer) {
            return true;
        }
        let certificates = response.certificates.iter();
        let mut delegates =
            certificates.filter_map(|der| Some(x509_parser::parse_x509_certificate(der).ok()?.1));
        delegates.any(|delegate| {
            let usage = delegate.extended_key_usage().ok().flatten();
            usage.is_some_and(|usage| usage.value.ocsp_signing)
                && Dates::from_certificate(&delegate).are_valid_at(self.now)
                && by(&SignedData::from_certificate(&delegate), issuer)
                && by(&signed, &delegate)
        })
    }
}

fn unusable(no_answer: OcspError) -> String {
    match no_answer {
        OcspError::Malformed => "the server's cannot be read".to_owned(),
        OcspError::Refused(status) => {
            let message = match status {
                1 => "the request was malformed",
                2 => "internal error",
                3 => "try later",
                5 => "requests must be signed",
                6 => "the request is not authorized",
                _ => "unknown reason",
            };
            format!("the server's is an error: {message}")
        }
    }
}

fn reason(status: Status) -> Option<Reason> {
    let message = match status {
        Status::Good => return None,
        Status::Unknown => {
            "the issuer does not know the certificate, according to the stapled OCSP response".to_owned()
        }
        Status::Revoked { at, reason } => {
            let why = reason
                .and_then(cause)
                .map(|why| format!(": {why}"))
                .unwrap_or_default();
            format!(
                "the issuer revoked the certificate at {}, according to the stapled OCSP response{why}",
                date(at)
            )
        }
    };
    Some(Reason::new(ReasonCode::Revoked, Some(0), message))
}

/// The revocation reason, by its number in RFC 5280, section 5.3.1.
fn cause(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "its key was compromised",
        2 => "the key of its CA was compromised",
        3 => "its owner's affiliation changed",
        4 => "it was superseded",
        5 => "it is no longer needed",
        6 => "it is on hold",
        9 => "its privileges were withdrawn",
        10 => "its attribute authority was compromised",
        _ => return None,
    })
}

/// Whether a certificate requires its server to staple a response.
fn demands_staple(leaf: &X509Certificate<'_>) -> bool {
    let mut extensions = leaf.extensions().iter();
    let features = extensions.find(|extension| extension.oid.to_id_string() == FEATURES);
    // A list of small integers, each with a tag and a length of one byte.
    features.is_some_and(|features| {
        features
            .value
            .windows(3)
            .any(|part| part == [2, 1, STATUS_REQUEST])
    })
}

#[cfg(test)]
mod tests;
