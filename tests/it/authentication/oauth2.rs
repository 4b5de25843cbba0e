//! Access tokens, from token servers of all kinds.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use canary::quota::QuotaKind;
use canary::trace::StepKind;
use canary_tests::certificate::Authority;
use canary_tests::harness::{AttemptBuilder, AttemptResult, Harness, alone, ms};
use canary_tests::peer::canned::{Then, canned};
use canary_tests::peer::http::{Reply, Request, Site};
use canary_tests::peer::tls::NAMES;
use serde_json::{Value, json};

use super::{all_texts, failure, passes};

const SECRET: &str = "correct horse+battery";
const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl";

/// Settings of a client; `more` replaces some of them.
fn settings(token_url: &str, more: &Value) -> Value {
    let mut oauth2 = json!({ "token_url": token_url, "client_id": "can:ary", "client_secret": SECRET });
    if let (Some(settings), Some(more)) = (oauth2.as_object_mut(), more.as_object()) {
        settings.extend(more.clone());
    }
    json!({ "oauth2": oauth2 })
}

/// A token server that gives `answer` to every request.
fn issuer(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Site {
    Site::start(answer)
}

fn token(kind: &str) -> Reply {
    let answer =
        json!({ "access_token": TOKEN, "token_type": kind, "expires_in": 60, "x": [1, { "y": null }] });
    Reply::json(answer.to_string())
}

/// The target: it shows what it was sent.
fn target() -> Site {
    Site::start(|request| match request.header("authorization") {
        Some(sent) if sent == format!("Bearer {TOKEN}") => Reply::text(format!("you sent {sent}")),
        _ => Reply::status(401),
    })
}

fn check<'h>(harness: &'h Harness, target: &Site, issuer: &Site, more: &Value) -> AttemptBuilder<'h> {
    let attempt = harness.plugin("http").target(&target.url("http", "/"));
    let attempt = attempt.allow(&issuer.url("http", ""));
    attempt.set("auth", settings(&issuer.url("http", "/oauth/token"), more))
}

fn measured(ran: &AttemptResult, name: &str) -> Option<f64> {
    let number = ran
        .verdict()
        .measurements
        .iter()
        .find(|number| &*number.name == name);
    number.map(|number| number.value)
}

#[test]
fn a_token_is_obtained_and_sent() {
    alone(async {
        let harness = Harness::new().await;
        let (target, issuer) = (target(), issuer(|_| token("bearer")));
        let scopes = json!({ "scopes": ["read", "write:all"], "audience": "https://api", "params": { "resource": "a&b" } });
        let ran = check(&harness, &target, &issuer, &scopes).run().await;
        passes(&ran);
        let sent = issuer.requests();
        assert_eq!((sent.len(), target.requests().len()), (1, 1));
        assert_eq!(
            (sent[0].method.as_str(), sent[0].path()),
            ("POST", "/oauth/token")
        );
        let credentials = BASE64_STANDARD.encode("can%3Aary:correct+horse%2Bbattery");
        assert_eq!(
            sent[0].header("authorization"),
            Some(format!("Basic {credentials}").as_str())
        );
        assert_eq!(
            sent[0].header("content-type"),
            Some("application/x-www-form-urlencoded")
        );
        assert_eq!(
            sent[0].body,
            "grant_type=client_credentials&scope=read+write%3Aall&audience=https%3A%2F%2Fapi&resource=a%26b"
        );
        assert!(measured(&ran, "http.auth.duration").is_some());
        let requests = ran.trail.steps.iter().filter_map(|step| match &step.kind {
            StepKind::Request(request) => Some(request.url.to_string()),
            _ => None,
        });
        let requests: Vec<_> = requests.collect();
        assert_eq!(
            requests,
            [issuer.url("http", "/oauth/token"), target.url("http", "/")]
        );
    });
}

#[test]
fn a_client_may_authenticate_in_the_body() {
    alone(async {
        let harness = Harness::new().await;
        let (target, issuer) = (target(), issuer(|_| token("Bearer")));
        let ran = check(&harness, &target, &issuer, &json!({ "client_auth": "body" }))
            .run()
            .await;
        passes(&ran);
        let sent = issuer.requests().remove(0);
        assert_eq!(sent.header("authorization"), None);
        assert_eq!(
            sent.body,
            "grant_type=client_credentials&client_id=can%3Aary&client_secret=correct+horse%2Bbattery"
        );
    });
}

