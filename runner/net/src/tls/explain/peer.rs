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
        Lack::NoCipherSuitesInCommon => "the server supports none of the offered cipher suites",
        Lack::NoKxGroupsInCommon | Lack::NamedGroupsExtensionRequired => {
            "the server supports none of the offered key exchange groups"
        }
        Lack::NoSignatureSchemesInCommon | Lack::SignatureAlgorithmsExtensionRequired => {
            "the server supports none of the offered signature algorithms"
        }
        Lack::NoCertificateRequestSignatureSchemesInCommon => {
            "the server accepts no signature of the client certificate's key"
        }
        Lack::EcPointsExtensionRequired
        | Lack::NoEcPointFormatsInCommon
        | Lack::UncompressedEcPointsRequired => "the server does not support uncompressed curve points",
        Lack::ExtendedMasterSecretExtensionRequired => {
            "the server does not support the extended master secret of RFC 7627"
        }
        Lack::NullCompressionRequired => "the server wants compression, which is unsafe and not supported",
        Lack::KeyShareExtensionRequired => "the server sent no key share",
        Lack::ServerSentHelloRetryRequestWithUnknownExtension => {
            "the server asks for another hello with an extension that is not known"
        }
        Lack::IncorrectCertificateTypeExtension | Lack::UnsolicitedCertificateTypeExtension => {
            "the server wants certificates of a kind that is not supported"
        }
        Lack::Tls13RequiredForQuic | Lack::ServerRejectedEncryptedClientHello(_) => {
            "the server does not accept this kind of hello"
        }
        _ => "the server and Canary have no common parameters for a session",
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
            "something between the two sides prevents TLS 1.3"
        }
        Breach::SelectedUnofferedCipherSuite | Breach::SelectedUnusableCipherSuiteForVersion => {
            "it chose a cipher suite that was not offered for this version"
        }
        Breach::SelectedTls12UsingTls13VersionExtension => "it chose TLS 1.2 with an extension of TLS 1.3",
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
        | Breach::ServerEchoedCompatibilitySessionId => "it resumed a session that does not exist",
        Breach::ServerHelloMustOfferUncompressedEcPoints => "it does not support uncompressed curve points",
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
        | Breach::UnsolicitedSctList => "it sent an extension that was not requested",
        Breach::DisallowedEncryptedExtension | Breach::UnexpectedCleartextExtension => {
            "it sent an extension in a message where that is not allowed"
        }
        Breach::ServerNameMustContainOneHostName => "it sent more than one server name",
        Breach::MissingQuicTransportParameters => "it sent no parameters of its transport",
        _ => return None,
    })
}

fn stream_message(reason: &Breach) -> Option<&'static str> {
    Some(match reason {
        Breach::TooManyEmptyFragments => "it sent too many empty records",
        Breach::TooManyKeyUpdateRequests | Breach::KeyUpdateReceivedInQuicConnection => {
            "it requested too many key updates"
        }
        Breach::TooManyRenegotiationRequests => "it requested too many renegotiations",
        Breach::TooManyWarningAlertsReceived => "it sent too many warnings",
        Breach::TooMuchEarlyDataReceived
        | Breach::EarlyDataAttemptedInSecondClientHello
        | Breach::EarlyDataExtensionWithoutResumption
        | Breach::EarlyDataOfferedWithVariedCipherSuite
        | Breach::OfferedEarlyDataWithOldProtocolVersion
        | Breach::RejectedEarlyDataInterleavedWithHandshakeMessage
        | Breach::InvalidMaxEarlyDataSize => "it answered early data that was not sent",
        Breach::KeyEpochWithPendingFragment
        | Breach::MessageInterleavedWithHandshakeMessage
        | Breach::IllegalMiddleboxChangeCipherSpec => "it interleaved messages that must not be",
        Breach::IllegalTlsInnerPlaintext => "it sent an encrypted record without a type",
        _ => return None,
    })
}

fn key_message(reason: &Breach) -> Option<&'static str> {
    Some(match reason {
        Breach::InvalidKeyShare => "its key share cannot be used",
        Breach::MissingKeyShare => "it sent no key share",
        Breach::SignedKxWithWrongAlgorithm | Breach::SignedHandshakeWithUnadvertisedSigScheme => {
            "it signed the handshake with an algorithm that was not offered"
        }
        _ => return None,
    })
}
