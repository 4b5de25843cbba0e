//! Every key that the schema marks as a regular expression.

use serde_json::{Map, Value, json};

use super::places;
use crate::Http;

/// The paths of keys to each regular expression in a schema.
fn patterns(root: &Value, schema: &Value, path: &[&str]) -> Vec<Vec<String>> {
    if let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|reference| reference.strip_prefix('#'))
    {
        return patterns(root, root.pointer(name).unwrap(), path);
    }
    let mut found = Vec::new();
    if schema["format"] == "rust-regex" {
        found.push(path.iter().map(|key| (*key).to_owned()).collect());
    }
    let properties = schema["properties"].as_object();
    let named = properties
        .into_iter()
        .flatten()
        .map(|(key, inner)| (key.as_str(), inner));
    // A placeholder for names that the suite's author chooses: a header, and a path.
    let any = schema
        .get("additionalProperties")
        .filter(|inner| inner.is_object());
    let any = any.map(|inner| (if path.contains(&"json") { "$.a" } else { "x-a" }, inner));
    for (key, inner) in named.chain(any) {
        let path = [path, &[key]].concat();
        found.extend(patterns(root, inner, &path));
    }
    found
}

/// A configuration with a value at this path of keys.
fn config(keys: &[String], value: &Value) -> Value {
    match keys {
        [] => value.clone(),
        [key, rest @ ..] => Map::from_iter([(key.clone(), config(rest, value))]).into(),
    }
}

#[test]
fn each_is_refused_where_it_does_not_compile() {
    let schema = canary_sdk::fake::describe::<Http>().config_schema;
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let keys = patterns(&schema, &schema, &[]);
    assert!(keys.len() >= 8, "{keys:?}");
    for keys in keys {
        let place = format!("/config/{}", keys.join("/"));
        let second = format!("{place}/1");
        assert_eq!(places(&config(&keys, &json!("("))), [place]);
        assert_eq!(places(&config(&keys, &json!(["a", "("]))), [second]);
    }
}

/// Each pattern alone is allowed, but all of them exceed the budget of a run.
#[test]
fn all_of_a_check_are_compiled_within_one_budget() {
    let many =
        |count: usize| -> Vec<String> { (0..count).map(|number| format!("\\w{{20}}{number}")).collect() };
    let config = json!({ "expect": {
        "headers": { "x": { "matches": many(1) } },
        "body": { "matches": many(40) },
        "json": { "$.a": { "not_matches": many(40) } },
    } });
    let found = super::problems(&config);
    let [problem] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert!(problem.starts_with("/config/expect/body/matches/"), "{problem}");
    assert!(
        problem.ends_with("the compiled patterns up to this one exceed the 6 MiB that a check has for them"),
        "{problem}"
    );
    let usual = ["^v[0-9]+", "\\bok\\b", "(?i)error|fatal", "\\d{4}-\\d\\d"].map(|pattern| vec![pattern; 20]);
    assert_eq!(
        places(&json!({ "expect": { "body": { "not_matches": usual.concat() } } })),
        [""; 0]
    );
}

#[test]
fn one_that_is_refused_says_why() {
    for (pattern, reason) in [
        (
            "(?=a)",
            "look-around, including look-ahead and look-behind, is not supported",
        ),
        ("(a)\\1", "backreferences are not supported"),
        (
            "((a{100}){100}){100}",
            "the compiled pattern exceeds the size limit of 1 MiB",
        ),
    ] {
        let found = super::problems(&json!({ "expect": { "body": { "matches": pattern } } }));
        assert!(found.len() == 1 && found[0].ends_with(reason), "{found:?}");
    }
    let bytes = json!({ "expect": { "body": { "matches": "(?-u)\\xff" } } });
    assert_eq!(places(&bytes), [""; 0]);
}

/// Patterns that match an empty text wherever it stands, or where every text begins or ends, and so every text.
const OF_EVERYTHING: [&str; 13] = [
    "a*",
    ".*",
    "a?",
    "(a|)",
    "(?:a|b*)c{0}",
    "x|",
    "(?i)\\w{0,5}",
    "^",
    "^.*",
    "(?m)^a?",
    "$",
    "a*$",
    "(?s).*\\z",
];
/// Patterns with a class of which there is no character, where they need one.
const OF_NOTHING: [&str; 4] = ["[a&&b]", "a([a&&b]|\\P{any}c)+", "[^\\s\\S]", "(?:[a&&b]x){2}"];

#[test]
fn one_that_matches_everything_or_nothing_is_refused() {
    let of = |place: &str, key: &str, pattern: &str| {
        super::problems(&json!({ "expect": { place: { key: ["fine", pattern] } } }))
    };
    for (patterns, reason) in [
        (
            OF_EVERYTHING.as_slice(),
            "every value matches this pattern, since it matches an empty text",
        ),
        (&OF_NOTHING, "no text matches this pattern: it has an empty class"),
    ] {
        for pattern in patterns {
            for key in ["matches", "not_matches"] {
                for place in ["body", "final_url"] {
                    let expected = format!("/config/expect/{place}/{key}/1: {reason}");
                    let mut found = of(place, key, pattern);
                    found.dedup();
                    assert_eq!(found, [expected], "{pattern}");
                }
            }
        }
    }
    let raw = json!({ "expect": { "body": { "raw": true, "matches": "(?-u)\\xff*" } } });
    assert_eq!(places(&raw), ["/config/expect/body/matches"]);
}

#[test]
fn one_with_an_anchor_or_a_boundary_can_fail() {
    for pattern in [
        "^a*$",
        "^a",
        "^.+",
        "\\b",
        "\\B",
        "(?m)^$",
        "\\A.*\\z",
        "a*b",
        "[a&&b]|ab",
        "(?:ab|[a&&b])",
        "x[a&&b]*",
        "$^",
    ] {
        for key in ["matches", "not_matches"] {
            let body = json!({ "expect": { "body": { key: pattern } } });
            assert_eq!(places(&body), [""; 0], "{pattern}");
        }
    }
}

/// As in the blackbox exporter, where `.*` says that a header is there, or that it is not.
#[test]
fn one_that_matches_everything_can_say_whether_a_value_is_there() {
    let of = |rules: &Value| {
        let header = places(&json!({ "expect": { "headers": { "x": rules } } }));
        let json = places(&json!({ "expect": { "json": { "$.a": rules } } }));
        assert_eq!(header.len(), json.len(), "{rules}");
        header.len()
    };
    for (rules, expected) in [
        (json!({ "matches": ".*" }), 0),
        (json!({ "matches": ".*", "optional": true }), 1),
        (json!({ "not_matches": ".*" }), 1),
        (json!({ "not_matches": ".*", "optional": true }), 0),
    ] {
        assert_eq!(of(&rules), expected, "{rules}");
    }
}
