//! Chains with more intermediate certificates than the library looks at.
//!
//! The library verifies the lower part, as if the certificate above it were a root. The upper part is straight: each of its
//! certificates is held by itself to what the library holds one to, and to the signature of the next.

use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer, TrustAnchor};
use x509_parser::prelude::X509Certificate;

use super::super::reasons::Reasons;
use super::super::signature::{Signed, Verification};
use super::walk::{End, Link, Walk};
use super::{Question, authority, findings, identifiers, parse};

/// Intermediate certificates of a path that the library looks at.
const INTERMEDIATES: usize = 6;

impl Question<'_> {
    /// The way from the leaf to a root as a path, where it is too long for the library and nothing is wrong with it.
    pub(super) fn long_path(&self, walk: &Walk<'_>) -> Option<Vec<CertificateDer<'static>>> {
        let (lower, upper) = walk.links.split_at_checked(1 + INTERMEDIATES)?;
        let lowest = upper.first().filter(|_| walk.end == End::Trusted)?;
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
        self.chain.get(usize::try_from(link.place).ok()?)
    }

    fn lower_path(&self, lower: &[Link<'_>], anchor: &TrustAnchor<'_>) -> Option<()> {
        let (leaf, above) = lower.split_first()?;
        let above = above.iter().map(|link| self.certificate(link).cloned());
        let above: Option<Vec<CertificateDer<'_>>> = above.collect();
        let found = self.path_to(std::slice::from_ref(anchor), self.certificate(leaf)?, &above?);
        found.ok().map(drop)
    }

    /// The root that has signed a certificate, if it may.
    fn root_of(&self, last: &X509Certificate<'_>) -> Option<X509Certificate<'_>> {
        let mut roots = self.roots.of_name(last.issuer().as_raw());
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
        let verified = Signed::of(below).verify(&key, self.algorithms);
        verified == Verification::Valid && identifiers::fit(below, above)
    }
}

/// Whether names would have to be held against it, which the library alone does.
fn constrains_names(certificate: &X509Certificate<'_>) -> bool {
    !matches!(certificate.name_constraints(), Ok(None))
}

/// Whether there are no more authorities than the root allows. The others were asked with everything else.
fn fits_length(links: &[Link<'_>], root: &X509Certificate<'_>) -> bool {
    let authorities = links.iter().skip(1).map(|link| &link.certificate);
    let counted = authorities.filter(|authority| authority.subject() != authority.issuer());
    authority::path_length(root).is_none_or(|most| counted.count() <= most)
}
