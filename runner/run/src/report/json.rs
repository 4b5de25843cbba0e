//! The JSON of `canary check`. Its keys are a contract with users.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Totals;
use super::sanitize::is_unsafe;
use crate::outcome::{Assertion, LogLine, Measurement, Outcome, Run, Usage, VerdictStatus};
use canary_record::quota::QuotaUsage;
use canary_record::quota::fractional_millis::millis;
use canary_record::{Line, Text, Transcript};

/// A run, in the format of `canary check --format json`.
#[derive(Serialize, JsonSchema)]
pub struct RunObject<'a> {
    /// The name, followed by the target if the check has several.
    id: &'a str,
    /// The name of the check.
    check: &'a str,
    target: String,
    plugin: &'a str,
    /// Description of the check in the suite, for alerts.
    description: Option<&'a str>,
    /// URL of the runbook, for alerts.
    #[schemars(extend("format" = "uri"))]
    runbook_url: Option<&'a str>,
    /// Whether the target is expected to fail: a verdict of `fail` counts as `pass`, and `pass` or `warn` as `fail`.
    expect_failure: bool,
    #[schemars(extend("enum" = ["completed", "stopped", "faulted"]))]
    outcome: &'static str,
    /// Absent unless the outcome is `completed`.
    #[schemars(extend("enum" = ["pass", "warn", "fail", null]))]
    verdict: Option<&'static str>,
    /// Why the run did not complete.
    cause: Option<&'static str>,
    /// One line for people.
    summary: String,
    duration_ms: f64,
    attempts: u32,
    assertions: Vec<AssertionObject<'a>>,
    measurements: Vec<MeasurementObject<'a>>,
    attributes: BTreeMap<&'a str, &'a str>,
    /// What the plugin logged or printed.
    log: Vec<LogObject<'a>>,
    usage: UsageObject,
    /// Only if it was recorded, which only `canary probe` does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
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
    /// `null` for a line that belongs to no connection.
    connection: Option<u32>,
    /// `note`, `sent` or `received`.
    kind: &'static str,
    text: &'a str,
}

#[derive(Serialize, JsonSchema)]
struct AssertionObject<'a> {
    name: &'a str,
    #[schemars(extend("enum" = ["pass", "warn", "fail"]))]
    status: &'static str,
    message: &'a str,
}

#[derive(Serialize, JsonSchema)]
struct MeasurementObject<'a> {
    name: &'a str,
    /// `null` if it is NaN or infinite.
    #[schemars(with = "Option<f64>")]
    value: f64,
    unit: &'a str,
    attributes: BTreeMap<&'a str, &'a str>,
}

#[derive(Serialize, JsonSchema)]
struct LogObject<'a> {
    /// Since the start of the run.
    at_ms: f64,
    #[schemars(extend("enum" = ["trace", "debug", "info", "warn", "error"]))]
    level: &'static str,
    message: &'a str,
    fields: BTreeMap<&'a str, &'a str>,
}

/// The resource usage of a run, as limited by its quotas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageObject {
    /// What was used of each quota.
    #[serde(flatten)]
    pub used: QuotaUsage,
    /// Denials by quota.
    pub denials: BTreeMap<Cow<'static, str>, u64>,
    /// Descriptors that the guest left open and the host closed.
    pub reclaimed: u64,
    /// Size of the record of the run in bytes.
    #[serde(default)]
    pub record_bytes: u64,
    /// Number of texts in the record that were truncated or omitted.
    #[serde(default)]
    pub record_cut: u64,
    /// Bytes that were truncated or omitted.
    #[serde(default)]
    pub record_cut_bytes: u64,
}

/// The object of [`json_parts`] as one text.
#[cfg(any(test, feature = "test-util"))]
pub fn json(runs: &[Run]) -> serde_json::Result<String> {
    json_parts(runs).collect()
}

