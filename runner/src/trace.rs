//! What a run did, as plain data: written down while it goes on, read afterwards by whoever tells of it.
//!
//! Nothing on the way of a run knows telemetry. Spans, metrics and the live view are made of these records.

pub mod propagation;
pub mod sampler;
mod step;
mod words;

use std::fmt;
use std::time::Duration;

pub use step::{CertificateFacts, Handshake, Lookup, Request, Step, StepError, StepKind};

use crate::quota::QuotaKind;
use crate::record::{Peer, Transcript};

/// An id of a span, never all zero (<https://www.w3.org/TR/trace-context/#parent-id>).
pub type SpanId = [u8; 8];

/// W3C trace context of a run, drawn when it starts.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// Never all zero.
    pub trace_id: [u8; 16],
    /// Of the run's root span; never all zero.
    pub span_id: SpanId,
    /// Whether the run's trace is wanted, as decided before anything was known of its outcome.
    pub sampled: bool,
}

impl TraceContext {
    /// The same trace seen from another of its spans.
    #[must_use]
    pub fn at(self, span_id: SpanId) -> Self {
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

/// The error of a step that was no longer wanted: another address was faster, or the run was over.
pub const CANCELLED: &str = "cancelled";

/// What the host had too little of for a run, or not at all: then the run learned nothing of its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// Descriptors.
    Descriptors,
    /// Places for questions to name servers.
    Dns,
    /// Its own trusted certificates.
    TrustStore,
}

impl Shortage {
    /// The error of a step for which there was too little of it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Descriptors => "host_exhausted",
            Self::Dns => "dns_busy",
            Self::TrustStore => "trust_store",
        }
    }

    /// What a step's error says that there was too little of.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Descriptors, Self::Dns, Self::TrustStore]
            .into_iter()
            .find(|shortage| shortage.word() == word)
    }
}

/// Draws the id of a span.
#[must_use]
pub fn draw_span_id() -> SpanId {
    fastrand::u64(1..).to_be_bytes()
}

/// The part of a run in which time went by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Waiting for a permit.
    Queue,
    /// From an empty store to a guest that can be called.
    Instantiate,
    /// Name to addresses.
    Resolve,
    /// The TCP connect.
    Connect,
    /// The TLS handshake.
    Handshake,
    /// Writing.
    Send,
    /// From the last byte sent to the first received.
    Wait,
    /// Reading.
    Receive,
}

impl Phase {
    /// The word in metrics, spans and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
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
    /// 1 for the first of a run.
    pub attempt: u32,
    /// Which.
    pub phase: Phase,
    /// In total.
    pub took: Duration,
    /// The last error in it, as a word of a bounded set.
    pub error: Option<&'static str>,
}

/// A refusal by a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denied {
    /// Since the run's start.
    pub at: Duration,
    /// Which quota.
    pub what: QuotaKind,
    /// Its limit, in the quota's unit.
    pub limit: u64,
}

/// Why a run's account was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndCause {
    /// The guest returned; what it left open is a leak.
    Returned,
    /// The guest broke.
    Trapped,
    /// The deadline passed.
    Deadline,
    /// Memory or cpu ran out.
    Quota,
    /// The runner goes down, or the run's owner was dropped.
    Shutdown,
}

impl EndCause {
    /// The close reason, a bounded set of words fit for a metric.
    #[must_use]
    pub fn word(self) -> &'static str {
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
    /// The guest dropped it, or the exchange that it asked for was over.
    Guest,
    /// The peer closed or reset it first.
    Peer,
    /// The host took it back.
    Host(EndCause),
}

impl ClosedBy {
    /// `guest`, `peer` or `host`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Peer => "peer",
            Self::Host(_) => "host",
        }
    }

    /// `normal`, or why the host took it back.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Guest | Self::Peer => "normal",
            Self::Host(cause) => cause.word(),
        }
    }
}

/// What is remembered of a connection that is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Where it went.
    pub peer: Peer,
    /// Since the run's start, when the socket was created.
    pub opened: Duration,
    /// Until the descriptor was closed.
    pub open_for: Duration,
    /// Received.
    pub bytes_in: u64,
    /// Sent.
    pub bytes_out: u64,
    /// Who closed it, and why.
    pub closed_by: ClosedBy,
}

/// Everything that an attempt, or all attempts of a run, wrote down. Each list is bounded where it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trail {
    /// What the host did, in the order in which it ended.
    pub steps: Vec<Step>,
    /// Steps beyond the bound.
    pub steps_lost: u64,
    /// Time by phase.
    pub phases: Vec<PhaseTime>,
    /// Refusals.
    pub denied: Vec<Denied>,
    /// Connections that are closed, oldest first.
    pub connections: Vec<Connection>,
    /// What was said, of a run whose conversation is wanted.
    pub conversation: Option<Transcript>,
}

impl Trail {
    /// Adds what attempt `number` did, whose own clock began `offset` after the run's start.
    pub fn absorb(&mut self, mut attempt: Self, number: u32, offset: Duration) {
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
