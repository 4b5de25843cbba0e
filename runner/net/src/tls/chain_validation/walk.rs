//! Follows the chain from the leaf to its issuers, to find details that the library's single error does not contain.

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use webpki::spki_for_anchor;
use x509_parser::extensions::{GeneralName, NameConstraints};
use x509_parser::prelude::X509Certificate;

use super::super::candidates::MAX_PER_NAME;
use super::super::identifiers;
use super::super::key::Key;
use super::super::roots::Roots;
use super::super::signature::{SignedData, Verification};

/// A certificate of the peer's chain.
pub(super) struct Link<'a> {
    /// Index in the chain; the leaf is 0.
    pub(super) index: u32,
    pub(super) certificate: X509Certificate<'a>,
}

impl<'a> Link<'a> {
    /// The first certificate of a chain, if it is readable.
    pub(super) fn leaf(der: &'a [u8]) -> Option<Self> {
        let certificate = super::parse(der)?;
        Some(Self {
            index: 0,
            certificate,
        })
    }
}

/// Where the chain ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChainEnd {
    /// At a trusted root.
    Trusted,
    /// At a self-signed certificate.
    SelfSigned,
    /// At a certificate whose issuer was not sent and is not a root.
    Missing,
    /// At a certificate that was not signed by the issuer that it names.
    NotSigned,
    /// At a certificate whose issuer identifiers contradict the certificate of the signing key.
    NamesAnother,
    /// At a certificate with so many candidates for its issuer that not all of them are tried.
    TooMany(usize),
}

/// The certificates from the leaf to the end of the chain.
pub(super) struct ChainWalk<'a> {
    pub(super) links: Vec<Link<'a>>,
    pub(super) end: ChainEnd,
}

impl ChainWalk<'_> {
    /// Why the chain is not trusted although each certificate is valid: a name constraint, or a path length that counts
    /// more certificates than the issuer expected.
    pub(super) fn constraint(&self, roots: &Roots) -> &'static str {
        let mut authorities = self.links.iter().skip(1).map(|link| &link.certificate);
        let last = self.links.last().map(|link| link.certificate.issuer().as_raw());
        let mut roots = roots
            .certificates_named(last.unwrap_or_default())
            .filter_map(|root| super::parse(root));
        if authorities.clone().any(constrains_distinguished_names)
            || roots.any(|root| constrains_distinguished_names(&root))
        {
            return "a CA of the chain constrains distinguished names, which is not supported";
        }
        if authorities.any(|authority| authority.subject() == authority.issuer()) {
            "the chain has a certificate that an authority issued to itself, with constraints in a way that is not \
                 supported"
        } else {
            "the certificate is for names that its certificate authority may not issue for"
        }
    }
}

fn constrains_distinguished_names(authority: &X509Certificate<'_>) -> bool {
    let Ok(Some(constraints)) = authority.name_constraints() else {
        return false;
    };
    let NameConstraints {
        permitted_subtrees,
        excluded_subtrees,
    } = constraints.value;
    let mut trees = permitted_subtrees.iter().chain(excluded_subtrees).flatten();
    trees.any(|tree| matches!(tree.base, GeneralName::DirectoryName(_)))
}

/// Follows the chain from its first certificate; `None` if that is unreadable.
pub(super) fn walk<'a>(
    sent: &'a [CertificateDer<'_>],
    roots: &Roots,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Option<ChainWalk<'a>> {
    let mut unused: Vec<Link<'a>> = sent.iter().zip(0..).filter_map(link).collect();
    if unused.first().is_none_or(|leaf| leaf.index != 0) {
        return None;
    }
    let mut links = vec![unused.remove(0)];
    // Each step consumes one of the certificates.
    while let Some(last) = links.last() {
        match step(&last.certificate, &unused, roots, algorithms) {
            Step::To(next) => links.push(unused.remove(next)),
            Step::ChainEnd(end) => return Some(ChainWalk { links, end }),
        }
    }
    None
}

