//! Certificates as the library can judge them.
//!
//! It refuses some that are sound: those with critical extensions that say nothing where nobody asks for a policy, and
//! those that begin before 1970. It is given copies of the same length without that, and every signature is verified of the
//! certificate as it was sent.

use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm,
};
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

use super::der::{BOOLEAN, Element, INTEGER, OBJECT_IDENTIFIER, PART_0, PART_3, Reader, SEQUENCE};

/// Which kinds of use a certificate is for, as Netscape had it.
pub(super) const NETSCAPE_TYPE: &str = "2.16.840.1.113730.1.1";
/// Extensions that the library does not have to understand: those of policies, since nobody asks for one here (a chain that
/// demands one by itself, RFC 5280, section 6.1.3, passes as it does in openssl); Netscape's type, which is looked at
/// elsewhere; and that of OCSP responders. openssl takes them as critical ones too.
pub(super) const INCONSEQUENTIAL: [&str; 6] = [
    "2.5.29.32", // certificate policies
    "2.5.29.33", // policy mappings
    "2.5.29.36", // policy constraints
    "2.5.29.54", // inhibit any policy
    NETSCAPE_TYPE,
    "1.3.6.1.5.5.7.48.1.5", // OCSP no check
];

/// The first second of Unix time, in the two forms of a date in DER.
const SHORT_EPOCH: &[u8] = b"700101000000Z";
const LONG_EPOCH: &[u8] = b"19700101000000Z";
const TRUE: &[u8] = &[0xff];
const FALSE: &[u8] = &[0];

/// A leaf and the certificates above it.
pub(super) struct Adapted<'a> {
    leaf: CertificateDer<'a>,
    above: Vec<CertificateDer<'a>>,
    /// For those that had to be changed.
    substitutes: Vec<Substitute<'a>>,
}

/// A certificate in place of the one that was sent.
#[derive(Debug)]
struct Substitute<'a> {
    der: Vec<u8>,
    original: &'a [u8],
}

impl<'a> Adapted<'a> {
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

    /// A certificate as it was sent.
    pub(super) fn original(&self, der: &[u8]) -> CertificateDer<'static> {
        let substitute = self.substitutes.iter().find(|substitute| substitute.der == der);
        CertificateDer::from(substitute.map_or(der, |substitute| substitute.original).to_vec())
    }

    /// The algorithms, each of which verifies signatures of what was sent.
    pub(super) fn algorithms<'s>(
        &'s self,
        all: &[&'static dyn SignatureVerificationAlgorithm],
    ) -> Vec<OfOriginals<'s>> {
        let of_originals = |algorithm: &&'static dyn SignatureVerificationAlgorithm| OfOriginals {
            algorithm: *algorithm,
            substitutes: &self.substitutes,
        };
        all.iter().map(of_originals).collect()
    }
}

/// An algorithm that verifies signatures of certificates as they were sent.
#[derive(Debug)]
pub(super) struct OfOriginals<'a> {
    algorithm: &'static dyn SignatureVerificationAlgorithm,
    substitutes: &'a [Substitute<'a>],
}

impl SignatureVerificationAlgorithm for OfOriginals<'_> {
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

/// The part of a certificate that its issuer signs.
fn signed_part(der: &[u8]) -> Option<&[u8]> {
    let signed = Reader(der).within(SEQUENCE)?.take(SEQUENCE)?;
    Some(signed.whole)
}

/// The certificate as the library can judge it; nothing where it can as it is.
fn adapted(der: &[u8]) -> Option<Vec<u8>> {
    let changes = changes(der).filter(|changes| !changes.is_empty())?;
    let mut adapted = der.to_vec();
    for Change { part, by } in changes {
        let start = part.as_ptr().addr().checked_sub(der.as_ptr().addr())?;
        let part = adapted.get_mut(start..)?.iter_mut();
        part.zip(by).for_each(|(place, byte)| *place = *byte);
    }
    Some(adapted)
}

/// What stands in a certificate, and what as many bytes are to be.
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

/// A date before 1970 becomes the first that the library can read.
fn early(date: Element<'_>) -> Option<Change<'_>> {
    let (_, parsed) = ASN1Time::from_der(date.whole).ok()?;
    let part = date.content;
    let mut epochs = [SHORT_EPOCH, LONG_EPOCH].into_iter();
    let by = epochs.find(|epoch| epoch.len() == part.len())?;
    (parsed.timestamp() < 0).then_some(Change { part, by })
}

/// An extension without consequence becomes one that is not critical.
fn inconsequential(mut extension: Reader<'_>) -> Option<Change<'_>> {
    let id = extension.take(OBJECT_IDENTIFIER)?;
    let part = extension.take(BOOLEAN)?.content;
    let is_inconsequential = part == TRUE && INCONSEQUENTIAL.contains(&id.oid()?.to_id_string().as_str());
    is_inconsequential.then_some(Change { part, by: FALSE })
}
