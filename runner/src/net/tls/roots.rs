//! Certificates that a chain may end in.

use std::borrow::Cow;

use rustls_pki_types::{CertificateDer, Der, TrustAnchor};
use x509_parser::asn1_rs::Any;
use x509_parser::prelude::FromDer;

use super::judgement::objection_to_root;

/// Certificates that a chain may end in. Those of the libraries have a name and a key only, so the rest is looked at here.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    pub(super) anchors: Vec<TrustAnchor<'static>>,
    /// Those of the anchors, in their order; none for Mozilla's.
    certificates: Vec<CertificateDer<'static>>,
    /// Of the certificates, in their order.
    uses: Vec<Use>,
}

/// Whether a chain may end in a root.
#[derive(Debug, Clone, Copy)]
struct Use {
    dates: Dates,
    /// Whether it says nothing against it.
    is_authority: bool,
}

impl Use {
    /// One that cannot be read is trusted by its name and its key alone.
    fn of(root: &[u8]) -> Self {
        match x509_parser::parse_x509_certificate(root) {
            Ok((_, root)) => Self {
                dates: Dates::of(&root),
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
        self.is_authority && self.dates.hold(now)
    }
}

/// The first and the last second of a certificate, in Unix time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dates {
    pub(super) from: i64,
    pub(super) until: i64,
}

impl Dates {
    pub(super) fn of(certificate: &x509_parser::certificate::X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        Self {
            from: validity.not_before.timestamp(),
            until: validity.not_after.timestamp(),
        }
    }

    pub(super) fn hold(self, now: i64) -> bool {
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

    /// Leaves out what is no certificate.
    pub(super) fn new(certificates: Vec<CertificateDer<'static>>) -> Self {
        let mut roots = Self::default();
        for der in certificates {
            let Ok(anchor) = webpki::anchor_from_trusted_cert(&der) else {
                continue;
            };
            roots.uses.push(Use::of(&der));
            roots.anchors.push(anchor.to_owned());
            roots.certificates.push(der);
        }
        roots
    }

    /// The anchors that a chain may end in.
    pub(super) fn usable(&self, now: i64) -> Cow<'_, [TrustAnchor<'_>]> {
        if self.uses.iter().all(|of| of.is_allowed(now)) {
            return Cow::Borrowed(&self.anchors);
        }
        let anchors = self.anchors.iter().zip(&self.uses);
        let usable = anchors.filter(|(_, of)| of.is_allowed(now));
        Cow::Owned(usable.map(|(anchor, _)| borrowed(anchor)).collect())
    }

    /// The certificates of an anchor, which have the same name and key; those first that a chain may end in.
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

    /// Those that have a name, which is in DER, with their certificates where there are any.
    pub(super) fn named(
        &self,
        name: &[u8],
    ) -> impl Iterator<Item = (&TrustAnchor<'static>, Option<&CertificateDer<'static>>)> {
        let certificates = self.certificates.iter().map(Some).chain(std::iter::repeat(None));
        let pairs = self.anchors.iter().zip(certificates);
        pairs.filter(move |(anchor, _)| is_content(name, &anchor.subject))
    }

    /// The certificates that have a name, which is in DER.
    pub(super) fn of_name(&self, name: &[u8]) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.named(name).filter_map(|(_, certificate)| certificate)
    }

    /// Whether a certificate is one of them by itself.
    pub(super) fn contains(&self, der: &[u8]) -> bool {
        self.certificates.iter().any(|root| root.as_ref() == der)
    }
}

/// The libraries keep a name without the tag and the length around it.
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
