//! Log records for what operators search by time. Changes and losses are logged, ordinary runs are not.

#[cfg(test)]
mod tests;

use std::time::SystemTime;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ScopeLogs, SeverityNumber};
use opentelemetry_semantic_conventions::attribute as semconv;
use prost::Message as _;

use super::attribute::{Attributes, any, unix_nanos};
use super::{Encoded, name, size_limit};
use canary_record::trace::{ClosedBy, Connection};
use canary_run::account::MissReason;
use canary_run::outcome::{Outcome, Run};
use canary_run::status::{CheckStatus, Status, Transition};
use canary_suite::{Check, CheckId};

/// The log records of a finished run, encoded as the repeated field of a [`ScopeLogs`], at most 64 KiB; usually none.
#[must_use]
pub fn encode_run(run: &Run, standing: &CheckStatus, now: SystemTime) -> Option<Encoded> {
    let mut records = Vec::new();
    records.extend(
        standing
            .transition
            .as_ref()
            .map(|change| transition_record(run, change)),
    );
    if let Outcome::Faulted(fault) = &run.outcome {
        let mut record = check_record(&run.check, SeverityNumber::Error, fault.to_string());
        record.event_name = "canary.check.fault".to_owned();
        record
            .attributes
            .extend(string_attribute(semconv::ERROR_TYPE, fault.as_str()));
        records.push(record);
    }
    let taken = run.trail.connections.iter();
    records.extend(taken.filter_map(|connection| reclaimed_record(&run.check, connection)));
    for record in &mut records {
        record.trace_id = run.trace.trace_id.to_vec();
        record.span_id = run.trace.span_id.to_vec();
        record.flags = u32::from(run.trace.sampled);
    }
    encode(records, now)
}

/// The log record for due times that passed without a run.
#[must_use]
pub(crate) fn encode_missed(
    check: &CheckId,
    reason: MissReason,
    count: u64,
    now: SystemTime,
) -> Option<Encoded> {
    let mut attributes = Attributes::default();
    attributes
        .text(name::CHECK, check.as_str())
        .text(name::MISS_REASON, reason.as_str())
        .count("canary.missed", count);
    let record = LogRecord {
        event_name: "canary.scheduler.missed".to_owned(),
        attributes: attributes.take(),
        ..record(
            SeverityNumber::Warn,
            format!(
                "check {check}: missed {count} scheduled runs ({})",
                reason.as_str()
            ),
        )
    };
    encode(vec![record], now)
}

/// The log record for a reload of the suite.
#[must_use]
pub(crate) fn encode_reload(answer: &Result<usize, String>, now: SystemTime) -> Option<Encoded> {
    let (severity, text) = match answer {
        Ok(checks) => (Severity::Info, format!("reloaded the suite: {checks} checks")),
        Err(problems) => (
            Severity::Error,
            format!("reload failed, keeping the current suite: {problems}"),
        ),
    };
    encode_runner_event(severity, "canary.suite.reload", truncate(text), now)
}

/// Maximum length of a text in a record, in bytes.
const MAX_TEXT_BYTES: usize = 8 << 10;

fn truncate(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
    text
}

/// The log record for an event of the runner itself.
#[must_use]
pub(crate) fn encode_runner_event(
    severity: Severity,
    event: &str,
    text: String,
    now: SystemTime,
) -> Option<Encoded> {
    let record = LogRecord {
        event_name: event.to_owned(),
        ..record(severity.into(), text)
    };
    encode(vec![record], now)
}

/// The severity of a record of the runner itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// Informational.
    Info,
    /// Needs attention.
    Warn,
    /// Data was lost.
    Error,
}

impl From<Severity> for SeverityNumber {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Info,
            Severity::Warn => Self::Warn,
            Severity::Error => Self::Error,
        }
    }
}

fn transition_record(run: &Run, change: &Transition) -> LogRecord {
    let severity = match change.to {
        Status::Up => SeverityNumber::Info,
        Status::Degraded | Status::Unknown => SeverityNumber::Warn,
        Status::Down => SeverityNumber::Error,
    };
    let text = format!(
        "check {}: {} -> {}: {}",
        run.check.id, change.from, change.to, change.summary
    );
    let mut record = check_record(&run.check, severity, text);
    record.time_unix_nano = unix_nanos(change.at);
    record.event_name = "canary.check.transition".to_owned();
    record
        .attributes
        .extend(string_attribute(name::STATUS, change.to.as_str()));
    record
        .attributes
        .extend(string_attribute("canary.status.previous", change.from.as_str()));
    record
}

fn reclaimed_record(check: &Check, connection: &Connection) -> Option<LogRecord> {
    let ClosedBy::Host(cause) = connection.closed_by else {
        return None;
    };
    let text = format!(
        "check {}: closed a connection to {} that the plugin left open",
        check.id, connection.peer
    );
    let mut record = check_record(check, SeverityNumber::Warn, text);
    record.event_name = "canary.connection.reclaimed".to_owned();
    let mut attributes = Attributes::default();
    attributes
        .text(semconv::NETWORK_PEER_ADDRESS, connection.peer.ip().to_string())
        .when_some(connection.peer.port(), |attributes, port| {
            attributes.count(semconv::NETWORK_PEER_PORT, port.into())
        })
        .text(name::CLOSE_REASON, cause.as_str());
    record.attributes.extend(attributes.take());
    Some(record)
}

fn check_record(check: &Check, severity: SeverityNumber, text: String) -> LogRecord {
    let mut attributes = Attributes::default();
    attributes
        .text(name::CHECK, check.id.as_str())
        .text(name::PLUGIN, check.plugin.as_str());
    for (key, value) in &*check.labels {
        attributes.text(key, value);
    }
    LogRecord {
        attributes: attributes.take(),
        ..record(severity, text)
    }
}

fn string_attribute(key: &str, value: &str) -> Vec<opentelemetry_proto::tonic::common::v1::KeyValue> {
    Attributes::default().text(key, value).take()
}

fn record(severity: SeverityNumber, text: String) -> LogRecord {
    let severity_text = match severity {
        SeverityNumber::Error => "ERROR",
        SeverityNumber::Warn => "WARN",
        _ => "INFO",
    };
    LogRecord {
        severity_number: severity.into(),
        severity_text: severity_text.to_owned(),
        body: Some(any(Value::StringValue(text))),
        ..LogRecord::default()
    }
}

fn encode(mut records: Vec<LogRecord>, now: SystemTime) -> Option<Encoded> {
    if records.is_empty() {
        return None;
    }
    for record in &mut records {
        record.observed_time_unix_nano = unix_nanos(now);
        if record.time_unix_nano == 0 {
            record.time_unix_nano = record.observed_time_unix_nano;
        }
    }
    let left_out = size_limit::limit_records(&mut records);
    let scope = ScopeLogs {
        log_records: records,
        ..ScopeLogs::default()
    };
    Some(Encoded {
        bytes: scope.encode_to_vec(),
        left_out,
    })
}
