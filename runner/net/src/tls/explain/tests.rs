use rustls::{
    AlertDescription, CertRevocationListError, ContentType, EncryptedClientHelloError, HandshakeType,
    InconsistentKeys, InvalidMessage, OtherError, PeerIncompatible, PeerMisbehaved,
};
use rustls_pki_types::{ServerName, UnixTime};
use webpki::{DerTypeId, Error as ChainError, InvalidNameContext};

use super::*;

/// Asserts a sentence for humans: words, without Rust syntax.
#[track_caller]
fn is_sentence(text: &str, error: &dyn std::fmt::Debug) {
    let debug = format!("{error:?}");
    let variant: String = debug
        .chars()
        .take_while(|letter| letter.is_ascii_alphanumeric())
        .collect();
    assert!(text.split(' ').count() >= 4, "`{text}` of {debug}");
    assert!(!text.contains(&variant), "`{text}` of {debug}");
    assert!(
        !text.contains(['(', ')', '{', '}', '[', '"', '\n']),
        "`{text}` of {debug}"
    );
    assert!(
        !text.ends_with('.') && !text.contains("::") && !text.contains("http"),
        "`{text}`"
    );
    // A variant's name split into words is not a sentence.
    let words = spaced(&variant);
    assert!(
        words.split(' ').count() < 3 || !text.contains(&words),
        "`{text}` of {debug}"
    );
    let is_camel = text.split([' ', '`']).any(|word| {
        let is_name = word.starts_with("OCSP") || word.starts_with("KiB") || word.starts_with("TLS");
        let mut letters = word.chars().skip(1);
        !is_name && word.chars().all(char::is_alphabetic) && letters.any(char::is_uppercase) && word.len() > 4
    });
    assert!(!is_camel, "`{text}` of {debug}");
}

fn spaced(variant: &str) -> String {
    let mut words = String::new();
    for letter in variant.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

#[test]
#[expect(deprecated, reason = "whatever the library may say has a sentence")]
fn every_error_of_a_chain_is_a_sentence() {
    use ChainError::*;
    let time = UnixTime::now();
    let name = ServerName::try_from("web.test").unwrap();
    let all = [
        BadDer,
        BadDerTime,
        CaUsedAsEndEntity,
        CertDistrusted,
        CertExpired {
            time,
            not_after: time,
        },
        CertNotValidForName(InvalidNameContext {
            expected: name,
            presented: vec!["DnsName(\"x\")".to_owned()],
        }),
        CertNotValidYet {
            time,
            not_before: time,
        },
        CertRevoked,
        CrlExpired {
            time,
            next_update: time,
        },
        EmptyEkuExtension,
        EndEntityUsedAsCa,
        ExtensionValueInvalid,
        InvalidCertValidity,
        InvalidCrlNumber,
        InvalidNetworkMaskConstraint,
        InvalidSerialNumber,
        InvalidCrlSignatureForPublicKey,
        InvalidSignatureForPublicKey,
        IssuerNotCrlSigner,
        MalformedDnsIdentifier,
        MalformedExtensions,
        MalformedNameConstraint,
        MaximumNameConstraintComparisonsExceeded,
        MaximumPathBuildCallsExceeded,
        MaximumPathDepthExceeded,
        MaximumSignatureChecksExceeded,
        NameConstraintViolation,
        PathLenConstraintViolated,
        RequiredEkuNotFound,
        SignatureAlgorithmMismatch,
        TrailingData(DerTypeId::Certificate),
        UnknownIssuer,
        UnknownRevocationStatus,
        UnsupportedCertVersion,
        UnsupportedCriticalExtension,
        UnsupportedCrlIssuingDistributionPoint,
        UnsupportedCrlVersion,
        UnsupportedDeltaCrl,
        UnsupportedIndirectCrl,
        UnsupportedNameType,
        UnsupportedRevocationReason,
        UnsupportedRevocationReasonsPartitioning,
        UnsupportedCrlSignatureAlgorithm,
        UnsupportedSignatureAlgorithm,
        UnsupportedCrlSignatureAlgorithmForPublicKey,
        UnsupportedSignatureAlgorithmForPublicKey,
    ];
    let unnamed = "a certificate of the chain contains something unsupported";
    for error in all {
        let (_, said) = chain::explain(&error);
        is_sentence(&said, &error);
        assert_ne!(said, unnamed, "{error:?}");
        let of_session =
            Error::InvalidCertificate(CertificateError::Other(OtherError(std::sync::Arc::new(error))));
        assert_eq!(explain_io(&std::io::Error::other(of_session)), said);
    }
}

#[test]
fn every_error_of_a_session_is_a_sentence() {
    let all = [
        Error::InappropriateMessage {
            expect_types: vec![ContentType::Handshake],
            got_type: ContentType::ApplicationData,
        },
        Error::InappropriateHandshakeMessage {
            expect_types: vec![HandshakeType::ServerHello],
            got_type: HandshakeType::Finished,
        },
        Error::InvalidEncryptedClientHello(EncryptedClientHelloError::NoCompatibleConfig),
        Error::NoCertificatesPresented,
        Error::UnsupportedNameType,
        Error::DecryptError,
        Error::EncryptError,
        Error::InvalidCertRevocationList(CertRevocationListError::ParseError),
        Error::FailedToGetCurrentTime,
        Error::FailedToGetRandomBytes,
        Error::HandshakeNotComplete,
        Error::PeerSentOversizedRecord,
        Error::NoApplicationProtocol,
        Error::BadMaxFragmentSize,
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch),
        Error::Other(OtherError(std::sync::Arc::new(std::fmt::Error))),
    ];
    for error in all {
        is_sentence(&explain(&error), &error);
    }
    for kind in (0..=u8::MAX).map(HandshakeType::from) {
        let error = Error::InappropriateHandshakeMessage {
            expect_types: Vec::new(),
            got_type: kind,
        };
        is_sentence(&explain(&error), &kind);
    }
    for alert in (0..=u8::MAX).map(AlertDescription::from) {
        is_sentence(&explain(&Error::AlertReceived(alert)), &alert);
    }
}

