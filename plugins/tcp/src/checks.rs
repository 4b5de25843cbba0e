//! Problems of configurations, found when a suite is loaded, with their locations.

use canary_sdk::Problem;
use canary_sdk::fake::{FakeHost, Script};
use serde_json::{Value, json};

use crate::Tcp;

fn of(host: &FakeHost, target: &str, config: &Value) -> Vec<String> {
    let found = host.check_config::<Tcp>(Some(target), config);
    found.iter().map(Problem::to_string).collect()
}

fn problems(config: &Value) -> Vec<String> {
    of(&FakeHost::new(), "db:5432", config)
}

#[test]
fn what_can_run_has_no_problems() {
    for config in [
        json!({}),
        json!({ "latency": { "warn": "1s", "fail": "2s" }, "tls": {} }),
        json!({ "dialogue": [
            { "expect": { "matches": "^(?<name>\\w+) (?<id>[0-9]+)" } }, { "send": "$${x} ${name}${id}\r\n" },
            { "start_tls": {} }, { "send_hex": "00" }, { "expect": { "equals": "x", "max_bytes": "1B" } },
        ] }),
    ] {
        assert_eq!(problems(&config), [""; 0], "{config}");
    }
}

#[test]
fn every_step_that_cannot_be_taken_is_found_at_once() {
    let config = json!({ "dialogue": [
        { "send": "${later}" },
        { "expect": { "matches": "(?<later>x)" } },
        { "send": "${later} ${never} ${" },
        { "expect": { "matches": "(" } },
        { "expect": { "matches": "Gr[öo]" } },
        { "expect": { "matches": "[a-z]{1,1000}{1,1000}" } },
        { "expect": { "contains": "xx", "max_bytes": "1B" } },
        { "expect": { "hex": "00 ff", "max_bytes": "1B" } },
        { "expect": { "matches": "a", "max_bytes": 0 } },
        { "start_tls": { "client_cert": "C" } },
        { "start_tls": {} },
        { "send": "" },
        { "expect": { "contains": "a", "within": "0s" } },
        { "expect": { "matches": "^[a&&b]" } },
    ] });
    assert_eq!(
        problems(&config),
        [
            "/config/dialogue/0/send: `${later}` is not captured by an earlier step",
            "/config/dialogue/2/send: unclosed `${`",
            "/config/dialogue/3/expect/matches: not a regular expression for bytes: unclosed group",
            "/config/dialogue/4/expect/matches: not a regular expression for bytes: Unicode classes, and non-ASCII characters within `[]`, are not supported for bytes",
            "/config/dialogue/5/expect/matches: the compiled pattern exceeds the size limit of 1 MiB",
            "/config/dialogue/6/expect/contains: is longer than `max_bytes` (1B)",
            "/config/dialogue/7/expect/hex: is longer than `max_bytes` (1B)",
            "/config/dialogue/8/expect/max_bytes: must be more than 0",
            "/config/dialogue/9/start_tls/client_cert: needs a `client_key`",
            "/config/dialogue/10/start_tls: the connection already uses TLS",
            "/config/dialogue/11/send: there is nothing to send",
            "/config/dialogue/12/expect/within: must be more than 0",
            "/config/dialogue/13/expect/matches: no text matches this pattern: it has an empty class",
        ]
    );
}

#[test]
fn a_line_has_no_end_to_match() {
    let config = json!({ "dialogue": [{ "expect": { "matches": "^220 .*\\r\\n$" } }] });
    assert_eq!(
        problems(&config),
        ["/config/dialogue/0/expect/matches: a line is compared without its end, so nothing matches `\\n`"]
    );
}

#[test]
fn an_address_that_answers_is_of_a_family_that_is_tried() {
    let config = |family: &str| json!({ "ip_family": family, "peer_address": ["192.0.2.0/24", "192.0.2.1"] });
    assert_eq!(
        problems(&config("ipv6")),
        ["/config/peer_address: none of these is IPv6, the only family that `ip_family` allows"]
    );
    assert_eq!(problems(&config("prefer_ipv6")), [""; 0]);
}

#[test]
fn tls_begins_once() {
    assert_eq!(
        problems(&json!({ "tls": {}, "dialogue": [{ "start_tls": {} }] })),
        ["/config/dialogue/0/start_tls: the connection already uses TLS"]
    );
}

#[test]
fn limits_have_an_order() {
    assert_eq!(
        problems(&json!({ "latency": { "fail": "0s" } })),
        ["/config/latency/fail: must be more than 0"]
    );
    assert_eq!(
        problems(&json!({ "latency": { "warn": "2s", "fail": "1s" } })),
        ["/config/latency/warn: 2s is more than `fail` (1s): it would never warn"]
    );
}

#[test]
fn what_the_host_refuses_is_at_the_key_that_it_comes_from() {
    let config = json!({ "source_address": "nope", "tls": {} });
    let of = |field: &str| of(&FakeHost::new().invalid(field, "why"), "db:5432", &config);
    assert_eq!(of("source-address")[0], "/config/source_address: why");
    assert!(of("ca-certificates").contains(&"/config/tls/ca: why".to_owned()));
}

#[test]
fn a_target_is_a_host_and_a_port() {
    let of = |target: &str| of(&FakeHost::new(), target, &json!({}));
    assert_eq!(of("[::1]:22"), [""; 0]);
    assert_eq!(of("db"), ["/target: `db` has no port, expected `HOST:PORT`"]);
    let six = |target: &str| self::of(&FakeHost::new(), target, &json!({ "ip_family": "ipv6" }));
    assert_eq!(
        six("127.0.0.1:22"),
        ["/target: `127.0.0.1` is not an IPv6 address, and `ip_family` allows no other"]
    );
    assert_eq!(six("[::1]:22"), [""; 0]);
}

#[test]
fn a_target_that_is_an_address_fits_the_other_addresses() {
    let problems = |target: &str, config: Value| of(&FakeHost::new(), target, &config);
    for (config, expected) in [
        (
            json!({ "source_address": "::1" }),
            "/target: `127.0.0.1` is not an IPv6 address, and `source_address` reaches no other",
        ),
        (
            json!({ "peer_address": "10.0.0.0/8" }),
            "/config/peer_address: the target's address `127.0.0.1` is in none of these",
        ),
    ] {
        assert_eq!(problems("127.0.0.1:22", config.clone()), [expected]);
        assert_eq!(problems("db:22", config), [""; 0]);
    }
    assert_eq!(problems("[::1]:22", json!({ "source_address": "::1" })), [""; 0]);
}

#[test]
fn what_the_peer_sent_cannot_be_sent_back_without_end() {
    let line = format!("{}\n", "x".repeat(1 << 20));
    let text = "${all}".repeat(9);
    let config = json!({ "dialogue": [
        { "expect": { "matches": "^(?<all>x+)$", "max_bytes": "2MiB" } },
        { "send": text },
    ] });
    let host = FakeHost::new().tcp("db:5432", Script::new().send(&line));
    let verdict = host.run::<Tcp>("db:5432", config).unwrap();
    assert_eq!(
        verdict.summary(),
        "step 2 send: 9437184 bytes to send, mostly captured from the peer; at most 8388608 can be sent"
    );
}
