//! Certificates and keys in PEM form.
//!
//! The parser's errors quote their input, even as numbers, and that may be a private key. So the parser is used only
//! here, and the errors of this module contain nothing of the input.

use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Why a PEM text cannot be used, as the end of a sentence about it. Shows nothing of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// It contains no such item.
    #[error("contains no {0} in PEM format")]
    Missing(&'static str),
    /// The item is encrypted and needs a password.
    #[error("contains an encrypted {0}; encrypted keys are not supported")]
    Encrypted(&'static str),
    /// The item is truncated or malformed.
    #[error("contains an invalid {what}: {why}")]
    Broken {
        /// The kind of item.
        what: &'static str,
        /// The reason, in fixed words.
        why: &'static str,
    },
}

/// The certificates of a text, in order, at least one; at most `max` are read.
///
/// # Errors
/// There is none, or one of them is malformed.
pub fn certificates(text: &[u8], max: usize) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).take(max).collect();
    match parsed {
        Ok(certificates) if certificates.is_empty() => Err(PemError::Missing("certificate")),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(sanitized_error("certificate", &error)),
    }
}

/// Markers of an encrypted private key: PKCS #8, and the older form of OpenSSL.
const ENCRYPTED: [&[u8]; 2] = [
    b"-----BEGIN ENCRYPTED PRIVATE KEY-----",
    b"Proc-Type: 4,ENCRYPTED",
];

/// The first private key of a text.
///
/// # Errors
/// There is none, or it is malformed or encrypted.
pub fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    let what = "private key";
    PrivateKeyDer::from_pem_slice(text).map_err(|error| {
        let holds = |marker: &&[u8]| text.windows(marker.len()).any(|window| window == *marker);
        if ENCRYPTED.iter().any(holds) {
            PemError::Encrypted(what)
        } else {
            sanitized_error(what, &error)
        }
    })
}

fn sanitized_error(what: &'static str, error: &pem::Error) -> PemError {
    let why = match error {
        pem::Error::NoItemsFound => return PemError::Missing(what),
        pem::Error::MissingSectionEnd { .. } => "a section has no END line",
        pem::Error::IllegalSectionStart { .. } => "malformed BEGIN line of a section",
        pem::Error::Base64Decode(_) => "invalid base64 in a section",
        pem::Error::SectionTooLarge => "a section is too large",
        _ => "it cannot be read",
    };
    PemError::Broken { what, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Malformed texts of all kinds, with a secret in each part of them.
    fn malformed() -> Vec<String> {
        let body = "c2VjcmV0IG1hdGVyaWFsIG9mIGEga2V5IHRoYXQgbm9ib2R5IHNlZXM=";
        ["CERTIFICATE", "PRIVATE KEY", "secret"]
            .into_iter()
            .flat_map(|label| {
                [
                    format!("-----BEGIN {label}----- {body} -----END {label}-----"),
                    format!("-----BEGIN {label}-----\n{body}\n"),
                    format!("-----BEGIN {label}-----\n{body}!\n-----END {label}-----\n"),
                    format!("-----BEGIN {label}-----\n{body}\n-----END secret-----\n"),
                    format!("-----BEGIN {label}\n{body}\n-----END {label}-----\n"),
                    format!("{body}\n"),
                ]
            })
            .collect()
    }

    #[test]
    fn no_error_holds_anything_of_the_text() {
        for text in malformed() {
            let errors = [
                certificates(text.as_bytes(), 10).unwrap_err(),
                private_key(text.as_bytes()).unwrap_err(),
            ];
            for error in errors {
                let shown = format!("{error} {error:?}");
                assert!(!shown.contains("secret") && !shown.contains("c2V"), "{shown}");
                // The library formats bytes as decimal numbers.
                assert!(
                    !shown.contains(|char: char| char.is_ascii_digit() && char != '6' && char != '4'),
                    "{shown}"
                );
            }
        }
    }
}
