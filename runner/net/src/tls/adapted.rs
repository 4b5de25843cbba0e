//! Rewrites certificates that the library rejects although they are valid.
//!
//! The library rejects critical extensions that have no effect without a requested policy, and validity periods that
//! begin before 1970. It is given copies of the same length without those; every signature is verified over the
//! original certificate.

use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm,
};
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

use super::der::{BOOLEAN, Element, INTEGER, OBJECT_IDENTIFIER, PART_0, PART_3, Reader, SEQUENCE};

/// Netscape certificate type.
pub(super) const NETSCAPE_TYPE: &str = "2.16.840.1.113730.1.1";
/// Extensions that the library need not support: policies, since none is requested here (a chain that requires one
/// itself, RFC 5280, section 6.1.3, is accepted as in openssl); the Netscape type, which is checked elsewhere; and that
/// of OCSP responders. openssl accepts them as critical too.
pub(super) const INCONSEQUENTIAL: [&str; 6] = [
    "2.5.29.32", // certificate policies
    "2.5.29.33", // policy mappings
    "2.5.29.36", // policy constraints
    "2.5.29.54", // inhibit any policy
    NETSCAPE_TYPE,
    "1.3.6.1.5.5.7.48.1.5", // OCSP no check
];

/// The Unix epoch, in the two DER encodings of a date.
const SHORT_EPOCH: &[u8] = b"700101000000Z";
const LONG_EPOCH: &[u8] = b"19700101000000Z";
const TRUE: &[u8] = &[0xff];
const FALSE: &[u8] = &[0];

/// A leaf and the certificates above it, rewritten where necessary.
pub(super) struct AdaptedChain<'a> {
    leaf: CertificateDer<'a>,
    above: Vec<CertificateDer<'a>>,
    /// Those that had to be rewritten.
    substitutes: Vec<Substitute<'a>>,
}

/// A rewritten certificate and its original.
#[derive(Debug)]
struct Substitute<'a> {
    der: Vec<u8>,
    original: &'a [u8],
}

impl<'a> AdaptedChain<'a> {
    pub(super) fn new(leaf: &'a CertificateDer<'_>, above: &'a [CertificateDer<'_>]) -> Self {
        let mut substitutes = Vec::new();
        let mut adapt = |original: &'a CertificateDer<'_>| match adapted(original) {
            None => CertificateDer::from(original.as_ref()),
            Some(der) => {
                let adapted = CertificateDer::from(der.clone());
                substitutes.push(Substitute { der, original });
                adapted
            }
        };
        Self {
            leaf: adapt(leaf),
            above: above.iter().map(adapt).collect(),
            substitutes,
        }
    }

    pub(super) fn leaf(&self) -> &CertificateDer<'a> {
        &self.leaf
    }

    pub(super) fn above(&self) -> &[CertificateDer<'a>] {
        &self.above
    }

    /// The original of a certificate.
    pub(super) fn original(&self, der: &[u8]) -> CertificateDer<'static> {
        let substitute = self.substitutes.iter().find(|substitute| substitute.der == der);
        CertificateDer::from(substitute.map_or(der, |substitute| substitute.original).to_vec())
    }

    /// Signature algorithms that verify the original of each certificate.
    pub(super) fn algorithms<'s>(
        &'s self,
        all: &[&'static dyn SignatureVerificationAlgorithm],
    ) -> Vec<OriginalSignatureAlgorithm<'s>> {
        let of_originals =
            |algorithm: &&'static dyn SignatureVerificationAlgorithm| OriginalSignatureAlgorithm {
                algorithm: *algorithm,
                substitutes: &self.substitutes,
            };
        all.iter().map(of_originals).collect()
    }
}

/// A signature algorithm that verifies the original of a certificate.
#[derive(Debug)]
pub(super) struct OriginalSignatureAlgorithm<'a> {
    algorithm: &'static dyn SignatureVerificationAlgorithm,
    substitutes: &'a [Substitute<'a>],
}

impl SignatureVerificationAlgorithm for OriginalSignatureAlgorithm<'_> {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let mut substitutes = self.substitutes.iter();
        let substitute = substitutes.find(|substitute| signed_part(&substitute.der) == Some(message));
        let signed = substitute.and_then(|substitute| signed_part(substitute.original));
        self.algorithm
            .verify_signature(public_key, signed.unwrap_or(message), signature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.signature_alg_id()
    }
}

/// The part of a certificate that is signed by its issuer.
fn signed_part(der: &[u8]) -> Option<&[u8]> {
    let signed = Reader(der).within(SEQUENCE)?.take(SEQUENCE)?;
    Some(signed.whole)
}

/// The rewritten certificate; `None` if it is not necessary.
fn adapted(der: &[u8]) -> Option<Vec<u8>> {
    let changes = changes(der).filter(|changes| !changes.is_empty())?;
    let mut adapted = der.to_vec();
    for Change { part, by } in changes {
        let start = part.as_ptr().addr().checked_sub(der.as_ptr().addr())?;
        let part = adapted.get_mut(start..)?.iter_mut();
        part.zip(by).for_each(|(slot, byte)| *slot = *byte);
    }
    Some(adapted)
}

/// A part of a certificate, and its replacement of the same length.
struct Change<'a> {
    part: &'a [u8],
    by: &'static [u8],
}

fn changes(der: &[u8]) -> Option<Vec<Change<'_>>> {
    let mut signed = Reader(der).within(SEQUENCE)?.within(SEQUENCE)?;
    signed.take(PART_0)?; // the version
    signed.take(INTEGER)?; // the serial number
    signed.take(SEQUENCE)?; // the algorithm
    signed.take(SEQUENCE)?; // the issuer
    let mut validity = signed.within(SEQUENCE)?;
    let dates = std::iter::from_fn(|| validity.any()).filter_map(early);
    let mut changes: Vec<Change<'_>> = dates.collect();
    signed.take(SEQUENCE)?; // the subject
    signed.take(SEQUENCE)?; // its key
    let mut rest = std::iter::from_fn(|| signed.any());
    if let Some(extensions) = rest.find(|part| part.tag() == PART_3) {
        let mut extensions = Reader(extensions.content).within(SEQUENCE)?;
        let extensions = std::iter::from_fn(|| extensions.within(SEQUENCE));
        changes.extend(extensions.filter_map(inconsequential));
    }
    Some(changes)
}

/// Replaces a date before 1970 by the first one that the library supports.
fn early(date: Element<'_>) -> Option<Change<'_>> {
    let (_, parsed) = ASN1Time::from_der(date.whole).ok()?;
    let part = date.content;
    let mut epochs = [SHORT_EPOCH, LONG_EPOCH].into_iter();
    let by = epochs.find(|epoch| epoch.len() == part.len())?;
    (parsed.timestamp() < 0).then_some(Change { part, by })
}

/// Makes an extension without effect non-critical.
fn inconsequential(mut extension: Reader<'_>) -> Option<Change<'_>> {
    let id = extension.take(OBJECT_IDENTIFIER)?;
    let part = extension.take(BOOLEAN)?.content;
    let is_inconsequential = part == TRUE && INCONSEQUENTIAL.contains(&id.oid()?.to_id_string().as_str());
    is_inconsequential.then_some(Change { part, by: FALSE })
}
