//! Explains what a peer does not support, and how it violates the protocol.

use rustls::{PeerIncompatible as Lack, PeerMisbehaved as Breach};

/// Why nothing could be negotiated.
pub(super) fn explain_incompatibility(reason: &Lack) -> &'static str {
    match reason {
        Lack::ServerDoesNotSupportTls12Or13 | Lack::Tls12NotOffered | Lack::Tls12NotOfferedOrEnabled => {
            "the server speaks neither TLS 1.2 nor TLS 1.3"
        }
        Lack::ServerTlsVersionIsDisabledByOurConfig | Lack::SupportedVersionsExtensionRequired => {
            "the server chose a version of TLS that was not offered"
        }
        Lack::NoCipherSuitesInCommon => "the server has no cipher suite in common with what was offered",
        Lack::NoKxGroupsInCommon | Lack::NamedGroupsExtensionRequired => {
            "the server has no group for the key exchange in common with what was offered"
        }
        Lack::NoSignatureSchemesInCommon | Lack::SignatureAlgorithmsExtensionRequired => {
            "the server has no algorithm for signatures in common with what was offered"
        }
        Lack::NoCertificateRequestSignatureSchemesInCommon => {
            "the server takes no signature of the client certificate's key"
        }
        Lack::EcPointsExtensionRequired
        | Lack::NoEcPointFormatsInCommon
        | Lack::UncompressedEcPointsRequired => "the server takes no points of curves as they are sent today",
        Lack::ExtendedMasterSecretExtensionRequired => {
            "the server does not support the extended master secret of RFC 7627"
        }
        Lack::NullCompressionRequired => "the server wants compression, which is unsafe and not supported",
        Lack::KeyShareExtensionRequired => "the server sent no share of the key",
        Lack::ServerSentHelloRetryRequestWithUnknownExtension => {
            "the server asks for another hello with an extension that is not known"
        }
        Lack::IncorrectCertificateTypeExtension | Lack::UnsolicitedCertificateTypeExtension => {
            "the server wants certificates of a kind that is not supported"
        }
        Lack::Tls13RequiredForQuic | Lack::ServerRejectedEncryptedClientHello(_) => {
            "the server takes no hello of this kind"
        }
        _ => "the server and Canary have nothing in common that a session takes",
    }
}

/// How the peer violated the protocol.
pub(super) fn explain_misbehavior(reason: &Breach) -> &'static str {
    choice_message(reason)
        .or_else(|| retry_message(reason))
        .or_else(|| extension_message(reason))
        .or_else(|| stream_message(reason))
        .or_else(|| key_message(reason))
        .unwrap_or("it did something that the protocol does not allow")
}

fn choice_message(reason: &Breach) -> Option<&'static str> {
    Some(match reason {
        Breach::AttemptedDowngradeToTls12WhenTls13IsSupported => {
            "somebody on the way keeps both sides from TLS 1.3, or a device there breaks it"
        }
        Breach::SelectedUnofferedCipherSuite | Breach::SelectedUnusableCipherSuiteForVersion => {
            "it chose a cipher suite that was not offered for this version"
        }
        Breach::SelectedTls12UsingTls13VersionExtension => "it chose TLS 1.2 in the way of TLS 1.3",
        Breach::SelectedUnofferedApplicationProtocol | Breach::OfferedEmptyApplicationProtocol => {
            "it chose an application protocol that was not offered"
        }
        Breach::SelectedUnofferedCompression
        | Breach::SelectedUnofferedCertCompression
        | Breach::OfferedIncorrectCompressions
        | Breach::OfferedDuplicateCertificateCompressions => "it chose a compression that was not offered",
        Breach::InvalidCertCompression => "its compressed certificates cannot be read",
        Breach::SelectedUnofferedKxGroup | Breach::WrongGroupForKeyShare => {
            "it chose a group for the key exchange that was not offered"
        }
        Breach::SelectedUnofferedPsk
        | Breach::SelectedInvalidPsk
        | Breach::IncorrectBinder
        | Breach::MissingBinderInPskExtension
        | Breach::MissingPskExtensionInSecondClientHello
        | Breach::MissingPskModesExtension
        | Breach::PskExtensionMustBeLast
        | Breach::PskExtensionWithMismatchedIdsAndBinders => {
            "it chose a pre-shared key, and none was offered"
        }
        Breach::ResumptionAttemptedWithVariedEms
        | Breach::ResumptionOfferedWithVariedCipherSuite
        | Breach::ResumptionOfferedWithVariedEms
        | Breach::ResumptionOfferedWithIncompatibleCipherSuite
        | Breach::ServerEchoedCompatibilitySessionId => "it resumed a session that there was not",
        Breach::ServerHelloMustOfferUncompressedEcPoints => {
            "it takes no points of curves as they are sent today"
        }
        _ => return None,
    })
}

