use canary_sdk::fake::{FakeHost, NOW, Script, certificate, session};
use canary_sdk::tls::{Certificate, Examination, Session, Version};
use canary_sdk::{Status, Timestamp, tls};
use serde_json::{Value, json};

use super::*;

const DAY: i64 = 86_400;

fn evaluate(session: Session, config: Value) -> Verdict {
    let host = FakeHost::new().tcp("web.test:443", Script::new().tls(session));
    let verdict = host.run::<Tls>("web.test", config).unwrap();
    assert_eq!(host.open_connections(), 0);
    verdict
}

fn ending_in(days: i64) -> Certificate {
    Certificate {
        not_after: Timestamp::from_unix(NOW.unix() + days * DAY),
        ..certificate("web.test")
    }
}

fn untrusted(leaf: Certificate, reason: &str) -> Session {
    Session {
        reasons: vec![tls::Reason::new("other", reason)],
        verified_chain: None,
        ..session([leaf])
    }
}

#[track_caller]
fn status_of(verdict: &Verdict, assertion: &str) -> Status {
    verdict
        .assertion(assertion)
        .unwrap_or_else(|| panic!("no assertion `{assertion}`: {verdict:?}"))
        .status
}

#[track_caller]
fn message_of<'v>(verdict: &'v Verdict, assertion: &str) -> &'v str {
    &verdict.assertion(assertion).unwrap().message
}

#[test]
fn a_good_certificate_passes_and_is_reported_in_full() {
    let verdict = evaluate(session([ending_in(60)]), json!({}));
    assert_eq!(verdict.status(), Status::Pass);
    assert_eq!(
        verdict.summary(),
        "TLS 1.3, certificate valid until 2026-03-02T00:00:00Z, 60.0 days left"
    );
    for (key, value) in [
        ("tls.version", "1.3"),
        ("tls.cipher_suite", "TLS13_AES_256_GCM_SHA384"),
        ("tls.ocsp_staple", "absent"),
        ("certificate.subject", "CN=web.test"),
        ("certificate.issuer", "CN=Test CA,O=Test"),
        ("certificate.serial", "0a"),
        ("certificate.names", "web.test"),
        ("certificate.not_after", "2026-03-02T00:00:00Z"),
        ("certificate.days_left", "60.0"),
        ("certificate.trusted", "true"),
        ("chain.length", "1"),
    ] {
        assert_eq!(verdict.attribute(key), Some(value), "{key}");
    }
    assert_eq!(verdict.measurement("certificate.days_left"), Some(60.0));
    assert_eq!(
        verdict.measurement("certificate.not_after"),
        Some(1_772_409_600.0)
    );
    assert_eq!(verdict.measurement("handshake.duration"), Some(0.002));
}

#[test]
fn an_expired_certificate_fails_with_its_end_the_days_and_the_reason() {
    let verdict = evaluate(
        untrusted(ending_in(-10), "certificate expired 10 days ago"),
        json!({}),
    );
    assert_eq!(verdict.status(), Status::Fail);
    assert_eq!(message_of(&verdict, "trusted"), "certificate expired 10 days ago");
    assert_eq!(
        message_of(&verdict, "expiry"),
        "expired 2025-12-22T00:00:00Z, 10.0 days ago"
    );
    assert_eq!(
        verdict.attribute("certificate.not_after"),
        Some("2025-12-22T00:00:00Z")
    );
    assert_eq!(verdict.measurement("certificate.days_left"), Some(-10.0));
}

#[test]
fn an_untrusted_certificate_fails_with_its_end_the_days_and_the_reason() {
    let verdict = evaluate(untrusted(ending_in(60), "unknown issuer"), json!({}));
    assert_eq!(verdict.summary(), "trusted: unknown issuer");
    assert_eq!(status_of(&verdict, "expiry"), Status::Pass);
    assert_eq!(
        verdict.attribute("certificate.untrusted_reason"),
        Some("unknown issuer")
    );
    assert_eq!(
        verdict.attribute("certificate.not_after"),
        Some("2026-03-02T00:00:00Z")
    );
}

#[test]
fn a_certificate_of_the_chain_that_cannot_be_read_has_no_dates() {
    let broken = Certificate {
        not_after: Timestamp::from_unix(0),
        public_key: String::new(),
        ..certificate("unreadable")
    };
    let session = Session {
        chain: vec![ending_in(60), broken],
        ..untrusted(ending_in(60), "cannot be read")
    };
    let verdict = evaluate(session.clone(), json!({ "trusted": false }));
    assert_eq!(verdict.status(), Status::Pass);
    assert_eq!(verdict.attribute("chain.not_after"), Some("2026-03-02T00:00:00Z"));
    let verdict = evaluate(session, json!({ "trusted": false, "chain": {} }));
    assert_eq!(status_of(&verdict, "chain expiry"), Status::Fail);
    assert_eq!(
        message_of(&verdict, "chain expiry"),
        "certificate 1 of the chain cannot be read (the leaf is 0)"
    );
}

