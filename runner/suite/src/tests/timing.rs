//! Contradictory times are those of a check after all layers are merged.

use super::variables::load_files;
use super::*;

/// The first line of each problem.
fn problem_lines(text: &str) -> Vec<String> {
    let loaded = load_files(&[("suite.yaml", text)], &VariableOverrides::default());
    let problems = loaded.err().unwrap_or_default();
    let lines = problems.lines().filter(|line| line.starts_with("suite.yaml:"));
    lines.map(str::to_owned).collect()
}

fn suite(defaults: &str, profile: &str, check: &str) -> String {
    format!(
        "defaults: {{ plugin: tcp, {defaults} }}\nprofiles: {{ p: {{ {profile} }} }}\n\
         checks:\n  - {{ name: a, target: \"a:1\", profile: p, {check} }}\n"
    )
}

#[test]
fn what_no_check_has_is_not_compared() {
    for (defaults, profile, check) in [
        ("timeout: 40s", "", "interval: 1m"),
        ("timeout: 40s", "interval: 1m", ""),
        ("timeout: 40s", "", "schedule: \"@daily\""),
        ("timeout: 40s", "", "timeout: 5s"),
        ("retry_interval: 40s", "", "interval: 1m"),
        ("retry_interval: 40s", "", ""),
        ("interval: 10s, timeout: 20s", "timeout: 5s", ""),
        ("interval: 10s, timeout: 20s", "", "schedule: \"@daily\""),
        ("", "interval: 10s, timeout: 20s", "interval: 1m"),
        ("", "retry_interval: 40s", "interval: 1m"),
        ("schedule: \"@daily\", timeout: 10m", "", "interval: 20m"),
    ] {
        let text = suite(defaults, profile, check);
        assert_eq!(problem_lines(&text), [""; 0], "{text}");
    }
}

#[test]
fn a_contradiction_is_reported_where_it_is_written_for_the_fewest_checks() {
    for (defaults, profile, check, expected) in [
        (
            "timeout: 40s",
            "",
            "",
            "1:26: check `a`: `timeout` (40s) is longer than `interval` (30s, the default)",
        ),
        (
            "timeout: 40s",
            "",
            "interval: 10s",
            "4:43: check `a`: `timeout` (40s, from `defaults`) is longer than `interval` (10s)",
        ),
        (
            "timeout: 40s",
            "interval: 10s",
            "",
            "2:18: check `a`: `timeout` (40s, from `defaults`) is longer than `interval` (10s)",
        ),
        (
            "interval: 10s",
            "timeout: 40s",
            "",
            "2:18: check `a`: `timeout` (40s) is longer than `interval` (10s, from `defaults`)",
        ),
        (
            "",
            "interval: 10s",
            "timeout: 40s",
            "4:43: check `a`: `timeout` (40s) is longer than `interval` (10s, from the profile `p`)",
        ),
        (
            "",
            "retry_interval: 40s",
            "interval: 10s",
            "4:43: check `a`: `retry_interval` (40s, from the profile `p`) is longer than `interval` (10s)",
        ),
        (
            "",
            "",
            "timeout: 2m, schedule: \"* * * * *\"",
            "4:43: check `a`: `timeout` (2m) is longer than the shortest time in `schedule` (60s)",
        ),
    ] {
        let text = suite(defaults, profile, check);
        assert_eq!(problem_lines(&text), [format!("suite.yaml:{expected}")], "{text}");
    }
}

#[test]
fn what_many_checks_inherit_is_reported_once() {
    let checks = (0..50).map(|number| format!("  - {{ name: c{number}, target: \"a:1\" }}\n"));
    let text = format!(
        "defaults: {{ plugin: tcp, timeout: 40s }}\nchecks:\n{}",
        checks.collect::<String>()
    );
    assert_eq!(problem_lines(&text).len(), 1);
}

#[test]
fn nothing_is_compared_with_what_is_wrong_by_itself() {
    for check in [
        "timeout: 10m, schedule: \"0 0 * * 7-1\"",
        "timeout: 10m, schedule: { cron: \"0 0 * * 7-1\" }",
        "timeout: 10m, schedule: { cron: 5 }",
        "interval: 1x, timeout: 90s",
        "interval: 1x, retry_interval: 90s",
        "timeout: 90x, interval: 1s",
        "interval: 10s, timeout: 20s, schedule: \"* * * * *\"",
    ] {
        let text = suite("interval: 1s", "", check);
        assert_eq!(
            problem_lines(&text).len(),
            1,
            "{text}: {:?}",
            problem_lines(&text)
        );
    }
    let text = suite("interval: 1x", "", "timeout: 90s");
    assert_eq!(problem_lines(&text).len(), 1, "{:?}", problem_lines(&text));
}
