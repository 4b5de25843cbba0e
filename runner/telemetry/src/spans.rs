//! Runs as traces: one root span, and a child for each step of the host.
//!
//! Built from the record of a finished run, so that a plugin that knows nothing of tracing gets a complete trace.

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
use super::{Encoded, size_limit};
use canary_record::trace::{Phase, SpanId, TraceContext, new_span_id};
use canary_run::outcome::{Run, VerdictStatus};

/// Selects the runs that become traces.
#[derive(Debug, Clone, Copy)]
pub struct Selection {
    /// Select every run that did not pass, regardless of the sampler.
    pub failures: bool,
}

impl Selection {
    fn selects(self, run: &Run) -> bool {
        let passed = run.outcome.verdict() == Some(VerdictStatus::Pass);
        run.trace.sampled || (self.failures && !passed)
    }
}

/// The spans of a run as the repeated field of a [`ScopeSpans`], encoded, at most 64 KiB; `None` if its trace is not
/// selected. The root is always among them.
#[must_use]
pub fn encode_run(run: &Run, selection: Selection) -> Option<Encoded> {
    selection.selects(run).then(|| {
        let mut spans = spans(run);
        let left_out = size_limit::limit_spans(&mut spans, root::ESSENTIAL_ATTRIBUTES);
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
    spans.extend(run.trail.steps.iter().map(|step| children.step(step)));
    spans
}

/// The common context of the children of a root.
struct Children {
    trace: TraceContext,
    started_at: SystemTime,
    attempts: u32,
}

impl Children {
    fn queue(&self, queued: Duration) -> Span {
        let started_at = self.started_at.checked_sub(queued).unwrap_or(self.started_at);
        Span {
            name: Phase::Queue.as_str().to_owned(),
            ..self.base_span(new_span_id(), started_at, queued)
        }
    }

    fn base_span(&self, span_id: SpanId, started_at: SystemTime, took: Duration) -> Span {
        Span {
            parent_span_id: self.trace.span_id.to_vec(),
            ..base_span(self.trace.with_span(span_id), started_at, took)
        }
    }
}

/// A span with only its ids and times set.
fn base_span(trace: TraceContext, started_at: SystemTime, took: Duration) -> Span {
    // The parent, if any, is local to this process (OTLP, `SpanFlags`).
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