#[test]
fn trust_that_is_not_required_is_still_reported() {
    let verdict = evaluate(
        untrusted(ending_in(60), "unknown issuer"),
        json!({ "trusted": false }),
    );
    assert_eq!(verdict.status(), Status::Pass);
    assert!(verdict.assertion("trusted").is_none());
    assert_eq!(verdict.attribute("certificate.trusted"), Some("false"));
}

#[test]
fn a_handshake_never_asks_for_a_valid_chain_or_a_version() {
    let host = FakeHost::new().tcp("web.test:443", Script::new().tls(session([ending_in(60)])));
    let config = json!({ "min_version": "1.3", "server_name": "other.test", "alpn": ["h2"], "ca": "PEM" });
    host.run::<Tls>("web.test", config).unwrap();
    let options = host.handshakes().remove(0);
    assert!(!options.require_valid && options.min_version.is_none());
    assert_eq!(options.server_name.as_deref(), Some("other.test"));
    assert_eq!(options.ca_certificates.as_deref(), Some("PEM"));
    assert!(options.sni);
    host.run::<Tls>("web.test", json!({ "sni": false })).unwrap();
    assert!(!host.handshakes()[1].sni);
}

#[test]
fn the_end_comes_closer_in_two_steps() {
    let expiry = |days, config: Value| status_of(&evaluate(session([ending_in(days)]), config), "expiry");
    assert_eq!(
        [22, 20, 6].map(|days| expiry(days, json!({}))),
        [Status::Pass, Status::Warn, Status::Fail]
    );
    let config = json!({ "warn_within": "3d", "fail_within": "36h" });
    assert_eq!(
        [4, 2, 1].map(|days| expiry(days, config.clone())),
        [Status::Pass, Status::Warn, Status::Fail]
    );
    let verdict = evaluate(session([ending_in(20)]), json!({}));
    assert_eq!(
        verdict.summary(),
        "expiry: valid until 2026-01-21T00:00:00Z, 20.0 days left, fewer than `warn_within` (21d)"
    );
}

#[test]
fn a_certificate_of_the_future_fails() {
    let leaf = Certificate {
        not_before: Timestamp::from_unix(NOW.unix() + DAY),
        ..ending_in(60)
    };
    let verdict = evaluate(untrusted(leaf, "not valid yet"), json!({}));
    assert_eq!(
        message_of(&verdict, "expiry"),
        "not valid before 2026-01-02T00:00:00Z"
    );
    assert_eq!(status_of(&verdict, "expiry"), Status::Fail);
}

#[test]
fn the_chain_is_evaluated_by_the_first_to_end_when_asked() {
    let intermediate = Certificate {
        subject: "CN=Middle".into(),
        is_ca: true,
        ..ending_in(10)
    };
    let chain = session([ending_in(60), intermediate]);
    let verdict = evaluate(chain.clone(), json!({}));
    assert_eq!(
        (verdict.status(), verdict.measurement("chain.days_left")),
        (Status::Pass, Some(10.0))
    );
    let verdict = evaluate(chain.clone(), json!({ "chain": {} }));
    assert_eq!(status_of(&verdict, "chain expiry"), Status::Warn);
    assert!(message_of(&verdict, "chain expiry").starts_with("`CN=Middle` expires first"));
    let verdict = evaluate(
        chain,
        json!({ "chain": { "warn_within": "30d", "fail_within": "14d" } }),
    );
    assert_eq!(status_of(&verdict, "chain expiry"), Status::Fail);
}

#[test]
fn a_certificate_that_no_path_needs_is_not_evaluated() {
    let sent = Session {
        verified_chain: Some(vec![ending_in(60)]),
        ..session([ending_in(60), ending_in(-9)])
    };
    let verdict = evaluate(sent, json!({ "chain": {} }));
    assert_eq!(status_of(&verdict, "chain expiry"), Status::Pass);
    assert_eq!(verdict.attribute("chain.length"), Some("2"));
}

#[test]
fn each_name_is_an_assertion_and_wildcards_count() {
    let leaf = Certificate {
        dns_names: vec!["*.test".into()],
        ..ending_in(60)
    };
    let verdict = evaluate(session([leaf]), json!({ "names": ["web.test", "a.web.test"] }));
    assert_eq!(status_of(&verdict, "name web.test"), Status::Pass);
    assert_eq!(
        message_of(&verdict, "name a.web.test"),
        "not covered, the certificate is for *.test"
    );
}

#[test]
fn an_old_version_is_reported_and_fails() {
    let old = Session {
        version: Version::Tls12,
        ..session([ending_in(60)])
    };
    let verdict = evaluate(old, json!({ "min_version": "1.3" }));
    assert_eq!(message_of(&verdict, "version"), "TLS 1.2, expected 1.3 or newer");
    assert_eq!(status_of(&verdict, "version"), Status::Fail);
}

