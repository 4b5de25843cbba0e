//! Rules that no value can meet, or that every value meets.

use serde_json::{Value, json};

use super::{places, problems};

/// The problems of these rules at a header, without their location.
fn of_header(rules: &Value) -> Vec<String> {
    let found = problems(&json!({ "expect": { "headers": { "x": rules } } }));
    let place = "/config/expect/headers/x/";
    found
        .iter()
        .map(|problem| problem.strip_prefix(place).unwrap_or(problem).to_owned())
        .collect()
}

#[test]
fn a_whole_value_is_held_against_the_other_rules() {
    for (rules, expected) in [
        (
            json!({ "equals": "a", "not_equals": "a" }),
            "equals: no value meets this and `not_equals`: `a` is `a`, which it must not be",
        ),
        (
            json!({ "equals": "a", "one_of": ["b", "c"] }),
            "equals: no value meets this and `one_of`: `a` is not one of `b`, `c`",
        ),
        (
            json!({ "equals": "a", "contains": ["a", "b"] }),
            "equals: no value meets this and `contains`: `a` does not contain `b`",
        ),
        (
            json!({ "equals": "a1", "not_matches": "[0-9]" }),
            "equals: no value meets this and `not_matches`: `a1` matches `[0-9]`, which it must not",
        ),
        (
            json!({ "equals": "12", "<": 12 }),
            "equals: no value meets this and `<`: `12` is not less than 12",
        ),
        (
            json!({ "one_of": ["a", "b"], "length": { ">": 1 } }),
            "one_of: no value meets this and `length`: `a` has the length 1, which is not more than 1",
        ),
    ] {
        assert_eq!(of_header(&rules), [expected], "{rules}");
    }
}

#[test]
fn rules_that_exclude_each_other_are_refused() {
    for (rules, expected) in [
        (
            json!({ "empty": true, "matches": "." }),
            "empty: no value meets this and `matches`: `` does not match `.`",
        ),
        (
            json!({ "contains": "abc", "not_contains": "b" }),
            "not_contains: `b` is in `abc`, which `contains` requires",
        ),
        (
            json!({ "matches": ["a", "b"], "not_matches": ["c", "b"] }),
            "not_matches/1: `b` is also in `matches`",
        ),
        (
            json!({ "length": { ">": 1, "<": 2 } }),
            "length: no length is < 2 and > 1",
        ),
        (json!({ "length": { "<": 0 } }), "length: no length is < 0"),
        (
            json!({ "length": {} }),
            "length: has no limit: write a number, or `<`, `<=`, `>` or `>=`",
        ),
        (
            json!({ "length": { ">": 5, "<": 2 } }),
            "length/>: no number is > 5 and < 2",
        ),
        (
            json!({ "empty": false, "length": 0 }),
            "length: with `empty: false` the length is more than 0",
        ),
    ] {
        assert_eq!(of_header(&rules), [expected], "{rules}");
    }
}

#[test]
fn rules_that_go_together_are_taken() {
    for rules in [
        json!({ "equals": "a", "contains": "a", "not_equals": "b", "length": 1, "empty": false }),
        json!({ "equals": "12", "matches": "^[0-9]+$", "<=": 12 }),
        json!({ "one_of": ["a", "bb"], "length": 2 }),
        json!({ "empty": true, "matches": "^$", "not_contains": "x", "length": 0 }),
        json!({ "contains": "abc", "not_contains": "abcd" }),
        json!({ "length": { ">": 1, "<": 2.5 } }),
    ] {
        assert_eq!(of_header(&rules), [""; 0], "{rules}");
        assert_eq!(
            places(&json!({ "expect": { "body": rules } })),
            [""; 0],
            "{rules}"
        );
    }
    // Files usually end with a line feed.
    assert_eq!(
        places(&json!({ "expect": { "body": { "equals": "12\n", ">": 3 } } })),
        [""; 0]
    );
}

