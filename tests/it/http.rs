//! The http plugin against a good site.

use canary::trace::StepKind;
use canary_tests::certificate::Authority;
use canary_tests::harness::{Harness, alone};
use canary_tests::peer::http::{Reply, Request, Site};
use canary_tests::peer::tls::NAMES;
use serde_json::{Value, json};

fn route(request: &Request) -> Reply {
    match request.path() {
        "/" => Reply::text("Welcome to v1.2").header("server", "canary"),
        "/status" => Reply::json(r#"{"status":"ok","replicas":[{"lag":1},{"lag":9}]}"#),
        "/old" => Reply::redirect(302, "/"),
        "/echo" => Reply::text(request.body.clone()),
        "/private" if request.header("authorization") == Some("Basic dXNlcjpwYXNz") => Reply::text("in"),
        "/private" => Reply::status(401),
        _ => Reply::status(404),
    }
}

#[test]
fn a_site_is_judged_by_status_header_body_json_and_redirect() {
    let cases = [
        ("/", json!({}), "pass"),
        (
            "/",
            json!({ "body": { "contains": "Welcome", "matches": "v[0-9]" } }),
            "pass",
        ),
        ("/", json!({ "body": { "not_contains": "Welcome" } }), "fail"),
        (
            "/",
            json!({ "headers": { "server": "canary", "x-none": { "absent": true } } }),
            "pass",
        ),
        (
            "/",
            json!({ "headers": { "content-type": { "matches": "^text/html" } } }),
            "fail",
        ),
        ("/status", json!({ "json": { "$.status": "ok" } }), "pass"),
        ("/status", json!({ "json": { "$.replicas[*].lag": 1 } }), "fail"),
        ("/old", json!({ "status": 200 }), "pass"),
        ("/none", json!({}), "fail"),
        ("/none", json!({ "status": [200, "400-404"] }), "pass"),
    ];
    alone(async {
        let harness = Harness::new().await;
        let site = Site::start(route);
        for (path, expect, ended) in cases {
            let attempt = harness.plugin("http").target(&site.url("http", path));
            let ran = attempt.set("expect", expect.clone()).run().await;
            assert_eq!(
                ran.leaves_nothing().ended(),
                ended,
                "{path} {expect}: {:?}",
                ran.outcome
            );
            assert_eq!(ran.usage.reclaimed, 0, "{path} {expect}");
        }
    });
}

#[test]
fn a_request_carries_its_method_body_credentials_and_trace() {
    alone(async {
        let harness = Harness::new().await;
        let site = Site::start(route);
        let attempt = harness
            .plugin("http")
            .target(&site.url("http", "/echo"))
            .set("method", "POST");
        let attempt = attempt.set("body", "ping").set("propagate_trace", true);
        let ran = attempt
            .set("expect", json!({ "body": { "contains": "ping" } }))
            .run()
            .await;
        assert_eq!(ran.leaves_nothing().ended(), "pass", "{:?}", ran.outcome);
        let asked = ran.trail.steps.last().unwrap().clone();
        let attempt = harness.plugin("http").target(&site.url("http", "/private"));
        let ran = attempt
            .set("basic_auth", json!({ "username": "user", "password": "pass" }))
            .run()
            .await;
        assert_eq!(ran.leaves_nothing().ended(), "pass", "{:?}", ran.outcome);
        let requests = site.requests();
        assert_eq!(requests[0].method, "POST");
        // The parent is the span of the request, not that of the run.
        let StepKind::Request(_) = &asked.kind else {
            panic!("{asked:?}")
        };
        let trace = format!(
            "00-01010101010101010101010101010101-{}-01",
            hex::encode(asked.span_id)
        );
        assert_eq!(requests[0].header("traceparent"), Some(trace.as_str()));
        assert_eq!(requests[1].header("traceparent"), None);
    });
}

#[test]
fn https_speaks_the_version_that_is_agreed_on_or_asked_for() {
    alone(async {
        let harness = Harness::new().await;
        let authority = Authority::new("Test Root");
        let certificate = authority.leaf(&NAMES).valid_until_days(60).issue();
        let site = Site::start_tls(certificate.server_config(), route);
        for (asked, spoken) in [(None, "2"), (Some("1.1"), "1.1"), (Some("2"), "2")] {
            let attempt = harness.plugin("http").target(&site.url("https", "/"));
            let attempt = attempt.set("tls", json!({ "ca": authority.pem() }));
            let attempt = attempt.set("expect", json!({ "version": spoken, "certificate": {} }));
            let attempt = match asked {
                Some(version) => attempt.set("version", version),
                None => attempt,
            };
            let ran = attempt.run().await;
            assert_eq!(
                ran.leaves_nothing().ended(),
                "pass",
                "{asked:?}: {:?}",
                ran.outcome
            );
        }
    });
}

#[test]
fn a_host_header_is_the_authority_over_http2() {
    alone(async {
        let harness = Harness::new().await;
        let authority = Authority::new("Test Root");
        let certificate = authority.leaf(&NAMES).issue();
        let site = Site::start_tls(certificate.server_config(), route);
        for version in ["1.1", "2"] {
            let attempt = harness.plugin("http").target(&site.url("https", "/"));
            let attempt = attempt.set("tls", json!({ "ca": authority.pem() }));
            let attempt = attempt.set("headers", json!({ "host": "shop.example:8443" }));
            let ran = attempt.set("version", version).run().await;
            assert_eq!(
                ran.leaves_nothing().ended(),
                "pass",
                "{version}: {:?}",
                ran.outcome
            );
        }
        let requests = site.requests();
        assert_eq!(requests[0].header("host"), Some("shop.example:8443"));
        assert_eq!(requests[1].header("host"), None);
        assert_eq!(requests[1].uri.authority().unwrap(), "shop.example:8443");
    });
}

#[test]
fn a_method_that_means_something_by_its_body_says_that_it_is_empty() {
    alone(async {
        let harness = Harness::new().await;
        let site = Site::start(route);
        let cases = [
            ("POST", json!(null), Some("0")),
            ("PUT", json!(""), Some("0")),
            ("PATCH", json!(null), Some("0")),
            ("POST", json!("abc"), Some("3")),
            ("GET", json!(null), None),
            ("DELETE", json!(null), None),
        ];
        for (method, body, length) in cases {
            let attempt = harness.plugin("http").target(&site.url("http", "/echo"));
            let attempt = attempt.set("method", method);
            let attempt = match &body {
                Value::Null => attempt,
                body => attempt.set("body", body.clone()),
            };
            let ran = attempt.run().await;
            assert_eq!(
                ran.leaves_nothing().ended(),
                "pass",
                "{method}: {:?}",
                ran.outcome
            );
            let request = site.requests().pop().unwrap();
            assert_eq!(request.header("content-length"), length, "{method} {body}");
        }
    });
}

#[test]
fn cookies_are_kept_along_redirects_and_no_longer() {
    let route = |request: &Request| match (request.path(), request.header("cookie")) {
        ("/", None) => Reply::redirect(302, "/").header("set-cookie", "seen=1; Path=/; HttpOnly"),
        ("/", Some("seen=1" | "own=2; seen=1")) => Reply::text("welcome"),
        ("/", Some("own=2")) => Reply::redirect(302, "/").header("set-cookie", "seen=1"),
        _ => Reply::status(404),
    };
    alone(async {
        let harness = Harness::new().await;
        let site = Site::start(route);
        for headers in [json!({}), json!({}), json!({ "cookie": "own=2" })] {
            let attempt = harness.plugin("http").target(&site.url("http", "/"));
            let ran = attempt.set("headers", headers).run().await;
            assert_eq!(ran.leaves_nothing().ended(), "pass", "{:?}", ran.outcome);
        }
        assert_eq!(site.requests().len(), 6);
    });
}

#[test]
fn as_many_headers_are_taken_over_http2_as_over_http1() {
    alone(async {
        let harness = Harness::new().await;
        let authority = Authority::new("Test Root");
        let certificate = authority.leaf(&NAMES).issue();
        let site = Site::start_tls(certificate.server_config(), |_| {
            let headers = (0..30).map(|number| (format!("x-{number}"), "v".repeat(2_000)));
            headers.fold(Reply::text("ok"), |reply, (name, value)| {
                reply.header(&name, &value)
            })
        });
        for version in ["1.1", "2"] {
            let attempt = harness.plugin("http").target(&site.url("https", "/"));
            let attempt = attempt.set("tls", json!({ "ca": authority.pem() }));
            let ran = attempt.set("version", version).run().await;
            assert_eq!(
                ran.leaves_nothing().ended(),
                "pass",
                "{version}: {:?}",
                ran.outcome
            );
        }
    });
}