#[test]
fn only_rsa_keys_have_a_least_length() {
    let key = |key: &str| {
        let leaf = Certificate {
            public_key: key.into(),
            ..ending_in(60)
        };
        status_of(&evaluate(session([leaf]), json!({ "min_key_bits": 2048 })), "key")
    };
    assert_eq!(
        [key("RSA 1024"), key("RSA 2048"), key("EC P-256")],
        [Status::Fail, Status::Pass, Status::Pass]
    );
}

#[test]
fn the_issuer_is_searched_in_its_name() {
    let issuer = |text: &str| {
        status_of(
            &evaluate(session([ending_in(60)]), json!({ "issuer": text })),
            "issuer",
        )
    };
    assert_eq!([issuer("O=Test"), issuer("O=Evil")], [Status::Pass, Status::Fail]);
}

#[test]
fn a_pin_is_compared_without_colons_and_case() {
    let pin = vec!["AB"; 32].join(":");
    let verdict = evaluate(
        session([ending_in(60)]),
        json!({ "fingerprints": ["00".repeat(32), pin] }),
    );
    assert_eq!(status_of(&verdict, "fingerprint"), Status::Pass);
    let verdict = evaluate(
        session([ending_in(60)]),
        json!({ "fingerprints": ["00".repeat(32)] }),
    );
    assert_eq!(status_of(&verdict, "fingerprint"), Status::Fail);
}

#[test]
fn a_pinned_certificate_that_proves_nothing_does_not_count() {
    let pinned = Certificate {
        fingerprint: "00".repeat(32),
        ..ending_in(60)
    };
    let forged = Session {
        chain: vec![ending_in(60), pinned],
        ..untrusted(ending_in(60), "unknown issuer")
    };
    let verdict = evaluate(forged, json!({ "fingerprints": ["00".repeat(32)] }));
    assert_eq!(status_of(&verdict, "fingerprint"), Status::Fail);
}

#[test]
fn a_server_must_choose_an_offered_protocol() {
    let chosen = Session {
        alpn: Some("h2".into()),
        ..session([ending_in(60)])
    };
    assert_eq!(
        status_of(&evaluate(chosen, json!({ "alpn": ["h2"] })), "alpn"),
        Status::Pass
    );
    let verdict = evaluate(session([ending_in(60)]), json!({ "alpn": ["h2", "http/1.1"] }));
    assert_eq!(
        message_of(&verdict, "alpn"),
        "the server chose none of h2, http/1.1"
    );
}

#[test]
fn a_staple_is_shown() {
    let stapled = Session {
        ocsp_staple: Some(vec![0x30]),
        ..session([ending_in(60)])
    };
    assert_eq!(
        evaluate(stapled, json!({})).attribute("tls.ocsp_staple"),
        Some("sent")
    );
}

#[test]
fn a_server_without_a_certificate_fails() {
    assert_eq!(
        evaluate(session([]), json!({})).summary(),
        "certificate: the server sent none"
    );
}

#[test]
fn a_handshake_that_fails_names_its_phase() {
    let host = FakeHost::new().tcp(
        "web.test:8443",
        Script::new().refuse_tls("received alert: handshake failure"),
    );
    let verdict = host.run::<Tls>("web.test:8443", json!({})).unwrap();
    assert_eq!(
        verdict.summary(),
        "handshake: TLS: received alert: handshake failure"
    );
}

#[test]
fn a_client_certificate_without_its_key_is_no_verdict() {
    let error = FakeHost::new()
        .run::<Tls>("web.test", json!({ "client_cert": "PEM" }))
        .unwrap_err();
    assert_eq!(error, "`client_cert` needs a `client_key`");
}

#[test]
fn many_names_are_cut() {
    let dns_names = (0..25).map(|number| format!("{number}.test")).collect();
    let verdict = evaluate(
        session([Certificate {
            dns_names,
            ..ending_in(60)
        }]),
        json!({}),
    );
    let listed = verdict.attribute("certificate.names").unwrap();
    assert!(listed.ends_with("19.test and 5 more"), "{listed}");
}

#[test]
fn a_server_of_older_tls_fails_and_its_certificate_is_evaluated_and_reported() {
    let shown = Examination {
        version: "TLS 1.0".into(),
        cipher_suite: "TLS_RSA_WITH_AES_128_CBC_SHA".into(),
        chain: vec![ending_in(-2)],
        verified_chain: None,
        reasons: vec![tls::Reason::new("other", "the certificate expired")],
    };
    let host = FakeHost::new().tcp("web.test:443", Script::new().old_tls("too old", shown));
    let verdict = host.run::<Tls>("web.test", json!({ "trusted": false })).unwrap();
    assert_eq!(verdict.status(), Status::Fail);
    assert_eq!(message_of(&verdict, "handshake"), "handshake: TLS: too old");
    assert_eq!(status_of(&verdict, "expiry"), Status::Fail);
    assert_eq!(verdict.attribute("tls.version"), Some("TLS 1.0"));
    assert_eq!(verdict.attribute("certificate.days_left"), Some("-2.0"));
    assert_eq!(verdict.measurement("certificate.days_left"), Some(-2.0));
    assert!(verdict.assertion("trusted").is_none());
    assert_eq!(host.open_connections(), 0);
}
