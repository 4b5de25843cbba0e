//! Plugins that attack the loader: a command ends within its limits, and reports which plugin exceeded which limit.

use canary_tests::command::{Ending, Program};
use canary_tests::scripted;
use serde_json::json;
use tempfile::TempDir;

use super::folder;
use super::reload::put;

const SUITE: &str =
    "plugins:\n  p: { path: p.wasm }\nchecks:\n  - { name: x, plugin: p, target: a, config: { a: b } }\n";

/// A folder with a suite that uses this plugin.
fn suite_of(plugin: &[u8]) -> TempDir {
    let folder = folder(&[("suite.yaml", SUITE)]);
    std::fs::write(folder.path().join("p.wasm"), plugin).unwrap();
    folder
}

/// `canary validate` of it, with these limits for loading a plugin.
fn validate(plugin: &[u8], time: &str, memory: &str) -> Ending {
    let arguments = [
        "validate",
        "suite.yaml",
        "--cache-dir",
        "none",
        "--plugin-load-timeout",
        time,
        "--plugin-load-memory",
        memory,
    ];
    canary(&suite_of(plugin), &arguments).run()
}

/// `canary ARGUMENTS` without a cache.
fn canary(folder: &TempDir, arguments: &[&str]) -> Program {
    Program::at(env!("CARGO_BIN_EXE_canary"))
        .within(folder.path())
        .args(arguments)
}

/// Asserts that a plugin is rejected, by name, for one of these reasons.
fn is_refused(what: &str, ending: &Ending, reasons: &[&str]) {
    assert_eq!(ending.code, 3, "{what}: {ending:?}");
    assert!(ending.err.contains("plugin `p`: "), "{what}: {ending:?}");
    assert!(
        reasons.iter().any(|reason| ending.err.contains(reason)),
        "{what}: {ending:?}"
    );
}

const TIME: &str = "raise `--plugin-load-timeout`";
const MEMORY: &str = "raise `--plugin-load-memory`";

#[test]
fn a_good_plugin_is_loaded_by_another_process() {
    let ending = validate(&scripted::with_schema("{}"), "60s", "1GiB");
    assert_eq!(
        (ending.code, ending.out.as_str()),
        (0, "ok: 1 check\n"),
        "{ending:?}"
    );
}

