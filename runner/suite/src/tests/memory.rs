//! The memory that a suite takes is bounded, whatever its files consist of; what people write stays far below.

use super::*;

const CHECK: &str = "checks: [{ name: a, plugin: tcp, target: \"a:1\" }]\n";
const TOO_MUCH: &str = "the suite takes more than 96 MiB of memory to read";

/// What is wrong with `text` as `suite.yaml`: a single problem.
fn problem_of(text: &str) -> String {
    let problems = load_text(text).unwrap_err();
    assert_eq!(problems.count(), 1, "{problems}");
    let problem = problems.to_string();
    let (_, problem) = problem.split_once("suite.yaml").unwrap();
    problem.to_owned()
}

fn list(element: impl Fn(u32) -> String, count: u32) -> String {
    let mut text = format!("{CHECK}x-list: [");
    for number in 0..count {
        text.push_str(&element(number));
        text.push(',');
    }
    text + "]\n"
}

/// Each file would take several times the limit, and is smaller than the limit for a file.
#[test]
fn a_file_of_millions_of_values_is_refused_where_it_takes_too_much() {
    let files = [
        list(|_| "1".to_owned(), 3_900_000),
        list(|_| "~".to_owned(), 3_900_000),
        list(|number| number.to_string(), 1_500_000),
        list(|number| format!("a{number}"), 1_500_000),
        list(|_| "[]".to_owned(), 3_000_000),
        list(|_| "{a: 1}".to_owned(), 1_500_000),
        list(|number| format!("&{number} 1"), 1_000_000),
        list(|_| "'${var:a}'".to_owned(), 1_200_000),
        format!(
            "vars: {{ a: b }}\n{}",
            list(|_| "'${var:a}'".to_owned(), 1_200_000)
        ),
    ];
    for file in &files {
        let problem = problem_of(file);
        let line = file.lines().count();
        assert!(
            file.len() < 16 << 20
                && problem.starts_with(&format!(":{line}:"))
                && problem.contains(TOO_MUCH)
                && problem.contains("hint: share what checks have in common"),
            "{} bytes: {problem}",
            file.len()
        );
    }
}

#[test]
fn so_is_one_mapping_with_as_many_keys() {
    let keys: String = (0..1_000_000).map(|number| format!("  a{number}: 1\n")).collect();
    let problem = problem_of(&format!("{CHECK}x-map:\n{keys}"));
    assert!(
        problem.starts_with(':') && problem.contains(TOO_MUCH),
        "{problem}"
    );
}

#[test]
fn so_is_a_file_of_empty_lines() {
    let problem = problem_of(&format!("{CHECK}{}", "\n".repeat(15 << 20)));
    assert!(problem.starts_with(&format!(": {TOO_MUCH}")), "{problem}");
}

#[test]
fn so_are_checks_and_targets_that_take_more_than_their_text() {
    let checks = "  - {}\n".repeat(100_000);
    let problem = problem_of(&format!("checks:\n{checks}"));
    assert!(problem.contains(TOO_MUCH), "{problem}");
    let targets: Vec<String> = (0..100_000).map(|number| format!("\"a:{number}\"")).collect();
    let text = format!(
        "checks:\n  - {{ name: a, plugin: tcp, targets: [{}] }}\n",
        targets.join(", ")
    );
    let problem = problem_of(&text);
    assert!(
        problem.starts_with(":2:5: ") && problem.contains(TOO_MUCH),
        "{problem}"
    );
}

#[test]
fn the_files_of_a_suite_share_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let values = list(|_| "1".to_owned(), 300_000).replacen(CHECK, "", 1);
    for file in 0..9 {
        fs::write(folder.path().join(format!("{file}.yaml")), &values).unwrap();
    }
    fs::write(folder.path().join("9.yaml"), CHECK).unwrap();
    let problems = load(&[folder.path().to_owned()]).unwrap_err();
    assert_eq!(problems.count(), 1, "{problems}");
    let problem = problems.to_string();
    assert!(
        problem.contains("3.yaml:1:") && problem.contains(TOO_MUCH),
        "{problem}"
    );
}

