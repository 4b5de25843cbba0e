//! How a plugin's schema decides what is merged with inherited values.

use serde_json::{Value, json};

use super::*;

/// Rules with values to compare with, and names that do not depend on case.
const SCHEMA: &str = r##"{
    "properties": {
        "headers": { "x-canary-ignore-case": true, "additionalProperties": {} },
        "json": { "additionalProperties": { "anyOf": [{ "$ref": "#/$defs/Rule" }, {}] } },
        "body": { "x-canary-atomic": true, "type": ["object", "string"] },
        "steps": { "items": { "$ref": "#" } }
    },
    "$defs": { "Rule": { "properties": { "equals": { "x-canary-atomic": true }, "length": {} } } }
}"##;

/// The suite with these `defaults`, profile and configurations of checks.
fn load_merged(defaults: &str, profile: &str, own: &[&str]) -> Result<Suite, Problems> {
    let checks: String = own
        .iter()
        .enumerate()
        .map(|(number, config)| {
            format!("  - {{ name: c{number}, profile: p, target: 'a:1', config: {config} }}\n")
        })
        .collect();
    let text = format!(
        "plugins: {{ own: {{ path: own.wasm }} }}\ndefaults: {{ plugin: own, config: {defaults} }}\n\
         profiles: {{ p: {{ config: {profile} }} }}\nchecks:\n{checks}"
    );
    let name = Path::new("suite.yaml");
    let draft = read_text(name, text, &EMBEDDED, &Fixed, &VariableOverrides::default());
    let mut catalog = Catalog::default();
    catalog.insert("own", Ok(facts(SCHEMA, "HOST:PORT")));
    draft.finish(&catalog, &host_limits())
}

fn merged(defaults: &str, profile: &str, own: &str) -> Value {
    let suite = load_merged(defaults, profile, &[own]).unwrap_or_else(|problems| panic!("{problems}"));
    serde_json::from_str(suite.checks[0].config.expose()).unwrap()
}

#[test]
fn a_value_to_compare_with_replaces_the_inherited_one_and_may_be_null() {
    for (own, expected) in [
        ("{ equals: null }", json!({ "equals": null, "length": 1 })),
        (
            "{ equals: { x: null } }",
            json!({ "equals": { "x": null }, "length": 1 }),
        ),
        (
            "{ equals: { y: 1 } }",
            json!({ "equals": { "y": 1 }, "length": 1 }),
        ),
        ("{ equals: 5, length: null }", json!({ "equals": 5 })),
        (
            "{ length: { a: 1 } }",
            json!({ "equals": { "x": 2 }, "length": { "a": 1 } }),
        ),
    ] {
        let [defaults, own] =
            ["{ equals: { x: 2 }, length: 1 }", own].map(|rule| format!("{{ json: {{ $.a: {rule} }} }}"));
        assert_eq!(
            merged(&defaults, "{}", &own),
            json!({ "json": { "$.a": expected } }),
            "{own}"
        );
        assert_eq!(
            merged("{}", &defaults, &own),
            json!({ "json": { "$.a": expected } }),
            "{own}"
        );
        assert_eq!(
            merged(&defaults, &own, "{}"),
            json!({ "json": { "$.a": expected } }),
            "{own}"
        );
    }
    assert_eq!(
        merged(
            "{ json: { $.a: { equals: 1 }, $.b: 2 } }",
            "{}",
            "{ json: { $.a: null } }"
        ),
        json!({ "json": { "$.b": 2 } }),
        "the rule itself is not such a value"
    );
}

#[test]
fn null_removes_a_value_that_is_taken_whole_where_it_cannot_be_null() {
    let defaults = "{ body: { a: 1, b: 2 } }";
    assert_eq!(merged(defaults, "{}", "{ body: null }"), json!({}));
    assert_eq!(
        merged(defaults, "{}", "{ body: { a: null } }"),
        json!({ "body": { "a": null } })
    );
}

#[test]
fn a_name_overrides_and_removes_the_same_name_in_another_case() {
    let defaults = "{ headers: { X-Env: prod, Server: { a: 1 } }, json: { $.A: 1 } }";
    for (own, expected) in [
        (
            "{ x-env: test }",
            json!({ "x-env": "test", "Server": { "a": 1 } }),
        ),
        ("{ x-env: null }", json!({ "Server": { "a": 1 } })),
        (
            "{ server: { b: 2 } }",
            json!({ "X-Env": "prod", "server": { "a": 1, "b": 2 } }),
        ),
    ] {
        let own = format!("{{ headers: {own}, json: {{ $.a: 2 }} }}");
        let expected = json!({ "headers": expected, "json": { "$.A": 1, "$.a": 2 } });
        assert_eq!(merged(defaults, "{}", &own), expected, "{own}");
        assert_eq!(merged("{}", defaults, &own), expected, "{own}");
        assert_eq!(merged(defaults, &own, "{}"), expected, "{own}");
    }
}

#[test]
fn the_same_name_twice_in_one_configuration_is_reported_once() {
    let twice = "{ steps: [{ headers: { Server: 1, b: 2, server: 3 } }] }";
    for (defaults, profile, own) in [("{}", twice, ["{}"; 2]), ("{}", "{}", [twice, "{}"])] {
        let problems = load_merged(defaults, profile, &own).unwrap_err().to_string();
        let expected = "`config.steps[0].headers`: `server` is the same name as `Server` in line ";
        assert_eq!(problems.matches(expected).count(), 1, "{problems}");
        assert_eq!(problems.matches("suite.yaml:").count(), 1, "{problems}");
    }
    assert!(load_merged("{}", "{}", &["{ json: { $.A: 1, $.a: 2 } }"]).is_ok());
}

#[test]
fn what_a_profile_removes_does_not_come_back_from_the_defaults() {
    let defaults = "{ tls: { ca: x }, a: 1 }";
    assert_eq!(
        merged(defaults, "{ tls: null }", "{ tls: { sni: false } }"),
        json!({ "tls": { "sni": false }, "a": 1 })
    );
}