#[test]
fn every_error_of_a_certificate_is_a_sentence() {
    let time = UnixTime::now();
    let all = [
        CertificateError::BadEncoding,
        CertificateError::Expired,
        CertificateError::ExpiredContext {
            time,
            not_after: time,
        },
        CertificateError::NotValidYet,
        CertificateError::NotValidYetContext {
            time,
            not_before: time,
        },
        CertificateError::Revoked,
        CertificateError::UnhandledCriticalExtension,
        CertificateError::UnknownIssuer,
        CertificateError::UnknownRevocationStatus,
        CertificateError::ExpiredRevocationList,
        CertificateError::ExpiredRevocationListContext {
            time,
            next_update: time,
        },
        CertificateError::BadSignature,
        CertificateError::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id: vec![1],
            supported_algorithms: Vec::new(),
        },
        CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
            signature_algorithm_id: vec![1],
            public_key_algorithm_id: vec![2],
        },
        CertificateError::NotValidForName,
        CertificateError::InvalidPurpose,
        CertificateError::InvalidOcspResponse,
        CertificateError::ApplicationVerificationFailure,
    ];
    for reason in all {
        is_sentence(&explain(&Error::InvalidCertificate(reason.clone())), &reason);
    }
}

#[test]
fn every_message_that_cannot_be_read_is_a_sentence() {
    use InvalidMessage::*;
    let all = [
        CertificatePayloadTooLarge,
        HandshakePayloadTooLarge,
        InvalidCcs,
        InvalidContentType,
        InvalidCertificateStatusType,
        InvalidCertRequest,
        InvalidDhParams,
        InvalidEmptyPayload,
        InvalidKeyUpdate,
        InvalidServerName,
        MessageTooLarge,
        MessageTooShort,
        MissingData("ServerName"),
        MissingKeyExchange,
        NoSignatureSchemes,
        TrailingData("ServerHello"),
        UnexpectedMessage("Finished"),
        UnknownProtocolVersion,
        UnsupportedCompression,
        UnsupportedCurveType,
        EmptyTicketValue,
        IllegalEmptyList("DistinguishedNames"),
        IllegalEmptyValue,
        DuplicateExtension(10),
        PreSharedKeyIsNotFinalExtension,
        UnknownHelloRetryRequestExtension,
        UnknownCertificateExtension,
    ];
    for reason in all {
        is_sentence(&explain(&Error::InvalidMessage(reason)), &reason);
    }
}

#[test]
fn everything_that_a_peer_lacks_is_a_sentence() {
    use PeerIncompatible::*;
    let all = [
        EcPointsExtensionRequired,
        ExtendedMasterSecretExtensionRequired,
        IncorrectCertificateTypeExtension,
        KeyShareExtensionRequired,
        NamedGroupsExtensionRequired,
        NoCertificateRequestSignatureSchemesInCommon,
        NoCipherSuitesInCommon,
        NoEcPointFormatsInCommon,
        NoKxGroupsInCommon,
        NoSignatureSchemesInCommon,
        NullCompressionRequired,
        ServerDoesNotSupportTls12Or13,
        ServerSentHelloRetryRequestWithUnknownExtension,
        ServerTlsVersionIsDisabledByOurConfig,
        SignatureAlgorithmsExtensionRequired,
        SupportedVersionsExtensionRequired,
        Tls12NotOffered,
        Tls12NotOfferedOrEnabled,
        Tls13RequiredForQuic,
        UncompressedEcPointsRequired,
        UnsolicitedCertificateTypeExtension,
        ServerRejectedEncryptedClientHello(None),
    ];
    for reason in all {
        is_sentence(&explain(&Error::PeerIncompatible(reason.clone())), &reason);
    }
}

