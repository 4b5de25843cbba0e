//! What the TLS libraries report, in words for a person: their own texts quote the names of Rust types.

use rustls::{AlertDescription, Error, InvalidMessage};

/// Why a handshake or a session failed.
#[must_use]
pub fn explain(error: &Error) -> String {
    match error {
        Error::AlertReceived(alert) => format!("the peer sent the alert `{}`", alert_words(*alert)),
        Error::InvalidMessage(InvalidMessage::CertificatePayloadTooLarge) => {
            "the peer's certificates are longer than 64 KiB".to_owned()
        }
        Error::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge) => {
            "a message of the peer's handshake is longer than 64 KiB".to_owned()
        }
        Error::InvalidMessage(reason) => format!("the peer sent a malformed message: {}", words(reason)),
        Error::InappropriateMessage { got_type, .. } => {
            format!("the peer sent an unexpected message: {}", words(got_type))
        }
        Error::InappropriateHandshakeMessage { got_type, .. } => {
            format!(
                "the peer sent an unexpected handshake message: {}",
                words(got_type)
            )
        }
        Error::PeerIncompatible(reason) => format!("the peer is incompatible: {}", words(reason)),
        Error::PeerMisbehaved(reason) => format!("the peer broke the protocol: {}", words(reason)),
        Error::InvalidCertificate(rustls::CertificateError::Other(reason)) => {
            let reason: &(dyn std::error::Error + 'static) = &*reason.0;
            let of_chain = reason.downcast_ref().map(explain_chain);
            format!(
                "invalid peer certificate: {}",
                of_chain.unwrap_or_else(|| reason.to_string())
            )
        }
        Error::InvalidCertificate(reason) => format!("invalid peer certificate: {}", words(reason)),
        Error::InconsistentKeys(_) => "the private key does not belong to the certificate".to_owned(),
        Error::InvalidCertRevocationList(reason) => {
            format!("invalid certificate revocation list: {}", words(reason))
        }
        Error::InvalidEncryptedClientHello(reason) => {
            format!("encrypted client hello failed: {}", words(reason))
        }
        // The texts of the others are sentences.
        other => other.to_string(),
    }
}

/// Why a handshake failed, or the connection under it.
#[must_use]
pub fn explain_io(error: &std::io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    inner.map_or_else(|| error.to_string(), explain)
}

/// Why a chain of certificates does not verify.
pub(super) fn explain_chain(error: &webpki::Error) -> String {
    match error {
        webpki::Error::MaximumSignatureChecksExceeded
        | webpki::Error::MaximumPathBuildCallsExceeded
        | webpki::Error::MaximumPathDepthExceeded
        | webpki::Error::MaximumNameConstraintComparisonsExceeded => {
            "too many ways through the chain to find one to a trusted root".to_owned()
        }
        other => words(other),
    }
}

/// As TLS names it (RFC 8446, section 6): `handshake_failure`.
fn alert_words(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::Unknown(number) => number.to_string(),
        known => words(&known).replace(' ', "_"),
    }
}

/// The name of a variant as words: `InvalidCertRequest` is `invalid cert request`. What it holds is left out: it is
/// of the peer's making, or says the same again.
fn words(error: &dyn std::fmt::Debug) -> String {
    let mut name = VariantName::default();
    // Ends with an error where the name ends.
    let _ended = std::fmt::write(&mut name, format_args!("{error:?}"));
    let words = name.words.strip_suffix(" context");
    words.unwrap_or(&name.words).to_owned()
}

/// Takes the first name of a `Debug` text, and refuses the rest.
#[derive(Default)]
struct VariantName {
    words: String,
    after_capital: bool,
}

impl std::fmt::Write for VariantName {
    fn write_str(&mut self, part: &str) -> std::fmt::Result {
        for letter in part.chars() {
            if !letter.is_ascii_alphanumeric() {
                return Err(std::fmt::Error);
            }
            let is_capital = letter.is_ascii_uppercase();
            if is_capital && !self.after_capital && !self.words.is_empty() {
                self.words.push(' ');
            }
            self.words.push(letter.to_ascii_lowercase());
            self.after_capital = is_capital;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rustls::{CertificateError, PeerIncompatible, PeerMisbehaved};

    use super::*;

    #[test]
    fn no_text_names_a_type_of_the_library() {
        let cases: [(Error, &str); 7] = [
            (
                InvalidMessage::CertificatePayloadTooLarge.into(),
                "the peer's certificates are longer than 64 KiB",
            ),
            (
                InvalidMessage::MissingData("ServerName").into(),
                "the peer sent a malformed message: missing data",
            ),
            (
                PeerMisbehaved::TooManyKeyUpdateRequests.into(),
                "the peer broke the protocol: too many key update requests",
            ),
            (
                PeerIncompatible::Tls12NotOffered.into(),
                "the peer is incompatible: tls12 not offered",
            ),
            (
                Error::AlertReceived(AlertDescription::HandshakeFailure),
                "the peer sent the alert `handshake_failure`",
            ),
            (
                CertificateError::UnknownIssuer.into(),
                "invalid peer certificate: unknown issuer",
            ),
            (
                Error::InappropriateMessage {
                    expect_types: vec![rustls::ContentType::Handshake],
                    got_type: rustls::ContentType::ApplicationData,
                },
                "the peer sent an unexpected message: application data",
            ),
        ];
        for (error, expected) in cases {
            assert_eq!(explain(&error), expected);
        }
    }

    #[test]
    fn a_chain_that_takes_too_much_work_is_explained() {
        assert_eq!(
            explain_chain(&webpki::Error::MaximumSignatureChecksExceeded),
            "too many ways through the chain to find one to a trusted root"
        );
        let path = rustls::OtherError(std::sync::Arc::new(webpki::Error::MaximumPathDepthExceeded));
        let of_session = Error::InvalidCertificate(CertificateError::Other(path));
        assert_eq!(
            explain_io(&std::io::Error::other(of_session)),
            "invalid peer certificate: too many ways through the chain to find one to a trusted root"
        );
        assert_eq!(
            explain_chain(&webpki::Error::InvalidSignatureForPublicKey),
            "invalid signature for public key"
        );
    }
}
