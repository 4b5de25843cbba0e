//! A quota `memory` that a plugin cannot even start with.

use super::variables::load_files;
use super::*;

/// The first line of each problem.
fn problem_lines(text: &str) -> Vec<String> {
    let loaded = load_files(&[("suite.yaml", text)], &VariableOverrides::default());
    let problems = loaded.err().unwrap_or_default();
    let lines = problems.lines().filter(|line| line.starts_with("suite.yaml:"));
    lines.map(str::to_owned).collect()
}

fn suite(defaults: &str, check: &str) -> String {
    format!(
        "plugins: {{ large: {{ path: large.wasm }} }}\ndefaults: {{ plugin: large, {defaults} }}\n\
         checks:\n  - {{ name: a, target: \"a:1\", {check} }}\n  - {{ name: b, target: \"b:1\", {check} }}\n"
    )
}

#[test]
fn less_than_a_plugin_starts_with_is_refused_where_it_is_written() {
    let lines = problem_lines(&suite("quota: { memory: 960KiB }", ""));
    let message = "`quota`: `memory` is 960 KiB; the plugin `large` starts with 1 MiB";
    assert_eq!(lines, [format!("suite.yaml:2:45: check `a`: {message}")]);
    let lines = problem_lines(&suite("", "quota: { memory: 960KiB }"));
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].ends_with(&format!("check `b`: {message}")), "{lines:?}");
}

#[test]
fn what_a_plugin_can_start_with_is_taken() {
    for (defaults, check) in [
        ("", ""),
        ("", "quota: { memory: 1MiB }"),
        ("quota: { memory: 64KiB }", "quota: { memory: 1MiB }"),
        ("quota: { memory: 64KiB }", "plugin: tcp"),
    ] {
        let text = suite(defaults, check);
        assert_eq!(problem_lines(&text), [""; 0], "{text}");
    }
    let unreadable = problem_lines(&suite("quota: { memory: 1KiB }", ""));
    assert_eq!(unreadable.len(), 1, "{unreadable:?}");
}
