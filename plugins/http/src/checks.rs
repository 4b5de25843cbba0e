//! Problems of configurations, found when a suite is loaded, with their locations.

mod addresses;
mod extremes;
mod paths;
mod patterns;
mod proxies;
mod redirects;
mod rules;

use canary_sdk::Problem;
use canary_sdk::fake::FakeHost;
use serde_json::{Value, json};

use crate::Http;

const URL: &str = "https://example.com/";

/// The problems of a configuration, as `POINTER: MESSAGE`, on a host that refuses nothing itself.
fn problems(config: &Value) -> Vec<String> {
    of(&FakeHost::new(), URL, config)
}

fn of(host: &FakeHost, target: &str, config: &Value) -> Vec<String> {
    let found = host.check_config::<Http>(Some(target), config);
    found.iter().map(Problem::to_string).collect()
}

/// The pointers alone.
fn places(config: &Value) -> Vec<String> {
    let place = |problem: String| problem.split(": ").next().unwrap_or_default().to_owned();
    problems(config).into_iter().map(place).collect()
}

#[test]
fn what_can_run_has_no_problems() {
    for config in [
        json!({}),
        json!({ "body": "a", "bearer_token": "x", "headers": { "a": ["b", "c"] } }),
        json!({ "expect": { "status": [200, "301-302"], "latency": { "warn": "1s", "fail": "1s" } } }),
        json!({ "expect": { "headers": { "x": {}, "y": { "absent": true } }, "final_url": URL } }),
        json!({ "expect": { "body": { "matches": ["a", "b+"], "raw": true, "not_matches": "\\xff" } } }),
        json!({ "expect": { "json": { "$.a['b-c'][?@.d == 1]": { "exists": false }, "$": {} } } }),
        json!({ "tls": { "client_cert": "C", "client_key": "K" } }),
    ] {
        assert_eq!(problems(&config), [""; 0], "{config}");
    }
}

#[test]
fn keys_that_exclude_each_other_are_named() {
    let basic = json!({ "username": "a", "password": "b" });
    for (config, expected) in [
        (
            json!({ "body": "x", "body_json": 1 }),
            "/config/body_json: only one of `body` and `body_json` can be sent",
        ),
        (
            json!({ "basic_auth": basic, "bearer_token": "x" }),
            "/config/bearer_token: only one of `basic_auth` and `bearer_token` can be sent",
        ),
        (
            json!({ "bearer_token": "x", "headers": { "AUTHORIZATION": "y" } }),
            "/config/headers/AUTHORIZATION: is already set by `basic_auth` or `bearer_token`",
        ),
        (
            json!({ "accept_encoding": "gzip", "headers": { "Accept-Encoding": "br" } }),
            "/config/headers/Accept-Encoding: is already set by `accept_encoding`",
        ),
        (
            json!({ "tls": { "client_key": "x" } }),
            "/config/tls/client_key: needs a `client_cert`",
        ),
        (
            json!({ "expect": { "headers": { "x": { "absent": true, "equals": "a" } } } }),
            "/config/expect/headers/x/absent: a header that must be absent has no value for the other rules",
        ),
        (
            json!({ "expect": { "json": { "$.a": { "exists": false, "equals": 1 } } } }),
            "/config/expect/json/$.a/exists: a path that must not exist has no value for the other rules",
        ),
    ] {
        assert_eq!(problems(&config), [expected], "{config}");
    }
}

#[test]
fn what_a_request_cannot_be_is_refused() {
    for (config, expected) in [
        (
            json!({ "method": "CONNECT" }),
            "/config/method: `CONNECT` is for proxies, not for servers",
        ),
        (
            json!({ "read_for": "0s" }),
            "/config/read_for: must be more than 0",
        ),
        (
            json!({ "version": ["1.0", "1.1"], "expect": { "version": "2" } }),
            "/config/expect/version: the request uses `1.0` or `1.1`",
        ),
        (
            json!({ "ip_family": "ipv4", "expect": { "peer_address": "::1" } }),
            "/config/expect/peer_address: none of these is IPv4, the only family that `ip_family` allows",
        ),
        (
            json!({ "version": "2", "expect": { "version": ["1.0", "1.1"] } }),
            "/config/expect/version: the request uses `2`",
        ),
    ] {
        assert_eq!(problems(&config), [expected], "{config}");
    }
    for config in [
        json!({ "proxy": "http://proxy.test:3128", "connect_to": "a.test:1" }),
        json!({ "expect": { "version": ["1.0"] } }),
        json!({ "version": "1.0", "expect": { "version": "1.1" } }),
        json!({ "version": ["1.0", "1.1"], "expect": { "version": ["2", "1.1"] } }),
    ] {
        assert_eq!(problems(&config), [""; 0], "{config}");
    }
}

