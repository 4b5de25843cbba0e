//! One thing that the host did for a run.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{Phase, SpanId};
use crate::suite::Secrets;

/// One thing that the host did for a run, with its start and end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub kind: StepKind,
    /// Drawn when it began, so that a request can carry it.
    pub span_id: SpanId,
    /// 1 for the first of a run.
    pub attempt: u32,
    /// Since the run's start.
    pub started: Duration,
    /// From its start to its end.
    pub took: Duration,
    /// Why it failed.
    pub error: Option<StepError>,
}

impl Step {
    /// The same with every secret replaced: names, URLs and messages may hold what a suite interpolated.
    #[must_use]
    pub fn redacted(mut self, secrets: &Secrets) -> Self {
        if secrets.is_empty() {
            return self;
        }
        match &mut self.kind {
            StepKind::Instantiate | StepKind::Connect { .. } => {}
            StepKind::Lookup(lookup) => lookup.name = secrets.redact(&lookup.name),
            StepKind::Handshake(handshake) => {
                handshake.server_name = secrets.redact(&handshake.server_name);
            }
            StepKind::Request(request) => {
                request.url = secrets.redact(&request.url);
                request.host = secrets.redact(&request.host);
            }
        }
        if let Some(error) = &mut self.error {
            error.message = secrets.redact(&error.message);
        }
        self
    }
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepError {
    /// One of a bounded set, fit for a metric.
    pub word: &'static str,
    /// For a person.
    pub message: String,
}

/// What the host did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepKind {
    /// Made an instance of the plugin.
    Instantiate,
    /// Asked DNS.
    Lookup(Lookup),
    /// Connected a socket.
    Connect {
        /// Where to.
        peer: SocketAddr,
    },
    /// Shook hands for TLS.
    Handshake(Box<Handshake>),
    /// Sent a request and read its answer, on a connection that was there.
    Request(Box<Request>),
}

impl StepKind {
    /// The phase that its time belongs to; a request's is divided by [`Request`] itself.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        match self {
            Self::Instantiate => Some(Phase::Instantiate),
            Self::Lookup(_) => Some(Phase::Resolve),
            Self::Connect { .. } => Some(Phase::Connect),
            Self::Handshake(_) => Some(Phase::Handshake),
            Self::Request(_) => None,
        }
    }
}

/// A DNS question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lookup {
    /// As it was asked for.
    pub name: String,
    /// What was answered.
    pub addresses: Vec<IpAddr>,
}

/// A TLS handshake; what is absent was not reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handshake {
    /// Sent as SNI.
    pub server_name: String,
    /// Of the peer.
    pub peer: Option<SocketAddr>,
    /// `1.2` or `1.3`.
    pub version: Option<&'static str>,
    /// Such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher_suite: Option<String>,
    /// As negotiated.
    pub alpn: Option<String>,
    /// The peer's own certificate.
    pub leaf: Option<CertificateFacts>,
    /// Unix seconds: when the first of the certificates above the leaf ends.
    pub chain_not_after: Option<i64>,
    /// Why the chain is not trusted.
    pub untrusted: Option<String>,
}

/// What a certificate says, in short.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Distinguished name.
    pub subject: String,
    /// Distinguished name.
    pub issuer: String,
    /// Unix seconds.
    pub not_before: i64,
    /// Unix seconds.
    pub not_after: i64,
    /// SHA-256 of the DER, lower-case hexadecimal.
    pub fingerprint: String,
}

/// An HTTP request on the wire and its answer; what is absent was not reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Such as `GET`.
    pub method: String,
    /// Without credentials, query and fragment.
    pub url: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Of the URL.
    pub host: String,
    /// Of the URL.
    pub port: u16,
    /// Whom the connection reached.
    pub peer: Option<SocketAddr>,
    /// `1.0`, `1.1` or `2`.
    pub version: Option<&'static str>,
    /// Redirects before this one.
    pub hop: u32,
    /// Bytes of body sent.
    pub request_bytes: u64,
    /// Such as 200.
    pub status: Option<u16>,
    /// Bytes of body received; absent when the body was not read.
    pub response_bytes: Option<u64>,
    /// Writing the request.
    pub send: Option<Duration>,
    /// From the last byte sent to the first received.
    pub wait: Option<Duration>,
    /// Reading the answer.
    pub receive: Option<Duration>,
}
