//! The cases of badssl.com and more: the verdicts of openssl 3.0.19 (`s_client -verify_return_error`) and of the three
//! plugins. Where Canary is stricter, the expected message says why.

use canary_tests::certificate::{Authority, Certificate, Leaf, Ocsp, Revocation};
use canary_tests::harness::{AttemptBuilder, Harness, alone, ms};
use canary_tests::peer::Peer;
use canary_tests::peer::tls::{NAMES, legacy, site, talks};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    NameConstraints,
};
use rustls::version::{TLS12, TLS13};
use serde_json::{Value, json};

/// A server, and the expected verdicts.
struct Kind {
    name: &'static str,
    peer: Peer,
    /// The trusted authority of the check.
    ca: String,
    client: Option<Certificate>,
    openssl: Openssl,
    /// Part of the summary of every plugin that fails; empty for a check that passes.
    says: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Openssl {
    Passes,
    Fails,
    /// Openssl passes and Canary fails; the documentation of the plugin says why.
    PassesWhereCanaryIsStricter,
}
use Openssl::{Fails, Passes, PassesWhereCanaryIsStricter as Stricter};

fn kind(name: &'static str, peer: Peer, root: &Authority, openssl: Openssl, says: &'static str) -> Kind {
    Kind {
        name,
        peer,
        ca: root.pem(),
        client: None,
        openssl,
        says,
    }
}

fn ended(params: &mut CertificateParams) {
    params.not_after = params.not_before;
}

/// Cases about issuers and validity.
fn chains(root: &Authority) -> Vec<Kind> {
    let served = |leaf: Leaf<'_>| site(leaf.issue().server_config());
    let unknown = Authority::new("Unknown");
    let middle = root.intermediate("Middle");
    let old = Authority::new_with("Old Root", ended);
    let late = root.intermediate_with("Late", ended);
    let alone = middle.leaf(&NAMES).issue().without_intermediates();
    vec![
        kind("good", served(root.leaf(&NAMES)), root, Passes, ""),
        kind("intermediate", served(middle.leaf(&NAMES)), root, Passes, ""),
        kind(
            "self-signed",
            served(Leaf::self_signed(&NAMES)),
            root,
            Fails,
            "the certificate is self-signed and not a trusted root",
        ),
        kind(
            "unknown root",
            served(unknown.leaf(&NAMES)),
            root,
            Fails,
            "the issuer `CN=Unknown` of the certificate is neither a trusted root nor among the 1 certificate",
        ),
        kind(
            "missing intermediate",
            site(alone.server_config()),
            root,
            Fails,
            "the issuer `CN=Middle` of the certificate is neither a trusted root nor among the 1 certificate",
        ),
        kind(
            "expired",
            served(root.leaf(&NAMES).valid_until_days(-5)),
            root,
            Fails,
            "the certificate expired at ",
        ),
        kind(
            "not yet valid",
            served(root.leaf(&NAMES).valid_from_days(5)),
            root,
            Fails,
            "the certificate is not valid before ",
        ),
        kind(
            "expired intermediate",
            served(late.leaf(&NAMES)),
            root,
            Fails,
            "the certificate of `CN=Late` expired at ",
        ),
        kind(
            "expired root",
            served(old.leaf(&NAMES)),
            &old,
            Fails,
            "the root `CN=Old Root` expired at ",
        ),
        kind(
            "wrong host",
            served(root.leaf(&["wrong.test"])),
            root,
            Fails,
            "the certificate is not for `127.0.0.1`",
        ),
        kind(
            "no subject alternative names",
            served(root.leaf(&NAMES).with(|params| params.subject_alt_names.clear())),
            root,
            Stricter,
            "the certificate is not for `127.0.0.1`",
        ),
    ]
}

/// Cases about key usage and constraints.
fn purposes(root: &Authority) -> Vec<Kind> {
    let of =
        |change: fn(&mut CertificateParams)| site(root.leaf(&NAMES).with(change).issue().server_config());
    let constrained = root.intermediate_with("Constrained", |params| {
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("other.test".to_owned())],
            excluded_subtrees: Vec::new(),
        });
    });
    let short = root.intermediate_with("Short", |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    let shop = root.intermediate_with("Shop", |params| params.is_ca = IsCa::ExplicitNoCa);
    let below = |authority: &Authority| site(authority.leaf(&NAMES).issue().server_config());
    vec![
        kind(
            "for clients only",
            of(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
            root,
            Fails,
            "the certificate is not for servers, according to its extended key usage",
        ),
        kind(
            "an authority's own",
            of(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
            root,
            Stricter,
            "the certificate is a CA certificate, not a server certificate",
        ),
        kind(
            "unknown critical extension",
            of(|params| {
                let mut unknown = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
                unknown.set_criticality(true);
                params.custom_extensions.push(unknown);
            }),
            root,
            Fails,
            "the certificate has a critical extension that is not understood: 1.2.3.4",
        ),
        kind(
            "name constraints",
            below(&constrained),
            root,
            Fails,
            "the certificate is for names that its certificate authority may not issue for",
        ),
        kind(
            "path length",
            below(&short.intermediate("Below")),
            root,
            Fails,
            "the certificate of `CN=Short` has more CA certificates below it than it allows",
        ),
        kind(
            "leaf as issuer",
            below(&shop),
            root,
            Fails,
            "the certificate of `CN=Shop` issued another certificate, but is not a CA certificate",
        ),
        kind(
            "signed with another key",
            below(&Authority::new("Test Root")),
            root,
            Fails,
            "the certificate is not signed with the key of its issuer `CN=Test Root`",
        ),
    ]
}

/// Cases about revocation.
fn staples(root: &Authority) -> Vec<Kind> {
    let demanding = root.leaf(&NAMES).with(|params| {
        let features =
            CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 24], vec![0x30, 3, 2, 1, 5]);
        params.custom_extensions.push(features);
    });
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let stapled = |status: Revocation| {
        let leaf = root.leaf(&NAMES).issue();
        let chain = leaf.chain();
        let answer = chain
            .first()
            .map(|shown| Ocsp::new(root, shown, now).status(status).answer());
        site(leaf.server_config_stapling(answer.unwrap_or_default()))
    };
    vec![
        kind("staple: good", stapled(Revocation::Good), root, Passes, ""),
        kind(
            "staple: revoked",
            stapled(Revocation::Revoked(Some(1))),
            root,
            Stricter,
            "according to the stapled OCSP response: its key was compromised",
        ),
        kind(
            "staple: unknown",
            stapled(Revocation::Unknown),
            root,
            Stricter,
            "the issuer does not know the certificate, according to the stapled OCSP response",
        ),
        kind(
            "must-staple without a staple",
            site(demanding.issue().server_config()),
            root,
            Stricter,
            "the certificate requires a stapled OCSP response, but the server sent none",
        ),
    ]
}

