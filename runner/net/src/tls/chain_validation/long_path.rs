//! Chains with more intermediate certificates than the library supports.
//!
//! The library verifies the lower part, with the certificate above it as a trust anchor. The upper part is checked
//! here, one certificate after the other: the same requirements as in the library, and the signature of the next
//! certificate.

use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer, TrustAnchor};
use x509_parser::prelude::X509Certificate;

use super::super::reasons::Reasons;
use super::super::signature::{SignedData, Verification};
use super::super::{authority, identifiers};
use super::walk::{ChainEnd, ChainWalk, Link};
use super::{ChainValidator, findings, parse};

/// Maximum number of intermediate certificates that the library supports.
const MAX_INTERMEDIATES: usize = 6;

impl ChainValidator<'_> {
    /// The path from the leaf to a root, if it is too long for the library and otherwise valid.
    pub(super) fn long_path(&self, walk: &ChainWalk<'_>) -> Option<Vec<CertificateDer<'static>>> {
        let (lower, upper) = walk.links.split_at_checked(1 + MAX_INTERMEDIATES)?;
        let lowest = upper.first().filter(|_| walk.end == ChainEnd::Trusted)?;
        let root = self.root_of(&upper.last()?.certificate)?;
        let mut reasons = Reasons::default();
        findings::all(walk, self.chain.len(), self.now(), self.algorithms, &mut reasons);
        let is_sound = reasons.is_empty()
            && self.are_signed(upper)
            && !upper
                .iter()
                .skip(1)
                .any(|link| constrains_names(&link.certificate))
            && !constrains_names(&root)
            && fits_length(&walk.links, &root);
        if !is_sound {
            return None;
        }
        let anchor = webpki::anchor_from_trusted_cert(self.certificate(lowest)?).ok()?;
        self.lower_path(lower, &anchor)?;
        let chain = walk
            .links
            .iter()
            .map(|link| Some(self.certificate(link)?.clone().into_owned()));
        let root = std::iter::once(Some(CertificateDer::from(root.as_raw().to_vec())));
        chain.chain(root).collect()
    }

    fn certificate(&self, link: &Link<'_>) -> Option<&CertificateDer<'_>> {
        self.chain.get(usize::try_from(link.index).ok()?)
    }

    fn lower_path(&self, lower: &[Link<'_>], anchor: &TrustAnchor<'_>) -> Option<()> {
        let (leaf, above) = lower.split_first()?;
        let above = above.iter().map(|link| self.certificate(link).cloned());
        let above: Option<Vec<CertificateDer<'_>>> = above.collect();
        let found = self.path_to(std::slice::from_ref(anchor), self.certificate(leaf)?, &above?);
        found.ok().map(drop)
    }

    /// The root that signed a certificate, if it is permitted to.
    fn root_of(&self, last: &X509Certificate<'_>) -> Option<X509Certificate<'_>> {
        let mut roots = self.roots.certificates_named(last.issuer().as_raw());
        roots.find_map(|root| {
            let root = parse(root)?;
            let mut reasons = Reasons::default();
            findings::root(&root, self.now(), &mut reasons);
            (reasons.is_empty() && self.is_signed(last, &root)).then_some(root)
        })
    }

    fn are_signed(&self, links: &[Link<'_>]) -> bool {
        let mut pairs = links.windows(2);
        pairs.all(|pair| match pair {
            [below, above] => self.is_signed(&below.certificate, &above.certificate),
            _ => true,
        })
    }

    fn is_signed(&self, below: &X509Certificate<'_>, above: &X509Certificate<'_>) -> bool {
        let key = SubjectPublicKeyInfoDer::from(above.public_key().raw);
        let verified = SignedData::from_certificate(below).verify(&key, self.algorithms);
        verified == Verification::Valid && identifiers::matches_issuer(below, above)
    }
}

/// Whether it has name constraints, which only the library can check.
fn constrains_names(certificate: &X509Certificate<'_>) -> bool {
    !matches!(certificate.name_constraints(), Ok(None))
}

/// Whether the number of authorities is within the root's limit. The others were checked before.
fn fits_length(links: &[Link<'_>], root: &X509Certificate<'_>) -> bool {
    let authorities = links.iter().skip(1).map(|link| &link.certificate);
    let counted = authorities.filter(|authority| authority.subject() != authority.issuer());
    authority::path_length(root).is_none_or(|max| counted.count() <= max)
}
