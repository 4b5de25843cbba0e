//! Explains malformed TLS messages.

use rustls::InvalidMessage as Message;
use rustls::{ContentType, HandshakeType};

/// Explains a malformed message of the peer.
pub(super) fn explain(reason: Message) -> String {
    let message = match reason {
        Message::CertificatePayloadTooLarge => {
            return "the peer's certificates are longer than 64 KiB".to_owned();
        }
        Message::HandshakePayloadTooLarge => {
            return "a message of the peer's handshake is longer than 64 KiB".to_owned();
        }
        Message::InvalidContentType => "it is of an unknown kind",
        Message::UnknownProtocolVersion => "it is of an unknown version of TLS",
        Message::MessageTooLarge => "it is longer than TLS allows",
        Message::MessageTooShort | Message::MissingData(_) => "it ends too early",
        Message::TrailingData(_) => "it has more in it than it should",
        Message::UnexpectedMessage(_) => "it is not the expected one",
        Message::InvalidEmptyPayload | Message::IllegalEmptyList(_) | Message::IllegalEmptyValue => {
            "it is empty where it must not be"
        }
        Message::EmptyTicketValue => "it has an empty session ticket",
        Message::InvalidCcs => "it has an invalid cipher change",
        Message::InvalidCertificateStatusType => "it has the status of a certificate in an unknown form",
        Message::InvalidCertRequest => "it asks for a client certificate in a way that cannot be read",
        Message::InvalidDhParams | Message::UnsupportedCurveType => {
            "it has parameters for the key exchange that cannot be used"
        }
        Message::UnsupportedKeyExchangeAlgorithm(_) => "it exchanges keys in a way that is not supported",
        Message::MissingKeyExchange => "it exchanges no keys",
        Message::InvalidKeyUpdate => "it has a key update that is invalid",
        Message::InvalidServerName => "it has a server name that cannot be read",
        Message::NoSignatureSchemes => "it names no algorithms for signatures",
        Message::UnsupportedCompression => "it is compressed, which is not supported",
        Message::DuplicateExtension(_) => "it has an extension twice",
        Message::PreSharedKeyIsNotFinalExtension => "its extensions are in an order that is not allowed",
        Message::UnknownHelloRetryRequestExtension | Message::UnknownCertificateExtension => {
            "it has an extension that was not requested"
        }
        _ => "it violates TLS",
    };
    format!("a message of the peer's cannot be read: {message}")
}

/// Explains a message that arrived at the wrong time.
pub(super) fn unexpected(kind: ContentType) -> String {
    let kind = match kind {
        ContentType::ChangeCipherSpec => "a cipher change",
        ContentType::Alert => "an alert",
        ContentType::Handshake => "a handshake message",
        ContentType::ApplicationData => "application data",
        ContentType::Heartbeat => "a heartbeat",
        _ => "a message of an unknown kind",
    };
    format!("the peer sent {kind} that was not expected")
}

/// Explains a handshake message that arrived at the wrong time, named as in RFC 8446.
pub(super) fn unexpected_handshake(kind: HandshakeType) -> String {
    let kind = match kind {
        HandshakeType::HelloRequest => "hello_request",
        HandshakeType::ClientHello => "client_hello",
        HandshakeType::ServerHello => "server_hello",
        HandshakeType::HelloVerifyRequest => "hello_verify_request",
        HandshakeType::NewSessionTicket => "new_session_ticket",
        HandshakeType::EndOfEarlyData => "end_of_early_data",
        HandshakeType::HelloRetryRequest => "hello_retry_request",
        HandshakeType::EncryptedExtensions => "encrypted_extensions",
        HandshakeType::Certificate => "certificate",
        HandshakeType::ServerKeyExchange => "server_key_exchange",
        HandshakeType::CertificateRequest => "certificate_request",
        HandshakeType::ServerHelloDone => "server_hello_done",
        HandshakeType::CertificateVerify => "certificate_verify",
        HandshakeType::ClientKeyExchange => "client_key_exchange",
        HandshakeType::Finished => "finished",
        HandshakeType::CertificateURL => "certificate_url",
        HandshakeType::CertificateStatus => "certificate_status",
        HandshakeType::KeyUpdate => "key_update",
        HandshakeType::CompressedCertificate => "compressed_certificate",
        HandshakeType::MessageHash => "message_hash",
        other => {
            return format!(
                "the peer sent the handshake message {}, which is unknown",
                u8::from(other)
            );
        }
    };
    format!("the peer sent the handshake message `{kind}`, which was not expected")
}
