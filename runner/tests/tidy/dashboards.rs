//! The alert rules and dashboards name only values that the runner reports.

use std::collections::BTreeSet;
use std::path::PathBuf;

use regex::Regex;

use super::reference::codes;
use super::{Source, fail, root};

/// Labels of metrics, and the types whose codes are their values. A label that is missing here has any value.
const LABELS: [(&str, &[&str]); 6] = [
    ("canary_assertion_status", &["VerdictStatus"]),
    ("canary_miss_reason", &["MissReason"]),
    ("canary_phase", &["Phase"]),
    ("canary_status", &["Status"]),
    ("error_type", &["DropReason"]),
    ("signal", &["Signal"]),
];
/// The types whose codes the descriptions of alerts explain.
const EXPLAINED: [&str; 2] = ["DropReason", "MissReason"];

/// The alert rules with their tests, and the dashboards: their names and texts.
fn files() -> Vec<(String, String)> {
    let folders = ["rules", "alerting", "dashboards"].map(|name| root().join("deploy/grafana").join(name));
    let entries = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.display().to_string(), text)
    };
    paths.map(read).collect()
}

fn codes_of<'a>(sources: &'a [Source], types: &[&str]) -> BTreeSet<&'a str> {
    types.iter().flat_map(|of| codes(sources, of)).collect()
}

/// The values that the selectors of a text compare a label with; those of a pattern one by one.
fn selected<'a>(text: &'a str, label: &str) -> BTreeSet<&'a str> {
    let selector = Regex::new(&format!(r#"\b{label}(?:=|!=|=~|!~)\\?"([^"\\]*)"#)).unwrap();
    let values = selector
        .captures_iter(text)
        .filter_map(|found| found.get(1))
        .flat_map(|values| values.as_str().split('|'));
    // An empty value is that of a series without the label; `$name` is a variable of a dashboard.
    values
        .filter(|value| !value.is_empty() && !value.starts_with('$'))
        .collect()
}

#[test]
fn the_rules_and_dashboards_select_values_that_a_label_can_have() {
    let (sources, files) = (Source::of_the_runner(), files());
    let mut problems = Vec::new();
    for (label, types) in LABELS {
        let codes = codes_of(&sources, types);
        let mut count = 0;
        for (path, text) in &files {
            let values = selected(text, label);
            count += values.len();
            let unknown = values.difference(&codes);
            problems.extend(unknown.map(|value| format!("{path}: `{label}` is never `{value}`")));
        }
        assert!(count > 0, "nothing selects a value of `{label}`");
    }
    fail(&problems);
}

#[test]
fn the_alerts_explain_reasons_that_the_runner_reports() {
    let (sources, files) = (Source::of_the_runner(), files());
    let codes = codes_of(&sources, &EXPLAINED);
    // As in "`spool_full`, `expired`: the collector was unavailable".
    let explained = Regex::new(r"`([a-z_]+)`[,:]").unwrap();
    let mut problems = Vec::new();
    let mut count = 0;
    for (path, text) in &files {
        for reason in explained.captures_iter(text).filter_map(|found| found.get(1)) {
            count += 1;
            if !codes.contains(reason.as_str()) {
                problems.push(format!(
                    "{path}: nothing reports the reason `{}`",
                    reason.as_str()
                ));
            }
        }
    }
    assert!(count > 20, "only {count} reasons are explained");
    fail(&problems);
}
