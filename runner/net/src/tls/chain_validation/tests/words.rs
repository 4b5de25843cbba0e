//! The reported reasons are the actual ones.

use rcgen::{DistinguishedName, date_time_ymd};

use super::*;

#[test]
fn a_certificate_may_have_begun_before_1970() {
    for year in [1949, 1950, 1969, 1970] {
        let begun = |params: &mut rcgen::CertificateParams| params.not_before = date_time_ymd(year, 1, 1);
        let root = Authority::new_with("Root", begun);
        let middle = root.intermediate_with("Middle", begun);
        says(
            &middle.leaf(&NAMES).with(begun).issue().chain(),
            &[root.der()],
            "",
        );
        let seen = seen(&middle.leaf(&NAMES).with(begun).issue().chain(), &[root.der()]);
        let path = seen.verified_chain.unwrap();
        assert_eq!(path[..2], seen.chain[..], "as they were sent");
    }
    let root = Authority::new("Root");
    let ended = root.leaf(&NAMES).with(|params| {
        params.not_before = date_time_ymd(1960, 1, 1);
        params.not_after = date_time_ymd(1969, 12, 31);
    });
    says(
        &ended.issue().chain(),
        &[root.der()],
        "the certificate expired at 1969-12-31T00:00:00Z",
    );
}

#[test]
fn what_is_changed_for_the_library_is_still_signed_by_the_issuer() {
    let (root, other) = (Authority::new("Root"), Authority::new("Root"));
    let begun = |params: &mut rcgen::CertificateParams| params.not_before = date_time_ymd(1960, 1, 1);
    let chain = other.leaf(&NAMES).with(begun).issue().chain();
    says(
        &chain,
        &[root.der()],
        "the certificate is not signed with the key of its issuer `CN=Root`",
    );
    // The certificate passed to the library instead, sent by a peer: its signature is invalid.
    let chain = root.leaf(&NAMES).with(begun).issue().chain();
    let forged = patched(&chain[0], b"600101000000Z", b"700101000000Z");
    says(
        &[forged],
        &[root.der()],
        "the certificate is not signed with the key of its issuer `CN=Root`",
    );
}

#[test]
fn a_signature_with_other_parameters_than_are_supported_is_called_so() {
    // An authority with an RSA key, and a leaf signed with the longest possible salt.
    let pem = include_bytes!("pss.pem");
    let certificates = canary_system::pem::certificates(pem, 2).unwrap();
    let [leaf, root] = &certificates[..] else {
        unreachable!("there are two")
    };
    says(
        std::slice::from_ref(leaf),
        &[root],
        "the certificate is signed with rsassa-pss, with unsupported parameters: hash, mask and salt must have the same length of at least 256 bits",
    );
}

#[test]
fn distinguished_names_that_are_constrained_are_called_so() {
    let constrain = |params: &mut rcgen::CertificateParams| {
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DirectoryName(DistinguishedName::new())],
            excluded_subtrees: Vec::new(),
        });
    };
    let said = "a CA of the chain constrains distinguished names, which is not supported";
    let root = Authority::new("Root");
    let middle = root.intermediate_with("Middle", constrain);
    says(&middle.leaf(&NAMES).issue().chain(), &[root.der()], said);
    let root = Authority::new_with("Root", constrain);
    says(&root.leaf(&NAMES).issue().chain(), &[root.der()], said);
}

#[test]
fn a_self_signed_certificate_is_called_so_whatever_its_key_is() {
    let root = Authority::new("Root");
    let leaf = Leaf::self_signed(&NAMES).issue().chain();
    // An unsupported curve.
    let weak = patched(
        &leaf[0],
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 1],
    );
    says(
        &[weak],
        &[root.der()],
        "the certificate has a key (EC P-192) that is of an unsupported type; the certificate is self-signed and not a trusted root",
    );
}
