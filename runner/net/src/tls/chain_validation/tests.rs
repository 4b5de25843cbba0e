mod authorities;
mod critical;
mod words;

use std::sync::Arc;

use canary_tests::certificate::{Authority, KeyKind, Leaf, patched};
use rcgen::{
    BasicConstraints, CustomExtension, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, NameConstraints,
    PKCS_RSA_SHA256, PublicKeyData, SignatureAlgorithm,
};
use rustls::client::danger::ServerCertVerifier;

use super::super::verify::{PeerCertificates, RecordingVerifier};
use super::*;

const NAMES: [&str; 1] = ["web.test"];

type Der = CertificateDer<'static>;

fn seen(chain: &[Der], roots: &[&Der]) -> PeerCertificates {
    let roots = Roots::new(roots.iter().map(|root| (*root).clone()).collect());
    let recorder = RecordingVerifier::new(Arc::new(roots), false);
    let name = ServerName::try_from("web.test").unwrap();
    let (leaf, above) = chain.split_first().unwrap();
    let judged = recorder.verify_server_cert(leaf, above, &name, &[], UnixTime::now());
    judged.unwrap();
    recorder.take().unwrap()
}

/// Empty if nothing is wrong.
fn reasons(chain: &[Der], roots: &[&Der]) -> String {
    let seen = seen(chain, roots);
    assert!(seen.untrusted.is_empty() || seen.untrusted.as_result().is_err());
    seen.untrusted.to_string()
}

#[track_caller]
fn says(chain: &[Der], roots: &[&Der], expected: &str) {
    let found = reasons(chain, roots);
    let pattern: Vec<&str> = expected.split('*').collect();
    let mut rest = found.as_str();
    for (place, part) in pattern.iter().enumerate() {
        let at = rest.find(part).filter(|at| place > 0 || *at == 0);
        let at = at.unwrap_or_else(|| panic!("{found}\nis not\n{expected}"));
        rest = &rest[at + part.len()..];
    }
    assert!(
        rest.is_empty() || expected.ends_with('*'),
        "{found}\nis not\n{expected}"
    );
}

#[test]
fn a_sound_chain_has_no_reasons_and_a_path() {
    let root = Authority::new("Root");
    let chain = root.intermediate("Middle").leaf(&NAMES).issue().chain();
    let seen = seen(&chain, &[root.der()]);
    assert!(seen.untrusted.is_empty(), "{}", seen.untrusted);
    assert_eq!(seen.verified_chain.unwrap().len(), 3);
}

#[test]
fn three_kinds_of_unknown_issuers_have_three_reasons() {
    let root = Authority::new("Root");
    let middle = root.intermediate("Middle");
    let known = Authority::new("Known");
    let itself = Leaf::self_signed(&NAMES).issue().chain();
    says(
        &itself,
        &[known.der()],
        "the certificate is self-signed and not a trusted root",
    );
    let mut whole = middle.leaf(&NAMES).issue().chain();
    let missing_root = "the issuer `CN=Root` of the certificate of `CN=Middle` is neither a trusted root nor among the 2 \
                        certificates that the server sent: an intermediate certificate is missing, or the root is not \
                        known here";
    says(&whole, &[known.der()], missing_root);
    whole.push(root.der().clone());
    says(
        &whole,
        &[known.der()],
        "the chain ends in `CN=Root`, which is not a trusted root",
    );
    says(
        &whole[..1],
        &[root.der()],
        "the issuer `CN=Middle` of the certificate is neither a trusted root nor among the 1 certificate that the server \
         sent: an intermediate certificate is missing, or the root is not known here",
    );
    let place = seen(&whole, &[known.der()])
        .untrusted
        .iter()
        .next()
        .unwrap()
        .certificate;
    assert_eq!(place, Some(2));
}

