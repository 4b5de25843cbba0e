//! The way from a leaf to whoever has issued it, as far as it leads: what the library's one error does not say.

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use webpki::spki_for_anchor;
use x509_parser::extensions::{GeneralName, NameConstraints};
use x509_parser::prelude::X509Certificate;

use super::super::candidates::OF_ONE_NAME;
use super::super::key::Key;
use super::super::roots::Roots;
use super::super::signature::{Signed, Verification};
use super::identifiers;

/// A certificate of the chain that a peer sent.
pub(super) struct Link<'a> {
    /// In the chain, the leaf being 0.
    pub(super) place: u32,
    pub(super) certificate: X509Certificate<'a>,
}

impl<'a> Link<'a> {
    /// The first of a chain, if it can be read.
    pub(super) fn leaf(der: &'a [u8]) -> Option<Self> {
        let certificate = super::parse(der)?;
        Some(Self {
            place: 0,
            certificate,
        })
    }
}

/// Where the way ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// At a trusted root.
    Trusted,
    /// At a certificate that has signed itself.
    SelfSigned,
    /// At one whose issuer was neither sent nor is a root.
    Missing,
    /// At one that the issuer it names has not signed.
    NotSigned,
    /// At one that says of its issuer what is not so of the certificate that has the key.
    NamesAnother,
    /// At one of whose issuer so many certificates were sent that not all of them are tried.
    TooMany(usize),
}

/// The certificates on the way, the leaf first.
pub(super) struct Walk<'a> {
    pub(super) links: Vec<Link<'a>>,
    pub(super) end: End,
}

impl Walk<'_> {
    /// Why it leads to no trust though nothing is wrong with any of its certificates: names are constrained, or lengths are
    /// counted otherwise than by those who issued them.
    pub(super) fn constraint(&self, roots: &Roots) -> &'static str {
        let mut authorities = self.links.iter().skip(1).map(|link| &link.certificate);
        let last = self.links.last().map(|link| link.certificate.issuer().as_raw());
        let mut roots = roots
            .of_name(last.unwrap_or_default())
            .filter_map(|root| super::parse(root));
        if authorities.clone().any(constrains_distinguished_names)
            || roots.any(|root| constrains_distinguished_names(&root))
        {
            return "an authority of the chain constrains distinguished names, which is not supported";
        }
        match authorities.any(|authority| authority.subject() == authority.issuer()) {
            true => {
                "the chain has a certificate that an authority issued to itself, with constraints in a way that is not \
                 supported"
            }
            false => "the certificate is for names that its certificate authority may not issue for",
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

/// Walks from the first of the certificates; nothing where that cannot be read.
pub(super) fn walk<'a>(
    sent: &'a [CertificateDer<'_>],
    roots: &Roots,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Option<Walk<'a>> {
    let mut unused: Vec<Link<'a>> = sent.iter().zip(0..).filter_map(link).collect();
    if unused.first().is_none_or(|leaf| leaf.place != 0) {
        return None;
    }
    let mut links = vec![unused.remove(0)];
    // Each step uses one of the certificates up.
    while let Some(last) = links.last() {
        match step(&last.certificate, &unused, roots, algorithms) {
            Step::To(next) => links.push(unused.remove(next)),
            Step::End(end) => return Some(Walk { links, end }),
        }
    }
    None
}

fn link<'a>((der, place): (&'a CertificateDer<'_>, u32)) -> Option<Link<'a>> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    Some(Link { place, certificate })
}

enum Step {
    To(usize),
    End(End),
}

/// From a certificate to its issuer.
fn step(
    certificate: &X509Certificate<'_>,
    sent: &[Link<'_>],
    roots: &Roots,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Step {
    let issuer = certificate.issuer().as_raw();
    let roots: Vec<Claim> = roots
        .named(issuer)
        .take(OF_ONE_NAME)
        .map(|(anchor, root)| {
            let root = root.and_then(|root| super::parse(root));
            claim(certificate, root.as_ref(), &spki_for_anchor(anchor), algorithms)
        })
        .collect();
    if roots.contains(&Claim::Signs) {
        return Step::End(End::Trusted);
    }
    if certificate.subject().as_raw() == issuer && may_be_own(certificate, algorithms) {
        return Step::End(End::SelfSigned);
    }
    let candidates = sent.iter().enumerate();
    let candidates = candidates.filter(|(_, link)| link.certificate.subject().as_raw() == issuer);
    let named = candidates.clone().count();
    let claims: Vec<(usize, Claim)> = candidates
        .take(OF_ONE_NAME)
        .map(|(place, link)| {
            let key = SubjectPublicKeyInfoDer::from(link.certificate.public_key().raw);
            (
                place,
                claim(certificate, Some(&link.certificate), &key, algorithms),
            )
        })
        .collect();
    let next = claims.iter().find(|(_, claim)| *claim == Claim::Signs);
    let mut all = claims.iter().map(|(_, claim)| claim).chain(&roots);
    match next {
        Some((next, _)) => Step::To(*next),
        None if all.any(|claim| *claim == Claim::Contradicted) => Step::End(End::NamesAnother),
        None if named > OF_ONE_NAME => Step::End(End::TooMany(named)),
        None if !roots.is_empty() || named > 0 => Step::End(End::NotSigned),
        None => Step::End(End::Missing),
    }
}

/// What is to be said for one of a name as the issuer of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// It has the key that signed.
    Signs,
    /// It has that key, and the certificate says that its issuer is another.
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
    // A key that is too weak signs nothing that can be verified.
    let is_weak = issuer.is_some_and(|issuer| Key::of(issuer).weakness().is_some());
    let fits = issuer.is_none_or(|issuer| identifiers::fit(certificate, issuer));
    match is_weak || may_be_signed(certificate, key, algorithms) {
        true if fits => Claim::Signs,
        true => Claim::Contradicted,
        false => Claim::None,
    }
}

/// Whether a certificate is signed with its own key, as far as its signature can be verified.
fn may_be_own(certificate: &X509Certificate<'_>, algorithms: &WebPkiSupportedAlgorithms) -> bool {
    let own = SubjectPublicKeyInfoDer::from(certificate.public_key().raw);
    Key::of(certificate).weakness().is_some() || may_be_signed(certificate, &own, algorithms)
}

/// Whether a certificate is signed with a key, as far as its signature can be verified.
fn may_be_signed(
    certificate: &X509Certificate<'_>,
    key: &SubjectPublicKeyInfoDer<'_>,
    algorithms: &WebPkiSupportedAlgorithms,
) -> bool {
    Signed::of(certificate).verify(key, algorithms) != Verification::Invalid
}