/// Cases about client certificates.
fn clients(root: &Authority) -> Vec<Kind> {
    let members = Authority::new("Members");
    let mut kinds = Vec::new();
    for (name, versions, certificate, openssl, says) in [
        (
            "1.3, no client certificate",
            [&TLS13],
            None,
            Fails,
            "`certificate_required`",
        ),
        (
            "1.3, a stranger's client certificate",
            [&TLS13],
            Some(root.leaf(&["client"]).issue()),
            Fails,
            "it does not trust the CA that issued the client certificate",
        ),
        (
            "1.3, a client certificate",
            [&TLS13],
            Some(members.leaf(&["client"]).issue()),
            Passes,
            "",
        ),
        (
            "1.3, a client certificate of version 1",
            [&TLS13],
            Some(members.leaf(&["client"]).issue_version_1()),
            Fails,
            "the peer sent the alert",
        ),
        (
            "1.2, no client certificate",
            [&TLS12],
            None,
            Fails,
            "`certificate_required`",
        ),
        (
            "1.2, a client certificate",
            [&TLS12],
            Some(members.leaf(&["client"]).issue()),
            Passes,
            "",
        ),
    ] {
        let leaf = root.leaf(&NAMES).issue();
        let peer = site(leaf.server_config_with(&versions, Some(&members)));
        kinds.push(Kind {
            client: certificate,
            ..kind(name, peer, root, openssl, says)
        });
    }
    kinds
}

