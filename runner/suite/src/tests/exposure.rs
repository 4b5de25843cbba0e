//! Secrets that a suite exposes itself.

use super::variables::load_files;
use super::*;

/// A suite that refers to a token, together with another file.
fn with(text: &str) -> Result<Suite, String> {
    let check = "checks:\n  - { name: a, plugin: http, target: \"http://a.test\", config: { headers: { x: \"${env:TOKEN}\" } } }\n";
    load_files(
        &[("check.yaml", check), ("other.yaml", text)],
        &VariableOverrides::default(),
    )
}

/// [`TOKEN`] in base64.
const ENCODED: &str = "aHVudGVyMi1mcm9tLXRoZS1lbnZpcm9ubWVudA==";

#[test]
fn a_secret_that_a_check_shows_is_refused_where_it_stands() {
    for (keys, key, place) in [
        (format!("name: \"b {TOKEN}\""), "name", "2:41"),
        (format!("name: b, description: {TOKEN}."), "description", "2:57"),
        (
            format!("name: b, description: {}", TOKEN.to_uppercase()),
            "description",
            "2:57",
        ),
        (
            format!("name: b, runbook_url: \"https://w.test/{ENCODED}\""),
            "runbook_url",
            "2:57",
        ),
        (format!("name: b, labels: {{ l: {TOKEN} }}"), "labels", "2:57"),
    ] {
        let text = format!("checks:\n  - {{ plugin: tcp, target: \"b:1\", {keys} }}\n");
        refused(&text, key, place);
    }
}

#[test]
fn so_is_one_that_variables_defaults_and_profiles_show() {
    refused(&format!("vars: {{ v: {TOKEN} }}\n"), "v", "1:12");
    let defaults = format!("defaults: {{ description: {TOKEN} }}\n");
    refused(&defaults, "description", "1:26");
    let profile = format!("profiles: {{ p: {{ labels: {{ l: {TOKEN} }} }} }}\n");
    refused(&profile, "labels", "1:31");
}

fn refused(text: &str, key: &str, place: &str) {
    let problems = with(text).unwrap_err();
    assert!(
        problems.contains(&format!("`{key}` holds a secret of the suite")),
        "{problems}"
    );
    assert!(
        problems.starts_with(&format!("other.yaml:{place}: ")),
        "{text}: {problems}"
    );
    assert_eq!(problems.matches("other.yaml").count(), 1, "{problems}");
    assert!(!problems.to_lowercase().contains(TOKEN), "{problems}");
    assert!(!problems.contains(ENCODED), "{problems}");
}

#[test]
fn a_part_of_a_secret_and_a_short_one_are_ordinary_words() {
    assert!(with("vars: { v: \"from-the-environment\" }\n").is_ok());
    let short = "checks: [{ name: \"a b\", plugin: tcp, target: \"${env:SHORT:-b}:1\" }]\n";
    assert!(load_files(&[("a.yaml", short)], &VariableOverrides::default()).is_ok());
}
