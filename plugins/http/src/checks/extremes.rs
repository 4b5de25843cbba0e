//! Rules that only an empty value meets, that every value meets, or that ask for what a value never holds.

use serde_json::{Value, json};

use super::problems;

fn of(place: &str, rules: &Value) -> Vec<String> {
    let expect = match place {
        "json" => json!({ "json": { "$.a": rules } }),
        "headers" => json!({ "headers": { "x": rules } }),
        _ => json!({ place: rules }),
    };
    let place = match place {
        "json" => "/config/expect/json/$.a/".to_owned(),
        "headers" => "/config/expect/headers/x/".to_owned(),
        _ => format!("/config/expect/{place}/"),
    };
    let found = problems(&json!({ "expect": expect }));
    found
        .iter()
        .map(|problem| problem.strip_prefix(&place).unwrap_or(problem).to_owned())
        .collect()
}

#[test]
fn an_empty_value_is_held_against_the_other_rules() {
    for (rules, expected) in [
        (
            json!({ "empty": true, ">": 1 }),
            "empty: no value meets this and `>`: `` is not a number",
        ),
        (
            json!({ "length": 0, "<=": 1 }),
            "length: no value meets this and `<=`: `` is not a number",
        ),
        (
            json!({ "length": { "<": 1 }, "matches": "x" }),
            "length: no value meets this and `matches`: `` does not match `x`",
        ),
        (
            json!({ "empty": false, "matches": "^$" }),
            "matches: no value meets this and `empty`: `` is empty",
        ),
        (
            json!({ "length": { ">": 1 }, "matches": "\\A(?:)\\z" }),
            "matches: no value meets this and `length`: `` has the length 0, which is not more than 1",
        ),
    ] {
        for place in ["body", "headers"] {
            assert_eq!(of(place, &rules), [expected], "{rules}");
        }
    }
}

/// Of JSON, `null`, an empty text, an empty array and an empty object are empty.
#[test]
fn of_several_empty_values_one_that_meets_the_rules_is_enough() {
    for (rules, expected) in [
        (
            json!({ "empty": true, ">": 1 }),
            "empty: no value meets this and `>`: `null` is not a number",
        ),
        (
            json!({ "empty": true, "contains": "x" }),
            "empty: no value meets this and `contains`: `null` does not contain `x`",
        ),
        (
            json!({ "length": 0, ">=": 2 }),
            "length: no value meets this and `>=`: `null` is not a number",
        ),
    ] {
        assert_eq!(of("json", &rules), [expected], "{rules}");
    }
    for rules in [
        json!({ "empty": true, "contains": "null" }),
        json!({ "empty": true, "matches": "^\\[" }),
        json!({ "empty": true, "not_equals": null }),
        json!({ "length": 0, "not_contains": "[" }),
        json!({ "matches": "^$" }),
        json!({ "matches": "^$", "length": 0, "empty": true }),
    ] {
        assert_eq!(of("json", &rules), [""; 0], "{rules}");
    }
}

#[test]
fn what_may_be_more_than_empty_is_taken() {
    for rules in [
        json!({ "matches": "^$" }),
        json!({ "matches": "(?m)^$", "empty": false }),
        json!({ "matches": "^a?$", "empty": false }),
        json!({ "length": { "<": 2 }, ">": 1 }),
        json!({ "not_matches": "^$", "length": { ">": 0 } }),
    ] {
        assert_eq!(of("body", &rules), [""; 0], "{rules}");
    }
}

#[test]
fn a_length_that_every_value_has_is_refused() {
    for place in ["body", "headers", "json"] {
        for sign in [">", ">="] {
            assert_eq!(
                of(place, &json!({ "length": { sign: -1, "<": 5 } })),
                [format!("length/{sign}: a length is never negative")]
            );
        }
    }
    let any = json!({ "length": { ">=": 0 } });
    assert_eq!(of("body", &any), ["length: every length is >= 0"]);
    assert_eq!(of("body", &json!({ "length": { ">=": 0, "<": 9 } })), [""; 0]);
    // A number has no length, and a header may be absent.
    for place in ["headers", "json"] {
        assert_eq!(of(place, &any), [""; 0]);
    }
}

#[test]
fn a_text_that_no_number_contains_is_refused_where_the_value_is_one() {
    for place in ["body", "headers", "json"] {
        assert_eq!(
            of(place, &json!({ "contains": ["1", "ms"], "<": 5 })),
            ["contains/1: no value meets this and `<`: no number contains `ms`"]
        );
        let found = of(place, &json!({ "contains": [".", "-1", "e+0"], "<": 5 }));
        assert_eq!(found, [""; 0]);
    }
}

#[test]
fn what_a_header_or_a_url_never_holds_is_not_looked_for() {
    for (place, rules, expected) in [
        (
            "headers",
            json!({ "matches": ["a", "\n"] }),
            "matches/1: a header value has no line breaks",
        ),
        (
            "headers",
            json!({ "not_matches": "a\\r?\\n$" }),
            "not_matches: a header value has no line breaks",
        ),
        (
            "final_url",
            json!({ "contains": "a b" }),
            "contains: a URL cannot contain ` `",
        ),
        (
            "final_url",
            json!({ "not_contains": "<" }),
            "not_contains: a URL cannot contain `<`",
        ),
        (
            "final_url",
            json!({ "matches": "gr(ö|\\s)" }),
            "matches: a URL cannot contain a character that this pattern needs",
        ),
        (
            "final_url",
            json!({ "length": { "<": 9 } }),
            "length: a URL has at least 9 characters",
        ),
    ] {
        assert_eq!(of(place, &rules), [expected], "{rules}");
    }
    for (place, rules) in [
        ("headers", json!({ "matches": "a\\s|b[^\\r]" })),
        ("headers", json!({ "matches": "(?m)^a\\n?$" })),
        ("body", json!({ "matches": "\n" })),
        ("final_url", json!({ "matches": "^https?://[^ ]+/a%20b\\S*$" })),
        (
            "final_url",
            json!({ "contains": ["'", "{", "a%20b"], "length": 40 }),
        ),
    ] {
        assert_eq!(of(place, &rules), [""; 0], "{rules}");
    }
}
