//! Certificates and keys in PEM.
//!
//! Errors of the parser quote what they were given, as numbers even, and that may be a private key. So the parser is
//! used here only, and what goes on from here holds nothing of the text.

use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Why a text is of no use; ends a sentence about the text, of which it shows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// Nothing of the kind is in it.
    #[error("holds no {0} in PEM form")]
    Missing(&'static str),
    /// It is in it, and only who has the password can read it.
    #[error("holds an encrypted {0}, which nobody here can decrypt")]
    Encrypted(&'static str),
    /// Something is in it that is cut short or garbled.
    #[error("holds a broken {what}: {why}")]
    Broken {
        /// What was looked for.
        what: &'static str,
        /// In words of our own.
        why: &'static str,
    },
}

/// The certificates of a text, in their order, at least one; not more than `most` are looked at.
///
/// # Errors
/// None is there, or one of them is broken.
pub fn certificates(text: &[u8], most: usize) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).take(most).collect();
    match parsed {
        Ok(certificates) if certificates.is_empty() => Err(PemError::Missing("certificate")),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(in_own_words("certificate", &error)),
    }
}

/// What a text has where a private key in it is encrypted: PKCS #8, and the older form of OpenSSL.
const ENCRYPTED: [&[u8]; 2] = [
    b"-----BEGIN ENCRYPTED PRIVATE KEY-----",
    b"Proc-Type: 4,ENCRYPTED",
];

/// The first private key of a text.
///
/// # Errors
/// None is there, or it is broken or encrypted.
pub fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    let what = "private key";
    PrivateKeyDer::from_pem_slice(text).map_err(|error| {
        let holds = |sign: &&[u8]| text.windows(sign.len()).any(|window| window == *sign);
        match ENCRYPTED.iter().any(holds) {
            true => PemError::Encrypted(what),
            false => in_own_words(what, &error),
        }
    })
}

fn in_own_words(what: &'static str, error: &pem::Error) -> PemError {
    let why = match error {
        pem::Error::NoItemsFound => return PemError::Missing(what),
        pem::Error::MissingSectionEnd { .. } => "a section has no line that ends it",
        pem::Error::IllegalSectionStart { .. } => "the line that begins a section is malformed",
        pem::Error::Base64Decode(_) => "a section is not base64",
        pem::Error::SectionTooLarge => "a section is too large",
        _ => "it cannot be read",
    };
    PemError::Broken { what, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text in every way in which it can be written wrong, with a secret in each part of it.
    fn wrong() -> Vec<String> {
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
        for text in wrong() {
            let errors = [
                certificates(text.as_bytes(), 10).unwrap_err(),
                private_key(text.as_bytes()).unwrap_err(),
            ];
            for error in errors {
                let shown = format!("{error} {error:?}");
                assert!(!shown.contains("secret") && !shown.contains("c2V"), "{shown}");
                // Bytes in decimal, as the library has them.
                assert!(
                    !shown.contains(|char: char| char.is_ascii_digit() && char != '6' && char != '4'),
                    "{shown}"
                );
            }
        }
    }
}
