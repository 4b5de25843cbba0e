//! Root certificates.

use std::borrow::Cow;

use rustls_pki_types::{CertificateDer, Der, TrustAnchor};
use x509_parser::asn1_rs::Any;
use x509_parser::prelude::FromDer;

use super::authority::objection_to_root;

/// Root certificates. The library's trust anchors contain a name and a key only; everything else is checked here.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    pub(super) anchors: Vec<TrustAnchor<'static>>,
    /// The certificates of the anchors, in the same order; empty for Mozilla's roots.
    certificates: Vec<CertificateDer<'static>>,
    /// Restrictions of the certificates, in the same order.
    uses: Vec<RootUse>,
}

/// Whether a chain may end in a root.
#[derive(Debug, Clone, Copy)]
struct RootUse {
    dates: Dates,
    /// False if the certificate excludes being an authority.
    is_authority: bool,
}

impl RootUse {
    /// An unreadable root is trusted by its name and key alone.
    fn new(root: &[u8]) -> Self {
        match x509_parser::parse_x509_certificate(root) {
            Ok((_, root)) => Self {
                dates: Dates::from_certificate(&root),
                is_authority: objection_to_root(&root).is_none(),
            },
            Err(_) => Self {
                dates: Dates {
                    from: i64::MIN,
                    until: i64::MAX,
                },
                is_authority: true,
            },
        }
    }

    fn is_allowed(self, now: i64) -> bool {
        self.is_authority && self.dates.are_valid_at(now)
    }
}

/// The validity period of a certificate, in Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dates {
    pub(super) from: i64,
    pub(super) until: i64,
}

impl Dates {
    pub(super) fn from_certificate(certificate: &x509_parser::certificate::X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        Self {
            from: validity.not_before.timestamp(),
            until: validity.not_after.timestamp(),
        }
    }

    pub(super) fn are_valid_at(self, now: i64) -> bool {
        (self.from..=self.until).contains(&now)
    }
}

impl Roots {
    pub(super) fn mozilla() -> Self {
        Self {
            anchors: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
            ..Self::default()
        }
    }

    /// Creates roots; ignores entries that are not certificates.
    pub(super) fn new(certificates: Vec<CertificateDer<'static>>) -> Self {
        let mut roots = Self::default();
        for der in certificates {
            let Ok(anchor) = webpki::anchor_from_trusted_cert(&der) else {
                continue;
            };
            roots.uses.push(RootUse::new(&der));
            roots.anchors.push(anchor.to_owned());
            roots.certificates.push(der);
        }
        roots
    }

    /// The anchors in which a chain may end.
    pub(super) fn usable(&self, now: i64) -> Cow<'_, [TrustAnchor<'_>]> {
        if self.uses.iter().all(|of| of.is_allowed(now)) {
            return Cow::Borrowed(&self.anchors);
        }
        let anchors = self.anchors.iter().zip(&self.uses);
        let usable = anchors.filter(|(_, of)| of.is_allowed(now));
        Cow::Owned(usable.map(|(anchor, _)| borrowed(anchor)).collect())
    }

    /// The certificates of an anchor, which share its name and key; usable ones first.
    pub(super) fn certificates(
        &self,
        anchor: &TrustAnchor<'_>,
        now: i64,
    ) -> impl Iterator<Item = &CertificateDer<'static>> {
        let all = self.anchors.iter().zip(&self.certificates).zip(&self.uses);
        let same = all.filter(move |((known, _), _)| *known == anchor);
        let usable = |is_wanted: bool| {
            let wanted = same
                .clone()
                .filter(move |(_, of)| of.is_allowed(now) == is_wanted);
            wanted.map(|((_, certificate), _)| certificate)
        };
        usable(true).chain(usable(false))
    }

    /// The anchors with this DER-encoded name, each with its certificate if there is one.
    pub(super) fn named(
        &self,
        name: &[u8],
    ) -> impl Iterator<Item = (&TrustAnchor<'static>, Option<&CertificateDer<'static>>)> {
        let certificates = self.certificates.iter().map(Some).chain(std::iter::repeat(None));
        let pairs = self.anchors.iter().zip(certificates);
        pairs.filter(move |(anchor, _)| is_content(name, &anchor.subject))
    }

    /// The certificates with this DER-encoded name.
    pub(super) fn certificates_named(&self, name: &[u8]) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.named(name).filter_map(|(_, certificate)| certificate)
    }

    /// Whether a certificate is one of the roots.
    pub(super) fn contains(&self, der: &[u8]) -> bool {
        self.certificates.iter().any(|root| root.as_ref() == der)
    }
}

/// The library stores names without their tag and length.
fn is_content(name: &[u8], content: &[u8]) -> bool {
    Any::from_der(name).is_ok_and(|(_, name)| name.data == content)
}

fn borrowed<'a>(anchor: &'a TrustAnchor<'_>) -> TrustAnchor<'a> {
    let constraints = anchor.name_constraints.as_ref();
    TrustAnchor {
        subject: Der::from_slice(&anchor.subject),
        subject_public_key_info: Der::from_slice(&anchor.subject_public_key_info),
        name_constraints: constraints.map(|der| Der::from_slice(der)),
    }
}