fn link<'a>((der, index): (&'a CertificateDer<'_>, u32)) -> Option<Link<'a>> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    Some(Link { index, certificate })
}

enum Step {
    To(usize),
    ChainEnd(ChainEnd),
}

/// Finds the issuer of a certificate.
fn step(
    certificate: &X509Certificate<'_>,
    sent: &[Link<'_>],
    roots: &Roots,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Step {
    let issuer = certificate.issuer().as_raw();
    let roots: Vec<Claim> = roots
        .named(issuer)
        .take(MAX_PER_NAME)
        .map(|(anchor, root)| {
            let root = root.and_then(|root| super::parse(root));
            claim(certificate, root.as_ref(), &spki_for_anchor(anchor), algorithms)
        })
        .collect();
    if roots.contains(&Claim::Signs) {
        return Step::ChainEnd(ChainEnd::Trusted);
    }
    if certificate.subject().as_raw() == issuer && may_be_own(certificate, algorithms) {
        return Step::ChainEnd(ChainEnd::SelfSigned);
    }
    let candidates = sent.iter().enumerate();
    let candidates = candidates.filter(|(_, link)| link.certificate.subject().as_raw() == issuer);
    let named = candidates.clone().count();
    let claims: Vec<(usize, Claim)> = candidates
        .take(MAX_PER_NAME)
        .map(|(index, link)| {
            let key = SubjectPublicKeyInfoDer::from(link.certificate.public_key().raw);
            (
                index,
                claim(certificate, Some(&link.certificate), &key, algorithms),
            )
        })
        .collect();
    let next = claims.iter().find(|(_, claim)| *claim == Claim::Signs);
    let mut all = claims.iter().map(|(_, claim)| claim).chain(&roots);
    match next {
        Some((next, _)) => Step::To(*next),
        None if all.any(|claim| *claim == Claim::Contradicted) => Step::ChainEnd(ChainEnd::NamesAnother),
        None if named > MAX_PER_NAME => Step::ChainEnd(ChainEnd::TooMany(named)),
        None if !roots.is_empty() || named > 0 => Step::ChainEnd(ChainEnd::NotSigned),
        None => Step::ChainEnd(ChainEnd::Missing),
    }
}

/// How well a candidate matches as the issuer of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// Its key made the signature.
    Signs,
    /// Its key made the signature, but the certificate's identifiers name another issuer.
    Contradicted,
    /// It has another key.
    None,
}

fn claim(
    certificate: &X509Certificate<'_>,
    issuer: Option<&X509Certificate<'_>>,
    key: &SubjectPublicKeyInfoDer<'_>,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Claim {
    // Signatures by keys that are too weak cannot be verified.
    let is_weak = issuer.is_some_and(|issuer| Key::from_certificate(issuer).weakness().is_some());
    let fits = issuer.is_none_or(|issuer| identifiers::matches_issuer(certificate, issuer));
    match is_weak || may_be_signed(certificate, key, algorithms) {
        true if fits => Claim::Signs,
        true => Claim::Contradicted,
        false => Claim::None,
    }
}

/// Whether a certificate is self-signed, as far as its signature can be verified.
fn may_be_own(certificate: &X509Certificate<'_>, algorithms: &WebPkiSupportedAlgorithms) -> bool {
    let own = SubjectPublicKeyInfoDer::from(certificate.public_key().raw);
    Key::from_certificate(certificate).weakness().is_some() || may_be_signed(certificate, &own, algorithms)
}

/// Whether a certificate is signed by a key, as far as its signature can be verified.
fn may_be_signed(
    certificate: &X509Certificate<'_>,
    key: &SubjectPublicKeyInfoDer<'_>,
    algorithms: &WebPkiSupportedAlgorithms,
) -> bool {
    SignedData::from_certificate(certificate).verify(key, algorithms) != Verification::Invalid
}
