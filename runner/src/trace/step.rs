//! One thing that the host did for a run.

use std::time::Duration;

use super::{Phase, SpanId};
use crate::record::{Address, Peer, Text};

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
    /// What it takes besides its texts, in bytes.
    #[must_use]
    pub fn weight(&self) -> u64 {
        let boxed = match &self.kind {
            StepKind::Instantiate | StepKind::Connect { .. } => 0,
            StepKind::Lookup(lookup) => lookup.addresses.len() * size_of::<Address>(),
            StepKind::Handshake(_) => size_of::<Handshake>(),
            StepKind::Request(_) => size_of::<Request>(),
        };
        u64::try_from(size_of::<Self>() + boxed).unwrap_or(u64::MAX)
    }
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepError {
    /// One of a bounded set, fit for a metric.
    pub word: &'static str,
    /// For a person.
    pub message: Text,
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
        peer: Peer,
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
    pub name: Text,
    /// What was answered.
    pub addresses: Vec<Address>,
}

/// A TLS handshake; what is absent was not reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handshake {
    /// Sent as SNI.
    pub server_name: Text,
    /// Of the peer.
    pub peer: Option<Peer>,
    /// `1.2` or `1.3`.
    pub version: Option<&'static str>,
    /// Such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher_suite: Option<Text>,
    /// As negotiated.
    pub alpn: Option<Text>,
    /// The peer's own certificate.
    pub leaf: Option<CertificateFacts>,
    /// Unix seconds: when the first of the certificates above the leaf ends.
    pub chain_not_after: Option<i64>,
    /// Why the chain is not trusted.
    pub untrusted: Option<Text>,
}

/// What a certificate says, in short.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Distinguished name.
    pub subject: Text,
    /// Distinguished name.
    pub issuer: Text,
    /// Unix seconds.
    pub not_before: i64,
    /// Unix seconds.
    pub not_after: i64,
    /// SHA-256 of the DER, lower-case hexadecimal.
    pub fingerprint: Text,
}

/// An HTTP request on the wire and its answer; what is absent was not reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Such as `GET`.
    pub method: Text,
    /// Without credentials, query and fragment.
    pub url: Text,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Of the URL.
    pub host: Text,
    /// Of the URL, unless it is secret.
    pub port: Option<u16>,
    /// Whom the connection reached.
    pub peer: Option<Peer>,
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