fn retry_message(reason: &Breach) -> Option<&'static str> {
    Some(match reason {
        Breach::CipherSuiteDifferedOnRetry
        | Breach::SelectedDifferentCipherSuiteAfterRetry
        | Breach::HandshakeHashVariedAfterRetry
        | Breach::EchAcceptanceVariedAfterRetry
        | Breach::ServerNameDifferedOnRetry => "after asking for another hello it chose something else",
        Breach::IllegalHelloRetryRequestWithEmptyCookie
        | Breach::IllegalHelloRetryRequestWithNoChanges
        | Breach::IllegalHelloRetryRequestWithOfferedGroup
        | Breach::IllegalHelloRetryRequestWithUnofferedCipherSuite
        | Breach::IllegalHelloRetryRequestWithUnofferedNamedGroup
        | Breach::IllegalHelloRetryRequestWithUnsupportedVersion
        | Breach::IllegalHelloRetryRequestWithWrongSessionId
        | Breach::IllegalHelloRetryRequestWithInvalidEch
        | Breach::DuplicateHelloRetryRequestExtensions
        | Breach::RefusedToFollowHelloRetryRequest => {
            "it asked for another hello in a way that is not allowed"
        }
        _ => return None,
    })
}

fn extension_message(reason: &Breach) -> Option<&'static str> {
    Some(match reason {
        Breach::DuplicateServerHelloExtensions
        | Breach::DuplicateEncryptedExtensions
        | Breach::DuplicateNewSessionTicketExtensions
        | Breach::DuplicateClientHelloExtensions
        | Breach::DuplicateServerNameTypes
        | Breach::OfferedDuplicateKeyShares => "it sent an extension twice",
        Breach::BadCertChainExtensions
        | Breach::UnsolicitedCertExtension
        | Breach::UnsolicitedEncryptedExtension
        | Breach::UnsolicitedServerHelloExtension
        | Breach::UnsolicitedEchExtension
        | Breach::UnsolicitedSctList => "it sent an extension that was not asked for",
        Breach::DisallowedEncryptedExtension | Breach::UnexpectedCleartextExtension => {
            "it sent an extension in a message where that is not allowed"
        }
        Breach::ServerNameMustContainOneHostName => "its server name is not one name",
        Breach::MissingQuicTransportParameters => "it sent no parameters of its transport",
        _ => return None,
    })
}

fn stream_message(reason: &Breach) -> Option<&'static str> {
    Some(match reason {
        Breach::TooManyEmptyFragments => "it sent too many empty records",
        Breach::TooManyKeyUpdateRequests | Breach::KeyUpdateReceivedInQuicConnection => {
            "it asked for too many changes of the key"
        }
        Breach::TooManyRenegotiationRequests => "it asked for too many renegotiations",
        Breach::TooManyWarningAlertsReceived => "it sent too many warnings",
        Breach::TooMuchEarlyDataReceived
        | Breach::EarlyDataAttemptedInSecondClientHello
        | Breach::EarlyDataExtensionWithoutResumption
        | Breach::EarlyDataOfferedWithVariedCipherSuite
        | Breach::OfferedEarlyDataWithOldProtocolVersion
        | Breach::RejectedEarlyDataInterleavedWithHandshakeMessage
        | Breach::InvalidMaxEarlyDataSize => "it dealt with early data that there was not",
        Breach::KeyEpochWithPendingFragment
        | Breach::MessageInterleavedWithHandshakeMessage
        | Breach::IllegalMiddleboxChangeCipherSpec => "it mixed messages that must come one after the other",
        Breach::IllegalTlsInnerPlaintext => "it sent an encrypted record without a kind",
        _ => return None,
    })
}

fn key_message(reason: &Breach) -> Option<&'static str> {
    Some(match reason {
        Breach::InvalidKeyShare => "its share of the key cannot be used",
        Breach::MissingKeyShare => "it sent no share of the key",
        Breach::SignedKxWithWrongAlgorithm | Breach::SignedHandshakeWithUnadvertisedSigScheme => {
            "it signed the handshake with an algorithm that was not offered"
        }
        _ => return None,
    })
}
