//! The root span of a run.

use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_semantic_conventions::attribute as semconv;

use super::{Attributes, base_span, error, unix_nanos};
use crate::name;
use canary_record::quota::QuotaKind;
use canary_record::trace::{ClosedBy, Connection, Denied, EndCause};
use canary_run::outcome::{Assertion, LogLevel, LogLine, Outcome, Run, VerdictStatus};

/// Maximum number of events of a root span; the record of an attempt is bounded, this bounds all attempts together.
const MAX_EVENTS: usize = 256;

/// The number of leading attributes that a root span always has.
pub(super) const ESSENTIAL_ATTRIBUTES: usize = 9;

pub(super) fn span(run: &Run) -> Span {
    let started_at = run.started_at.checked_sub(run.queued).unwrap_or(run.started_at);
    let summary = run.outcome.summary();
    let mut events = events(run);
    let dropped = events.len().saturating_sub(MAX_EVENTS);
    events.truncate(MAX_EVENTS);
    Span {
        name: format!("check {}", run.check.id),
        attributes: attributes(run, &summary),
        events,
        dropped_events_count: u32::try_from(dropped).unwrap_or(u32::MAX),
        status: run.error_type().and_then(|_| error(summary)),
        ..base_span(run.trace, started_at, run.queued + run.duration)
    }
}

fn attributes(run: &Run, summary: &str) -> Vec<opentelemetry_proto::tonic::common::v1::KeyValue> {
    let mut attributes = Attributes::default();
    attributes
        .text(name::CHECK, run.check.id.as_str())
        .text(name::PLUGIN, run.check.plugin.as_str())
        .text(name::PLUGIN_DIGEST, format!("sha256:{}", run.plugin_digest))
        .text(name::TARGET, run.check.target.public())
        .text(name::OUTCOME, run.outcome.as_str())
        .text(name::SUMMARY, summary)
        .count(name::ATTEMPTS, run.attempts.into())
        .seconds(name::LAG, run.lag)
        .when_some(run.error_type(), |attributes, error_type| {
            attributes.text(semconv::ERROR_TYPE, error_type)
        });
    for (key, value) in &*run.check.labels {
        attributes.text(key, value);
    }
    usage(&mut attributes, run);
    if let Outcome::Completed(verdict) = &run.outcome {
        for (key, value) in &verdict.attributes {
            attributes.text(key, value);
        }
    }
    attributes.take()
}

fn usage(attributes: &mut Attributes, run: &Run) {
    let usage = &run.usage;
    for kind in QuotaKind::ALL {
        match kind {
            // The sockets are there, and the log is exported itself.
            QuotaKind::Fds | QuotaKind::LogLines => {}
            QuotaKind::Cpu => {
                attributes.seconds("canary.usage.cpu", usage.used.cpu);
            }
            _ => {
                attributes.count(
                    &format!("canary.usage.{}", kind.used_as_str()),
                    usage.used_of(kind),
                );
            }
        }
    }
    attributes.count("canary.usage.reclaimed", usage.reclaimed);
    if run.trail.steps_lost > 0 {
        attributes.count("canary.steps_lost", run.trail.steps_lost);
    }
    if usage.record.cut > 0 {
        attributes
            .count("canary.record.cut", usage.record.cut)
            .count("canary.record.cut_bytes", usage.record.cut_bytes);
    }
}

/// Ordered by time.
fn events(run: &Run) -> Vec<Event> {
    let denied = run.trail.denied.iter().map(|denied| denial(run, denied));
    let reclaimed = run
        .trail
        .connections
        .iter()
        .filter_map(|connection| reclaimed(run, connection));
    let lines = run.log.iter().map(|line| logged(run, line));
    let failed = match &run.outcome {
        Outcome::Completed(verdict) => verdict.assertions.as_slice(),
        Outcome::Stopped(_) | Outcome::Faulted(_) => &[],
    };
    let failed = failed
        .iter()
        .filter(|assertion| assertion.status != VerdictStatus::Pass)
        .map(|assertion| asserted(run, assertion));
    let mut events: Vec<Event> = denied.chain(reclaimed).chain(lines).chain(failed).collect();
    events.sort_by_key(|event| event.time_unix_nano);
    events
}

fn event(run: &Run, at: Duration, name: &str, attributes: &mut Attributes) -> Event {
    Event {
        time_unix_nano: unix_nanos(time_in_run(run, at)),
        name: name.to_owned(),
        attributes: attributes.take(),
        ..Event::default()
    }
}

fn time_in_run(run: &Run, at: Duration) -> SystemTime {
    run.started_at.checked_add(at).unwrap_or(run.started_at)
}

fn denial(run: &Run, denied: &Denied) -> Event {
    let mut attributes = Attributes::default();
    attributes
        .text(name::QUOTA, denied.quota.as_str())
        .count("canary.quota.limit", denied.limit);
    event(run, denied.at, "canary.quota.denied", &mut attributes)
}

/// An event for a connection that the guest left open.
fn reclaimed(run: &Run, connection: &Connection) -> Option<Event> {
    let ClosedBy::Host(cause) = connection.closed_by else {
        return None;
    };
    let mut attributes = Attributes::default();
    attributes
        .text(semconv::NETWORK_PEER_ADDRESS, connection.peer.ip().to_string())
        .when_some(connection.peer.port(), |attributes, port| {
            attributes.count(semconv::NETWORK_PEER_PORT, port.into())
        })
        .text(name::CLOSE_REASON, EndCause::as_str(cause))
        .seconds("canary.connection.open_for", connection.open_for)
        .count("canary.connection.bytes_in", connection.bytes_in)
        .count("canary.connection.bytes_out", connection.bytes_out);
    let at = connection.opened + connection.open_for;
    Some(event(run, at, "canary.connection.reclaimed", &mut attributes))
}

fn logged(run: &Run, line: &LogLine) -> Event {
    let mut attributes = Attributes::default();
    attributes
        .text("log.level", level(line.level))
        .text("log.message", line.message.as_str());
    for (key, value) in &line.fields {
        attributes.text(key, value);
    }
    event(run, line.at, "log", &mut attributes)
}

fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Trace => "trace",
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}

/// The observed value may quote the response, so it is not exported.
fn asserted(run: &Run, assertion: &Assertion) -> Event {
    let mut attributes = Attributes::default();
    attributes
        .text(name::ASSERTION, assertion.name.as_str())
        .text(name::ASSERTION_STATUS, assertion.status.as_str());
    event(run, run.duration, "canary.assertion", &mut attributes)
}
