//! The rules that headers, the body, JSON values and URLs share.

use super::*;

/// The same rules for a header, for the body, and for a value in JSON.
fn everywhere(rule: &Value, text: &str) -> [(Status, String); 3] {
    let document = json!({ "a": text }).to_string();
    let eval = |expect: Value, response: Response| {
        let verdict = try_run(&expect, response).unwrap();
        (verdict.status(), verdict.summary())
    };
    [
        eval(json!({ "headers": { "x": rule } }), header("x", text)),
        eval(json!({ "body": rule }), body(text)),
        eval(json!({ "json": { "$.a": rule } }), body(document)),
    ]
}

#[test]
fn a_rule_holds_for_a_header_the_body_and_json_alike() {
    for (rule, good, bad) in [
        (json!({ "equals": "ok" }), "ok", "ok "),
        (json!("ok"), "ok", "not ok"),
        (json!({ "not_equals": "down" }), "up", "down"),
        (json!({ "one_of": ["ok", "warn"] }), "warn", "warned"),
        (json!({ "contains": "b" }), "abc", "ac"),
        (json!({ "contains": ["a", "b"] }), "ab", "a"),
        (json!({ "not_contains": ["x", "y"] }), "ab", "ay"),
        (json!({ "matches": ["^a", "c$"] }), "abc", "ab"),
        (json!({ "not_matches": "^a" }), "ba", "ab"),
        (json!({ "<": 5 }), "4.99", "5"),
        (json!({ "<=": 5 }), "5.0", "5.01"),
        (json!({ ">": 5 }), "1e1", "5"),
        (json!({ ">=": -5 }), "-5", "-5.5"),
        (json!({ ">": 1, "<": 3 }), "2", "3"),
        (
            json!({ ">": 9007199254740992_u64 }),
            "9007199254740993",
            "9007199254740992",
        ),
        (json!({ "<": 1 }), "0", "none"),
        (json!({ "length": 2 }), "é2", "123"),
        (json!({ "length": { ">=": 2, "<": 4 } }), "123", "1234"),
        (json!({ "empty": true }), "", "x"),
        (json!({ "empty": false }), "x", ""),
    ] {
        for (status, message) in everywhere(&rule, good) {
            assert_eq!(status, Status::Pass, "{rule} {good}: {message}");
        }
        for (status, message) in everywhere(&rule, bad) {
            assert_eq!(status, Status::Fail, "{rule} {bad}: {message}");
        }
    }
}

#[test]
fn what_does_not_hold_is_said_in_a_sentence() {
    for (rule, text, message) in [
        (json!({ "equals": "ok" }), "no", "`no` is not `ok`"),
        (
            json!({ "not_equals": "no" }),
            "no",
            "`no` is `no`, which it must not be",
        ),
        (
            json!({ "one_of": ["a", "b"] }),
            "no",
            "`no` is not one of `a`, `b`",
        ),
        (
            json!({ "not_contains": "n" }),
            "no",
            "`no` contains `n`, which it must not",
        ),
        (
            json!({ "not_matches": "o$" }),
            "no",
            "`no` matches `o$`, which it must not",
        ),
        (json!({ "<": 5 }), "7", "`7` is not less than 5"),
        (json!({ "<=": 5 }), "7", "`7` is not at most 5"),
        (json!({ ">": 9 }), "7", "`7` is not more than 9"),
        (json!({ ">=": 9 }), "7", "`7` is not at least 9"),
        (json!({ ">=": 9 }), "x", "`x` is not a number"),
        (
            json!({ "length": 1 }),
            "no",
            "`no` has the length 2, which is not 1",
        ),
        (
            json!({ "length": { ">": 3 } }),
            "no",
            "`no` has the length 2, which is not more than 3",
        ),
        (json!({ "empty": true }), "no", "`no` is not empty"),
        (json!({ "empty": false }), "", "`` is empty"),
    ] {
        let result = eval(json!({ "headers": { "x": rule } }), header("x", text));
        assert_eq!(result, fail(message), "{rule} {text}");
    }
}

#[test]
fn a_list_in_a_message_is_bounded() {
    let many: Vec<_> = (0..100).map(|number| number.to_string()).collect();
    let (_, message) = eval(
        json!({ "headers": { "x": { "one_of": many } } }),
        header("x", "a"),
    );
    assert_eq!(
        message,
        "`a` is not one of `0`, `1`, `2`, `3`, `4`, `5`, `6`, `7`, …"
    );
}

