//! A run as a trace: one root span, a child for each thing that the host did.
//!
//! Made of the run's record when it is over, so that a plugin that has never heard of tracing gets a full trace.

mod root;
mod step;
#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span, SpanFlags, Status};
use prost::Message as _;

use super::attribute::{Attributes, unix_nanos};
use super::{Encoded, fit};
use crate::outcome::{Run, VerdictStatus};
use crate::trace::{Phase, SpanId, TraceContext, draw_span_id};

/// Which runs become traces.
#[derive(Debug, Clone, Copy)]
pub struct Selection {
    /// Keep every run that did not pass, whatever was decided when it started.
    pub failures: bool,
}

impl Selection {
    fn wants(self, run: &Run) -> bool {
        let passed = run.outcome.verdict() == Some(VerdictStatus::Pass);
        run.trace.sampled || (self.failures && !passed)
    }
}

/// The spans of a run as the repeated field of a [`ScopeSpans`], encoded, at most 64 KiB; nothing when its trace is not
/// wanted. The root is always among them, whatever else does not fit.
#[must_use]
pub fn frame(run: &Run, selection: Selection) -> Option<Encoded> {
    selection.wants(run).then(|| {
        let mut spans = spans(run);
        let left_out = fit::spans(&mut spans, root::ESSENTIAL);
        let scope = ScopeSpans {
            spans,
            ..ScopeSpans::default()
        };
        Encoded {
            bytes: scope.encode_to_vec(),
            left_out,
        }
    })
}

/// The root first, then its children in the order in which they ended.
fn spans(run: &Run) -> Vec<Span> {
    let children = Children {
        trace: run.trace,
        started_at: run.started_at,
        attempts: run.attempts,
    };
    let mut spans = Vec::with_capacity(run.trail.steps.len() + 2);
    spans.push(root::span(run));
    spans.push(children.queue(run.queued));
    spans.extend(run.trail.steps.iter().map(|step| children.of(step)));
    spans
}

/// What the children of one root have in common.
struct Children {
    trace: TraceContext,
    started_at: SystemTime,
    attempts: u32,
}

impl Children {
    fn queue(&self, queued: Duration) -> Span {
        let started_at = self.started_at.checked_sub(queued).unwrap_or(self.started_at);
        Span {
            name: Phase::Queue.word().to_owned(),
            ..self.blank(draw_span_id(), started_at, queued)
        }
    }

    fn blank(&self, span_id: SpanId, started_at: SystemTime, took: Duration) -> Span {
        Span {
            parent_span_id: self.trace.span_id.to_vec(),
            ..blank(self.trace.at(span_id), started_at, took)
        }
    }
}

/// A span with its ids and times.
fn blank(trace: TraceContext, started_at: SystemTime, took: Duration) -> Span {
    // The parent, if any, is of this process (OTLP, `SpanFlags`).
    let flags = SpanFlags::ContextHasIsRemoteMask as u32 | u32::from(trace.sampled);
    let start = unix_nanos(started_at);
    let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    Span {
        trace_id: trace.trace_id.to_vec(),
        span_id: trace.span_id.to_vec(),
        flags,
        kind: SpanKind::Internal.into(),
        start_time_unix_nano: start,
        end_time_unix_nano: start.saturating_add(took),
        ..Span::default()
    }
}

fn error(message: String) -> Option<Status> {
    Some(Status {
        code: StatusCode::Error.into(),
        message,
    })
}