/// Cases about the protocol.
fn protocols(root: &Authority) -> Vec<Kind> {
    let expired = root.leaf(&NAMES).valid_until_days(-5);
    let good = root.leaf(&NAMES).issue();
    vec![
        kind(
            "TLS 1.0",
            legacy([3, 1], 0x002f, &expired.issue(), &[21, 3, 1, 0, 2, 2, 70]),
            root,
            Fails,
            "the server chooses TLS 1.0 with TLS_RSA_WITH_AES_128_CBC_SHA, but Canary offers TLS 1.2 and 1.3 with ECDHE and \
             AES-GCM or ChaCha20-Poly1305; its certificate: the certificate expired at ",
        ),
        kind(
            "RSA key exchange",
            legacy([3, 3], 0x009c, &good, &[21, 3, 3, 0, 2, 2, 40]),
            root,
            Stricter,
            "the server chooses TLS 1.2 with TLS_RSA_WITH_AES_128_GCM_SHA256",
        ),
        kind(
            "ECDHE and CBC, refused without a word",
            legacy([3, 3], 0xc013, &good, &[]),
            root,
            Stricter,
            "the server chooses TLS 1.2 with TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
        ),
        kind(
            "HTTP",
            talks(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            root,
            Fails,
            "the peer does not speak TLS: it sent `HTTP/1.1 400 Bad Request`",
        ),
        kind(
            "SSH",
            talks(b"SSH-2.0-OpenSSH_9.2\r\n"),
            root,
            Fails,
            "the peer does not speak TLS: it sent `SSH-2.0-OpenSSH_9.2`",
        ),
    ]
}

fn attempt<'h>(harness: &'h Harness, plugin: &str, kind: &Kind) -> AttemptBuilder<'h> {
    let address = kind.peer.address();
    let options = match &kind.client {
        None => json!({ "ca": kind.ca }),
        Some(client) => {
            json!({ "ca": kind.ca, "client_cert": client.chain_pem(), "client_key": client.key_pem() })
        }
    };
    let attempt = harness.plugin(plugin).timeout(ms(10_000));
    match (plugin, options) {
        ("tls", Value::Object(options)) => {
            let attempt = attempt.target(&address.to_string());
            options
                .into_iter()
                .fold(attempt, |attempt, (key, value)| attempt.set(&key, value))
        }
        ("http", options) => attempt.target(&format!("https://{address}/")).set("tls", options),
        (_, options) => attempt.target(&address.to_string()).set("tls", options),
    }
}

#[test]
fn every_kind_has_the_verdict_of_openssl_or_a_stricter_one_and_says_why_in_a_sentence() {
    alone(async {
        let harness = Harness::new().await;
        let root = Authority::new("Test Root");
        let kinds = [chains, purposes, staples, clients, protocols].map(|kinds| kinds(&root));
        for kind in kinds.iter().flatten() {
            for plugin in ["tls", "http", "tcp"] {
                let ran = attempt(&harness, plugin, kind).run().await;
                let expected = if kind.openssl == Passes { "pass" } else { "fail" };
                let what = format!("{} of {plugin}: {:?}", kind.name, ran.outcome);
                assert_eq!(ran.leaves_nothing().ended(), expected, "{what}");
                let summary = &ran.verdict().summary;
                assert!(summary.contains(kind.says), "{what}");
                let is_rust = [
                    "Error",
                    "::",
                    "{",
                    "Some(",
                    "Other",
                    "http://docs",
                    "https://docs",
                ];
                assert!(!is_rust.iter().any(|sign| summary.contains(sign)), "{what}");
            }
        }
    });
}
