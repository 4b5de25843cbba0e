use canary_tests::certificate::{Authority, Hash, Ocsp, Revocation, patched};
use rcgen::{CustomExtension, ExtendedKeyUsagePurpose};
use rustls_pki_types::CertificateDer;

use super::*;
use crate::tls::provider;

const NOW: i64 = 1_800_000_000;

struct Case {
    root: Authority,
    leaf: CertificateDer<'static>,
}

impl Case {
    fn new() -> Self {
        let root = Authority::new("Root");
        let leaf = root.leaf(&["web.test"]).issue().chain().remove(0);
        Self { root, leaf }
    }

    fn demanding() -> Self {
        let root = Authority::new("Root");
        let leaf = root.leaf(&["web.test"]).with(|params| {
            let features =
                CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 24], vec![0x30, 3, 2, 1, 5]);
            params.custom_extensions.push(features);
        });
        let leaf = leaf.issue().chain().remove(0);
        Self { root, leaf }
    }

    fn ocsp(&self) -> Ocsp<'_> {
        Ocsp::new(&self.root, &self.leaf, NOW)
    }

    /// Empty if nothing is wrong.
    fn check(&self, response: &[u8]) -> String {
        let (_, leaf) = x509_parser::parse_x509_certificate(&self.leaf).unwrap();
        let (_, issuer) = x509_parser::parse_x509_certificate(self.root.der()).unwrap();
        let staple = Staple {
            response,
            leaf: &leaf,
            issuer: Some(&issuer),
            now: NOW,
            algorithms: &provider().signature_verification_algorithms,
        };
        staple.check().map(|reason| reason.message).unwrap_or_default()
    }
}

#[test]
fn a_staple_is_checked_against_the_issuer() {
    let case = Case::new();
    assert_eq!(case.check(&[]), "");
    assert_eq!(case.check(&case.ocsp().answer()), "");
    let revoked = case.ocsp().status(Revocation::Revoked(Some(1))).answer();
    assert_eq!(
        case.check(&revoked),
        "the issuer revoked the certificate at 2027-01-15T08:00:00Z, according to the stapled OCSP response: its key was compromised"
    );
    let revoked = case.ocsp().status(Revocation::Revoked(None)).answer();
    assert!(
        case.check(&revoked)
            .ends_with("according to the stapled OCSP response")
    );
    let unknown = case.ocsp().status(Revocation::Unknown).answer();
    assert_eq!(
        case.check(&unknown),
        "the issuer does not know the certificate, according to the stapled OCSP response"
    );
}

#[test]
fn a_responder_certified_by_the_issuer_is_accepted() {
    let case = Case::new();
    let purpose = |usage: ExtendedKeyUsagePurpose| {
        case.root
            .leaf(&["ocsp.test"])
            .with(move |params| params.extended_key_usages = vec![usage])
            .issue()
    };
    let revoked = || case.ocsp().status(Revocation::Revoked(None));
    let delegate = purpose(ExtendedKeyUsagePurpose::OcspSigning);
    // The certificates of the tests were issued today.
    let today = revoked().at(jiff::Timestamp::now().as_second());
    let answer = today.signed_by(&delegate).answer();
    let (_, leaf) = x509_parser::parse_x509_certificate(&case.leaf).unwrap();
    let (_, issuer) = x509_parser::parse_x509_certificate(case.root.der()).unwrap();
    let check = |response: &[u8]| {
        let staple = Staple {
            response,
            leaf: &leaf,
            issuer: Some(&issuer),
            now: jiff::Timestamp::now().as_second(),
            algorithms: &provider().signature_verification_algorithms,
        };
        staple.check().is_some()
    };
    assert!(check(&answer));
    let server = purpose(ExtendedKeyUsagePurpose::ServerAuth);
    assert!(!check(&revoked().signed_by(&server).answer()));
    let stranger = Authority::new("Root");
    let stranger = stranger.leaf(&["ocsp.test"]).with(|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
    });
    assert!(!check(&revoked().signed_by(&stranger.issue()).answer()));
}

