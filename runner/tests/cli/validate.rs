//! `canary validate` of good suites.

use std::fmt::Write as _;

use super::{canary, folder, suite};

#[test]
fn a_good_suite_is_counted_and_nothing_runs() {
    // Nobody listens there: a run would fail.
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