#[test]
fn a_configuration_has_a_bound_of_its_own() {
    let values = "1, ".repeat(60_000);
    for config in [
        format!("checks:\n  - {{ name: a, plugin: leak, target: \"a:1\", config: {{ a: [{values}] }} }}\n"),
        format!(
            "x-a: &a [{}]\nchecks:\n  - {{ name: a, plugin: leak, target: \"a:1\", config: {{ a: [{}] }} }}\n",
            "1, ".repeat(1_000),
            "*a, ".repeat(60)
        ),
    ] {
        let problem = problem_of(&config);
        assert!(
            problem.contains("`config` has more than 50000 values"),
            "{problem}"
        );
    }
    let values = "1, ".repeat(49_000);
    let most =
        format!("checks: [{{ name: a, plugin: leak, target: \"a:1\", config: {{ a: [{values}] }} }}]\n");
    assert!(load_text(most).is_ok());
}

#[test]
fn references_insert_no_more_than_their_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("suite.yaml");
    fs::write(folder.path().join("large"), "x".repeat(1 << 20)).unwrap();
    let text = "${file:large}".repeat(65);
    let check = format!("{{ name: a, plugin: leak, target: \"a:1\", config: {{ a: \"{text}\" }} }}");
    fs::write(&path, format!("checks: [{check}]\n")).unwrap();
    let problems = load(&[path]).unwrap_err();
    assert_eq!(problems.count(), 1, "{problems}");
    let problem = problems.to_string();
    assert!(
        problem.contains("suite.yaml:1:")
            && problem.contains("the references of the suite expand to more than 64 MiB")
            && problem.contains("hint: refer to a large value once"),
        "{problem}"
    );
}

/// Profiles that no check uses inherit as checks do.
#[test]
fn unused_profiles_share_the_limit_of_what_is_inherited() {
    let profiles: String = (0..200)
        .map(|number| format!("  p{number}: {{ plugin: leak, config: {{ own: 1 }} }}\n"))
        .collect();
    let problem = problem_of(&format!(
        "defaults: {{ plugin: leak, config: {{ body: {} }} }}\nprofiles:\n{profiles}{CHECK}",
        "b".repeat(1 << 20)
    ));
    assert!(
        problem.starts_with(":66:3: profile `p63`: `profiles` and `defaults` add more than 64 MiB"),
        "{problem}"
    );
}

/// Each with 40 values, in one file and in a hundred.
#[test]
fn ten_thousand_ordinary_checks_are_far_from_the_limit() {
    let check = |number: u32| {
        format!(
            "  - name: check {number}\n    plugin: leak\n    target: host-{number}.${{var:domain}}:443\n    \
             interval: 30s\n    timeout: 5s\n    description: what host {number} serves to its customers\n    \
             labels: {{ team: team-{}, tier: gold, region: eu-{}, service: service-{number} }}\n    config:\n      \
             method: GET\n      headers: {{ x-check: canary-{number}, accept: application/json, x-kind: none }}\n      \
             expect:\n        status: [200, 301-302, 404]\n        latency: {{ warn: 1s, fail: 3s }}\n        body: \
             {{ contains: 'Welcome to host {number} of the example company', size: {{ max: 1MiB }} }}\n        \
             headers: [{{ name: content-type, contains: text/html }}, {{ name: x-served-by, equals: host-{number} \
             }}]\n",
            number % 50,
            number % 7
        )
    };
    let file = |numbers: std::ops::Range<u32>| {
        let checks: String = numbers.map(check).collect();
        format!("vars: {{ domain: example.com }}\nchecks:\n{checks}")
    };
    let suite = load_text(file(0..10_000)).unwrap();
    assert_eq!(suite.checks.len(), 10_000);
    let folder = tempfile::tempdir().unwrap();
    for part in 0..100 {
        let text = file(part * 100..(part + 1) * 100);
        fs::write(folder.path().join(format!("{part}.yaml")), text).unwrap();
    }
    let suite = load(&[folder.path().to_owned()]).unwrap();
    assert_eq!(suite.checks.len(), 10_000);
}
