//! Validates certificate chains: the library finds the path to a root, and this module checks and explains what the
//! library does not.

mod findings;
mod long_path;
mod walk;

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls_pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};
use x509_parser::prelude::X509Certificate;

use super::MAX_CHAIN;
use super::adapted::AdaptedChain;
use super::candidates::candidates;
use super::explain::chain;
use super::ocsp::Staple;
use super::reasons::{Reason, ReasonCode, Reasons};
use super::roots::Roots;
use super::{authority, identifiers};
use walk::{ChainEnd, ChainWalk, Link, walk};

/// A peer's chain and everything needed to validate it.
pub(super) struct ChainValidator<'a> {
    /// Leaf first.
    pub(super) chain: &'a [CertificateDer<'a>],
    /// The number of certificates sent, which may exceed those in `chain`.
    pub(super) sent: usize,
    pub(super) name: &'a ServerName<'a>,
    /// The stapled OCSP response; empty if there is none.
    pub(super) staple: &'a [u8],
    pub(super) now: UnixTime,
    pub(super) roots: &'a Roots,
    pub(super) algorithms: &'a WebPkiSupportedAlgorithms,
}

/// The result of a validation.
pub(super) struct ChainValidation {
    /// Leaf first, root last; `None` if no path leads to a root.
    pub(super) path: Option<Vec<CertificateDer<'static>>>,
    pub(super) reasons: Reasons,
}