/// One object with all runs and the totals, run by run, so that no more than one run is in memory as text. Texts are
/// complete and safe to print: control characters are escaped.
pub fn json_parts(runs: &[Run]) -> impl Iterator<Item = serde_json::Result<String>> {
    let (begin, end) = if runs.is_empty() {
        ("{\n  \"runs\": [],\n", "")
    } else {
        ("{\n  \"runs\": [\n", "  ],\n")
    };
    let last = runs.len().saturating_sub(1);
    let objects = runs.iter().enumerate().map(move |(index, run)| {
        let comma = if index == last { "" } else { "," };
        indented(&RunObject::new(run), 4).map(|text| format!("    {text}{comma}\n"))
    });
    let totals = std::iter::once_with(move || {
        let totals = indented(&Totals::new(runs), 2)?;
        Ok(format!("{end}  \"totals\": {totals}\n}}\n"))
    });
    std::iter::once(Ok(begin.to_owned())).chain(objects).chain(totals)
}

/// Serialises a value, safe to print, with each line but the first indented by `blanks`. Strings in JSON contain no
/// line breaks.
fn indented(value: &impl Serialize, blanks: usize) -> serde_json::Result<String> {
    let line_break = format!("\n{:blanks$}", "");
    serde_json::to_string_pretty(value).map(|text| escape(&text.replace('\n', &line_break)))
}

/// A run as one of the objects in [`json_parts`].
///
/// # Errors
/// The serialiser fails, which does not happen for runs.
pub fn run_object(run: &Run) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(RunObject::new(run))
}

/// The JSON of any value, safe to print like that of [`json_parts`].
///
/// # Errors
/// The value cannot be represented in JSON.
pub fn safe_json(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value).map(|text| escape(&text) + "\n")
}

impl<'a> RunObject<'a> {
    fn new(run: &'a Run) -> Self {
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
            verdict: run.outcome.verdict().map(VerdictStatus::as_str),
            cause: run.outcome.cause(),
            summary: run.outcome.summary(),
            duration_ms: millis(run.duration),
            attempts: run.attempts,
            assertions: assertions.iter().map(AssertionObject::new).collect(),
            measurements: measurements.iter().map(MeasurementObject::new).collect(),
            attributes: map_of(attributes),
            log: run.log.iter().map(LogObject::new).collect(),
            usage: UsageObject::new(&run.usage),
            conversation: run.trail.conversation.as_ref().map(ConversationObject::new),
        }
    }
}

impl<'a> ConversationObject<'a> {
    fn new(transcript: &'a Transcript) -> Self {
        let line = |line: &'a Line| LineObject {
            at_ms: millis(line.at),
            connection: line.connection,
            kind: line.kind.as_str(),
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
    fn new(assertion: &'a Assertion) -> Self {
        Self {
            name: &assertion.name,
            status: assertion.status.as_str(),
            message: &assertion.message,
        }
    }
}

impl<'a> MeasurementObject<'a> {
    fn new(measurement: &'a Measurement) -> Self {
        Self {
            name: &measurement.name,
            value: measurement.value,
            unit: &measurement.unit,
            attributes: map_of(&measurement.attributes),
        }
    }
}

impl<'a> LogObject<'a> {
    fn new(line: &'a LogLine) -> Self {
        Self {
            at_ms: millis(line.at),
            level: line.level.as_str(),
            message: &line.message,
            fields: map_of(&line.fields),
        }
    }
}

fn map_of(pairs: &[(Text, Text)]) -> BTreeMap<&str, &str> {
    let pairs = pairs.iter();
    pairs.map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

impl UsageObject {
    /// Converts the usage of a run.
    #[must_use]
    pub fn new(usage: &Usage) -> Self {
        Self {
            used: usage.used,
            denials: usage
                .denials
                .iter()
                .map(|(kind, count)| (Cow::Borrowed(kind.as_str()), *count))
                .collect(),
            reclaimed: usage.reclaimed,
            record_bytes: usage.record.bytes,
            record_cut: usage.record.cut,
            record_cut_bytes: usage.record.cut_bytes,
        }
    }
}

/// Escapes control characters in JSON text. Outside of strings it contains no such character but line ends, which are
/// kept.
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