#[test]
fn a_reason_of_time_names_the_certificate() {
    let root = Authority::new("Root");
    says(
        &root.leaf(&NAMES).valid_until_days(-1).issue().chain(),
        &[root.der()],
        "the certificate expired at *Z",
    );
    says(
        &root.leaf(&NAMES).valid_from_days(2).issue().chain(),
        &[root.der()],
        "the certificate is not valid before *Z",
    );
    let middle = root.intermediate_with("Middle", |params| params.not_after = params.not_before);
    says(
        &middle.leaf(&NAMES).issue().chain(),
        &[root.der()],
        "the certificate of `CN=Middle` expired at *Z",
    );
    let old = Authority::new_with("Old Root", |params| params.not_after = params.not_before);
    says(
        &old.leaf(&NAMES).issue().chain(),
        &[old.der()],
        "the root `CN=Old Root` expired at *Z",
    );
    let young = Authority::new_with("Young Root", |params| params.not_before = params.not_after);
    says(
        &young.leaf(&NAMES).issue().chain(),
        &[young.der()],
        "the root `CN=Young Root` is not valid before *Z",
    );
}

#[test]
fn a_root_that_is_renewed_is_trusted_whichever_comes_first() {
    let root = Authority::new("Root");
    let old = root.renewed(|params| params.not_after = params.not_before);
    let chain = root.leaf(&NAMES).issue().chain();
    for roots in [[&old, root.der()], [root.der(), &old]] {
        says(&chain, &roots, "");
    }
    says(&chain, &[&old], "the root `CN=Root` expired at *Z");
}

#[test]
fn a_leaf_that_is_a_root_is_held_to_its_dates_and_its_key() {
    let leaf = Leaf::self_signed(&NAMES).valid_until_days(-1).issue().chain();
    says(&leaf, &[&leaf[0]], "the certificate expired at *Z");
    let good = Leaf::self_signed(&NAMES).issue().chain();
    says(&good, &[&good[0]], "");
}

#[test]
fn all_faults_are_reported() {
    let root = Authority::new("Root");
    let leaf = Leaf::self_signed(&["other.test"])
        .valid_until_days(-3)
        .with(|params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        });
    says(
        &leaf.issue().chain(),
        &[root.der()],
        "the certificate expired at *Z; the certificate is not for servers, according to its extended key usage; the \
         certificate is self-signed and not a trusted root; the certificate is not for `web.test`",
    );
    let middle = root.intermediate_with("Middle", |params| params.not_after = params.not_before);
    let both = middle.leaf(&NAMES).valid_until_days(-1).issue().chain();
    says(
        &both,
        &[root.der()],
        "the certificate expired at *Z; the certificate of `CN=Middle` expired at *Z",
    );
}

struct RsaKey(Vec<u8>);

impl RsaKey {
    fn of_bits(bits: usize) -> Self {
        let mut modulus = vec![0xa5; bits / 8];
        modulus.insert(0, 0);
        let mut content = der(2, &modulus);
        content.extend(der(2, &[1, 0, 1]));
        Self(der(0x30, &content))
    }
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    match u8::try_from(content.len()) {
        Ok(short @ 0..=127) => [&[tag, short], content].concat(),
        Ok(medium) => [&[tag, 0x81, medium], content].concat(),
        Err(_) => {
            let length = u16::try_from(content.len()).unwrap().to_be_bytes();
            [&[tag, 0x82], &length[..], content].concat()
        }
    }
}

impl PublicKeyData for RsaKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

#[test]
fn weak_keys_and_signatures_go_by_their_names() {
    let root = Authority::new("Root");
    let of_bits = |bits| vec![root.leaf(&NAMES).issue_for(&RsaKey::of_bits(bits))];
    says(
        &of_bits(1024),
        &[root.der()],
        "the certificate has a key (RSA 1024) that is too weak: RSA keys need at least 2048 bits",
    );
    says(
        &of_bits(16384),
        &[root.der()],
        "the certificate has a key (RSA 16384) that is too long: RSA keys of up to 8192 bits are supported",
    );
    let rsa = Authority::new_with_key("RSA Root", KeyKind::Rsa2048);
    let chain = rsa.leaf(&NAMES).issue().chain();
    says(&chain, &[rsa.der()], "");
    // sha256WithRSAEncryption, and the broken algorithms of the same family.
    const FAMILY: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1];
    for (last, name) in [(5, "sha1WithRSAEncryption"), (4, "md5WithRSAEncryption")] {
        let weak = patched(&chain[0], &[FAMILY, &[11]].concat(), &[FAMILY, &[last]].concat());
        says(
            &[weak],
            &[rsa.der()],
            &format!("the certificate is signed with {name}, which is too weak to be trusted"),
        );
    }
    let chain = root.leaf(&NAMES).issue().chain();
    let p192 = patched(
        &chain[0],
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 1],
    );
    says(
        &[p192],
        &[root.der()],
        "the certificate has a key (EC P-192) that is of an unsupported type*",
    );
}

