//! The plugin as a whole, on the fake host.

use std::net::IpAddr;
use std::time::Duration;

use canary_sdk::fake::{self, FakeHost};
use canary_sdk::http::Response;
use canary_sdk::{NetError, Phase, Status, Verdict, tls};
use serde_json::{Value, json};

use crate::Http;

mod shortage;

const URL: &str = "https://me.example.com/health?token=sesame";

fn run(config: Value, response: Response) -> Verdict {
    FakeHost::new()
        .http(move |_| Ok(response.clone()))
        .run::<Http>(URL, config)
        .unwrap()
}

#[test]
fn a_good_answer_passes_in_one_line() {
    let response = Response {
        body_length: 1229,
        ..fake::response(200)
    };
    let verdict = run(json!({}), response);
    assert_eq!(verdict.status(), Status::Pass);
    assert_eq!(verdict.summary(), "200 OK in 10ms, 1.2 KiB");
    assert_eq!(verdict.assertion("status").unwrap().message, "200 OK");
    assert_eq!(verdict.assertions().len(), 1);
}

#[test]
fn a_bad_answer_says_what_is_wrong_with_it() {
    let verdict = run(json!({ "expect": { "version": "2" } }), fake::response(503));
    assert_eq!(verdict.status(), Status::Fail);
    assert_eq!(
        verdict.summary(),
        "status: 503 Service Unavailable is not in 200-299 (and 1 more)"
    );
    assert_eq!(
        verdict.assertion("version").unwrap().message,
        "HTTP/1.1, not HTTP/2"
    );
}

#[test]
fn a_demand_for_a_password_may_be_the_proxys_or_the_targets() {
    const PLAIN: &str = "http://me.example.com/";
    let wrong = "status: 407 Proxy Authentication Required is not in 200-299";
    for (url, config, why) in [
        (
            PLAIN,
            json!({ "proxy": "http://proxy.test:3128" }),
            "; the proxy or the target behind it requires a password",
        ),
        (
            PLAIN,
            json!({ "proxy": "environment" }),
            "; a proxy of the environment or the target behind it requires a password",
        ),
        (
            PLAIN,
            json!({ "proxy": "https://proxy.test" }),
            "; the proxy or the target behind it requires a password",
        ),
        (PLAIN, json!({ "proxy": "socks5://proxy.test" }), ""),
        (PLAIN, json!({}), ""),
        (URL, json!({ "proxy": "http://proxy.test:3128" }), ""),
    ] {
        let answer = Response {
            url: url.to_owned(),
            ..fake::response(407)
        };
        let host = FakeHost::new().http(move |_| Ok(answer.clone()));
        let verdict = host.run::<Http>(url, config.clone()).unwrap();
        assert_eq!(verdict.summary(), format!("{wrong}{why}"), "{config}");
    }
}

#[test]
fn a_network_error_is_a_fail_with_its_phase() {
    let host = FakeHost::new().http(|_| Err(NetError::timeout(Phase::Wait)));
    let verdict = host.run::<Http>(URL, json!({})).unwrap();
    assert_eq!(
        (verdict.status(), verdict.summary().as_str()),
        (Status::Fail, "wait: timed out")
    );
    assert_eq!(verdict.attribute("error.phase"), Some("wait"));
}

#[test]
fn it_measures_status_size_and_phases_over_all_redirects() {
    let last = fake::response(200);
    let hop = canary_sdk::http::Hop {
        url: "https://example.com/old".into(),
        status: 301,
        peer: "192.0.2.1:443".into(),
        timings: last.timings,
    };
    let response = Response {
        url: "https://example.com/new?code=1".into(),
        hops: vec![hop],
        tls: Some(fake::session([fake::certificate("example.com")])),
        body_length: 512,
        ..last
    };
    let verdict = run(json!({}), response);
    assert_eq!(verdict.measurement("http.status"), Some(200.0));
    assert_eq!(verdict.measurement("http.response.size"), Some(512.0));
    assert_eq!(verdict.measurement("http.duration"), Some(0.02));
    assert_eq!(verdict.measurement("certificate.days_left"), Some(60.0));
    let phases = verdict
        .measurements()
        .iter()
        .filter(|m| m.name == "http.phase.duration");
    let phases: Vec<_> = phases.map(|m| (m.attributes[0].1.as_str(), m.value)).collect();
    assert_eq!(phases, [("connect", 0.002), ("wait", 0.018)]);
    assert_eq!(verdict.attribute("http.redirects"), Some("1"));
    assert_eq!(verdict.attribute("url.final"), Some("https://example.com/new?…"));
}