#[test]
fn values_of_json_are_held_against_the_other_rules_as_what_they_are() {
    let of = |rules: Value| places(&json!({ "expect": { "json": { "$.a": rules } } }));
    for (rules, key) in [
        (json!({ "equals": 1, "not_equals": 1.0 }), "equals"),
        (json!({ "equals": [1], "length": 2 }), "equals"),
        (json!({ "equals": null, "empty": false }), "equals"),
        (json!({ "equals": "a", "matches": "^b" }), "equals"),
        (json!({ "one_of": [1, "x"], ">": 1 }), "one_of"),
        (json!({ "empty": true, "length": { ">=": 1 } }), "length"),
    ] {
        assert_eq!(
            of(rules.clone()),
            [format!("/config/expect/json/$.a/{key}")],
            "{rules}"
        );
    }
    for rules in [
        json!({ "equals": 1, "matches": "^1\\.0$" }),
        json!({ "equals": { "a": 1 }, "contains": "1e0" }),
        json!({ "equals": null, "empty": true }),
        json!({ "empty": true, "length": 0 }),
    ] {
        assert_eq!(of(rules.clone()), [""; 0], "{rules}");
    }
}

#[test]
fn what_every_value_holds_is_not_looked_for() {
    for (rules, place) in [
        (json!({ "contains": "" }), "contains: "),
        (json!({ "not_contains": ["a", ""] }), "not_contains/1: "),
        (json!({ "matches": "" }), "matches: "),
        (json!({ "not_matches": "" }), "not_matches: "),
    ] {
        let found = of_header(&rules);
        assert!(
            found.len() == 1 && found[0].starts_with(place),
            "{rules}: {found:?}"
        );
    }
}

#[test]
fn a_final_url_is_held_against_the_other_rules_as_it_is_sent() {
    let of = |rules: Value| problems(&json!({ "expect": { "final_url": rules } }));
    assert_eq!(
        of(json!({ "equals": "https://EXAMPLE.com/größe", "contains": "example.com/gr%C3" })),
        [""; 0]
    );
    assert_eq!(
        of(json!({ "contains": ["a", "größe"], ">": 5, "empty": true })),
        [
            "/config/expect/final_url/empty: no value meets this and `contains`: `` does not contain `a`",
            "/config/expect/final_url/>: a URL is not a number",
            "/config/expect/final_url/empty: a URL is never empty",
            "/config/expect/final_url/contains/1: a URL is ASCII and cannot contain `ö`",
        ]
    );
}

#[test]
fn an_answer_without_a_body_meets_no_rule_that_needs_one() {
    let expect = |status: Value| {
        json!({
            "status": status,
            "body": {
                "equals": "ok", "contains": "o", "matches": ["k$"], ">": 1, "length": 2,
                "not_contains": "x", "not_matches": "y", "max_size": "1KiB",
            },
            "json": { "$.a": 1, "$.b": { "exists": false } },
        })
    };
    let no_body = |keys: &[&str], reason: &str| -> Vec<String> {
        let problem = |key: &&str| format!("/config/expect/{key}: {reason}");
        keys.iter().map(problem).collect()
    };
    let keys = [
        "body/equals",
        "body/contains",
        "body/matches",
        "body/>",
        "body/length",
        "json/$.a",
        "json/$.b",
    ];
    let of = |method: &str, status: Value| {
        let mut found = problems(&json!({ "method": method, "expect": expect(status) }));
        // That `ok` is not a number is reported for every method.
        found.retain(|problem| !problem.contains("no value meets this"));
        found
    };
    assert_eq!(
        of("HEAD", json!(200)),
        no_body(&keys, "an answer to `HEAD` has no body")
    );
    assert_eq!(
        of("GET", json!([204, 304])),
        no_body(&keys, "an answer with status 204 or 304 has no body")
    );
    assert_eq!(of("GET", json!([200, 204])), [""; 0]);
    assert_eq!(
        problems(&json!({ "expect": { "body": { "max_size": 0, "contains": "x" } } })),
        ["/config/expect/body/contains: with `max_size: 0` the body is empty"]
    );
}

#[test]
fn an_answer_without_a_body_meets_what_holds_of_an_empty_one() {
    for body in [
        json!(""),
        json!({ "empty": true }),
        json!({ "max_size": 0, "not_contains": "a", "not_matches": "b", "not_equals": "c" }),
        json!({ "matches": "^$", "length": { "<": 5 } }),
        json!({ "one_of": ["", "a"] }),
    ] {
        let config = json!({ "method": "HEAD", "read_body": false, "expect": { "body": body } });
        assert_eq!(places(&config), [""; 0], "{config}");
    }
}

