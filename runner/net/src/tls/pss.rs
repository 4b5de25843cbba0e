//! RSA keys restricted to RSA-PSS (id-RSASSA-PSS, RFC 4055, section 1.2), which the TLS library does not support: it
//! verifies the same signatures only by unrestricted RSA keys.

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::{Error, PeerMisbehaved, SignatureScheme};
use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};

/// Handshake signature schemes of such keys (RFC 8446, section 4.2.3), and their algorithms.
const SCHEMES: [(SignatureScheme, AlgorithmIdentifier); 3] = [
    (SignatureScheme::Unknown(0x0809), alg_id::RSA_PSS_SHA256),
    (SignatureScheme::Unknown(0x080a), alg_id::RSA_PSS_SHA384),
    (SignatureScheme::Unknown(0x080b), alg_id::RSA_PSS_SHA512),
];

/// The algorithm identifier of a key without a hash restriction.
const ANY_HASH: AlgorithmIdentifier =
    AlgorithmIdentifier::from_slice(&[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a]);

/// Why TLS 1.2 is impossible with such a server: the library rejects all of its signatures there.
pub(super) const OVER_TLS_1_2: &str = "the server's key is for RSA-PSS alone (id-RSASSA-PSS), and the server speaks TLS 1.2: such \
                                       keys are supported with TLS 1.3 only";

/// RSA-PSS with one hash, verified by a restricted key.
#[derive(Debug)]
struct PssKeyAlgorithm {
    algorithm: &'static dyn SignatureVerificationAlgorithm,
    /// The algorithm identifier of the key.
    key: AlgorithmIdentifier,
}

impl SignatureVerificationAlgorithm for PssKeyAlgorithm {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        // Both key types contain the same numbers.
        self.algorithm.verify_signature(public_key, message, signature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.signature_alg_id()
    }
}

/// Adds the algorithms of such keys. To be called once per process, because they are leaked.
pub(super) fn with_pss_algorithms(known: &WebPkiSupportedAlgorithms) -> WebPkiSupportedAlgorithms {
    let (mut all, mut mapping) = (known.all.to_vec(), known.mapping.to_vec());
    for (scheme, id) in SCHEMES {
        let mut candidates = known.all.iter().copied();
        let Some(algorithm) = candidates.find(|algorithm| algorithm.signature_alg_id() == id) else {
            continue;
        };
        let of_keys = [ANY_HASH, id].map(|key| {
            let of_key: &dyn SignatureVerificationAlgorithm =
                Box::leak(Box::new(PssKeyAlgorithm { algorithm, key }));
            of_key
        });
        all.extend(of_keys);
        mapping.push((scheme, Vec::from(of_keys).leak()));
    }
    WebPkiSupportedAlgorithms {
        all: all.leak(),
        mapping: mapping.leak(),
    }
}

/// Whether a scheme is used by such keys only.
pub(super) fn is_scheme(scheme: SignatureScheme) -> bool {
    SCHEMES.iter().any(|(known, _)| *known == scheme)
}

/// Whether a key's algorithm identifier, without its outer sequence, is supported.
pub(super) fn is_known(key: &[u8]) -> bool {
    let mut ids = SCHEMES.iter().map(|(_, id)| id).chain([&ANY_HASH]);
    ids.any(|id| id.as_ref() == key)
}

/// Whether an error is the library's rejection of a TLS 1.2 signature by such a key.
pub(super) fn is_refused_signature(error: &std::io::Error) -> bool {
    matches!(
        error.get_ref().and_then(|inner| inner.downcast_ref()),
        Some(Error::PeerMisbehaved(PeerMisbehaved::SignedKxWithWrongAlgorithm))
    )
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::{self, KeyPair as _, RsaEncoding};
    use rustls_pki_types::SubjectPublicKeyInfoDer;
    use webpki::RawPublicKeyEntity;

    use super::super::provider;
    use super::*;

    const MESSAGE: &[u8] = b"what was said";

    /// Whether a signature is valid under a key with this algorithm identifier.
    fn verifies(key: &KeyPair, id: &AlgorithmIdentifier, scheme: SignatureScheme, signature: &[u8]) -> bool {
        let bits = [&[0], key.public_key().as_ref()].concat();
        let info = sequence(0x30, &[sequence(0x30, id), sequence(0x03, &bits)].concat());
        let info = SubjectPublicKeyInfoDer::from(info);
        let entity = RawPublicKeyEntity::try_from(&info).unwrap();
        let algorithms = provider().signature_verification_algorithms;
        let (_, candidates) = algorithms
            .mapping
            .iter()
            .find(|(known, _)| *known == scheme)
            .unwrap();
        candidates
            .iter()
            .any(|algorithm| entity.verify_signature(*algorithm, MESSAGE, signature).is_ok())
    }

    fn sequence(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        match length {
            [0, length @ ..0x80] => [&[tag, length], content].concat(),
            [high, low] => [&[tag, 0x82, high, low], content].concat(),
        }
    }

    #[test]
    fn a_key_that_is_for_one_hash_signs_with_no_other() {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let sign = |padding: &'static dyn RsaEncoding| {
            let mut signature = vec![0; key.public_modulus_len()];
            key.sign(padding, &SystemRandom::new(), MESSAGE, &mut signature)
                .unwrap();
            signature
        };
        let (short, long) = (sign(&signature::RSA_PSS_SHA256), sign(&signature::RSA_PSS_SHA512));
        let [(sha256, of_256), _, (sha512, of_512)] = SCHEMES;
        for (id, scheme, signed, is_valid) in [
            (ANY_HASH, sha256, &short, true),
            (ANY_HASH, sha512, &long, true),
            (of_256, sha256, &short, true),
            (of_512, sha512, &long, true),
            (of_256, sha512, &long, false),
            (ANY_HASH, sha256, &long, false),
            (alg_id::RSA_ENCRYPTION, sha256, &short, false),
            (ANY_HASH, SignatureScheme::RSA_PSS_SHA256, &short, false),
        ] {
            assert_eq!(verifies(&key, &id, scheme, signed), is_valid, "{id:?} {scheme:?}");
        }
    }
}
