//! Invalid suites: a clear message each, exit code 3, and nothing runs.

use std::fs;
use std::path::Path;

use insta::assert_snapshot;
use tempfile::TempDir;

use super::{as_a_command, canary, folder, http_check, site, suite};

/// The eight bytes of an empty component, and of an empty core module.
const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const EMPTY_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// The problems that `canary validate suite.yaml` prints. Other commands that load suites must print the same.
fn problems(folder: &TempDir) -> String {
    problems_of(folder, "suite.yaml")
}

fn problems_of(folder: &TempDir, path: &str) -> String {
    let [first, check, mut run] =
        ["validate", "check", "run"].map(|command| canary(folder, &[command, path]).run());
    run.err = as_a_command(&run.err);
    for ending in [&first, &check, &run] {
        assert_eq!((ending.code, ending.out.as_str()), (3, ""), "{ending:?}");
        assert_eq!(ending.err, first.err);
    }
    first.err
}

/// A suite that declares the plugin `mine`, whose file has this content.
fn with_plugin(content: &[u8]) -> TempDir {
    let folder = suite(
        "plugins:\n  mine: { path: mine.wasm }\nchecks:\n  - { name: a, plugin: mine, target: \"localhost:1\" }\n",
    );
    fs::write(folder.path().join("mine.wasm"), content).unwrap();
    folder
}