#[test]
fn the_size_is_what_came_and_not_what_was_announced() {
    let read_error = Response {
        headers: vec![("Content-Length".into(), b"5000000".to_vec())],
        truncated: true,
        ..fake::response(200)
    };
    let verdict = run(json!({}), read_error.clone());
    assert_eq!(verdict.measurement("http.response.size"), None);
    assert_eq!(verdict.summary(), "200 OK in 10ms");
    let read = Response {
        body_length: 5,
        ..read_error
    };
    assert_eq!(run(json!({}), read).measurement("http.response.size"), Some(5.0));
}

#[test]
fn an_answer_beyond_the_quota_says_what_helps() {
    let quota = NetError::quota("bytes_in", 8 << 20);
    let host = FakeHost::new().http(move |_| Err(quota.clone()));
    let verdict = host.run::<Http>(URL, json!({})).unwrap();
    assert_eq!(
        verdict.summary(),
        "receive: the quota of `bytes_in`, 8.0 MiB for the whole run, is used up; raise it, or set `read_body: false`"
    );
    assert_eq!(verdict.status(), Status::Fail);
    assert_eq!(verdict.attribute("error.phase"), Some("receive"));
}

fn compressed(status: u16, body: &[u8], is_kept: bool) -> Response {
    Response {
        headers: vec![("content-encoding".into(), b"gzip".to_vec())],
        body: body.to_vec(),
        truncated: !is_kept,
        ..fake::response(status)
    }
}

#[test]
fn a_body_that_cannot_be_decompressed_hides_nothing_else() {
    let verdict = run(
        json!({ "accept_encoding": "gzip", "expect": { "body": { "contains": "up" } } }),
        compressed(503, b"<h1>down</h1>", true),
    );
    assert_eq!(
        verdict.summary(),
        "status: 503 Service Unavailable is not in 200-299 (and 1 more)"
    );
    assert_eq!(
        verdict.assertion("body").unwrap().message,
        "the body cannot be decompressed: it is not gzip data, or is damaged"
    );
    assert!(!verdict.is_unknown());
}

#[test]
fn a_long_compressed_body_matters_only_to_those_who_look_into_it() {
    let long = || compressed(200, b"\x1f\x8b", false);
    let verdict = run(json!({ "accept_encoding": "gzip" }), long());
    assert_eq!(verdict.status(), Status::Pass);
    let looks = json!({ "accept_encoding": "gzip", "expect": { "body": { "contains": "up" } } });
    let verdict = run(looks, long());
    assert!(verdict.is_unknown());
    assert_eq!(
        verdict.assertion("body").unwrap().message,
        "the compressed body is longer than the limit of 1.0 MiB (see `max_size`)"
    );
}

#[test]
fn what_is_secret_stays_out_of_every_text() {
    let config = json!({
        "headers": { "x-api-key": "sesame" },
        "basic_auth": { "username": "sesame", "password": "sesame" },
        "body": "sesame",
        "expect": {
            "status": 500,
            "headers": { "x-missing": { "matches": "a" } },
            "final_url": "https://elsewhere/?sesame",
            "json": { "$.a": 1 },
        },
    });
    let verdict = run(config, fake::response(200));
    assert_eq!(
        verdict.attribute("url.full"),
        Some("https://me.example.com/health?…")
    );
    assert_eq!(verdict.status(), Status::Fail);
    let debug_text = format!("{verdict:?}");
    assert!(
        !debug_text.contains("sesame") && !debug_text.contains("c2VzYW1l"),
        "{debug_text}"
    );
}

#[test]
fn a_chain_that_does_not_verify_is_reported_where_it_is_not_required() {
    let mut session = fake::session([fake::certificate("me.example.com")]);
    session.reasons = vec![tls::Reason::new("unknown-issuer", "unknown issuer")];
    let response = Response {
        tls: Some(session),
        ..fake::response(200)
    };
    let verdict = run(json!({ "tls": { "trusted": false } }), response);
    assert_eq!(verdict.status(), Status::Pass);
    assert_eq!(verdict.attribute("tls.untrusted"), Some("unknown issuer"));
}

#[test]
fn every_expectation_holds_for_each_address() {
    let host = FakeHost::new()
        .addresses(
            "me.example.com",
            ["192.0.2.7", "192.0.2.8"].map(|text| text.parse().unwrap()),
        )
        .http(|request| {
            let address = request.options.address.unwrap().to_string();
            Ok(Response {
                body: address.clone().into(),
                ..fake::response(if address == "192.0.2.7" { 200 } else { 503 })
            })
        });
    let config = json!({ "addresses": "all", "expect": { "body": { "contains": ".7" } } });
    let verdict = host.run::<Http>(URL, config).unwrap();
    assert_eq!(
        verdict.assertion("address 192.0.2.7").unwrap().status,
        Status::Pass
    );
    assert_eq!(
        verdict.assertion("address 192.0.2.8").unwrap().message,
        "status: 503 Service Unavailable is not in 200-299; body contains `.7`: not found in 9 B of body"
    );
    assert_eq!(
        verdict.attribute("http.response.status_code"),
        Some("503"),
        "of the worst"
    );
}