impl ChainValidator<'_> {
    /// Finds a path, and all faults.
    pub(super) fn validate(&self) -> ChainValidation {
        let mut reasons = Reasons::default();
        let Some((leaf, above)) = self.chain.split_first() else {
            reasons.push(Reason::new(
                ReasonCode::NoPath,
                None,
                "the server sent no certificate",
            ));
            return ChainValidation { path: None, reasons };
        };
        if parse(leaf).is_none() {
            let message = "the certificate cannot be read";
            reasons.push(Reason::new(ReasonCode::Malformed, Some(0), message));
            return ChainValidation { path: None, reasons };
        }
        let path = self.path(leaf, above, &mut reasons);
        self.revocation(leaf, path.as_deref(), &mut reasons);
        self.name(leaf, &mut reasons);
        ChainValidation { path, reasons }
    }

    fn path(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        reasons: &mut Reasons,
    ) -> Option<Vec<CertificateDer<'static>>> {
        if self.sent > MAX_CHAIN {
            let message = format!("the peer sent {} certificates, more than {MAX_CHAIN}", self.sent);
            reasons.push(Reason::new(ReasonCode::TooComplex, None, message));
            return None;
        }
        if self.roots.contains(leaf) {
            // Trusted explicitly: a self-signed certificate that the suite itself configures as a root.
            self.leaf_alone(leaf, reasons);
            return Some(vec![leaf.clone().into_owned()]);
        }
        let above = candidates(above);
        let usable = self.roots.usable(self.now());
        let found = self.path_to(&usable, leaf, &above);
        // A path that ends in an unusable root is still reported as a path.
        let found = match found {
            Err(_) if usable.len() < self.roots.anchors.len() => {
                self.path_to(&self.roots.anchors, leaf, &above)
            }
            found => found,
        };
        match found {
            Ok(path) => {
                self.leaf_and_root(&path, reasons);
                Some(path)
            }
            Err(error) => self.without_path(&error, reasons),
        }
    }

    /// The path that the library finds.
    fn path_to(
        &self,
        anchors: &[TrustAnchor<'_>],
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
    ) -> Result<Vec<CertificateDer<'static>>, webpki::Error> {
        let adapted = AdaptedChain::new(leaf, above);
        let parsed = EndEntityCert::try_from(adapted.leaf())?;
        let algorithms = adapted.algorithms(self.algorithms.all);
        let algorithms: Vec<&dyn SignatureVerificationAlgorithm> =
            algorithms.iter().map(|algorithm| algorithm as _).collect();
        let usage = KeyUsage::server_auth();
        let fits = |path: &VerifiedPath<'_>| self.fits(path);
        let path = parsed.verify_for_usage(
            &algorithms,
            anchors,
            adapted.above(),
            self.now,
            usage,
            None,
            Some(&fits),
        )?;
        let root = self.root(&path)?;
        let between = path.intermediate_certificates();
        let between = between.map(|certificate| adapted.original(&certificate.der()));
        let leaf = std::iter::once(leaf.clone().into_owned());
        Ok(leaf.chain(between).chain(root.cloned()).collect())
    }

    /// Checks that the library lacks: issuer identifiers, and restrictions of the root. If a path does not match,
    /// others are tried.
    fn fits(&self, path: &VerifiedPath<'_>) -> Result<(), webpki::Error> {
        let ders = links(path);
        let parsed: Vec<X509Certificate<'_>> = ders.iter().filter_map(|der| parse(der)).collect();
        let matches_issuer = |pair: &[X509Certificate<'_>]| match pair {
            [below, issuer] => identifiers::matches_issuer(below, issuer),
            _ => true,
        };
        if parsed.windows(2).all(matches_issuer) {
            self.root(path).map(drop)
        } else {
            Err(webpki::Error::UnknownIssuer)
        }
    }

    /// The certificate of the root in which a path ends; `None` if the roots consist of anchors only.
    fn root(&self, path: &VerifiedPath<'_>) -> Result<Option<&CertificateDer<'static>>, webpki::Error> {
        let mut refused = Ok(None);
        for der in self.roots.certificates(path.anchor(), self.now()) {
            match parse(der).map_or(Ok(()), |root| fits_root(path, &root)) {
                Ok(()) => return Ok(Some(der)),
                Err(error) => refused = Err(error),
            }
        }
        refused
    }

    /// Checks that the library lacks: the leaf's key and its usage, and the root.
    fn leaf_and_root(&self, path: &[CertificateDer<'_>], reasons: &mut Reasons) {
        if let Some(leaf) = path.first().and_then(|leaf| Link::leaf(leaf)) {
            findings::strength(&leaf, reasons);
            findings::usage(&leaf, reasons);
        }
        if let Some(root) = path.last().filter(|_| path.len() > 1) {
            // Without root certificates the last certificate of the path is not a root.
            let root = Some(root).filter(|root| self.roots.contains(root));
            if let Some(root) = root.and_then(|root| parse(root)) {
                findings::root(&root, self.now(), reasons);
            }
        }
    }

    /// A leaf that is itself a root is subject to its restrictions like any other.
    fn leaf_alone(&self, leaf: &CertificateDer<'_>, reasons: &mut Reasons) {
        if let Some(leaf) = Link::leaf(leaf) {
            findings::time(&leaf, self.now(), reasons);
            findings::strength(&leaf, reasons);
            findings::purpose(&leaf, true, reasons);
            findings::extensions(&leaf, reasons);
        }
    }

    /// Handles a chain without a path: there is none, or it exceeds the library's limits.
    fn without_path(
        &self,
        error: &webpki::Error,
        reasons: &mut Reasons,
    ) -> Option<Vec<CertificateDer<'static>>> {
        let walk = walk(self.chain, self.roots, self.algorithms);
        let long_path = walk.as_ref().and_then(|walk| self.long_path(walk));
        if long_path.is_none() {
            self.explain(walk.as_ref(), error, reasons);
        }
        long_path
    }

    /// The library returns one error. Follows the chain to find all faults and the certificates that they concern.
    fn explain(&self, walk: Option<&ChainWalk<'_>>, error: &webpki::Error, reasons: &mut Reasons) {
        if let Some(walk) = walk {
            findings::all(walk, self.chain.len(), self.now(), self.algorithms, reasons);
            self.unusable_root(walk, reasons);
        }
        let (code, message) = chain::explain(error);
        // The other faults explain why there is no path, and signatures by weak keys cannot be verified.
        let is_of_signature = code == ReasonCode::BadSignature
            || matches!(
                error,
                webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
            );
        let follows = match error {
            webpki::Error::UnknownIssuer | webpki::Error::MaximumPathDepthExceeded => true,
            _ if is_of_signature => true,
            _ if code == ReasonCode::WeakSignature => reasons.has(&[ReasonCode::WeakKey]),
            _ => chain::damage(error).is_some() && reasons.has(&[ReasonCode::Malformed]),
        };
        if reasons.has(&[code]) || (follows && !reasons.is_empty()) {
            return;
        }
        // The signature error is from another path that the library tried.
        let is_of_constraint = is_of_signature || matches!(error, webpki::Error::NameConstraintViolation);
        let constrained = walk.filter(|walk| is_of_constraint && walk.end == ChainEnd::Trusted);
        reasons.push(match constrained {
            Some(walk) => Reason::new(ReasonCode::Constraint, None, walk.constraint(self.roots)),
            None => Reason::new(code, None, message),
        });
    }

    /// Reports an unusable root at the end of the chain.
    fn unusable_root(&self, walk: &ChainWalk<'_>, reasons: &mut Reasons) {
        let last = walk.links.last().filter(|_| walk.end == ChainEnd::Trusted);
        let Some(last) = last else { return };
        let roots = self.roots.certificates_named(last.certificate.issuer().as_raw());
        let found = roots.filter_map(|root| {
            let mut found = Reasons::default();
            findings::root(&parse(root)?, self.now(), &mut found);
            Some(found)
        });
        let found: Vec<Reasons> = found.collect();
        if let Some(first) = found
            .first()
            .filter(|_| found.iter().all(|found| !found.is_empty()))
        {
            first.iter().for_each(|reason| reasons.push(reason.clone()));
        }
    }

    /// Checks revocation by a stapled response only, and for the leaf only.
    fn revocation(
        &self,
        leaf: &CertificateDer<'_>,
        path: Option<&[CertificateDer<'_>]>,
        reasons: &mut Reasons,
    ) {
        let Some(certificate) = parse(leaf).filter(|_| !self.roots.contains(leaf)) else {
            return;
        };
        let issuer = path.and_then(|path| path.get(1)).and_then(|issuer| parse(issuer));
        let staple = Staple {
            response: self.staple,
            leaf: &certificate,
            issuer: issuer.as_ref(),
            now: self.now(),
            algorithms: self.algorithms,
        };
        if let Some(reason) = staple.check() {
            reasons.push(reason);
        }
    }

    fn name(&self, leaf: &CertificateDer<'_>, reasons: &mut Reasons) {
        let adapted = AdaptedChain::new(leaf, &[]);
        let named = EndEntityCert::try_from(adapted.leaf())
            .and_then(|leaf| leaf.verify_is_valid_for_subject_name(self.name));
        let Err(error) = named else { return };
        if let webpki::Error::CertNotValidForName(_) = error {
            let message = format!("the certificate is not for `{}`", self.name.to_str());
            reasons.push(Reason::new(ReasonCode::WrongName, Some(0), message));
        } else if reasons.is_empty() {
            let (code, message) = chain::explain(&error);
            reasons.push(Reason::new(code, Some(0), message));
        }
    }

    fn now(&self) -> i64 {
        i64::try_from(self.now.as_secs()).unwrap_or(i64::MAX)
    }
}

/// The certificates of a path below its root, leaf first.
fn links(path: &VerifiedPath<'_>) -> Vec<CertificateDer<'static>> {
    let leaf = path.end_entity().der().into_owned();
    let above = path.intermediate_certificates();
    let above = above.map(|certificate| certificate.der().into_owned());
    std::iter::once(leaf).chain(above).collect()
}

fn fits_root(path: &VerifiedPath<'_>, root: &X509Certificate<'_>) -> Result<(), webpki::Error> {
    let counted = path.intermediate_certificates();
    let counted = counted.filter(|certificate| certificate.issuer() != certificate.subject());
    if authority::path_length(root).is_some_and(|max| counted.count() > max) {
        return Err(webpki::Error::PathLenConstraintViolated);
    }
    let links = links(path);
    let last = links.last().and_then(|last| parse(last));
    if last.is_none_or(|last| identifiers::matches_issuer(&last, root)) {
        Ok(())
    } else {
        Err(webpki::Error::UnknownIssuer)
    }
}

fn parse<'a>(der: &'a [u8]) -> Option<X509Certificate<'a>> {
    let (_, parsed) = x509_parser::parse_x509_certificate(der).ok()?;
    Some(parsed)
}

#[cfg(test)]
mod tests;
