//! TLS alerts: their names in RFC 8446, section 6, and their meaning for a client.

use rustls::AlertDescription as Alert;

/// Explains an alert sent by a peer.
pub(in crate::net::tls) fn explain(alert: Alert) -> String {
    match name_and_meaning(alert) {
        Some((name, meaning)) => format!("the peer sent the alert `{name}`: {meaning}"),
        None => format!(
            "the peer sent the alert {}, which is not a known one",
            u8::from(alert)
        ),
    }
}

fn name_and_meaning(alert: Alert) -> Option<(&'static str, &'static str)> {
    negotiation_alert(alert)
        .or_else(|| certificate_alert(alert))
        .or_else(|| message_alert(alert))
}

fn negotiation_alert(alert: Alert) -> Option<(&'static str, &'static str)> {
    Some(match alert {
        Alert::HandshakeFailure => (
            "handshake_failure",
            "it takes nothing of what was offered, or wants a client certificate",
        ),
        Alert::ProtocolVersion => (
            "protocol_version",
            "it speaks none of the versions of TLS that were offered",
        ),
        Alert::InsufficientSecurity => (
            "insufficient_security",
            "it wants stronger cipher suites than were offered",
        ),
        Alert::InappropriateFallback => (
            "inappropriate_fallback",
            "it speaks a newer version of TLS than was offered",
        ),
        Alert::NoApplicationProtocol => (
            "no_application_protocol",
            "it speaks none of the application protocols that were offered",
        ),
        Alert::UnrecognisedName => (
            "unrecognized_name",
            "it serves nothing by the name that it was asked for",
        ),
        Alert::MissingExtension => ("missing_extension", "it wants an extension that was not sent"),
        Alert::UnsupportedExtension => ("unsupported_extension", "it refuses an extension that was sent"),
        Alert::NoRenegotiation => ("no_renegotiation", "it does not renegotiate"),
        Alert::UnknownPSKIdentity => ("unknown_psk_identity", "it wants a pre-shared key"),
        Alert::EncryptedClientHelloRequired => ("ech_required", "it wants an encrypted hello"),
        Alert::ExportRestriction => ("export_restriction", "it is bound by an export restriction"),
        _ => return None,
    })
}

fn certificate_alert(alert: Alert) -> Option<(&'static str, &'static str)> {
    Some(match alert {
        Alert::CertificateRequired => ("certificate_required", "it wants a client certificate"),
        Alert::NoCertificate => ("no_certificate", "it wants a client certificate"),
        Alert::BadCertificate => ("bad_certificate", "it refuses the client certificate"),
        Alert::UnsupportedCertificate => (
            "unsupported_certificate",
            "it does not take client certificates of this kind",
        ),
        Alert::CertificateRevoked => (
            "certificate_revoked",
            "it holds the client certificate to be revoked",
        ),
        Alert::CertificateExpired => (
            "certificate_expired",
            "it holds the client certificate to be expired",
        ),
        Alert::CertificateUnknown => ("certificate_unknown", "it refuses the client certificate"),
        Alert::UnknownCA => (
            "unknown_ca",
            "it does not trust the authority that issued the client certificate",
        ),
        Alert::AccessDenied => ("access_denied", "it does not let the client certificate in"),
        Alert::DecryptError => (
            "decrypt_error",
            "it could not verify a signature, or what was sent in the handshake",
        ),
        Alert::CertificateUnobtainable => (
            "certificate_unobtainable",
            "it could not get the client certificate",
        ),
        Alert::BadCertificateStatusResponse => (
            "bad_certificate_status_response",
            "it does not take the OCSP answer that was sent",
        ),
        Alert::BadCertificateHashValue => ("bad_certificate_hash_value", "it refuses the client certificate"),
        _ => return None,
    })
}

fn message_alert(alert: Alert) -> Option<(&'static str, &'static str)> {
    Some(match alert {
        Alert::CloseNotify => ("close_notify", "it ended the session"),
        Alert::UserCanceled => ("user_canceled", "somebody there ended the handshake"),
        Alert::InternalError => ("internal_error", "something went wrong on its side"),
        Alert::UnexpectedMessage => ("unexpected_message", "it did not expect what was sent"),
        Alert::BadRecordMac => ("bad_record_mac", "what was sent did not arrive whole"),
        Alert::DecryptionFailed => ("decryption_failed", "what was sent did not arrive whole"),
        Alert::RecordOverflow => ("record_overflow", "what was sent is too long for it"),
        Alert::DecompressionFailure => ("decompression_failure", "it could not decompress what was sent"),
        Alert::IllegalParameter => ("illegal_parameter", "it refuses a value that was sent"),
        Alert::DecodeError => ("decode_error", "it could not read what was sent"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alert_that_has_a_name_has_its_own_and_a_meaning() {
        let named: Vec<_> = (0..=u8::MAX)
            .map(Alert::from)
            .filter(|alert| !matches!(alert, Alert::Unknown(_)))
            .collect();
        let mut names: Vec<_> = named
            .iter()
            .map(|alert| name_and_meaning(*alert).unwrap_or_else(|| panic!("{alert:?}")).0)
            .collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!((named.len(), names.len()), (35, 35));
        assert_eq!(
            explain(Alert::Unknown(200)),
            "the peer sent the alert 200, which is not a known one"
        );
    }
}
