//! Judging a chain: the library finds the path to a root, and what it does not say or look at is found here.

mod authority;
mod findings;
mod identifiers;
mod long;
mod walk;

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls_pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};
use x509_parser::prelude::X509Certificate;

use super::CHAIN;
use super::adapted::Adapted;
use super::candidates::candidates;
use super::explain::chain;
use super::ocsp::Staple;
use super::reasons::{Reason, ReasonCode, Reasons};
use super::roots::Roots;
pub(super) use authority::{objection, objection_to_root, objection_to_server};
use walk::{End, Link, Walk, walk};

/// A chain that a peer shows, and what it is held against.
pub(super) struct Question<'a> {
    /// The leaf first.
    pub(super) chain: &'a [CertificateDer<'a>],
    /// More than these where the peer sent too many.
    pub(super) sent: usize,
    pub(super) name: &'a ServerName<'a>,
    /// The OCSP answer that came along; empty where none did.
    pub(super) staple: &'a [u8],
    pub(super) now: UnixTime,
    pub(super) roots: &'a Roots,
    pub(super) algorithms: &'a WebPkiSupportedAlgorithms,
}

/// What became of it.
pub(super) struct Judgement {
    /// The leaf first, the root last; absent where none leads to a root.
    pub(super) path: Option<Vec<CertificateDer<'static>>>,
    pub(super) reasons: Reasons,
}