#[test]
fn what_no_header_can_hold_is_not_looked_for() {
    for (rules, place) in [
        (json!({ "equals": "no-store\n" }), "equals"),
        (json!({ "not_equals": " a" }), "not_equals"),
        (json!({ "one_of": ["a", "b\t"] }), "one_of/1"),
        (json!({ "contains": "a\r\nb" }), "contains"),
        (json!({ "not_contains": ["a", "\n"] }), "not_contains/1"),
    ] {
        let found = of_header(&rules);
        assert!(
            found.len() == 1 && found[0].starts_with(&format!("{place}: a header value has no")),
            "{found:?}"
        );
        assert_eq!(places(&json!({ "expect": { "body": rules } })), [""; 0]);
    }
}

#[test]
fn a_text_that_is_longer_than_the_value_is_refused() {
    let of = |body: Value| problems(&json!({ "expect": { "body": body } }));
    for (rules, expected) in [
        (
            json!({ "length": 0, "contains": "a" }),
            "length: no value meets this and `contains`: `` does not contain `a`",
        ),
        (
            json!({ "contains": ["é", "éé"], "length": { "<": 2 } }),
            "contains/1: `éé` is longer than `length` allows",
        ),
        (
            json!({ "contains": "abc", "max_size": 2 }),
            "contains: `abc` does not fit into `max_size`",
        ),
        (
            json!({ "length": 5, "max_size": 2 }),
            "length: does not fit into `max_size`",
        ),
        (
            json!({ "equals": "abc", "max_size": 2 }),
            "equals: does not fit into `max_size`",
        ),
        (
            json!({ "one_of": ["abc", "abcd"], "max_size": 2 }),
            "one_of: does not fit into `max_size`",
        ),
    ] {
        assert_eq!(
            of(rules.clone()),
            [format!("/config/expect/body/{expected}")],
            "{rules}"
        );
    }
    let rules = json!({ "contains": "https", "length": { "<=": 4 } });
    assert_eq!(
        of_header(&rules),
        ["contains: `https` is longer than `length` allows"]
    );
    assert_eq!(
        places(&json!({ "expect": { "final_url": rules } })),
        [
            "/config/expect/final_url/contains",
            "/config/expect/final_url/length"
        ]
    );
    for rules in [
        json!({ "contains": ["ab", "bc"], "length": 2, "max_size": 2 }),
        // In another charset than UTF-8 each of these takes one byte.
        json!({ "contains": "éé", "max_size": 2 }),
        json!({ "one_of": ["abc", "a"], "max_size": 2 }),
        json!({ "not_contains": "abc", "length": { "<": 5 }, "max_size": 4 }),
        json!({ "length": { "<": 5 }, "max_size": 2 }),
    ] {
        assert_eq!(of(rules.clone()), [""; 0], "{rules}");
    }
    // The length of a list is that of its elements.
    let list = json!({ "expect": { "json": { "$.a": { "contains": "abc", "length": 1 } } } });
    assert_eq!(problems(&list), [""; 0]);
}

#[test]
fn something_is_expected() {
    for (expect, expected) in [
        (
            json!({ "headers": { "x": { "absent": true, "optional": true } } }),
            "headers/x/optional: only one of `absent` and `optional` can apply",
        ),
        (
            json!({ "headers": { "x": { "optional": true } } }),
            "headers/x/optional: without another rule nothing is expected of the header",
        ),
        (
            json!({ "json": { "$.a": { "exists": false, "optional": true } } }),
            "json/$.a/optional: only one of `exists` and `optional` can apply",
        ),
        (
            json!({ "json": { "$.a": { "optional": true } } }),
            "json/$.a/optional: without another rule nothing is expected of the path",
        ),
        (
            json!({ "latency": {} }),
            "latency: has no limit: write `warn` or `fail`",
        ),
        (json!({ "body": {} }), "body: nothing is expected of the body"),
        (
            json!({ "body": { "raw": true } }),
            "body: nothing is expected of the body",
        ),
        (
            json!({ "final_url": {} }),
            "final_url: nothing is expected of the URL",
        ),
    ] {
        assert_eq!(
            problems(&json!({ "expect": expect })),
            [format!("/config/expect/{expected}")],
            "{expect}"
        );
    }
    for expect in [
        json!({ "headers": { "x": { "optional": true, ">": 1 }, "y": { "absent": false } } }),
        json!({ "json": { "$.a": { "optional": true, "empty": true }, "$.b": { "exists": true } } }),
        json!({ "body": { "max_size": 5 } }),
    ] {
        assert_eq!(problems(&json!({ "expect": expect })), [""; 0], "{expect}");
    }
}
