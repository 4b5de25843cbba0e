//! References to variables that have no value.

use super::variables::load_files;
use super::*;

fn problems(text: &str) -> String {
    load_files(&[("suite.yaml", text)], &VariableOverrides::default()).unwrap_err()
}

#[test]
fn a_variable_without_a_value_hides_nothing_else() {
    let text = "checks:\n  - name: \"a ${var:none}\"\n    plugin: tcp\n    target: \"${var:host}:1\"\n    interval: 1x\n    \
                timeout: \"${var:none}\"\n    retries: many\n    labels: { l: \"${var:none}\" }\n    colour: red\n  \
                - { name: b, plugin: \"${var:plugin}\", target: \"b:1\", quota: { cpu: \"${var:cpu}\" } }\n  \
                - { name: c, plugin: http, target: \"http://c.test\", config: { method: \"${var:method}\", headers: 5 } }\n";
    let found = problems(text);
    for (line, message) in [
        (2, "unknown variable `none`"),
        (4, "unknown variable `host`"),
        (5, "`interval`: invalid duration `1x`"),
        (6, "unknown variable `none`"),
        (7, "`retries`: expected"),
        (8, "unknown variable `none`"),
        (9, "unknown key `colour`"),
        (10, "unknown variable `plugin`"),
        (10, "unknown variable `cpu`"),
        (11, "unknown variable `method`"),
        (11, "`config.headers`: expected a mapping"),
    ] {
        let is_it =
            |problem: &str| problem.starts_with(&format!("suite.yaml:{line}:")) && problem.contains(message);
        assert_eq!(
            found.lines().filter(|line| is_it(line)).count(),
            1,
            "{line} {message}: {found}"
        );
    }
    assert_eq!(found.matches("suite.yaml:").count(), 11, "{found}");
}

#[test]
fn what_is_wrong_with_all_variables_together_is_reported_once() {
    let checks: String = (0..1_000)
        .map(|number| {
            format!(
                "  - {{ name: c{number}, plugin: leak, target: \"a:1\", config: {{ x: \"{}\" }} }}\n",
                "${var:x}".repeat(30)
            )
        })
        .collect();
    let large = problems(&format!(
        "vars: {{ x: {} }}\nchecks:\n{checks}",
        "x".repeat(4_000)
    ));
    assert_eq!(large.matches("more than 32 MiB").count(), 1, "{large}");
    assert_eq!(large.matches("suite.yaml:").count(), 1, "{large}");
    let chain: String = (1..1_000)
        .map(|number| format!("  v{number:03}: ${{var:v{:03}}}\n", number + 1))
        .collect();
    let deep = problems(&format!(
        "vars:\n{chain}  v1000: x\nchecks: [{{ name: a, plugin: tcp, target: \"a:1\" }}]\n"
    ));
    assert_eq!(deep.matches("suite.yaml:").count(), 1, "{deep}");
}