#[test]
fn a_value_in_json_has_the_length_of_what_it_is() {
    let document = || body(r#"{"list":[1,2],"none":null,"number":12,"object":{"a":1},"text":"é"}"#);
    let eval = |path: &str, rule: Value| eval(json!({ "json": { path: rule } }), document());
    assert_eq!(eval("$.list", json!({ "length": 2 })).0, Status::Pass);
    assert_eq!(eval("$.object", json!({ "length": { "<=": 1 } })).0, Status::Pass);
    assert_eq!(eval("$.text", json!({ "length": 1 })).0, Status::Pass);
    assert_eq!(eval("$.none", json!({ "empty": true })).0, Status::Pass);
    assert_eq!(
        eval("$.list", json!({ "empty": true })),
        fail("`[1,2]` is not empty")
    );
    assert_eq!(
        eval("$.number", json!({ "length": 2 })),
        fail("`12` has no length")
    );
    assert_eq!(eval("$.list", json!({ ">": 1 })), fail("`[1,2]` is not a number"));
    assert_eq!(
        eval("$.list", json!({ "one_of": [[2, 1], [1, 2.0]] })),
        pass("`[1,2]`")
    );
    assert_eq!(
        eval("$.none", json!({ "not_equals": null })),
        fail("`null` is `null`, which it must not be")
    );
}

#[test]
fn numbers_in_json_are_compared_as_they_are_written() {
    let huge = "12345678901234567890123";
    let document = || body(format!("[{huge},0.1]"));
    let eval = |path: &str, rule: Value| eval(json!({ "json": { path: rule } }), document()).0;
    assert_eq!(eval("$[0]", json!({ ">": 12345678901234567_u64 })), Status::Pass);
    assert_eq!(eval("$[0]", json!({ "<": 1e22 })), Status::Fail);
    assert_eq!(eval("$[1]", json!({ "<=": 0.1 })), Status::Pass);
}

#[test]
fn no_value_of_a_header_may_be_what_is_ruled_out() {
    let cookies = ["a=1; Secure", "b=2"].map(|value| ("set-cookie".to_owned(), value.as_bytes().to_vec()));
    let response = || Response {
        headers: cookies.clone().into(),
        ..fake::response(200)
    };
    let eval = |rule: Value| eval(json!({ "headers": { "Set-Cookie": rule } }), response());
    assert_eq!(
        eval(json!({ "not_contains": "b=" })),
        fail("`b=2` contains `b=`, which it must not")
    );
    assert_eq!(eval(json!({ "not_contains": "c=" })), pass("`a=1; Secure`"));
    assert_eq!(
        eval(json!({ "contains": "b=", "not_contains": "c=" })),
        pass("`b=2`")
    );
    assert_eq!(
        eval(json!({ "contains": "b=", "not_contains": "a=" })),
        fail("`a=1; Secure` contains `a=`, which it must not")
    );
}

#[test]
fn what_is_not_there_fails_unless_it_may_be_absent() {
    let absent = |rule: Value| eval(json!({ "headers": { "x": rule } }), fake::response(200));
    assert_eq!(absent(json!({ "not_matches": "a" })), fail("absent"));
    assert_eq!(
        absent(json!({ "not_matches": "a", "optional": true })),
        pass("absent")
    );
    assert_eq!(absent(json!({ "equals": "a", "optional": true })), pass("absent"));
    assert_eq!(
        absent(json!({ "absent": false, "optional": true })),
        fail("absent")
    );
    let there = |rule: Value| eval(json!({ "headers": { "x": rule } }), header("x", "b"));
    assert_eq!(
        there(json!({ "equals": "a", "optional": true })),
        fail("`b` is not `a`")
    );
    let json = |rule: Value| eval(json!({ "json": { "$.x": rule } }), body("{}"));
    assert_eq!(json(json!({ "not_equals": "a" })), fail("not found"));
    assert_eq!(
        json(json!({ "not_equals": "a", "optional": true })),
        pass("not found")
    );
}

#[test]
fn a_body_that_is_cut_is_never_the_whole_of_it() {
    let cut = || Response {
        body: b"ok".to_vec(),
        body_length: 2_000_000,
        truncated: true,
        ..fake::response(200)
    };
    let eval = |rule: Value| eval(json!({ "body": rule }), cut());
    assert_eq!(eval(json!("ok")), fail("`ok`, which was cut, is not `ok`"));
    assert_eq!(eval(json!({ "not_equals": "ok" })).0, Status::Pass);
    let unknown = fail("cannot be determined from the first 2 B of the body, which was cut");
    for rule in [
        json!("okay"),
        json!({ "not_equals": "okay" }),
        json!({ "one_of": ["no", "okay"] }),
    ] {
        assert_eq!(eval(rule), unknown, "the rest may make it so");
    }
    assert_eq!(
        eval(json!({ "length": { "<": 5 } })),
        fail("cannot be determined from the first 2 B of the body, which was cut")
    );
}

#[test]
fn a_list_of_versions_is_those_that_may_be_spoken() {
    let eval = |versions: Value| eval(json!({ "version": versions }), fake::response(200));
    assert_eq!(eval(json!(["1.0", "1.1"])), pass("HTTP/1.1"));
    assert_eq!(eval(json!("2")), fail("HTTP/1.1, not HTTP/2"));
    assert_eq!(
        eval(json!(["1.0", "2"])),
        fail("HTTP/1.1 is not one of HTTP/1.0, HTTP/2")
    );
}

#[test]
fn the_address_that_answered_may_be_expected() {
    let eval = |networks: Value| eval(json!({ "peer_address": networks }), fake::response(200));
    assert_eq!(eval(json!("192.0.2.0/24")), pass("192.0.2.1"));
    assert_eq!(
        eval(json!(["198.51.100.1", "::1"])),
        fail("192.0.2.1 is not in 198.51.100.1, ::1")
    );
}

#[test]
fn a_final_url_has_the_same_rules() {
    let response = || Response {
        url: "https://example.com/login?next=a".into(),
        ..fake::response(200)
    };
    let eval = |rule: Value| eval(json!({ "final_url": rule }), response());
    assert_eq!(
        eval(json!({ "not_contains": "/login" })),
        fail("`https://example.com/login?…` contains `/login`, which it must not")
    );
    let either = ["https://example.com/", "HTTPS://EXAMPLE.com/login?next=a"];
    assert_eq!(eval(json!({ "one_of": either })).0, Status::Pass);
}

#[test]
fn a_rule_of_another_place_is_refused() {
    for (expect, key) in [
        (json!({ "headers": { "x": { "max_size": "1KiB" } } }), "max_size"),
        (json!({ "headers": { "x": { "exists": true } } }), "exists"),
        (json!({ "body": { "absent": true } }), "absent"),
        (json!({ "json": { "$": { "raw": true } } }), "raw"),
        (json!({ "final_url": { "optional": true } }), "optional"),
    ] {
        let error = try_run(&expect, fake::response(200)).unwrap_err();
        assert!(error.contains(&format!("unknown field `{key}`")), "{error}");
    }
}

#[test]
fn a_number_of_a_suite_is_compared_with_every_digit_wherever_it_stands() {
    let status = |rule: &str, value: &str| {
        let response = body(format!("{{\"a\":{value}}}"));
        let host = FakeHost::new().http(move |_| Ok(response.clone()));
        let config = format!("{{\"expect\":{{\"json\":{{\"$.a\":{rule}}}}}}}");
        let verdict = host.run::<Http>("https://example.com/", &config).unwrap();
        verdict.status()
    };
    for (rule, good, bad) in [
        (
            "12345678901234567890123",
            "12345678901234567890123.0",
            "12345678901234567890124",
        ),
        (
            "[[12345678901234567890123]]",
            "[[12345678901234567890123]]",
            "[[12345678901234567890122]]",
        ),
        (
            r#"{"equals":{"b":[0.1234567890123456789]}}"#,
            r#"{"b":[0.1234567890123456789]}"#,
            r#"{"b":[0.12345678901234568]}"#,
        ),
        (
            r#"{"not_equals":18446744073709551617}"#,
            "18446744073709551616",
            "18446744073709551617",
        ),
        (r#"{"one_of":[1,1e400]}"#, "10e399", "1e401"),
        (
            r#"{">":12345678901234567890123}"#,
            "12345678901234567890123.1",
            "12345678901234567890123",
        ),
        (
            r#"{"<=":0.1234567890123456789}"#,
            "0.1234567890123456789",
            "0.12345678901234567891",
        ),
        (r#"{"length":{"<":1e400}}"#, "[]", "1"),
    ] {
        assert_eq!(status(rule, good), Status::Pass, "{rule} {good}");
        assert_eq!(status(rule, bad), Status::Fail, "{rule} {bad}");
    }
}

#[test]
fn a_long_number_of_a_suite_costs_nothing_to_be_held_against_many_values() {
    let limit = "9".repeat(1 << 20);
    let values = vec!["1"; 100_000].join(",");
    let response = body(format!("[{values}]"));
    let host = FakeHost::new().http(move |_| Ok(response.clone()));
    let config =
        format!("{{\"expect\":{{\"json\":{{\"$[*]\":{{\"<\":{limit}}},\"$[0]\":{{\">\":{limit}}}}}}}}}");
    let verdict = host.run::<Http>("https://example.com/", &config).unwrap();
    let assertion = |name: &str| verdict.assertion(name).unwrap();
    assert_eq!(
        assertion("json $[*]").status,
        Status::Pass,
        "{:?}",
        verdict.assertions()
    );
    let message = &assertion("json $[0]").message;
    assert!(
        message.starts_with("`1` is not more than 999") && message.len() < 200,
        "{message}"
    );
}
