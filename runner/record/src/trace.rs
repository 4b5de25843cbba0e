//! The record of a run as plain data: written during the run, read afterwards.
//!
//! The code that executes runs knows nothing of telemetry. Spans, metrics and the live view are built from these
//! records.

mod description;
pub mod propagation;
pub mod sampler;
mod step;

use std::fmt;
use std::time::Duration;

pub use step::{CertificateFacts, Handshake, Lookup, Request, Step, StepError, StepKind};

use crate::quota::QuotaKind;
use crate::{Peer, Transcript};

/// A span id, never all zero (<https://www.w3.org/TR/trace-context/#parent-id>).
pub type SpanId = [u8; 8];

/// The W3C trace context of a run, created when it starts.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// Never all zero.
    pub trace_id: [u8; 16],
    /// The run's root span; never all zero.
    pub span_id: SpanId,
    /// Whether the run is sampled, as decided before its outcome is known.
    pub sampled: bool,
}

impl TraceContext {
    /// The same trace context with another span.
    #[must_use]
    pub fn with_span(self, span_id: SpanId) -> Self {
        Self { span_id, ..self }
    }

    /// The `traceparent` header (<https://www.w3.org/TR/trace-context/#traceparent-header>).
    #[must_use]
    pub fn traceparent(&self) -> String {
        format!(
            "00-{}-{}-{:02x}",
            hex::encode(self.trace_id),
            hex::encode(self.span_id),
            u8::from(self.sampled)
        )
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.traceparent())
    }
}

/// The error of a cancelled step: another address was faster, or the run had ended.
pub const CANCELLED: &str = "cancelled";

/// A host resource that was exhausted or missing for a run, which therefore learned nothing about its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// File descriptors.
    Descriptors,
    /// Concurrent DNS queries.
    Dns,
    /// The trust store of the host.
    TrustStore,
}

impl Shortage {
    /// The error code of a step that failed for lack of it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Descriptors => "host_exhausted",
            Self::Dns => "dns_busy",
            Self::TrustStore => "trust_store",
        }
    }

    /// The shortage that a step's error code stands for, if any.
    #[must_use]
    pub fn from_code(word: &str) -> Option<Self> {
        [Self::Descriptors, Self::Dns, Self::TrustStore]
            .into_iter()
            .find(|shortage| shortage.as_str() == word)
    }
}

/// Generates a random span id.
#[must_use]
pub fn new_span_id() -> SpanId {
    fastrand::u64(1..).to_be_bytes()
}

/// A phase of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Waiting for a concurrency permit.
    Queue,
    /// From an empty store to a callable guest.
    Instantiate,
    /// DNS resolution.
    Resolve,
    /// The TCP connect.
    Connect,
    /// The TLS handshake.
    Handshake,
    /// Sending the request.
    Send,
    /// From the last byte sent to the first received.
    Wait,
    /// Receiving the response.
    Receive,
}

impl Phase {
    /// The value in metrics, spans and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Instantiate => "instantiate",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Handshake => "handshake",
            Self::Send => "send",
            Self::Wait => "wait",
            Self::Receive => "receive",
        }
    }
}

/// The time that one attempt spent in a phase, all its exchanges together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhaseTime {
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The phase.
    pub phase: Phase,
    /// The total time.
    pub took: Duration,
    /// The error code of the last error in it.
    pub error: Option<&'static str>,
}

/// A denial by a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denied {
    /// Since the run's start.
    pub at: Duration,
    /// The quota.
    pub quota: QuotaKind,
    /// Its limit, in the quota's unit.
    pub limit: u64,
}

/// Why the host ended a run and closed its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndCause {
    /// The guest returned; connections that it left open are leaks.
    Returned,
    /// The guest trapped.
    Trapped,
    /// The deadline passed.
    Deadline,
    /// The memory or CPU quota was exceeded.
    Quota,
    /// The runner is shutting down, or the run's owner was dropped.
    Shutdown,
}

impl EndCause {
    /// The close reason as a metric label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Returned => "leak",
            Self::Trapped => "trap",
            Self::Deadline => "deadline",
            Self::Quota => "quota",
            Self::Shutdown => "shutdown",
        }
    }
}

/// Who closed a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClosedBy {
    /// The guest dropped it, or its exchange was complete.
    Guest,
    /// The peer closed or reset it first.
    Peer,
    /// The host reclaimed it.
    Host(EndCause),
}

impl ClosedBy {
    /// `guest`, `peer` or `host`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Peer => "peer",
            Self::Host(_) => "host",
        }
    }

    /// `normal`, or why the host reclaimed it.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Guest | Self::Peer => "normal",
            Self::Host(cause) => cause.as_str(),
        }
    }
}

/// The record of a closed connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The remote address.
    pub peer: Peer,
    /// When the socket was created, since the run's start.
    pub opened: Duration,
    /// Until the descriptor was closed.
    pub open_for: Duration,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Who closed it, and why.
    pub closed_by: ClosedBy,
}

/// The record of an attempt, or of all attempts of a run. Each list is bounded where it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trail {
    /// The steps of the host, in the order in which they ended.
    pub steps: Vec<Step>,
    /// Steps dropped beyond the limit.
    pub steps_lost: u64,
    /// Times by phase.
    pub phases: Vec<PhaseTime>,
    /// Denials by quotas.
    pub denied: Vec<Denied>,
    /// Closed connections, oldest first.
    pub connections: Vec<Connection>,
    /// The transcript, if it was requested for the run.
    pub conversation: Option<Transcript>,
}

impl Trail {
    /// Appends the record of attempt `number`, whose times are relative to `offset` after the run's start.
    pub fn append_attempt(&mut self, mut attempt: Self, number: u32, offset: Duration) {
        for step in &mut attempt.steps {
            step.attempt = number;
            step.started += offset;
        }
        for phase in &mut attempt.phases {
            phase.attempt = number;
        }
        for denied in &mut attempt.denied {
            denied.at += offset;
        }
        for connection in &mut attempt.connections {
            connection.opened += offset;
        }
        self.steps.append(&mut attempt.steps);
        self.steps_lost += attempt.steps_lost;
        self.phases.append(&mut attempt.phases);
        self.denied.append(&mut attempt.denied);
        self.connections.append(&mut attempt.connections);
    }
}
