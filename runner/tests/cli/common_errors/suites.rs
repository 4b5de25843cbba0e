//! Mistakes in the first suite.

use std::fs;

use insta::assert_snapshot;

use super::super::{canary, suite};
use super::{seen, seen_with, shown};

/// A core module: what a compiler makes unless it is asked for a component.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// What `canary check` shows of this suite.
fn problems(suite: &str) -> String {
    seen_with(suite, &["check", "suite.yaml"])
}

/// The same for a check of a website with further keys.
fn problems_of_check(keys: &str) -> String {
    problems(&format!(
        "checks:\n  - name: website\n    plugin: http\n    target: https://example.com/\n{keys}"
    ))
}

#[test]
fn no_such_file() {
    assert_snapshot!(seen(&[], &["check", "suite.yaml"]), @r"
    stderr:
    error: suite.yaml: no such file

    1 problem

    exit code: 3
    ");
}

#[test]
fn a_settings_file_in_place_of_a_suite() {
    assert_snapshot!(problems("telemetry:\n  endpoint: http://localhost:4318\n"), @r"
    stderr:
    error: suite.yaml: the suite has no checks

    suite.yaml:1:1: unknown key `telemetry`
        1 | telemetry:
          | ^^^^^^^^^
    hint: `telemetry` belongs in the settings file of the runner, which `--config` names

    2 problems

    exit code: 3
    ");
}

#[test]
fn a_tab() {
    assert_snapshot!(problems("checks:\n  - name: website\n    plugin: http\n\ttarget: https://example.com/\n"), @r"
    stderr:
    error: suite.yaml:4:2: invalid YAML: while scanning a plain scalar, found a tab
        4 |  target: https://example.com/
          |  ^^^^^^
    hint: indent with spaces: YAML does not allow tabs

    1 problem

    exit code: 3
    ");
}

#[test]
fn too_few_spaces() {
    assert_snapshot!(problems("checks:\n  - name: website\n    plugin: http\n   target: https://example.com/\n"), @r"
    stderr:
    error: suite.yaml:4:4: invalid YAML: while parsing a block collection, did not find expected '-' indicator
        4 |    target: https://example.com/
          |    ^^^^^^
    hint: indent it like the keys or the `-` beside it

    1 problem

    exit code: 3
    ");
}

#[test]
fn too_many_spaces() {
    assert_snapshot!(problems("checks:\n  - name: website\n    plugin: http\n      target: https://example.com/\n"), @r"
    stderr:
    error: suite.yaml:4:13: invalid YAML: mapping values are not allowed in this context
        4 |       target: https://example.com/
          |             ^
    hint: indent it like the keys beside it, or quote text that contains `: `

    1 problem

    exit code: 3
    ");
}

#[test]
fn no_space_after_a_colon() {
    assert_snapshot!(problems_of_check("    interval:30s\n"), @r"
    stderr:
    error: suite.yaml:5:5: invalid YAML: simple key expected ':'
        5 |     interval:30s
          |     ^^^^^^^^^^^^
    hint: write `KEY: VALUE`, with a space after the colon

    1 problem

    exit code: 3
    ");
}

#[test]
fn a_mapping_in_place_of_a_list() {
    assert_snapshot!(problems("checks:\n  name: website\n  plugin: http\n"), @r"
    stderr:
    error: suite.yaml:2:3: `checks`: expected a list of checks, found a mapping
        2 |   name: website
          |   ^^^^
    hint: begin each check with `- `

    1 problem

    exit code: 3
    ");
}

#[test]
fn a_misspelled_key() {
    assert_snapshot!(problems_of_check("    intervall: 30s\n"), @r"
    stderr:
    error: suite.yaml:5:5: check `website`: unknown key `intervall`
        5 |     intervall: 30s
          |     ^^^^^^^^^
    hint: did you mean `interval`?

    1 problem

    exit code: 3
    ");
}

#[test]
fn an_unknown_key_and_a_missing_one() {
    assert_snapshot!(problems("checks:\n  - name: website\n    plugin: http\n    url: https://example.com/\n"), @r"
    stderr:
    error: suite.yaml:2:5: check `website`: `target` is missing
        2 |   - name: website
          |     ^^^^
    hint: write `target: ..`, or `targets: [..]` for one check per target

    suite.yaml:4:5: check `website`: unknown key `url`
        4 |     url: https://example.com/
          |     ^^^
    hint: known: `name`, `profile`, `target`, `targets`, `depends_on`, `expect_failure`, `plugin`, `config`, `allow`, `redirect_secrets_to`, `name_servers`, `labels`, `enabled`, `interval`, `schedule`, `retry_interval`, `timeout`, `retries`, `failure_threshold`, `success_threshold`, `quota`, `group`, `alert`, `description`, `runbook_url`

    2 problems

    exit code: 3
    ");
}

#[test]
fn no_plugin() {
    assert_snapshot!(problems("checks:\n  - name: website\n    target: https://example.com/\n"), @r"
    stderr:
    error: suite.yaml:2:5: check `website`: `plugin` is missing
        2 |   - name: website
          |     ^^^^
    hint: write `plugin: http`, or another name of `canary plugin list`

    1 problem

    exit code: 3
    ");
}

#[test]
fn values_of_other_types() {
    assert_snapshot!(problems_of_check("    config: { expect: { status: ok } }\n    retries: twice\n"), @r"
    stderr:
    error: suite.yaml:5:33: check `website`: `config.expect.status`: expected a status such as 404, or a range such as `200-299`, found the string `ok`
        5 |     config: { expect: { status: ok } }
          |                                 ^^

    suite.yaml:6:14: check `website`: `retries`: expected a whole number from 0 to 100, found the string `twice`
        6 |     retries: twice
          |              ^^^^^

    2 problems

    exit code: 3
    ");
}

#[test]
fn a_text_in_place_of_a_list() {
    assert_snapshot!(problems_of_check("    allow: api.example.com\n"), @r"
    stderr:
    error: suite.yaml:5:12: check `website`: `allow`: expected a list of destinations, found the string `api.example.com`
        5 |     allow: api.example.com
          |            ^^^^^^^^^^^^^^^
    hint: put it in brackets: `allow: [..]`

    1 problem

    exit code: 3
    ");
}

#[test]
fn an_invalid_regular_expression() {
    let keys = "    config: { expect: { body: { matches: '(Welcome' } } }\n";
    assert_snapshot!(problems_of_check(keys), @r"
    stderr:
    error: suite.yaml:5:33: check `website`: `config.expect.body.matches`: not a regular expression: unclosed group
        5 |     config: { expect: { body: { matches: '(Welcome' } } }
          |                                 ^^^^^^^

    1 problem

    exit code: 3
    ");
}

#[test]
fn a_duration_without_a_unit() {
    assert_snapshot!(problems_of_check("    interval: 30\n"), @r"
    stderr:
    error: suite.yaml:5:15: check `website`: `interval`: expected a duration, found the number `30`
        5 |     interval: 30
          |               ^^
    hint: write a number with a unit, such as `500ms`, `30s`, `5m`, `1.5h`, `1h 30m` or `21d`

    1 problem

    exit code: 3
    ");
}

#[test]
fn an_unknown_plugin() {
    assert_snapshot!(problems("checks:\n  - name: router\n    plugin: ping\n    target: 192.0.2.1\n"), @r"
    stderr:
    error: suite.yaml:3:13: check `router`: unknown plugin `ping`
        3 |     plugin: ping
          |             ^^^^
    hint: built in: `http`, `tls`, `tcp`, `script`, `leak`; declare another: `plugins: { ping: { path: FILE.wasm } }`

    1 problem

    exit code: 3
    ");
}

#[test]
fn a_plugin_that_is_no_component() {
    let folder = suite(
        "plugins:\n  mine: { path: mine.wasm }\nchecks:\n  - { name: router, plugin: mine, target: 192.0.2.1 }\n",
    );
    fs::write(folder.path().join("mine.wasm"), MODULE).unwrap();
    assert_snapshot!(shown(&canary(&folder, &["check", "suite.yaml"]).run()), @r"
    stderr:
    error: suite.yaml:2:3: plugin `mine`: not a wasm component: it is a core module; build it for `wasm32-wasip2`
        2 |   mine: { path: mine.wasm }
          |   ^^^^

    1 problem

    exit code: 3
    ");
}

#[test]
fn a_variable_that_is_not_set() {
    let keys = "    config: { auth: { bearer: '${env:API_TOKEN}' } }\n";
    assert_snapshot!(problems_of_check(keys), @r"
    stderr:
    error: suite.yaml:5:31: check `website`: the environment variable `API_TOKEN` is not set
        5 |     config: { auth: { bearer: '****************' } }
          |                               ^^^^^^^^^^^^^^^^^^
    hint: set it, or give a default: `${env:API_TOKEN:-default}`

    1 problem

    exit code: 3
    ");
}

#[test]
fn two_checks_of_one_name() {
    let second = "  - name: website\n    plugin: http\n    target: https://example.org/\n";
    assert_snapshot!(problems_of_check(second), @r"
    stderr:
    error: suite.yaml:5:11: check `website`: the name is already used by the check at suite.yaml:2:11
        5 |   - name: website
          |           ^^^^^^^

    1 problem

    exit code: 3
    ");
}

#[test]
fn a_target_without_a_scheme() {
    assert_snapshot!(problems("checks:\n  - name: website\n    plugin: http\n    target: example.com\n"), @r"
    stderr:
    error: suite.yaml:4:13: check `website`: `example.com`: the target does not match the plugin's syntax `http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]`: it is not a URL: write the scheme as well, such as `https://example.com/`
        4 |     target: example.com
          |             ^^^^^^^^^^^

    1 problem

    exit code: 3
    ");
}