#[test]
fn an_answer_that_cannot_be_used_counts_as_none() {
    let case = Case::new();
    let demanding = Case::demanding();
    const DAY: i64 = 24 * 3600;
    let says = |response: &[u8], expected: &str| {
        assert_eq!(
            demanding.check(response),
            format!("the certificate requires a stapled OCSP response, but {expected}")
        );
    };
    assert_eq!(demanding.check(&demanding.ocsp().answer()), "");
    says(&[], "the server sent none");
    says(&[1, 2, 3], "the server's cannot be read");
    says(&[0x30, 3, 0x0a, 1, 3], "the server's is an error: try later");
    says(&case.ocsp().answer(), "the server's is about other certificates");
    let stranger = Authority::new("Root").leaf(&["ocsp.test"]).issue();
    says(
        &demanding.ocsp().signed_by(&stranger).answer(),
        "the server's is not signed by the certificate's issuer",
    );
    says(
        &demanding.ocsp().lasting(-2 * DAY, -DAY).answer(),
        "the server's expired at 2027-01-14T08:00:00Z",
    );
    says(
        &demanding.ocsp().lasting(DAY, 2 * DAY).answer(),
        "the server's is not valid before 2027-01-16T08:00:00Z",
    );
    let forged = case.ocsp().signed_by(&stranger).status(Revocation::Revoked(None));
    assert_eq!(case.check(&forged.answer()), "");
    for (from, until) in [(-2 * DAY, -DAY), (DAY, 2 * DAY)] {
        let revoked = || case.ocsp().status(Revocation::Revoked(None));
        assert_eq!(case.check(&revoked().lasting(from, until).answer()), "");
    }
}

#[test]
fn an_answer_about_a_certificate_of_another_issuer_with_the_same_number_is_about_another() {
    let case = Case::demanding();
    let others = |change: fn(Ocsp<'_>) -> Ocsp<'_>| case.check(&change(case.ocsp()).answer());
    assert_eq!(others(|ocsp| ocsp), "");
    assert_eq!(others(|ocsp| ocsp.hashed_with(Hash::Sha256)), "");
    let about_others =
        "the certificate requires a stapled OCSP response, but the server's is about other certificates";
    assert_eq!(others(|ocsp| ocsp.of_another_name()), about_others);
    assert_eq!(others(|ocsp| ocsp.of_another_key()), about_others);
    assert_eq!(others(|ocsp| ocsp.hashed_with(Hash::Unknown)), about_others);
}

#[test]
fn an_answer_with_more_in_it_or_of_another_kind_is_no_answer() {
    let case = Case::demanding();
    let whole = case.ocsp().answer();
    let unreadable = "the certificate requires a stapled OCSP response, but the server's cannot be read";
    assert_eq!(case.check(&[&whole[..], &[0]].concat()), unreadable);
    assert_eq!(case.check(&[&whole[..], &whole[..]].concat()), unreadable);
    // id-pkix-ocsp-basic, and the adjacent identifier.
    let kind = [0x2b, 6, 1, 5, 5, 7, 48, 1, 1];
    let other = patched(&whole.clone().into(), &kind, &[0x2b, 6, 1, 5, 5, 7, 48, 1, 2]);
    assert_eq!(case.check(&other), unreadable);
    for part in 1..=4 {
        assert_eq!(
            case.check(&case.ocsp().with_a_tail_in(part).answer()),
            unreadable,
            "{part}"
        );
    }
}

#[test]
fn an_answer_that_is_cut_anywhere_is_no_answer() {
    let case = Case::new();
    let whole = case.ocsp().status(Revocation::Revoked(None)).answer();
    for length in 1..whole.len() {
        assert_eq!(case.check(&whole[..length]), "", "{length}");
    }
}