#[test]
fn a_certificate_that_another_key_has_signed_is_named() {
    let root = Authority::new("Root");
    let other = Authority::new("Root");
    says(
        &root.leaf(&NAMES).issue().chain(),
        &[other.der()],
        "the certificate is not signed with the key of its issuer `CN=Root`",
    );
    let middle = other.intermediate("Middle");
    says(
        &middle.leaf(&NAMES).issue().chain(),
        &[root.der()],
        "the certificate of `CN=Middle` is not signed with the key of its issuer `CN=Root`",
    );
}

#[test]
fn a_wrong_purpose_of_a_certificate_is_reported() {
    let root = Authority::new("Root");
    let of = |change: fn(&mut rcgen::CertificateParams)| root.leaf(&NAMES).with(change).issue().chain();
    let for_clients = of(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    says(
        &for_clients,
        &[root.der()],
        "the certificate is not for servers, according to its extended key usage",
    );
    let authority = of(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    says(
        &authority,
        &[root.der()],
        "the certificate is a CA certificate, not a server certificate",
    );
    let critical = of(|params| {
        let mut unknown = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        unknown.set_criticality(true);
        params.custom_extensions.push(unknown);
    });
    says(
        &critical,
        &[root.der()],
        "the certificate has a critical extension that is not understood: 1.2.3.4",
    );
    let leaf = root.intermediate_with("Shop", |params| params.is_ca = IsCa::ExplicitNoCa);
    says(
        &leaf.leaf(&NAMES).issue().chain(),
        &[root.der()],
        "the certificate of `CN=Shop` issued another certificate, but is not a CA certificate",
    );
}

#[test]
fn violated_constraints_of_an_authority_are_reported() {
    let constrained = Authority::new_with("Root", |params| {
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("other.test".to_owned())],
            excluded_subtrees: Vec::new(),
        });
    });
    says(
        &constrained.leaf(&NAMES).issue().chain(),
        &[constrained.der()],
        "the certificate is for names that its certificate authority may not issue for",
    );
    let root = Authority::new("Root");
    let short = root.intermediate_with("Short", |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    let below = short.intermediate("Below");
    says(
        &below.leaf(&NAMES).issue().chain(),
        &[root.der()],
        "the certificate of `CN=Short` has more CA certificates below it than it allows",
    );
}

#[test]
fn names_that_a_peer_made_up_are_cut_and_garbage_is_called_so() {
    let root = Authority::new("Root");
    let endless = Authority::new(&"x".repeat(5000));
    let found = reasons(&endless.leaf(&NAMES).issue().chain(), &[root.der()]);
    assert!(found.len() < 500, "{found}");
    let garbage = CertificateDer::from(vec![0x30, 1, 2]);
    says(&[garbage], &[root.der()], "the certificate cannot be read");
}

#[test]
fn a_handshake_that_is_broken_off_has_all_reasons() {
    let root = Authority::new("Root");
    let roots = Roots::new(vec![root.der().clone()]);
    let recorder = RecordingVerifier::new(Arc::new(roots), true);
    let leaf = root
        .leaf(&["other.test"])
        .valid_until_days(-1)
        .issue()
        .chain()
        .remove(0);
    let name = ServerName::try_from("web.test").unwrap();
    let refused = recorder.verify_server_cert(&leaf, &[], &name, &[], UnixTime::now());
    let said = super::super::explain(&refused.unwrap_err());
    let (first, second) = said.split_once("; ").unwrap();
    assert!(first.starts_with("the certificate expired at "), "{first}");
    assert_eq!(second, "the certificate is not for `web.test`");
}