#[test]
fn every_breach_of_the_protocol_is_a_sentence() {
    let any = peer::explain_misbehavior(&PeerMisbehaved::IncorrectBinder);
    assert_ne!(any, "it did something that the protocol does not allow");
    for reason in breaches() {
        is_sentence(&explain(&Error::PeerMisbehaved(reason.clone())), &reason);
        assert_ne!(
            peer::explain_misbehavior(&reason),
            "it did something that the protocol does not allow",
            "{reason:?}"
        );
    }
}

#[expect(clippy::too_many_lines, reason = "every variant")]
fn breaches() -> Vec<PeerMisbehaved> {
    use PeerMisbehaved::*;
    vec![
        AttemptedDowngradeToTls12WhenTls13IsSupported,
        BadCertChainExtensions,
        CipherSuiteDifferedOnRetry,
        DisallowedEncryptedExtension,
        DuplicateClientHelloExtensions,
        DuplicateEncryptedExtensions,
        DuplicateHelloRetryRequestExtensions,
        DuplicateNewSessionTicketExtensions,
        DuplicateServerHelloExtensions,
        DuplicateServerNameTypes,
        EarlyDataAttemptedInSecondClientHello,
        EarlyDataExtensionWithoutResumption,
        EarlyDataOfferedWithVariedCipherSuite,
        EchAcceptanceVariedAfterRetry,
        HandshakeHashVariedAfterRetry,
        IllegalHelloRetryRequestWithEmptyCookie,
        IllegalHelloRetryRequestWithNoChanges,
        IllegalHelloRetryRequestWithOfferedGroup,
        IllegalHelloRetryRequestWithUnofferedCipherSuite,
        IllegalHelloRetryRequestWithUnofferedNamedGroup,
        IllegalHelloRetryRequestWithUnsupportedVersion,
        IllegalHelloRetryRequestWithWrongSessionId,
        IllegalHelloRetryRequestWithInvalidEch,
        IllegalMiddleboxChangeCipherSpec,
        IllegalTlsInnerPlaintext,
        IncorrectBinder,
        InvalidCertCompression,
        InvalidMaxEarlyDataSize,
        InvalidKeyShare,
        KeyEpochWithPendingFragment,
        KeyUpdateReceivedInQuicConnection,
        MessageInterleavedWithHandshakeMessage,
        MissingBinderInPskExtension,
        MissingKeyShare,
        MissingPskExtensionInSecondClientHello,
        MissingPskModesExtension,
        MissingQuicTransportParameters,
        OfferedDuplicateCertificateCompressions,
        OfferedDuplicateKeyShares,
        OfferedEarlyDataWithOldProtocolVersion,
        OfferedEmptyApplicationProtocol,
        OfferedIncorrectCompressions,
        PskExtensionMustBeLast,
        PskExtensionWithMismatchedIdsAndBinders,
        RefusedToFollowHelloRetryRequest,
        RejectedEarlyDataInterleavedWithHandshakeMessage,
        ResumptionAttemptedWithVariedEms,
        ResumptionOfferedWithVariedCipherSuite,
        ResumptionOfferedWithVariedEms,
        ResumptionOfferedWithIncompatibleCipherSuite,
        SelectedDifferentCipherSuiteAfterRetry,
        SelectedInvalidPsk,
        SelectedTls12UsingTls13VersionExtension,
        SelectedUnofferedApplicationProtocol,
        SelectedUnofferedCertCompression,
        SelectedUnofferedCipherSuite,
        SelectedUnofferedCompression,
        SelectedUnofferedKxGroup,
        SelectedUnofferedPsk,
        SelectedUnusableCipherSuiteForVersion,
        ServerEchoedCompatibilitySessionId,
        ServerHelloMustOfferUncompressedEcPoints,
        ServerNameDifferedOnRetry,
        ServerNameMustContainOneHostName,
        SignedKxWithWrongAlgorithm,
        SignedHandshakeWithUnadvertisedSigScheme,
        TooManyEmptyFragments,
        TooManyKeyUpdateRequests,
        TooManyRenegotiationRequests,
        TooManyWarningAlertsReceived,
        TooMuchEarlyDataReceived,
        UnexpectedCleartextExtension,
        UnsolicitedCertExtension,
        UnsolicitedEncryptedExtension,
        UnsolicitedSctList,
        UnsolicitedServerHelloExtension,
        WrongGroupForKeyShare,
        UnsolicitedEchExtension,
    ]
}
