//! Log records: what an operator wants to find by time. Changes and losses have one, ordinary runs none.

#[cfg(test)]
mod tests;

use std::time::SystemTime;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ScopeLogs, SeverityNumber};
use opentelemetry_semantic_conventions::attribute as semconv;
use prost::Message as _;

use super::attribute::{Attributes, any, unix_nanos};
use super::{Encoded, fit, name};
use crate::account::MissReason;
use crate::outcome::{Outcome, Run};
use crate::status::{Standing, Status, Transition};
use crate::suite::{Check, CheckId};
use crate::trace::{ClosedBy, Connection};

/// The records of a run that was recorded, encoded as the repeated field of a [`ScopeLogs`], at most 64 KiB; mostly none.
#[must_use]
pub fn of_run(run: &Run, standing: &Standing, now: SystemTime) -> Option<Encoded> {
    let mut records = Vec::new();
    records.extend(standing.transition.as_ref().map(|change| transition(run, change)));
    if let Outcome::Faulted(fault) = &run.outcome {
        let mut record = about(&run.check, SeverityNumber::Error, fault.to_string());
        record.event_name = "canary.check.fault".to_owned();
        record.attributes.extend(word(semconv::ERROR_TYPE, fault.word()));
        records.push(record);
    }
    let taken = run.trail.connections.iter();
    records.extend(taken.filter_map(|connection| reclaimed(&run.check, connection)));
    for record in &mut records {
        record.trace_id = run.trace.trace_id.to_vec();
        record.span_id = run.trace.span_id.to_vec();
        record.flags = u32::from(run.trace.sampled);
    }
    frame(records, now)
}

/// The record of due times that passed without a run.
#[must_use]
pub fn of_missed(check: &CheckId, reason: MissReason, count: u64, now: SystemTime) -> Option<Encoded> {
    let mut attributes = Attributes::default();
    attributes
        .text(name::CHECK, check.as_str())
        .text(name::MISS_REASON, reason.word())
        .count("canary.missed", count);
    let record = LogRecord {
        event_name: "canary.scheduler.missed".to_owned(),
        attributes: attributes.take(),
        ..record(
            SeverityNumber::Warn,
            format!(
                "check {check}: {count} due times passed without a run ({})",
                reason.word()
            ),
        )
    };
    frame(vec![record], now)
}

/// The record of a suite that was read again.
#[must_use]
pub fn of_reload(answer: &Result<usize, String>, now: SystemTime) -> Option<Encoded> {
    let (severity, text) = match answer {
        Ok(checks) => (
            Severity::Info,
            format!("the suite was read again: {checks} checks"),
        ),
        Err(problems) => (
            Severity::Error,
            format!("the suite was read again and refused, the old one goes on: {problems}"),
        ),
    };
    of_runner(severity, "canary.suite.reload", bounded(text), now)
}

/// Texts of a record are at most this long, in bytes.
const MAX_TEXT: usize = 8 << 10;

fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    text
}

/// The record of something that the runner says of itself.
#[must_use]
pub fn of_runner(severity: Severity, event: &str, text: String, now: SystemTime) -> Option<Encoded> {
    let record = LogRecord {
        event_name: event.to_owned(),
        ..record(severity.into(), text)
    };
    frame(vec![record], now)
}

/// How important a record of the runner itself is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Someone should look.
    Warn,
    /// Something is lost.
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

fn transition(run: &Run, change: &Transition) -> LogRecord {
    let severity = match change.to {
        Status::Up => SeverityNumber::Info,
        Status::Degraded | Status::Unknown => SeverityNumber::Warn,
        Status::Down => SeverityNumber::Error,
    };
    let text = format!(
        "check {}: {} -> {}: {}",
        run.check.id, change.from, change.to, change.summary
    );
    let mut record = about(&run.check, severity, text);
    record.time_unix_nano = unix_nanos(change.at);
    record.event_name = "canary.check.transition".to_owned();
    record.attributes.extend(word(name::STATUS, change.to.word()));
    record
        .attributes
        .extend(word("canary.status.previous", change.from.word()));
    record
}

fn reclaimed(check: &Check, connection: &Connection) -> Option<LogRecord> {
    let ClosedBy::Host(cause) = connection.closed_by else {
        return None;
    };
    let text = format!(
        "check {}: the plugin left a connection to {} open; the host closed it",
        check.id, connection.peer
    );
    let mut record = about(check, SeverityNumber::Warn, text);
    record.event_name = "canary.connection.reclaimed".to_owned();
    let mut attributes = Attributes::default();
    attributes
        .text(semconv::NETWORK_PEER_ADDRESS, connection.peer.ip().to_string())
        .some(connection.peer.port(), |attributes, port| {
            attributes.count(semconv::NETWORK_PEER_PORT, port.into())
        })
        .text(name::CLOSE_REASON, cause.word());
    record.attributes.extend(attributes.take());
    Some(record)
}

fn about(check: &Check, severity: SeverityNumber, text: String) -> LogRecord {
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

fn word(key: &str, value: &str) -> Vec<opentelemetry_proto::tonic::common::v1::KeyValue> {
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

fn frame(mut records: Vec<LogRecord>, now: SystemTime) -> Option<Encoded> {
    if records.is_empty() {
        return None;
    }
    for record in &mut records {
        record.observed_time_unix_nano = unix_nanos(now);
        if record.time_unix_nano == 0 {
            record.time_unix_nano = record.observed_time_unix_nano;
        }
    }
    let left_out = fit::records(&mut records);
    let scope = ScopeLogs {
        log_records: records,
        ..ScopeLogs::default()
    };
    Some(Encoded {
        bytes: scope.encode_to_vec(),
        left_out,
    })
}
