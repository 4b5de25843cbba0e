//! `canary plugin`, `canary schema` and `canary demo`.

use insta::assert_snapshot;
use serde_json::Value;

use super::{canary, folder};

const DEMO: &str = include_str!("../../src/demo/suite.yaml");

/// What a command prints, which must succeed.
fn printed(arguments: &[&str]) -> String {
    let ending = canary(folder(&[]), arguments).run();
    assert_eq!(
        (ending.code, ending.err.as_str()),
        (0, ""),
        "{arguments:?}: {ending:?}"
    );
    ending.out
}

/// `text` without digests, which differ between builds.
fn without_digests(text: &str) -> String {
    let mut parts = text.split("sha256:");
    let mut plain = parts.next().unwrap().to_owned();
    for part in parts {
        plain += "sha256:<digest>";
        plain += part.trim_start_matches(|char: char| char.is_ascii_hexdigit());
    }
    plain
}

#[test]
fn the_embedded_plugins_are_listed() {
    assert_snapshot!(without_digests(&printed(&["plugin", "list"])));
}

#[test]
fn a_plugin_says_what_it_is() {
    let text = printed(&["plugin", "inspect", "http"]);
    let (facts, schema) = text.split_once("\n\nconfig schema:\n").unwrap();
    assert_snapshot!(without_digests(facts));
    assert_eq!(schema, printed(&["plugin", "inspect", "http", "--schema"]));
    let schema: Value = serde_json::from_str(schema).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    assert_eq!(schema["properties"]["method"]["default"], "GET");
}

#[test]
fn a_plugin_is_inspected_in_its_file_as_well() {
    let path = env!("CANARY_PLUGIN_LEAK");
    let (file, embedded) = (
        printed(&["plugin", "inspect", path]),
        printed(&["plugin", "inspect", "leak"]),
    );
    assert_eq!(file, embedded);
}

#[test]
fn a_file_that_is_no_plugin_is_said_to_be_none() {
    let folder = folder(&[("mine.wasm", "hello")]);
    let ending = canary(&folder, &["plugin", "inspect", "mine.wasm"]).run();
    assert_eq!((ending.code, ending.out.as_str()), (1, ""));
    assert_snapshot!(ending.err, @"");
    let ending = canary(&folder, &["plugin", "inspect", "htpp"]).run();
    assert_eq!((ending.code, ending.out.as_str()), (1, ""));
    assert_snapshot!(ending.err, @"");
}

#[test]
fn the_schema_is_one_and_the_suite_of_the_demo_fits_it() {
    let schema: Value = serde_json::from_str(&printed(&["schema"])).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let mut suite: Value = serde_yaml::from_str(DEMO).unwrap();
    let problems: Vec<String> = schema
        .iter_errors(&suite)
        .map(|problem| problem.to_string())
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
    suite["checks"][0]["plugin"] = 1.into();
    assert!(!schema.is_valid(&suite));
}

#[test]
fn the_demo_ends_as_it_says_and_leaves_no_descriptor() {
    let text = printed(&["demo", "--once"]);
    for part in [
        "all 10 checks ended as the demo says they should",
        "4 reclaimed",
        "0 unaccounted",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains('\x1b'), "{text}");
}