#[test]
fn a_token_server_is_verified_even_if_the_target_is_not() {
    alone(async {
        let harness = Harness::new().await;
        let authority = Authority::new("Test Root");
        let certificate = authority.leaf(&NAMES).issue();
        let secure = Site::start_tls(certificate.server_config(), |_| token("Bearer"));
        let target = target();
        let attempt = harness.plugin("http").target(&target.url("http", "/"));
        let attempt = attempt.set("auth", settings(&secure.url("https", "/"), &json!({})));
        let attempt = attempt.allow(&secure.url("https", ""));
        passes(
            &attempt
                .clone()
                .set("tls", json!({ "ca": authority.pem(), "server_name": "x.test" }))
                .run()
                .await,
        );
        let summary = failure(&attempt.set("tls", json!({ "trusted": false })).run().await);
        assert!(
            summary.contains("`CN=Test Root` of the certificate is neither a trusted root"),
            "{summary}"
        );
        assert_eq!(target.requests().len(), 1);
    });
}

/// Answers of a token server, and what is said of each.
fn answers_without_a_token() -> Vec<(Reply, &'static str)> {
    let refusal =
        json!({ "error": "invalid_client", "error_description": "no such \"client\"\r\nhere" }).to_string();
    let page = || Reply::text("<h1>Log in</h1>").header("x", "y");
    vec![
        (
            Reply::status(400).body(refusal.clone()),
            "it answers 400 Bad Request: `invalid_client` (no such \\\"client\\\"\\r\\nhere)",
        ),
        (
            Reply::status(401)
                .header("www-authenticate", "Basic")
                .body(r#"{"error":"invalid_client"}"#),
            "it answers 401 Unauthorized: `invalid_client`",
        ),
        (
            Reply::json(refusal),
            "it answers 200 OK: `invalid_client` (no such \\\"client\\\"\\r\\nhere)",
        ),
        (Reply::status(503), "it answers 503 Service Unavailable"),
        (
            Reply::status(500).body("{}"),
            "it answers 500 Internal Server Error",
        ),
        (
            Reply::redirect(302, "/login"),
            "it answers 302 Found, and a redirect of a token server is not followed",
        ),
        (
            page(),
            "its answer is not JSON, but `text/plain; charset=utf-8` of 15 B",
        ),
        (
            Reply::status(200),
            "its answer is not JSON, but 0 B without a content type",
        ),
        (Reply::json("[1]"), "its answer is not JSON as in RFC 6749"),
        (
            Reply::json("{\"access_token\":5}"),
            "its answer is not JSON as in RFC 6749",
        ),
        (Reply::json("{}"), "its answer has no `access_token`"),
        (
            Reply::json("{\"access_token\":\"\"}"),
            "its answer has no `access_token`",
        ),
        (token("mac"), "its token is of the type `mac`, and not `Bearer`"),
        (
            Reply::json("{\"access_token\":\"a b\\r\\nx: y\",\"token_type\":\"Bearer\"}"),
            "its token has characters that a header must not have",
        ),
        (
            Reply::json(" ".repeat(70_000)),
            "its answer is longer than 64.0 KiB",
        ),
        (
            Reply::json(json!({ "access_token": "x".repeat(40_000) }).to_string()),
            "its token is too long to be masked in texts",
        ),
        (
            Reply::json("[".repeat(50_000)),
            "its answer is not JSON as in RFC 6749",
        ),
        (
            Reply::json("[\"a\",\"Bearer\",null,null,null,null]"),
            "its answer is not JSON as in RFC 6749",
        ),
        (
            Reply::json(format!("{{\"a\":{}", "[".repeat(50_000))),
            "its answer is not JSON, but `application/json` of 48.8 KiB",
        ),
    ]
}

/// The target is not contacted, and nothing is said about it.
#[test]
fn a_token_server_that_gives_no_token_is_no_failure_of_the_target() {
    alone(async {
        let harness = Harness::new().await;
        let target = target();
        for (answer, expected) in answers_without_a_token() {
            let issuer = issuer(move |_| answer.clone());
            let ran = check(&harness, &target, &issuer, &json!({})).run().await;
            let url = issuer.url("http", "/oauth/token");
            assert_eq!(failure(&ran), format!("auth: no token from `{url}`: {expected}"));
            assert!(ran.usage.own_fault().is_some(), "{:?}", ran.outcome);
            assert!(measured(&ran, "http.auth.duration").is_some());
        }
        assert!(target.requests().is_empty());
    });
}

#[test]
fn a_token_server_that_cannot_be_reached_is_named() {
    alone(async {
        let harness = Harness::new().await;
        let target = target();
        let of = async |token_url: &str| {
            let attempt = harness
                .plugin("http")
                .target(&target.url("http", "/"))
                .timeout(ms(5_000));
            let attempt = attempt
                .allow(token_url)
                .set("auth", settings(token_url, &json!({})));
            let ran = attempt.run().await;
            assert!(ran.usage.own_fault().is_some(), "{:?}", ran.outcome);
            // A verdict, and so within the time-out.
            failure(&ran)
        };
        assert_eq!(
            of("http://127.0.0.1:1").await,
            "auth: no token from `http://127.0.0.1:1`: connect: connection refused"
        );
        let silent = canned(|_| Vec::new(), Then::Hangs);
        assert!(of(&silent.url("http", "")).await.ends_with(": wait: timed out"));
        let garbage = canned(|_| b"SSH-2.0-x\r\n".to_vec(), Then::Closes);
        assert!(of(&garbage.url("http", "")).await.contains("SSH-2.0-x"));
        let short = canned(
            |_| b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{".to_vec(),
            Then::Closes,
        );
        assert!(
            of(&short.url("http", ""))
                .await
                .ends_with("after 1 of 10 bytes of the body")
        );
        assert!(target.requests().is_empty());
    });
}

#[test]
fn a_token_server_has_to_be_granted_and_counts_against_the_quotas() {
    alone(async {
        let harness = Harness::new().await;
        let (target, issuer) = (target(), issuer(|_| token("Bearer")));
        let attempt = harness.plugin("http").target(&target.url("http", "/"));
        let attempt = attempt.set("auth", settings(&issuer.url("http", "/"), &json!({})));
        let ran = attempt.run().await;
        let summary = failure(&ran);
        let place = issuer.url("http", "");
        assert!(
            summary.contains(&format!(
                "is not granted to this check; to grant it, add `{place}` to its `allow`"
            )),
            "{summary}"
        );
        assert_eq!(ran.usage.ungranted, 1);
        let ran = check(&harness, &target, &issuer, &json!({}))
            .quota(|quota| quota.connections = 1)
            .run()
            .await;
        assert!(
            ran.usage.denials.contains_key(&QuotaKind::Connections),
            "{:?}",
            ran.outcome
        );
        failure(&ran);
        assert!(target.requests().is_empty());
    });
}

#[test]
fn a_token_is_shown_nowhere() {
    alone(async {
        let harness = Harness::new().await;
        let (target, issuer) = (target(), issuer(|_| token("Bearer")));
        let attempt = check(&harness, &target, &issuer, &json!({})).record_conversation();
        let expect = json!({ "body": { "equals": "other" }, "headers": { "x": "y" } });
        let ran = attempt.set("expect", expect).run().await;
        let summary = failure(&ran);
        let texts = all_texts(&ran);
        assert!(texts.contains("you sent Bearer ***"), "{texts}");
        for part in [TOKEN, "eyJhbGciOiJub25lIn0", "c2lnbmF0dXJl"] {
            assert!(
                !texts.contains(part) && !summary.contains(part),
                "{part}: {texts}"
            );
        }
        // Nor one that was not recognised.
        let form = Site::start(|_| Reply::text(format!("access_token={TOKEN}&token_type=bearer")));
        let ran = check(&harness, &target, &form, &json!({}))
            .record_conversation()
            .run()
            .await;
        failure(&ran);
        assert!(
            !all_texts(&ran).contains("eyJhbGciOiJub25lIn0"),
            "{}",
            all_texts(&ran)
        );
    });
}

#[test]
fn a_token_does_not_go_to_another_origin() {
    alone(async {
        let harness = Harness::new().await;
        let issuer = issuer(|_| token("Bearer"));
        let other = Site::start(|_| Reply::text("fine"));
        for (path, ended) in [("/", "pass"), (&*format!("/?stolen={TOKEN}"), "fail")] {
            let place = other.url("http", path);
            let target = Site::start(move |_| Reply::redirect(302, &place));
            let attempt = check(&harness, &target, &issuer, &json!({})).allow(&other.url("http", ""));
            let ran = attempt.run().await;
            assert_eq!(ran.leaves_nothing().ended(), ended, "{:?}", ran.outcome);
            assert!(!format!("{:?}", ran.outcome).contains(TOKEN), "{:?}", ran.outcome);
        }
        assert_eq!(other.requests().len(), 1);
        assert_eq!(other.requests()[0].header("authorization"), None);
    });
}

/// The token server chooses the token, and with it the size of the request.
#[test]
fn a_token_that_does_not_fit_into_the_request_is_no_fault_of_the_plugin() {
    alone(async {
        let harness = Harness::new().await;
        let answer = json!({ "access_token": "t".repeat(15 << 10), "token_type": "Bearer" }).to_string();
        let (target, issuer) = (target(), issuer(move |_| Reply::json(answer.clone())));
        let attempt = check(&harness, &target, &issuer, &json!({}));
        let ran = attempt
            .set("headers", json!({ "x-long": "x".repeat(60 << 10) }))
            .run()
            .await;
        assert_eq!(
            failure(&ran),
            "auth: the token makes the headers of the request too long"
        );
        assert!(ran.usage.own_fault().is_some());
        assert!(target.requests().is_empty());
    });
}
