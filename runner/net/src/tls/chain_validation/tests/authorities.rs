//! The rights of authorities and roots, according to their own and others' certificates.

use rcgen::{KeyIdMethod, KeyUsagePurpose};

use super::*;

fn no_signing(params: &mut rcgen::CertificateParams) {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
}

#[test]
fn an_authority_whose_key_must_not_sign_certificates_issues_none() {
    let root = Authority::new("Root");
    let middle = root.intermediate_with("Middle", no_signing);
    says(
        &middle.leaf(&NAMES).issue().chain(),
        &[root.der()],
        "the certificate of `CN=Middle` issued another certificate, which its key usage does not allow",
    );
    let root = Authority::new_with("Root", no_signing);
    says(
        &root.leaf(&NAMES).issue().chain(),
        &[root.der()],
        "the root `CN=Root` issued another certificate, which its key usage does not allow",
    );
    let silent = Authority::new_with("Root", |params| params.key_usages.clear());
    let middle = silent.intermediate_with("Middle", |params| params.key_usages.clear());
    says(&middle.leaf(&NAMES).issue().chain(), &[silent.der()], "");
}

#[test]
fn a_path_goes_round_an_authority_that_must_not_issue() {
    let root = Authority::new("Root");
    let middle = root.intermediate("Middle");
    let leaf = middle.leaf(&NAMES).issue().chain().remove(0);
    let hindered = root.certify_anew(&middle, no_signing);
    says(&[leaf, hindered, middle.der().clone()], &[root.der()], "");
}

#[test]
fn a_root_is_held_to_what_it_says_of_itself() {
    let of = |change: fn(&mut rcgen::CertificateParams)| {
        let root = Authority::new_with("Root", change);
        let chain = root.intermediate("Middle").leaf(&NAMES).issue().chain();
        reasons(&chain, &[root.der()])
    };
    assert_eq!(
        of(|params| params.is_ca = IsCa::ExplicitNoCa),
        "the root `CN=Root` is not a CA certificate"
    );
    assert_eq!(
        of(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
        "the root `CN=Root` is not for servers, according to its extended key usage"
    );
    assert_eq!(
        of(|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))),
        "the chain has more CA certificates than one of them allows below it"
    );
    assert_eq!(
        of(|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1))),
        ""
    );
}

#[test]
fn a_leaf_whose_key_is_for_something_else_than_tls_is_not_trusted() {
    let root = Authority::new("Root");
    let of = |usages: &[KeyUsagePurpose]| {
        let usages = usages.to_vec();
        let leaf = root.leaf(&NAMES).with(|params| params.key_usages = usages);
        reasons(&leaf.issue().chain(), &[root.der()])
    };
    let refused = "the certificate is not for TLS, according to its key usage";
    assert_eq!(of(&[]), "");
    assert_eq!(of(&[KeyUsagePurpose::CrlSign]), refused);
    // An EC key can only sign.
    assert_eq!(of(&[KeyUsagePurpose::KeyEncipherment]), refused);
    let leaf = root.leaf(&NAMES).key(KeyKind::Rsa2048);
    let leaf = leaf.with(|params| params.key_usages = vec![KeyUsagePurpose::KeyEncipherment]);
    says(&leaf.issue().chain(), &[root.der()], "");
    let pinned = Leaf::self_signed(&NAMES).with(|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let pinned = pinned.issue().chain();
    says(
        &pinned,
        &[&pinned[0]],
        "the certificate is not for servers, according to its extended key usage",
    );
}

/// A hierarchy of authorities, one of which is modified.
fn tower(
    root: &Authority,
    height: usize,
    place: usize,
    change: fn(&mut rcgen::CertificateParams),
) -> Authority {
    let mut last = root.intermediate_with("Level 1", |params| {
        if place == 1 {
            change(params);
        }
    });
    for level in 2..=height {
        last = last.intermediate_with(&format!("Level {level}"), |params| {
            if place == level {
                change(params);
            }
        });
    }
    last
}

#[test]
fn a_chain_is_trusted_however_long_it_is() {
    let root = Authority::new("Root");
    for height in [6, 7, 8, 9, 15, 30] {
        let mut chain = tower(&root, height, 0, |_| {}).leaf(&NAMES).issue().chain();
        let judged = seen(&chain, &[root.der()]);
        assert_eq!(judged.untrusted.to_string(), "", "{height}");
        assert_eq!(judged.verified_chain.unwrap().len(), height + 2);
        chain[1..].reverse();
        says(&chain, &[root.der()], "");
        says(
            &chain,
            &[Authority::new("Root").der()],
            "*is not signed with the key of its issuer `CN=Root`",
        );
    }
}

#[test]
fn a_long_chain_is_held_to_all_that_a_short_one_is() {
    let changes: [fn(&mut rcgen::CertificateParams); 6] = [
        |params| params.is_ca = IsCa::ExplicitNoCa,
        |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)),
        |params| params.not_after = params.not_before,
        |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
        no_signing,
        |params| {
            params.name_constraints = Some(NameConstraints {
                permitted_subtrees: vec![GeneralSubtree::DnsName("other.test".to_owned())],
                excluded_subtrees: Vec::new(),
            });
        },
    ];
    let root = Authority::new("Root");
    for (number, change) in changes.into_iter().enumerate() {
        for place in 1..9 {
            let chain = tower(&root, 9, place, change).leaf(&NAMES).issue().chain();
            let judged = seen(&chain, &[root.der()]);
            assert!(!judged.untrusted.is_empty(), "{number} at {place}");
            assert_eq!(judged.verified_chain, None, "{number} at {place}");
        }
    }
    let named = Authority::new("Root").renewed(|_| {});
    let chain = tower(&root, 9, 0, |_| {}).leaf(&["other.test"]).issue().chain();
    says(&chain, &[root.der()], "the certificate is not for `web.test`");
    says(
        &chain,
        &[&named],
        "*is not signed with the key of its issuer `CN=Root`*",
    );
}

