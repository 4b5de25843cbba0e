//! For a program: the JSON of `canary check`. Its keys are a contract with users.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Totals;
use super::plain::is_unsafe;
use crate::outcome::{Assertion, Measurement, Outcome, Run, Usage, VerdictStatus};
use crate::record::{Line, Text, Transcript};

#[derive(Serialize)]
struct RunObject<'a> {
    id: &'a str,
    check: &'a str,
    target: String,
    plugin: &'a str,
    description: Option<&'a str>,
    runbook_url: Option<&'a str>,
    expect_failure: bool,
    outcome: &'static str,
    verdict: Option<&'static str>,
    cause: Option<&'static str>,
    summary: String,
    duration_ms: f64,
    attempts: u32,
    assertions: Vec<AssertionObject<'a>>,
    measurements: Vec<MeasurementObject<'a>>,
    attributes: BTreeMap<&'a str, &'a str>,
    usage: UsageObject,
    /// Only where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<ConversationObject<'a>>,
}

#[derive(Serialize)]
struct ConversationObject<'a> {
    lines: Vec<LineObject<'a>>,
    bytes_left_out: u64,
    lines_left_out: u64,
}

#[derive(Serialize)]
struct LineObject<'a> {
    at_ms: f64,
    /// `null` for what belongs to none.
    connection: Option<u32>,
    /// `note`, `sent` or `received`.
    kind: &'static str,
    text: &'a str,
}

#[derive(Serialize)]
struct AssertionObject<'a> {
    name: &'a str,
    status: &'static str,
    message: &'a str,
}

#[derive(Serialize)]
struct MeasurementObject<'a> {
    name: &'a str,
    /// `null` when it is no number.
    value: f64,
    unit: &'a str,
    attributes: BTreeMap<&'a str, &'a str>,
}

/// What a run used of its quotas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsageObject {
    /// Most sockets open at once.
    pub sockets_peak: u64,
    /// Connects.
    pub connections: u64,
    /// DNS questions.
    pub lookups: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Bytes, linear memories and tables together.
    pub memory_peak: u64,
    /// Milliseconds that the guest itself executed.
    pub cpu_ms: f64,
    /// Refusals, by quota.
    pub denials: BTreeMap<Cow<'static, str>, u64>,
    /// Descriptors that the guest left open and the host closed.
    pub reclaimed: u64,
    /// Bytes that the record of the run takes.
    #[serde(default)]
    pub record_bytes: u64,
    /// Texts of it that were cut, or left out.
    #[serde(default)]
    pub record_cut: u64,
    /// Bytes that were cut, or left out.
    #[serde(default)]
    pub record_cut_bytes: u64,
}

/// One object with every run and the totals. Texts are whole, and safe to print: what a terminal would obey is
/// escaped as JSON can.
///
/// # Errors
/// Never for runs as they are today; the serialiser may.
pub fn json(runs: &[Run]) -> serde_json::Result<String> {
    json_parts(runs).collect()
}

/// The lines of [`json`], run by run, so that never more than one run is held as text.
pub fn json_parts(runs: &[Run]) -> impl Iterator<Item = serde_json::Result<String>> {
    let (begin, end) = match runs.is_empty() {
        true => ("{\n  \"runs\": [],\n", ""),
        false => ("{\n  \"runs\": [\n", "  ],\n"),
    };
    let last = runs.len().saturating_sub(1);
    let objects = runs.iter().enumerate().map(move |(place, run)| {
        let comma = if place == last { "" } else { "," };
        indented(&RunObject::of(run), 4).map(|text| format!("    {text}{comma}\n"))
    });
    let totals = std::iter::once_with(move || {
        let totals = indented(&Totals::of(runs), 2)?;
        Ok(format!("{end}  \"totals\": {totals}\n}}\n"))
    });
    std::iter::once(Ok(begin.to_owned())).chain(objects).chain(totals)
}

/// Safe to print, and each line but the first behind so many blanks. No text in JSON holds a line break.
fn indented(value: &impl Serialize, blanks: usize) -> serde_json::Result<String> {
    let line_break = format!("\n{:blanks$}", "");
    serde_json::to_string_pretty(value).map(|text| escape(&text.replace('\n', &line_break)))
}

