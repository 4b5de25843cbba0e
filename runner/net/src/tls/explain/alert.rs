//! TLS alerts: their names in RFC 8446, section 6, and their meaning for a client.

use rustls::AlertDescription as Alert;

/// Explains an alert sent by a peer.
pub(in crate::tls) fn explain(alert: Alert) -> String {
    match name_and_meaning(alert) {
        Some((name, meaning)) => format!("the peer sent the alert `{name}`: {meaning}"),
        None => format!("the peer sent the alert {}, which is unknown", u8::from(alert)),
    }
}

/// Alerts with which a server rejects a client for its certificate, or for having none.
const CLIENT_REJECTIONS: [Alert; 9] = [
    Alert::CertificateRequired,
    Alert::NoCertificate,
    Alert::BadCertificate,
    Alert::UnsupportedCertificate,
    Alert::CertificateRevoked,
    Alert::CertificateExpired,
    Alert::CertificateUnknown,
    Alert::UnknownCA,
    Alert::AccessDenied,
];

/// Whether this explanation of a failure is that of such an alert.
pub(crate) fn is_client_rejection(reason: &str) -> bool {
    CLIENT_REJECTIONS.iter().any(|alert| explain(*alert) == reason)
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
            "it accepts nothing that was offered, or requires a client certificate",
        ),
        Alert::ProtocolVersion => ("protocol_version", "it supports none of the offered TLS versions"),
        Alert::InsufficientSecurity => (
            "insufficient_security",
            "it requires stronger cipher suites than were offered",
        ),
        Alert::InappropriateFallback => (
            "inappropriate_fallback",
            "it supports a newer TLS version than was offered",
        ),
        Alert::NoApplicationProtocol => (
            "no_application_protocol",
            "it supports none of the offered application protocols",
        ),
        Alert::UnrecognisedName => ("unrecognized_name", "it does not serve the requested name"),
        Alert::MissingExtension => ("missing_extension", "it requires an extension that was not sent"),
        Alert::UnsupportedExtension => ("unsupported_extension", "it rejects an extension that was sent"),
        Alert::NoRenegotiation => ("no_renegotiation", "it does not renegotiate"),
        Alert::UnknownPSKIdentity => ("unknown_psk_identity", "it requires a pre-shared key"),
        Alert::EncryptedClientHelloRequired => ("ech_required", "it requires an encrypted hello"),
        Alert::ExportRestriction => ("export_restriction", "it is bound by an export restriction"),
        _ => return None,
    })
}

fn certificate_alert(alert: Alert) -> Option<(&'static str, &'static str)> {
    Some(match alert {
        Alert::CertificateRequired => ("certificate_required", "it requires a client certificate"),
        Alert::NoCertificate => ("no_certificate", "it requires a client certificate"),
        Alert::BadCertificate => ("bad_certificate", "it rejects the client certificate"),
        Alert::UnsupportedCertificate => (
            "unsupported_certificate",
            "it does not accept client certificates of this type",
        ),
        Alert::CertificateRevoked => (
            "certificate_revoked",
            "it considers the client certificate revoked",
        ),
        Alert::CertificateExpired => (
            "certificate_expired",
            "it considers the client certificate expired",
        ),
        Alert::CertificateUnknown => ("certificate_unknown", "it rejects the client certificate"),
        Alert::UnknownCA => (
            "unknown_ca",
            "it does not trust the CA that issued the client certificate",
        ),
        Alert::AccessDenied => ("access_denied", "it denies access to the client certificate"),
        Alert::DecryptError => (
            "decrypt_error",
            "it could not verify a signature or a handshake message",
        ),
        Alert::CertificateUnobtainable => (
            "certificate_unobtainable",
            "it could not get the client certificate",
        ),
        Alert::BadCertificateStatusResponse => (
            "bad_certificate_status_response",
            "it does not accept the OCSP response that was sent",
        ),
        Alert::BadCertificateHashValue => ("bad_certificate_hash_value", "it rejects the client certificate"),
        _ => return None,
    })
}

fn message_alert(alert: Alert) -> Option<(&'static str, &'static str)> {
    Some(match alert {
        Alert::CloseNotify => ("close_notify", "it ended the session"),
        Alert::UserCanceled => ("user_canceled", "the handshake was canceled"),
        Alert::InternalError => ("internal_error", "it had an internal error"),
        Alert::UnexpectedMessage => ("unexpected_message", "it did not expect what was sent"),
        Alert::BadRecordMac => ("bad_record_mac", "it received damaged data"),
        Alert::DecryptionFailed => ("decryption_failed", "it received damaged data"),
        Alert::RecordOverflow => ("record_overflow", "it received a record that is too long"),
        Alert::DecompressionFailure => ("decompression_failure", "it could not decompress what was sent"),
        Alert::IllegalParameter => ("illegal_parameter", "it rejects a value that was sent"),
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
            "the peer sent the alert 200, which is unknown"
        );
    }
}
