//! JUnit XML for CI systems. It is valid by both strict schemas in use: that of Ant
//! (<https://github.com/windyroad/JUnit-Schema>) and that of Jenkins' xUnit plugin
//! (<https://github.com/jenkinsci/xunit-plugin>, `junit-10.xsd`).

use std::iter::once;
use std::time::{Duration, SystemTime};

use quick_xml::escape::escape;

use super::sanitize::{for_xml, sanitize};
use super::{format_measurement, log};
use crate::outcome::{Assertion, Outcome, Run, Verdict, VerdictStatus};

/// The document of [`junit_parts`] as one text.
#[cfg(any(test, feature = "test-util"))]
pub fn junit(runs: &[Run], hostname: &str) -> String {
    junit_parts(runs, hostname).collect()
}

/// One test suite with one test case per run, run by run, so that no more than one run is in memory as text. A fail is
/// a `<failure>` with the failed assertions; a stopped or faulted run is an `<error>`. Targets, warnings, measurements
/// and attributes are in the suite's `<system-out>`, since Ant's schema has no place for them in test cases.
pub fn junit_parts(runs: &[Run], hostname: &str) -> impl Iterator<Item = String> {
    let begin = head(runs, hostname);
    let cases = runs.iter().map(test_case);
    let findings = runs.iter().map(|run| escape_text(&findings(run)));
    once(begin)
        .chain(cases)
        .chain(once("        <system-out>".to_owned()))
        .chain(findings)
        .chain(once(
            "</system-out>\n        <system-err/>\n    </testsuite>\n</testsuites>\n".to_owned(),
        ))
}

fn head(runs: &[Run], hostname: &str) -> String {
    let count = |is_counted: fn(&Outcome) -> bool| runs.iter().filter(|run| is_counted(&run.outcome)).count();
    let failures = count(|outcome| outcome.verdict() == Some(VerdictStatus::Fail));
    let errors = count(|outcome| outcome.verdict().is_none());
    let began = runs.iter().map(|run| run.started_at).min();
    let began = humantime::format_rfc3339_seconds(began.unwrap_or(SystemTime::UNIX_EPOCH)).to_string();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n    <testsuite name=\"canary\" package=\"canary\" id=\"0\" \
         timestamp=\"{}\" hostname=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"0\" \
         time=\"{}\">\n        <properties/>\n",
        // The schemas allow no time zone; it is UTC.
        began.trim_end_matches('Z'),
        attribute(hostname),
        runs.len(),
        seconds(runs.iter().map(|run| run.duration).sum()),
    )
}

fn test_case(run: &Run) -> String {
    let attributes = format!(
        "name=\"{}\" classname=\"{}\" time=\"{}\"",
        attribute(run.check.id.as_str()),
        attribute(&run.check.plugin),
        seconds(run.duration),
    );
    let (element, word, description) = match &run.outcome {
        Outcome::Completed(verdict) if verdict.status == VerdictStatus::Fail => {
            ("failure", "fail", not_passed(verdict))
        }
        Outcome::Completed(_) => return format!("        <testcase {attributes}/>\n"),
        Outcome::Stopped(cause) => ("error", cause.as_str(), String::new()),
        Outcome::Faulted(fault) => ("error", fault.as_str(), String::new()),
    };
    format!(
        "        <testcase {attributes}>\n            <{element} message=\"{}\" type=\"{word}\">{}</{element}>\n        \
         </testcase>\n",
        attribute(&run.outcome.summary()),
        escape_text(&description),
    )
}

/// The findings of a run besides failed assertions, one per line.
fn findings(run: &Run) -> String {
    let mut lines = format!(
        "{}: {} {}\n",
        sanitize(run.check.id.as_str()),
        run.outcome.as_str(),
        sanitize(&run.check.target.to_string())
    );
    if let Outcome::Completed(verdict) = &run.outcome {
        lines += &verdict_findings(verdict);
    }
    for line in &run.log {
        lines += &indented(&format!("log {}\n", log::format(line)));
    }
    lines
}

fn verdict_findings(verdict: &Verdict) -> String {
    let mut lines = String::new();
    if verdict.status == VerdictStatus::Warn {
        lines += &indented(&not_passed(verdict));
    }
    for measurement in &verdict.measurements {
        lines += &indented(&format_measurement(measurement));
    }
    for (key, value) in &verdict.attributes {
        lines += &indented(&format!("{} = {}\n", sanitize(key), sanitize(value)));
    }
    lines
}

fn indented(lines: &str) -> String {
    lines.lines().map(|line| format!("    {line}\n")).collect()
}

fn not_passed(verdict: &Verdict) -> String {
    let line = |assertion: &Assertion| {
        let word = assertion.status.as_str();
        let (name, message) = (sanitize(&assertion.name), sanitize(&assertion.message));
        format!("{word}  {name}: {message}\n")
    };
    let assertions = verdict.assertions.iter();
    assertions
        .filter(|assertion| assertion.status != VerdictStatus::Pass)
        .map(line)
        .collect()
}

/// A duration in seconds, with milliseconds.
fn seconds(duration: Duration) -> String {
    format!("{:.3}", duration.as_secs_f64())
}

/// Escapes a text for an attribute, on one line.
fn attribute(text: &str) -> String {
    escape_text(&sanitize(text))
}

/// Escapes a text between elements.
fn escape_text(text: &str) -> String {
    for_xml(&escape(text)).into_owned()
}