#[test]
fn a_misspelt_key_is_named() {
    let error = |config: Value| FakeHost::new().run::<Http>(URL, config).unwrap_err();
    assert!(error(json!({ "metod": "GET" })).contains("unknown field `metod`"));
    let rule = error(json!({ "expect": { "body": { "contain": "x" } } }));
    assert!(
        rule.contains("`expect.body`") && rule.contains("unknown field `contain`"),
        "{rule}"
    );
    let rule = error(json!({ "expect": { "headers": { "x": { "equal": "x" } } } }));
    assert!(
        rule.contains("`expect.headers.x`") && rule.contains("unknown field `equal`"),
        "{rule}"
    );
    assert!(
        error(json!({ "expect": { "headers": { "x": 1 } } })).contains("expected one of: object, string")
    );
}

#[test]
fn every_key_of_the_schema_is_described() {
    let schema = fake::describe::<Http>().config_schema;
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let mut missing = Vec::new();
    undescribed("", &schema, &mut missing);
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(schema["properties"]["method"]["default"], "GET");
    let body = &schema["$defs"]["Expect"]["properties"]["body"];
    for key in ["not_equals", "one_of", "<=", "length", "max_size"] {
        assert!(body["properties"].get(key).is_some(), "{key}: {body}");
    }
}

#[test]
fn the_schema_says_what_is_not_merged_and_which_names_ignore_case() {
    let schema = fake::describe::<Http>().config_schema;
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let expect = &schema["$defs"]["Expect"]["properties"];
    let rules = |key: &str| expect[key]["additionalProperties"]["properties"].clone();
    for value in ["equals", "not_equals"] {
        assert_eq!(rules("json")[value]["x-canary-atomic"], true, "{value}");
        // A text is never `null`, so `null` can only remove it.
        assert_eq!(rules("headers")[value].get("x-canary-atomic"), None, "{value}");
    }
    let body = &schema["properties"]["body_json"];
    assert_eq!(body["x-canary-atomic"], true);
    assert!(
        !body["type"].as_array().unwrap().contains(&json!("null")),
        "{body}"
    );
    for headers in [&schema["properties"]["headers"], &expect["headers"]] {
        assert_eq!(headers["x-canary-ignore-case"], true);
    }
}

fn undescribed(path: &str, schema: &Value, missing: &mut Vec<String>) {
    match schema {
        Value::Object(keys) => {
            for (key, value) in keys {
                let path = format!("{path}/{key}");
                if let (Some(Value::Object(properties)), "properties") = (schema.get(key), key.as_str()) {
                    let bare = properties
                        .iter()
                        .filter(|(_, property)| property.get("description").is_none());
                    missing.extend(bare.map(|(name, _)| format!("{path}/{name}")));
                }
                undescribed(&path, value, missing);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| undescribed(path, value, missing)),
        _ => {}
    }
}

/// The verdict on eight addresses with a page of 1 MiB each, within these quotas.
fn at_eight_addresses(change: impl FnOnce(&mut canary_sdk::Quotas)) -> Verdict {
    let page = Response {
        body: b"<p>all is well</p>".repeat(58_000),
        body_length: 18 * 58_000,
        ..fake::response(200)
    };
    let addresses = (1..=8).map(|last| IpAddr::from([192, 0, 2, last]));
    FakeHost::new()
        .addresses("me.example.com", addresses)
        .quotas(change)
        .http(move |_| Ok(page.clone()))
        .run::<Http>(
            URL,
            json!({ "addresses": "all", "expect": { "body": { "not_matches": ["error.*failed", "panic"] } } }),
        )
        .unwrap()
}

#[test]
fn all_addresses_share_what_a_run_may_compute() {
    assert_eq!(at_eight_addresses(|_| {}).status(), Status::Pass);
    let verdict = at_eight_addresses(|quotas| quotas.cpu = Duration::from_millis(80));
    assert_eq!(verdict.status(), Status::Fail);
    assert!(verdict.is_unknown());
    let first = verdict.assertion("address 192.0.2.1").unwrap();
    assert_eq!(first.status, Status::Pass, "{first:?}");
    let last = verdict.assertion("address 192.0.2.8").unwrap();
    assert_eq!(
        last.message,
        "quota: not checked: evaluating one more response takes more CPU time than a run has (raise the quota `cpu`)"
    );
}

#[test]
fn an_answer_that_has_no_room_is_not_asked_for() {
    let verdict = at_eight_addresses(|quotas| quotas.memory = 4 << 20);
    assert!(verdict.is_unknown());
    let first = verdict.assertion("address 192.0.2.1").unwrap();
    assert_eq!(
        first.message,
        "quota: not checked: retaining its body takes more memory than a run has (raise the quota `memory`)"
    );
}
