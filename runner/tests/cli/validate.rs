//! `canary validate` of good suites.

use std::fmt::Write as _;

use super::{canary, folder, suite};

#[test]
fn a_good_suite_is_counted_and_nothing_runs() {
    // Nothing listens there, so a run would fail.
    let folder = suite("checks: [{ name: a, plugin: tcp, target: \"127.0.0.1:1\" }]\n");
    let ending = canary(&folder, &["validate", "suite.yaml"]).run();
    assert_eq!(
        (ending.code, ending.out.as_str(), ending.err.as_str()),
        (0, "ok: 1 check\n", "")
    );
}

#[test]
fn the_files_of_a_folder_are_one_suite() {
    let check = |name| format!("checks: [{{ name: {name}, plugin: tcp, target: \"127.0.0.1:1\" }}]\n");
    let folder = folder(&[
        ("suite/one.yaml", &check("one")),
        ("suite/two.yml", &check("two")),
    ]);
    let ending = canary(&folder, &["validate", "suite"]).run();
    assert_eq!(
        (ending.code, ending.out.as_str()),
        (0, "ok: 2 checks\n"),
        "{ending:?}"
    );
}

#[test]
fn ten_thousand_checks_are_a_suite() {
    let mut text = String::from("checks:\n");
    for number in 0..10_000 {
        writeln!(
            text,
            "  - name: check {number}\n    plugin: http\n    target: https://host-{number}.example.com/\n    \
             config: {{ expect: {{ status: [200, 301-302], body: {{ contains: Welcome }} }} }}"
        )
        .unwrap();
    }
    let ending = canary(&suite(&text), &["validate", "suite.yaml"]).run();
    assert_eq!(
        (ending.code, ending.out.as_str()),
        (0, "ok: 10000 checks\n"),
        "{ending:?}"
    );
}

#[test]
fn variables_are_shown_as_they_hold_and_those_of_the_command_line_win() {
    let folder = suite(
        "vars: { host: 127.0.0.1, port: 1, every: 30s, api_token: abcdefgh }\nchecks:\n  - name: a ${var:every}\n    plugin: tcp\n    \
         target: ${var:host}:${var:port}\n    interval: ${var:every}\n",
    );
    let ending = canary(&folder, &["validate", "suite.yaml", "--var", "every=1h 30m"]).run();
    assert_eq!(
        (ending.code, ending.out.as_str()),
        (
            0,
            "ok: 1 check\nevery=1h 30m (`--var`)\napi_token=*** (suite.yaml:1:58)\nhost=127.0.0.1 (suite.yaml:1:15)\n\
             port=1 (suite.yaml:1:32)\n"
        ),
        "{ending:?}"
    );
    let ending = canary(&folder, &["check", "suite.yaml", "--var", "evry=1m"]).run();
    assert_eq!((ending.code, ending.out.as_str()), (3, ""), "{ending:?}");
    let ending = canary(&folder, &["check", "suite.yaml", "--var", "every"]).run();
    assert_eq!(ending.code, 64, "{ending:?}");
}