/// A run as one of the objects in [`json`].
///
/// # Errors
/// Never for runs as they are today; the serialiser may.
pub fn run_object(run: &Run) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(RunObject::of(run))
}

/// The JSON of anything, safe to print as that of [`json`] is.
///
/// # Errors
/// The value is none that JSON has.
pub fn safe_json(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value).map(|text| escape(&text) + "\n")
}

impl<'a> RunObject<'a> {
    fn of(run: &'a Run) -> Self {
        let (assertions, measurements, attributes) = match &run.outcome {
            Outcome::Completed(verdict) => (
                verdict.assertions.as_slice(),
                verdict.measurements.as_slice(),
                verdict.attributes.as_slice(),
            ),
            Outcome::Stopped(_) | Outcome::Faulted(_) => Default::default(),
        };
        Self {
            id: run.check.id.as_str(),
            check: &run.check.name,
            target: run.check.target.to_string(),
            plugin: &run.check.plugin,
            description: run.check.annotations.description.as_deref(),
            runbook_url: run.check.annotations.runbook_url.as_deref(),
            expect_failure: run.check.expect_failure,
            outcome: run.outcome.kind(),
            verdict: run.outcome.verdict().map(VerdictStatus::word),
            cause: run.outcome.cause(),
            summary: run.outcome.summary(),
            duration_ms: millis(run.duration),
            attempts: run.attempts,
            assertions: assertions.iter().map(AssertionObject::of).collect(),
            measurements: measurements.iter().map(MeasurementObject::of).collect(),
            attributes: map_of(attributes),
            usage: UsageObject::of(&run.usage),
            conversation: run.trail.conversation.as_ref().map(ConversationObject::of),
        }
    }
}

impl<'a> ConversationObject<'a> {
    fn of(transcript: &'a Transcript) -> Self {
        let line = |line: &'a Line| LineObject {
            at_ms: millis(line.at),
            connection: line.connection,
            kind: line.speaker.as_str(),
            text: &line.text,
        };
        Self {
            lines: transcript.lines.iter().map(line).collect(),
            bytes_left_out: transcript.bytes_left_out,
            lines_left_out: transcript.lines_left_out,
        }
    }
}

impl<'a> AssertionObject<'a> {
    fn of(assertion: &'a Assertion) -> Self {
        Self {
            name: &assertion.name,
            status: assertion.status.word(),
            message: &assertion.message,
        }
    }
}

impl<'a> MeasurementObject<'a> {
    fn of(measurement: &'a Measurement) -> Self {
        Self {
            name: &measurement.name,
            value: measurement.value,
            unit: &measurement.unit,
            attributes: map_of(&measurement.attributes),
        }
    }
}

fn map_of(pairs: &[(Text, Text)]) -> BTreeMap<&str, &str> {
    let pairs = pairs.iter();
    pairs.map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

impl UsageObject {
    /// What is told of what a run used.
    #[must_use]
    pub fn of(usage: &Usage) -> Self {
        Self {
            sockets_peak: usage.sockets_peak,
            connections: usage.connections,
            lookups: usage.lookups,
            bytes_in: usage.bytes_in,
            bytes_out: usage.bytes_out,
            memory_peak: usage.memory_peak,
            cpu_ms: millis(usage.cpu),
            denials: usage
                .denials
                .iter()
                .map(|(kind, count)| (Cow::Borrowed(kind.key()), *count))
                .collect(),
            reclaimed: usage.reclaimed,
            record_bytes: usage.record.bytes,
            record_cut: usage.record.cut,
            record_cut_bytes: usage.record.cut_bytes,
        }
    }
}

/// To the microsecond.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// JSON with what a terminal would obey escaped as JSON can: outside of strings it holds no such character but the line
/// end, which is ours.
#[must_use]
pub fn escape(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for char in json.chars() {
        if char == '\n' || !is_unsafe(char) {
            escaped.push(char);
            continue;
        }
        for unit in char.encode_utf16(&mut [0; 2]) {
            escaped.push_str(&format!("\\u{unit:04x}"));
        }
    }
    escaped
}