#[test]
fn limits_have_an_order() {
    assert_eq!(
        problems(
            &json!({ "expect": { "json": { "$.a": { ">": 5, "<=": 5 }, "$.b": { ">=": 5, "<=": 5.0 } } } })
        ),
        ["/config/expect/json/$.a/>: no number is > 5 and <= 5"]
    );
    assert_eq!(
        problems(&json!({ "expect": { "body": { "length": { ">=": 10, "<": 2 } } } })),
        ["/config/expect/body/length/>=: no number is >= 10 and < 2"]
    );
    assert_eq!(
        problems(&json!({ "expect": { "latency": { "fail": "0s" } } })),
        ["/config/expect/latency/fail: must be more than 0"]
    );
    assert_eq!(
        problems(&json!({ "expect": { "body": { "contains": ["a", "x"], "not_contains": ["b", "x"] } } })),
        ["/config/expect/body/not_contains/1: `x` is also in `contains`"]
    );
    assert_eq!(
        problems(&json!({ "expect": { "latency": { "warn": "2s", "fail": "1s" } } })),
        ["/config/expect/latency/warn: 2s is more than `fail` (1s): it would never warn"]
    );
    assert_eq!(
        problems(&json!({ "expect": { "certificate": { "warn_within": "1d", "fail_within": "7d" } } })),
        ["/config/expect/certificate/warn_within: 1d is less than `fail_within` (7d): it would never warn"]
    );
    assert_eq!(
        problems(&json!({ "expect": { "status": [200, "300-200"] } })),
        ["/config/expect/status/1: `300-200` ends before it begins"]
    );
}

#[test]
fn every_pattern_is_compiled_as_it_would_be_in_a_run() {
    // Invalid ones, an unknown class, and one that is too large.
    for pattern in ["(", "(?=x)", "\\pY", "\\p{Klingon}", "\\w{1,100}"] {
        let config = json!({ "expect": {
            "body": { "matches": ["fine", pattern], "not_matches": format!("x|{pattern}") },
            "final_url": { "matches": pattern },
            "headers": { "x": { "matches": pattern } },
            "json": { "$.a": { "matches": pattern } },
        } });
        assert_eq!(
            places(&config),
            [
                "/config/expect/headers/x/matches",
                "/config/expect/body/matches/1",
                "/config/expect/body/not_matches",
                "/config/expect/json/$.a/matches",
                "/config/expect/final_url/matches"
            ],
            "{pattern}"
        );
    }
}

/// As in RE2, so that patterns of blackbox_exporter and of Prometheus can be used unchanged.
#[test]
fn a_pattern_names_categories_and_scripts_of_unicode() {
    for pattern in [
        "\\pL",
        "\\PN",
        "\\p{Lu}",
        "\\p{Greek}",
        "[\\p{Han}\\p{Nd}]",
        "\\P{Latin}",
    ] {
        let config = json!({ "expect": { "body": { "matches": pattern, "raw": false } } });
        assert_eq!(places(&config), Vec::<String>::new(), "{pattern}");
    }
}

#[test]
fn a_problem_of_a_pattern_shows_nothing_of_it() {
    let config = json!({ "expect": { "body": { "matches": "secret(" } } });
    assert_eq!(
        problems(&config),
        ["/config/expect/body/matches: not a regular expression: unclosed group"]
    );
}

#[test]
fn what_the_host_refuses_is_at_the_key_that_it_comes_from() {
    let refused = |field: &str, config: Value| {
        let host = FakeHost::new().invalid(field, "why");
        of(&host, URL, &config)
    };
    let headers = json!({ "headers": { "a": "1", "b": ["2", "3"] }, "bearer_token": "t", "body_json": 1 });
    for (field, place) in [
        ("headers[0]", "/config/headers/a"),
        ("headers[2]", "/config/headers/b/1"),
        ("headers[3]", "/config/bearer_token"),
        ("headers[4]", "/config/body_json"),
        ("headers", "/config/headers"),
        ("method", "/config/method"),
        ("body", "/config/body_json"),
        ("connect-to", "/config/connect_to"),
        ("proxy", "/config/proxy"),
        ("tls.ca-certificates", "/config/tls/ca"),
        ("tls.client-certificate", "/config/tls/client_cert"),
        ("tls.client-key", "/config/tls/client_key"),
        ("tls.server-name", "/config/tls/server_name"),
        ("tls.max-version", "/config/tls/max_version"),
        ("proxy-tls.ca-certificates", "/config/proxy_tls/ca"),
        ("proxy-tls.client-key", "/config/proxy_tls/client_key"),
        ("what-comes-later", "/config"),
    ] {
        assert_eq!(
            refused(field, headers.clone()),
            [format!("{place}: why")],
            "{field}"
        );
    }
    let named = json!({ "headers": { "x": "y" }, "expect": { "headers": { "a b": "x" } } });
    assert_eq!(
        refused("headers[0]", named),
        ["/config/headers/x: why", "/config/expect/headers/a b: why"]
    );
    let final_url = json!({ "expect": { "final_url": "nonsense" } });
    assert_eq!(
        refused("url", final_url)[0],
        "/config/expect/final_url/equals: why"
    );
}