impl Question<'_> {
    /// Looks for a path, and for everything that is wrong.
    pub(super) fn judge(&self) -> Judgement {
        let mut reasons = Reasons::default();
        let Some((leaf, above)) = self.chain.split_first() else {
            reasons.push(Reason::new(
                ReasonCode::NoPath,
                None,
                "the server sent no certificate",
            ));
            return Judgement { path: None, reasons };
        };
        if parse(leaf).is_none() {
            let message = "the certificate cannot be read";
            reasons.push(Reason::new(ReasonCode::Malformed, Some(0), message));
            return Judgement { path: None, reasons };
        }
        let path = self.path(leaf, above, &mut reasons);
        self.revocation(leaf, path.as_deref(), &mut reasons);
        self.name(leaf, &mut reasons);
        Judgement { path, reasons }
    }

    fn path(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        reasons: &mut Reasons,
    ) -> Option<Vec<CertificateDer<'static>>> {
        if self.sent > CHAIN {
            let message = format!("the peer sent {} certificates, more than {CHAIN}", self.sent);
            reasons.push(Reason::new(ReasonCode::TooComplex, None, message));
            return None;
        }
        if self.roots.contains(leaf) {
            // Trusted by name: a self-signed certificate that the suite itself gives as its root.
            self.leaf_alone(leaf, reasons);
            return Some(vec![leaf.clone().into_owned()]);
        }
        let above = candidates(above);
        let usable = self.roots.usable(self.now());
        let found = self.path_to(&usable, leaf, &above);
        // What ends in a root of no use is a path all the same, and said to be one.
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

    /// As the library finds it.
    fn path_to(
        &self,
        anchors: &[TrustAnchor<'_>],
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
    ) -> Result<Vec<CertificateDer<'static>>, webpki::Error> {
        let adapted = Adapted::new(leaf, above);
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

    /// What the library does not look at: what certificates say of their issuers, and what a root says of itself. Other paths
    /// are tried where this one does not fit.
    fn fits(&self, path: &VerifiedPath<'_>) -> Result<(), webpki::Error> {
        let ders = links(path);
        let parsed: Vec<X509Certificate<'_>> = ders.iter().filter_map(|der| parse(der)).collect();
        let fit = |pair: &[X509Certificate<'_>]| match pair {
            [below, issuer] => identifiers::fit(below, issuer),
            _ => true,
        };
        match parsed.windows(2).all(fit) {
            true => self.root(path).map(drop),
            false => Err(webpki::Error::UnknownIssuer),
        }
    }

    /// The certificate of the root that a path ends in; nothing where the roots have none.
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

    /// What the library does not look at: the leaf's key and its usage, and the root.
    fn leaf_and_root(&self, path: &[CertificateDer<'_>], reasons: &mut Reasons) {
        if let Some(leaf) = path.first().and_then(|leaf| Link::leaf(leaf)) {
            findings::strength(&leaf, reasons);
            findings::usage(&leaf, reasons);
        }
        if let Some(root) = path.last().filter(|_| path.len() > 1) {
            // The last one is no root where the roots have no certificates.
            let root = Some(root).filter(|root| self.roots.contains(root));
            if let Some(root) = root.and_then(|root| parse(root)) {
                findings::root(&root, self.now(), reasons);
            }
        }
    }

    /// A certificate that is a root by itself is held to what it says as any other.
    fn leaf_alone(&self, leaf: &CertificateDer<'_>, reasons: &mut Reasons) {
        if let Some(leaf) = Link::leaf(leaf) {
            findings::time(&leaf, self.now(), reasons);
            findings::strength(&leaf, reasons);
            findings::purpose(&leaf, true, reasons);
            findings::extensions(&leaf, reasons);
        }
    }

    /// The library has no path: because there is none, or because it is longer than those that the library looks at.
    fn without_path(
        &self,
        error: &webpki::Error,
        reasons: &mut Reasons,
    ) -> Option<Vec<CertificateDer<'static>>> {
        let walk = walk(self.chain, self.roots, self.algorithms);
        let long = walk.as_ref().and_then(|walk| self.long_path(walk));
        if long.is_none() {
            self.explain(walk.as_ref(), error, reasons);
        }
        long
    }

    /// The library gives one reason. The way to the root is walked for the others, and for whom they are about.
    fn explain(&self, walk: Option<&Walk<'_>>, error: &webpki::Error, reasons: &mut Reasons) {
        if let Some(walk) = walk {
            findings::all(walk, self.chain.len(), self.now(), self.algorithms, reasons);
            self.unusable_root(walk, reasons);
        }
        let (code, message) = chain::explain(error);
        // Whatever else is wrong is why there is no path, and with weak keys no signature can be verified.
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
        // The signature is that of another way, which the library tried as well.
        let is_of_constraint = is_of_signature || matches!(error, webpki::Error::NameConstraintViolation);
        let constrained = walk.filter(|walk| is_of_constraint && walk.end == End::Trusted);
        reasons.push(match constrained {
            Some(walk) => Reason::new(ReasonCode::Constraint, None, walk.constraint(self.roots)),
            None => Reason::new(code, None, message),
        });
    }

    /// Where the way ends in a root that is of no use as well.
    fn unusable_root(&self, walk: &Walk<'_>, reasons: &mut Reasons) {
        let last = walk.links.last().filter(|_| walk.end == End::Trusted);
        let Some(last) = last else { return };
        let roots = self.roots.of_name(last.certificate.issuer().as_raw());
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

    /// Only a staple is looked at, and only for the leaf.
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
        if let Some(reason) = staple.judge() {
            reasons.push(reason);
        }
    }

    fn name(&self, leaf: &CertificateDer<'_>, reasons: &mut Reasons) {
        let adapted = Adapted::new(leaf, &[]);
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

/// The certificates of a path below its root, the leaf first.
fn links(path: &VerifiedPath<'_>) -> Vec<CertificateDer<'static>> {
    let leaf = path.end_entity().der().into_owned();
    let above = path.intermediate_certificates();
    let above = above.map(|certificate| certificate.der().into_owned());
    std::iter::once(leaf).chain(above).collect()
}

fn fits_root(path: &VerifiedPath<'_>, root: &X509Certificate<'_>) -> Result<(), webpki::Error> {
    let counted = path.intermediate_certificates();
    let counted = counted.filter(|certificate| certificate.issuer() != certificate.subject());
    if authority::path_length(root).is_some_and(|most| counted.count() > most) {
        return Err(webpki::Error::PathLenConstraintViolated);
    }
    let links = links(path);
    let last = links.last().and_then(|last| parse(last));
    match last.is_none_or(|last| identifiers::fit(&last, root)) {
        true => Ok(()),
        false => Err(webpki::Error::UnknownIssuer),
    }
}

fn parse<'a>(der: &'a [u8]) -> Option<X509Certificate<'a>> {
    let (_, parsed) = x509_parser::parse_x509_certificate(der).ok()?;
    Some(parsed)
}

pub(super) fn expired(at: i64) -> String {
    format!("expired at {}", date(at))
}

pub(super) fn early(at: i64) -> String {
    format!("is not valid before {}", date(at))
}

/// RFC 3339, or the Unix seconds of a date beyond the calendar.
pub(super) fn date(unix_seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(unix_seconds)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_else(|| unix_seconds.to_string())
}

#[cfg(test)]
mod tests;
