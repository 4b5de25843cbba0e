//! Problems of configurations, found when a suite is loaded, with their locations.

use canary_sdk::Problem;
use canary_sdk::fake::FakeHost;
use serde_json::{Value, json};

use crate::Tls;

fn of(host: &FakeHost, target: &str, config: &Value) -> Vec<String> {
    let found = host.check_config::<Tls>(Some(target), config);
    found.iter().map(Problem::to_string).collect()
}

fn problems(config: &Value) -> Vec<String> {
    of(&FakeHost::new(), "example.com", config)
}

#[test]
fn what_can_run_has_no_problems() {
    for config in [
        json!({}),
        json!({ "client_cert": "C", "client_key": "K", "names": ["*.example.com"], "chain": {} }),
        // The other limit is the default, which the suite did not set.
        json!({ "fail_within": "30d" }),
    ] {
        assert_eq!(problems(&config), [""; 0], "{config}");
    }
}

#[test]
fn what_contradicts_itself_is_named() {
    for (config, expected) in [
        (
            json!({ "client_cert": "C" }),
            "/config/client_cert: needs a `client_key`",
        ),
        (
            json!({ "warn_within": "1d", "fail_within": "2d" }),
            "/config/warn_within: 1d is less than `fail_within` (2d): it would never warn",
        ),
        (
            json!({ "warn_within": "1d" }),
            "/config/warn_within: 1d is less than `fail_within` (7d): it would never warn",
        ),
        (
            json!({ "ehlo": "probe.example.com", "starttls": "imap" }),
            "/config/ehlo: it needs `starttls: smtp`",
        ),
        (
            json!({ "ip_family": "ipv4", "peer_address": ["::1"] }),
            "/config/peer_address: none of these is IPv4, the only family that `ip_family` allows",
        ),
        (
            json!({ "chain": { "warn_within": "1d", "fail_within": "2d" } }),
            "/config/chain/warn_within: 1d is less than `fail_within` (2d): it would never warn",
        ),
    ] {
        assert_eq!(problems(&config), [expected], "{config}");
    }
}

#[test]
fn a_name_with_a_wildcard_elsewhere_is_shown_as_it_is_written() {
    let rule = "in a certificate, `*` stands for the whole first label, as in `*.example.com`";
    for name in ["*.*.x", "*", "a.*.x", "a*.x"] {
        assert_eq!(
            problems(&json!({ "names": ["*.x", name] })),
            [format!("/config/names/1: invalid name `{name}`; {rule}")]
        );
    }
}

#[test]
fn what_the_host_refuses_is_at_the_key_that_it_comes_from() {
    let of = |field: &str, config: Value| of(&FakeHost::new().invalid(field, "why"), "example.com", &config);
    assert_eq!(
        of("alpn", json!({ "alpn": ["", "a", "x".repeat(256)] })),
        ["/config/alpn/0: why", "/config/alpn/2: why"]
    );
    assert_eq!(of("alpn", json!({ "alpn": ["a", "b"] })), ["/config/alpn: why"]);
    assert_eq!(of("ca-certificates", json!({ "ca": "x" })), ["/config/ca: why"]);
    assert_eq!(
        of("server-name", json!({ "names": ["a", "b c"] })),
        [
            "/config/server_name: why",
            "/config/names/0: why",
            "/config/names/1: why"
        ]
    );
}

#[test]
fn a_target_is_a_host_with_or_without_a_port() {
    let of = |target: &str| of(&FakeHost::new(), target, &json!({}));
    assert_eq!(of("[::1]"), [""; 0]);
    assert_eq!(
        of("db:x"),
        ["/target: `db:x` has a port that is not a number from 1 to 65535"]
    );
}

#[test]
fn a_target_that_is_an_address_is_one_that_may_answer() {
    let config = json!({ "peer_address": "10.0.0.0/8" });
    let of = |target: &str| of(&FakeHost::new(), target, &config);
    assert_eq!(
        of("127.0.0.1"),
        ["/config/peer_address: the target's address `127.0.0.1` is in none of these"]
    );
    for target in ["10.1.2.3:443", "example.com"] {
        assert_eq!(of(target), [""; 0]);
    }
}
