//! A step: one operation of the host for a run.

use std::time::Duration;

use super::{Phase, SpanId};
use crate::{Address, Peer, Text};

/// One operation of the host for a run, with its start and end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The operation.
    pub kind: StepKind,
    /// Generated at its start, so that a request can carry it.
    pub span_id: SpanId,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// Since the run's start.
    pub started: Duration,
    /// The duration.
    pub took: Duration,
    /// The error, if it failed.
    pub error: Option<StepError>,
}

impl Step {
    /// The size in bytes, without its texts.
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

/// The error of a failed step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepError {
    /// A code from a bounded set, usable as a metric label.
    pub code: &'static str,
    /// A message for people.
    pub message: Text,
}

/// The operation of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepKind {
    /// Instantiation of the plugin.
    Instantiate,
    /// A DNS lookup.
    Lookup(Lookup),
    /// A TCP connect.
    Connect {
        /// The remote address.
        peer: Peer,
    },
    /// A TLS handshake.
    Handshake(Box<Handshake>),
    /// An HTTP request and its response, on an open connection.
    Request(Box<Request>),
}

impl StepKind {
    /// The phase of the step; `None` for a request, whose time is divided into phases by [`Request`].
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

/// A DNS lookup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lookup {
    /// The name as requested.
    pub name: Text,
    /// The resolved addresses.
    pub addresses: Vec<Address>,
}

/// A TLS handshake; absent fields were not reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handshake {
    /// The expected name of the server, sent as SNI.
    pub server_name: Text,
    /// The name was not sent.
    pub without_sni: bool,
    /// The server is a proxy, and not the target.
    pub is_proxy: bool,
    /// The remote address.
    pub peer: Option<Peer>,
    /// `1.2` or `1.3`.
    pub version: Option<&'static str>,
    /// Such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher_suite: Option<Text>,
    /// As negotiated.
    pub alpn: Option<Text>,
    /// The peer's own certificate.
    pub leaf: Option<CertificateFacts>,
    /// When the first certificate above the leaf expires, in Unix seconds.
    pub chain_not_after: Option<i64>,
    /// Why the chain is not trusted.
    pub untrusted: Option<Text>,
}

/// The essential fields of a certificate.
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

/// An HTTP request and its response; absent fields were not reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Such as `GET`.
    pub method: Text,
    /// Without credentials, query and fragment.
    pub url: Text,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The host of the URL.
    pub host: Text,
    /// The port of the URL, unless it is secret.
    pub port: Option<u16>,
    /// The remote address.
    pub peer: Option<Peer>,
    /// `1.0`, `1.1` or `2`.
    pub version: Option<&'static str>,
    /// The number of redirects before this request.
    pub hop: u32,
    /// Bytes of the request body.
    pub request_bytes: u64,
    /// Such as 200.
    pub status: Option<u16>,
    /// Bytes of the response body; `None` if it was not read.
    pub response_bytes: Option<u64>,
    /// Sending the request.
    pub send: Option<Duration>,
    /// From the last byte sent to the first received.
    pub wait: Option<Duration>,
    /// Receiving the response.
    pub receive: Option<Duration>,
}