#[test]
fn an_authority_has_a_name() {
    let root = Authority::new("Root");
    let nameless = root.intermediate_with("", |params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
    });
    says(
        &nameless.leaf(&NAMES).issue().chain(),
        &[root.der()],
        "a certificate of the chain issued another certificate, but has no name",
    );
    let root = Authority::new_with("", |params| {
        params.distinguished_name = rcgen::DistinguishedName::new()
    });
    says(
        &root.leaf(&NAMES).issue().chain(),
        &[root.der()],
        "the root issued another certificate, but has no name",
    );
}

#[test]
fn an_authority_that_an_authority_issued_to_itself_counts_as_any_other() {
    let root = Authority::new("Root");
    let first = root.intermediate_with("Middle", |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    let second = first.intermediate("Middle");
    says(
        &second.leaf(&NAMES).issue().chain(),
        &[root.der()],
        "the certificate of `CN=Middle` has more CA certificates below it than it allows",
    );
    let free = root.intermediate("Middle").intermediate("Middle");
    says(&free.leaf(&NAMES).issue().chain(), &[root.der()], "");
}

#[test]
fn what_a_certificate_says_of_its_issuers_key_has_to_be_so() {
    let root = Authority::new("Root");
    let other = root.renewed(|params| params.key_identifier_method = KeyIdMethod::PreSpecified(vec![1; 20]));
    let leaf = root.leaf(&NAMES).issue().chain();
    let said = "the certificate does not match the certificate of its issuer `CN=Root`: different key identifier, serial number or issuer";
    says(&leaf, &[&other], said);
    says(&leaf, &[&other, root.der()], "");
    says(&[leaf[0].clone(), other], &[root.der()], "");
    let silent = root
        .leaf(&NAMES)
        .with(|params| params.use_authority_key_identifier_extension = false);
    says(&silent.issue().chain(), &[root.der()], "");
}

#[test]
fn a_weak_key_of_an_authority_is_the_only_reported_reason() {
    let root = Authority::new("Root");
    let middle = root.intermediate("Middle");
    let leaf = middle.leaf(&NAMES);
    let leaf = leaf.with(|params| params.use_authority_key_identifier_extension = false);
    let chain = leaf.issue().chain();
    let weak = root.leaf(&[]).with(|params| {
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Middle");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    });
    let weak = weak.issue_for(&RsaKey::of_bits(1024));
    says(
        &[chain[0].clone(), weak],
        &[root.der()],
        "the certificate of `CN=Middle` has a key (RSA 1024) that is too weak: RSA keys need at least 2048 bits",
    );
}

#[test]
fn certificates_of_one_name_beyond_those_that_are_tried_are_counted() {
    let root = Authority::new("Root");
    let middle = root.intermediate("Middle");
    let mut chain = middle.leaf(&NAMES).issue().chain();
    let decoys = (0..5).map(|_| root.intermediate("Middle").der().clone());
    chain.splice(1..1, decoys);
    says(
        &chain,
        &[root.der()],
        "the certificate has an issuer `CN=Middle` for which the server sent 6 certificates: none of the first 3 has the key that signed it",
    );
}

#[test]
fn a_certificate_of_the_same_name_that_is_in_no_way_hides_no_reason() {
    let root = Authority::new("Root");
    let constrained = root.intermediate_with("Middle", |params| {
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("other.test".to_owned())],
            excluded_subtrees: Vec::new(),
        });
    });
    let chain = constrained.leaf(&NAMES).issue().chain();
    for stranger in [
        root.intermediate("Middle"),
        Authority::new("Middle"),
        Authority::new_with_key("Middle", KeyKind::Rsa2048),
    ] {
        let mut mixed = chain.clone();
        mixed.insert(1, stranger.der().clone());
        says(
            &mixed,
            &[root.der()],
            "the certificate is for names that its certificate authority may not issue for",
        );
    }
}