#[test]
fn every_problem_of_every_file_is_shown_at_its_place() {
    let folder = folder(&[
        (
            "suite/a.yaml",
            "defaults: { intervall: 10s }\nchecks:\n  - name: a\n    plugin: htpp\n    target: http://localhost/\n",
        ),
        (
            "suite/b.yaml",
            "checks:\n  - name: b\n    plugin: http\n    target: http://localhost/\n    timeout: 90s\n    interval: 60s\n    \
             config: { methd: GET }\n",
        ),
    ]);
    assert_snapshot!(problems_of(&folder, "suite"), @r"
    error: suite/a.yaml:1:13: `defaults`: unknown key `intervall`
        1 | defaults: { intervall: 10s }
          |             ^^^^^^^^^
    hint: did you mean `interval`?

    suite/a.yaml:4:13: check `a`: unknown plugin `htpp`
        4 |     plugin: htpp
          |             ^^^^
    hint: did you mean `http`?

    suite/b.yaml:5:5: check `b`: `timeout` (90s) is longer than `interval` (60s)
        5 |     timeout: 90s
          |     ^^^^^^^
    hint: raise `interval` or lower `timeout`

    suite/b.yaml:7:15: check `b`: `config`: unknown key `methd`
        7 |     config: { methd: GET }
          |               ^^^^^
    hint: did you mean `method`?

    4 problems
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_check_keeps_the_good_ones_from_running() {
    let site = site();
    let folder = suite(&format!(
        "checks:\n{}  - name: bad\n",
        http_check("good", &site, "/")
    ));
    problems(&folder);
    assert_eq!(site.accepted(), 0);
}

#[test]
fn a_missing_file() {
    assert_snapshot!(problems_of(&folder(&[]), "no-such-suite.yaml"), @r"
    error: no-such-suite.yaml: no such file

    1 problem
    ");
}

#[test]
fn a_folder_without_suites() {
    assert_snapshot!(problems_of(&folder(&[("suite/notes.txt", "")]), "suite"), @r"
    error: suite: the directory contains no suite
    hint: a suite is one or more files that end in `.yaml` or `.yml`; subfolders are not searched

    1 problem
    ");
}

#[test]
fn invalid_utf_8() {
    let folder = suite("");
    fs::write(folder.path().join("suite.yaml"), b"checks:\n  - name: \xff\n").unwrap();
    assert_snapshot!(problems(&folder), @r"
    error: suite.yaml:2:11: invalid UTF-8
    hint: save the file as UTF-8

    1 problem
    ");
}

#[test]
fn a_bomb_of_aliases() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..=12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("a{level}: &a{level} [{aliases}]\n");
    }
    assert_snapshot!(problems(&suite(&text)), @r"
    error: suite.yaml:6:45: the aliases of the file expand to more than 1000000 values
        6 | a5: &a5 [*a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4]
          |                                             ^^^
    hint: use fewer aliases, or split the file

    1 problem
    ");
}

#[test]
fn nesting_without_end() {
    assert_snapshot!(problems(&suite(&"[".repeat(1_000_000))), @r"
    error: suite.yaml:1:65: lists and mappings are nested more than 64 deep
        1 | [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
          |                                         ^

    1 problem
    ");
}

#[test]
fn a_plugin_that_is_no_wasm() {
    assert_snapshot!(problems(&with_plugin(b"#!/bin/sh\necho ok\n")), @r"
    error: suite.yaml:2:3: plugin `mine`: not a wasm component: it does not begin as wasm does
        2 |   mine: { path: mine.wasm }
          |   ^^^^

    1 problem
    ");
}

#[test]
fn a_plugin_that_is_a_core_module() {
    assert_snapshot!(problems(&with_plugin(EMPTY_MODULE)), @r"
    error: suite.yaml:2:3: plugin `mine`: not a wasm component: it is a core module; build it for `wasm32-wasip2`
        2 |   mine: { path: mine.wasm }
          |   ^^^^

    1 problem
    ");
}

#[test]
fn a_plugin_that_lacks_the_export() {
    assert_snapshot!(problems(&with_plugin(EMPTY_COMPONENT)), @r"
    error: suite.yaml:2:3: plugin `mine`: not a plugin for this host: it does not export `canary:check/probe`; this runner serves contract 0.1 and 0.2
        2 |   mine: { path: mine.wasm }
          |   ^^^^

    1 problem
    ");
}

#[test]
fn a_plugin_that_is_missing() {
    let folder = with_plugin(b"");
    fs::remove_file(folder.path().join("mine.wasm")).unwrap();
    assert_snapshot!(problems(&folder), @r"
    error: suite.yaml:2:3: plugin `mine`: cannot read `mine.wasm`: No such file or directory (os error 2)
        2 |   mine: { path: mine.wasm }
          |   ^^^^

    1 problem
    ");
}

#[test]
fn a_plugin_that_is_a_folder() {
    let folder = with_plugin(b"");
    fs::remove_file(folder.path().join("mine.wasm")).unwrap();
    fs::create_dir(folder.path().join("mine.wasm")).unwrap();
    assert_snapshot!(problems(&folder), @r"
    error: suite.yaml:2:3: plugin `mine`: cannot read `mine.wasm`: not a regular file
        2 |   mine: { path: mine.wasm }
          |   ^^^^

    1 problem
    ");
}

#[test]
fn a_plugin_with_another_digest() {
    let folder = with_plugin(EMPTY_COMPONENT);
    let text = fs::read_to_string(folder.path().join("suite.yaml")).unwrap();
    let digest = "0".repeat(64);
    let text = text.replace(
        "mine.wasm }",
        &format!("mine.wasm, digest: \"sha256:{digest}\" }}"),
    );
    fs::write(folder.path().join("suite.yaml"), text).unwrap();
    assert_snapshot!(problems(&folder), @r#"
    error: suite.yaml:2:3: plugin `mine`: the file has digest sha256:24eaf3439a60c96764c4f2c92a0a81b52bd4fe5d5b91f090184a0f6486b1bf29, the suite requires sha256:0000000000000000000000000000000000000000000000000000000000000000
        2 |   mine: { path: mine.wasm, digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000" }
          |   ^^^^

    1 problem
    "#);
}

#[test]
fn a_compiled_plugin_is_not_machine_code_that_a_suite_may_bring() {
    let cache = TempDir::new().unwrap();
    let arguments = ["plugin", "list", "--cache-dir", cache.path().to_str().unwrap()];
    let ending = canary(&cache, &arguments).run();
    assert_eq!(ending.code, 0, "{ending:?}");
    let is_compiled = |path: &Path| path.extension().is_some_and(|extension| extension == "cwasm");
    let mut files = fs::read_dir(cache.path())
        .unwrap()
        .map(|file| file.unwrap().path());
    let compiled = files.find(|file| is_compiled(file)).unwrap();
    assert_snapshot!(problems(&with_plugin(&fs::read(compiled).unwrap())), @r"
    error: suite.yaml:2:3: plugin `mine`: not a wasm component: it does not begin as wasm does
        2 |   mine: { path: mine.wasm }
          |   ^^^^

    1 problem
    ");
}