#[test]
fn a_target_is_an_http_url_without_a_user() {
    let of = |target: &str| of(&FakeHost::new(), target, &json!({}));
    assert_eq!(of("http://example.com/@me?a@b"), [""; 0]);
    assert_eq!(
        of("https://me:secret@example.com/"),
        ["/target: a user name belongs in `basic_auth`, not in the URL"]
    );
    assert_eq!(
        of("example.com/?token=x"),
        ["/target: `example.com/?…` is not an `http` or `https` URL"]
    );
}

#[test]
fn an_empty_list_says_what_to_do() {
    let said = "an empty list; add an element, or omit the key";
    for (config, place) in [
        (json!({ "version": [] }), "version"),
        (json!({ "accept_encoding": [] }), "accept_encoding"),
        (json!({ "headers": { "x": [] } }), "headers/x"),
        (json!({ "expect": { "status": [] } }), "expect/status"),
        (json!({ "expect": { "version": [] } }), "expect/version"),
    ] {
        assert_eq!(
            problems(&config),
            [format!("/config/{place}: {said}")],
            "{config}"
        );
    }
}

#[test]
fn every_value_of_a_list_that_does_not_fit_is_named() {
    let wrong = |value: &str| format!("`{value}` is not a status such as `200` or a range such as `301-302`");
    let found = problems(&json!({ "expect": { "status": [200, "x", "300-301", "y"] } }));
    assert_eq!(
        found,
        [format!("/config/expect/status: {}; {}", wrong("x"), wrong("y"))]
    );
    let many: Vec<_> = (0..100).map(|number| format!("x{number}")).collect();
    let found = problems(&json!({ "expect": { "status": many } }));
    assert_eq!(found[0].matches("is not a status").count(), 8, "{found:?}");
}

#[test]
fn a_header_of_the_connection_is_refused_where_the_client_does_something_else() {
    for (name, value) in [
        ("Content-Length", json!("5")),
        ("transfer-encoding", json!("chunked")),
        ("TE", json!("gzip")),
        ("te", json!(["trailers", "gzip;q=1"])),
        ("host", json!(["a.test", "b.test"])),
    ] {
        let found = places(&json!({ "headers": { name: value.clone() }, "body": "hello" }));
        let index = if value.is_array() { "/1" } else { "" };
        assert_eq!(found, [format!("/config/headers/{name}{index}")]);
    }
    for (name, value) in [
        ("te", "trailers"),
        ("connection", "close"),
        ("expect", "100-continue"),
        ("keep-alive", "timeout=5"),
    ] {
        assert_eq!(places(&json!({ "headers": { name: value } })), [""; 0], "{name}");
    }
}

/// Otherwise a WebSocket check would pass or fail by what the server prefers.
#[test]
fn an_upgrade_is_asked_for_over_the_version_that_has_it() {
    let of = |target: &str, version: Value| {
        let headers = json!({ "connection": "upgrade", "Upgrade": "websocket" });
        let mut config = json!({ "headers": headers, "expect": { "status": 101 } });
        if !version.is_null() {
            config["version"] = version;
        }
        of(&FakeHost::new(), target, &config)
    };
    let lost = ["/config/headers/Upgrade: is an HTTP/1.1 header, which HTTP/2 does not allow"];
    assert_eq!(of("https://example.com/", json!(null)), lost);
    assert_eq!(of("https://example.com/", json!(["1.1", "2"])), lost);
    assert_eq!(of("http://example.com/", json!("2")), lost);
    assert_eq!(of("https://example.com/", json!("1.1")), [""; 0]);
    assert_eq!(of("http://example.com/", json!(null)), [""; 0]);
}
