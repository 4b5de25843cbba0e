//! The span of one step.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use opentelemetry_semantic_conventions::attribute as semconv;

use super::{Attributes, Children, error};
use crate::telemetry::name;
use crate::trace::{Handshake, Lookup, Phase, Request, Step, StepKind};

impl Children {
    pub(super) fn of(&self, step: &Step) -> Span {
        let mut attributes = Attributes::default();
        if self.attempts > 1 {
            attributes.count(name::ATTEMPT, step.attempt.into());
        }
        let (name, kind) = describe(&step.kind, &mut attributes);
        attributes.some(error_type(step), |attributes, word| {
            attributes.text(semconv::ERROR_TYPE, word)
        });
        let started_at = self.started_at.checked_add(step.started);
        Span {
            name,
            kind: kind.into(),
            attributes: attributes.take(),
            status: status(step),
            ..self.blank(step.span_id, started_at.unwrap_or(self.started_at), step.took)
        }
    }
}

/// A client span of an answer of 400 and above is an error too, named by its status (HTTP conventions).
fn error_type(step: &Step) -> Option<String> {
    if let Some(error) = &step.error {
        return Some(error.word.to_owned());
    }
    bad_status(step).map(|status| status.to_string())
}

fn bad_status(step: &Step) -> Option<u16> {
    match &step.kind {
        StepKind::Request(request) => request.status.filter(|status| *status >= 400),
        _ => None,
    }
}

fn status(step: &Step) -> Option<Status> {
    match &step.error {
        Some(failed) => error(failed.message.to_string()),
        None => bad_status(step).and_then(|_| error(String::new())),
    }
}

/// The name and kind of a step's span.
fn describe(kind: &StepKind, attributes: &mut Attributes) -> (String, SpanKind) {
    match kind {
        StepKind::Instantiate => (Phase::Instantiate.word().to_owned(), SpanKind::Internal),
        StepKind::Lookup(asked) => {
            lookup(asked, attributes);
            ("dns lookup".to_owned(), SpanKind::Internal)
        }
        StepKind::Connect { peer } => {
            attributes
                .text(semconv::NETWORK_TRANSPORT, "tcp")
                .text(semconv::NETWORK_PEER_ADDRESS, peer.ip().to_string())
                .some(peer.port(), port);
            ("tcp connect".to_owned(), SpanKind::Internal)
        }
        StepKind::Handshake(shaken) => {
            handshake(shaken, attributes);
            ("tls handshake".to_owned(), SpanKind::Internal)
        }
        StepKind::Request(sent) => (request(sent, attributes), SpanKind::Client),
    }
}

fn port(attributes: &mut Attributes, port: u16) -> &mut Attributes {
    attributes.count(semconv::NETWORK_PEER_PORT, port.into())
}

fn lookup(lookup: &Lookup, attributes: &mut Attributes) {
    attributes.text(semconv::DNS_QUESTION_NAME, lookup.name.as_str());
    if !lookup.addresses.is_empty() {
        let addresses = lookup.addresses.iter().map(ToString::to_string);
        attributes.texts(semconv::DNS_ANSWERS, addresses);
    }
}

fn handshake(told: &Handshake, attributes: &mut Attributes) {
    attributes
        .text(semconv::SERVER_ADDRESS, told.server_name.as_str())
        .flag(semconv::TLS_ESTABLISHED, told.version.is_some())
        .some(told.peer, |attributes, peer| {
            attributes
                .text(semconv::NETWORK_PEER_ADDRESS, peer.ip().to_string())
                .some(peer.port(), port)
        })
        .some(told.version, |attributes, version| {
            attributes
                .text(semconv::TLS_PROTOCOL_NAME, "tls")
                .text(semconv::TLS_PROTOCOL_VERSION, version)
        })
        .some(told.cipher_suite.as_deref(), |attributes, suite| {
            attributes.text(semconv::TLS_CIPHER, suite)
        })
        .some(told.alpn.as_deref(), |attributes, alpn| {
            attributes.text(semconv::TLS_NEXT_PROTOCOL, alpn)
        })
        .some(told.untrusted.as_deref(), |attributes, why| {
            attributes.text("canary.tls.untrusted", why)
        });
    if let Some(leaf) = &told.leaf {
        attributes
            .text(semconv::TLS_SERVER_SUBJECT, leaf.subject.as_str())
            .text(semconv::TLS_SERVER_ISSUER, leaf.issuer.as_str())
            .text(semconv::TLS_SERVER_NOT_BEFORE, date(leaf.not_before))
            .text(semconv::TLS_SERVER_NOT_AFTER, date(leaf.not_after))
            .text(semconv::TLS_SERVER_HASH_SHA256, leaf.fingerprint.to_uppercase());
    }
}

/// Unix seconds in ISO 8601, as the conventions have certificates' dates; a date before 1970 is told as 1970.
fn date(seconds: i64) -> String {
    let since = std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    match std::time::UNIX_EPOCH.checked_add(since) {
        // Beyond the year 9999 there is no such text.
        Some(time) if seconds < 253_402_300_800 => humantime::format_rfc3339_seconds(time).to_string(),
        _ => seconds.to_string(),
    }
}

fn request(told: &Request, attributes: &mut Attributes) -> String {
    let method = name::http_method(&told.method);
    let is_known = told.method == method;
    attributes
        .text(semconv::HTTP_REQUEST_METHOD, method)
        .some(Some(&told.method).filter(|_| !is_known), |attributes, method| {
            attributes.text(semconv::HTTP_REQUEST_METHOD_ORIGINAL, method.as_str())
        })
        .text(semconv::URL_FULL, told.url.as_str())
        .text(semconv::URL_SCHEME, told.scheme)
        .text(semconv::SERVER_ADDRESS, told.host.as_str())
        .some(told.port, |attributes, port| {
            attributes.count(semconv::SERVER_PORT, port.into())
        })
        .text(semconv::NETWORK_PROTOCOL_NAME, "http")
        .text(semconv::USER_AGENT_SYNTHETIC_TYPE, name::SYNTHETIC_TEST)
        .count(semconv::HTTP_REQUEST_BODY_SIZE, told.request_bytes);
    if told.hop > 0 {
        attributes.count(semconv::HTTP_REQUEST_RESEND_COUNT, told.hop.into());
    }
    answer(told, attributes);
    if is_known {
        told.method.to_string()
    } else {
        "HTTP".to_owned()
    }
}

fn answer(told: &Request, attributes: &mut Attributes) {
    attributes
        .some(told.peer, |attributes, peer| {
            attributes
                .text(semconv::NETWORK_PEER_ADDRESS, peer.ip().to_string())
                .some(peer.port(), port)
        })
        .some(told.version, |attributes, version| {
            attributes.text(semconv::NETWORK_PROTOCOL_VERSION, version)
        })
        .some(told.status, |attributes, status| {
            attributes.count(semconv::HTTP_RESPONSE_STATUS_CODE, status.into())
        })
        .some(told.response_bytes, |attributes, bytes| {
            attributes.count(semconv::HTTP_RESPONSE_BODY_SIZE, bytes)
        });
    let phases = [
        ("canary.phase.send", told.send),
        ("canary.phase.wait", told.wait),
        ("canary.phase.receive", told.receive),
    ];
    for (key, took) in phases {
        attributes.some(took, |attributes, took| attributes.seconds(key, took));
    }
}