#[test]
fn a_configuration_is_judged_by_another_process_in_the_same_words() {
    let schema = json!({ "type": "object", "properties": { "port": { "type": "integer" } },
        "required": ["port"], "additionalProperties": false });
    let ending = validate(&scripted::with_schema(&schema.to_string()), "60s", "1GiB");
    assert_eq!(ending.code, 3);
    insta::assert_snapshot!(ending.err, @r"
    error: suite.yaml:4:38: check `x`: `config`: `port` is missing
        4 |   - { name: x, plugin: p, target: a, config: { a: b } }
          |                                      ^^^^^^

    suite.yaml:4:48: check `x`: `config`: unknown key `a`
        4 |   - { name: x, plugin: p, target: a, config: { a: b } }
          |                                                ^
    hint: known: `port`

    2 problems
    ");
}

#[test]
fn schemas_that_never_come_to_a_result_are_given_up() {
    let long = scripted::doubling("allOf", 10_000);
    let enumeration = json!({ "enum": vec!["x".repeat(100); 9_000] }).to_string();
    let nested = format!("{}{}{}", "{\"not\":".repeat(100), "{}", "}".repeat(100));
    let schemas = [
        ("allOf", scripted::doubling("allOf", 40)),
        ("anyOf", scripted::doubling("anyOf", 40)),
        ("oneOf", scripted::doubling("oneOf", 40)),
        ("long", long),
        (
            "regex",
            json!({ "patternProperties": { "(a{1000}){1000}": {} } }).to_string(),
        ),
        ("enum", enumeration),
        ("nested", nested),
        ("self", json!({ "$ref": "#" }).to_string()),
        ("unevaluated", unevaluated(40)),
        (
            "remote",
            json!({ "$ref": "http://127.0.0.1:1/schema.json" }).to_string(),
        ),
    ];
    for (what, schema) in schemas {
        let ending = validate(&scripted::with_schema(&schema), "3s", "512MiB");
        // Some turn out to be cheap, and some are rejected at once; all of them end.
        let reasons = [
            TIME,
            MEMORY,
            "invalid configuration schema",
            "crashed",
            "failed to describe itself",
        ];
        if ending.err.contains("plugin `p`: ") {
            is_refused(what, &ending, &reasons)
        } else {
            assert!(matches!(ending.code, 0 | 3), "{what}: {ending:?}")
        }
        if matches!(what, "allOf" | "anyOf" | "oneOf") {
            is_refused(what, &ending, &[TIME, MEMORY]);
        }
    }
}

/// Doubling definitions under a keyword that needs the annotations of all of them.
fn unevaluated(length: usize) -> String {
    let mut schema: serde_json::Value = serde_json::from_str(&scripted::doubling("anyOf", length)).unwrap();
    schema["unevaluatedProperties"] = false.into();
    schema.to_string()
}

#[test]
fn modules_that_take_a_compiler_for_ever_are_given_up() {
    let modules = [
        ("one huge function", scripted::module(1, 6 << 20, 5_000)),
        ("many functions", scripted::module(20_000, 300, 10)),
        ("many locals", scripted::module(1, 1 << 20, 45_000)),
        ("a jump table", scripted::jump_table(500_000, 1_000)),
    ];
    for (what, module) in modules {
        let ending = validate(&scripted::with_module(&module), "3s", "256MiB");
        match ending.code {
            // A fast machine may finish in time.
            0 => {}
            _ => is_refused(what, &ending, &[TIME, MEMORY, "not a wasm component"]),
        }
    }
}

#[test]
fn a_plugin_that_does_not_describe_itself_is_refused() {
    let plugins = [
        ("trap", scripted::plugin("trap"), "it failed to describe itself"),
        ("loop", scripted::plugin("loop"), "it failed to describe itself"),
        (
            "start",
            scripted::with_endless_start(),
            "it failed to describe itself",
        ),
        (
            "100 MB",
            scripted::plugin("large 100000000"),
            "it failed to describe itself",
        ),
        (
            "2 MB",
            scripted::plugin("large 2000000"),
            "its config schema is larger than 1 MiB",
        ),
        (
            "no JSON",
            scripted::plugin("schema {"),
            "its config schema is not JSON",
        ),
    ];
    for (what, plugin, reason) in plugins {
        is_refused(what, &validate(&plugin, "60s", "1GiB"), &[reason]);
    }
}

#[test]
fn examining_a_plugin_leaves_no_process() {
    let folder = suite_of(&scripted::with_schema(&scripted::doubling("allOf", 40)));
    let program = canary(
        &folder,
        &["validate", "suite.yaml", "--plugin-load-timeout", "10m"],
    );
    let running = program.start();
    let worker = running.child_with("plugin-worker");
    drop(running);
    // The kernel ends it with the process that started it.
    while std::path::Path::new("/proc")
        .join(worker.to_string())
        .join("exe")
        .exists()
    {
        std::thread::yield_now();
    }
}

#[test]
fn a_reload_that_meets_a_hostile_schema_is_refused_and_the_next_one_works() {
    let folder = suite_of(&scripted::with_schema("{}"));
    let arguments = [
        "run",
        "suite.yaml",
        "--admin",
        "none",
        "--state-dir",
        "none",
        "--plugin-load-timeout",
        // A good plugin must be loaded within it on a busy machine, and a hostile one uses it up.
        "20s",
    ];
    let mut running = canary(&folder, &arguments).start();
    let mut until = |part: &str| {
        let mut notes = std::iter::from_fn(|| running.log_line());
        assert!(notes.any(|note| note.contains(part)), "it ended without `{part}`");
    };
    until("running 1 check");
    put(
        folder.path(),
        "p.wasm",
        scripted::with_schema(&scripted::doubling("allOf", 40)),
    );
    // A changed file is a reason to reload. Time or memory, whichever is used up first.
    until("raise `--plugin-load-");
    put(
        folder.path(),
        "p.wasm",
        scripted::with_schema("{\"type\":\"object\"}"),
    );
    until("reloaded: 1 check");
}
