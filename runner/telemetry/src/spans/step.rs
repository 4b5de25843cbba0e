//! The span of one step.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use opentelemetry_semantic_conventions::attribute as semconv;

use super::{Attributes, Children, error};
use crate::name;
use canary_record::trace::{Handshake, Lookup, Phase, Request, Step, StepKind};

impl Children {
    pub(super) fn step(&self, step: &Step) -> Span {
        let mut attributes = Attributes::default();
        if self.attempts > 1 {
            attributes.count(name::ATTEMPT, step.attempt.into());
        }
        let (name, kind) = describe(&step.kind, &mut attributes);
        attributes.when_some(error_type(step), |attributes, error_type| {
            attributes.text(semconv::ERROR_TYPE, error_type)
        });
        let started_at = self.started_at.checked_add(step.started);
        Span {
            name,
            kind: kind.into(),
            attributes: attributes.take(),
            status: status(step),
            ..self.base_span(step.span_id, started_at.unwrap_or(self.started_at), step.took)
        }
    }
}

/// A client span with a response status of 400 or above is an error, named by that status (HTTP conventions).
fn error_type(step: &Step) -> Option<String> {
    if let Some(error) = &step.error {
        return Some(error.code.to_owned());
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
        StepKind::Instantiate => (Phase::Instantiate.as_str().to_owned(), SpanKind::Internal),
        StepKind::Lookup(lookup) => {
            add_lookup(lookup, attributes);
            ("dns lookup".to_owned(), SpanKind::Internal)
        }
        StepKind::Connect { peer } => {
            attributes
                .text(semconv::NETWORK_TRANSPORT, "tcp")
                .text(semconv::NETWORK_PEER_ADDRESS, peer.ip().to_string())
                .when_some(peer.port(), add_port);
            ("tcp connect".to_owned(), SpanKind::Internal)
        }
        StepKind::Handshake(handshake) => {
            add_handshake(handshake, attributes);
            ("tls handshake".to_owned(), SpanKind::Internal)
        }
        StepKind::Request(request) => (add_request(request, attributes), SpanKind::Client),
    }
}

fn add_port(attributes: &mut Attributes, port: u16) -> &mut Attributes {
    attributes.count(semconv::NETWORK_PEER_PORT, port.into())
}

fn add_lookup(lookup: &Lookup, attributes: &mut Attributes) {
    attributes.text(semconv::DNS_QUESTION_NAME, lookup.name.as_str());
    if !lookup.addresses.is_empty() {
        let addresses = lookup.addresses.iter().map(ToString::to_string);
        attributes.texts(semconv::DNS_ANSWERS, addresses);
    }
}

fn add_handshake(handshake: &Handshake, attributes: &mut Attributes) {
    attributes
        .text(semconv::SERVER_ADDRESS, handshake.server_name.as_str())
        .flag(semconv::TLS_ESTABLISHED, handshake.version.is_some())
        .when_some(handshake.is_proxy.then_some(true), |attributes, is_proxy| {
            attributes.flag("canary.tls.proxy", is_proxy)
        })
        .when_some(handshake.peer, |attributes, peer| {
            attributes
                .text(semconv::NETWORK_PEER_ADDRESS, peer.ip().to_string())
                .when_some(peer.port(), add_port)
        })
        .when_some(handshake.version, |attributes, version| {
            attributes
                .text(semconv::TLS_PROTOCOL_NAME, "tls")
                .text(semconv::TLS_PROTOCOL_VERSION, version)
        })
        .when_some(handshake.cipher_suite.as_deref(), |attributes, suite| {
            attributes.text(semconv::TLS_CIPHER, suite)
        })
        .when_some(handshake.alpn.as_deref(), |attributes, alpn| {
            attributes.text(semconv::TLS_NEXT_PROTOCOL, alpn)
        })
        .when_some(handshake.untrusted.as_deref(), |attributes, why| {
            attributes.text("canary.tls.untrusted", why)
        });
    if let Some(leaf) = &handshake.leaf {
        attributes
            .text(semconv::TLS_SERVER_SUBJECT, leaf.subject.as_str())
            .text(semconv::TLS_SERVER_ISSUER, leaf.issuer.as_str())
            .text(semconv::TLS_SERVER_NOT_BEFORE, date(leaf.not_before))
            .text(semconv::TLS_SERVER_NOT_AFTER, date(leaf.not_after))
            .text(semconv::TLS_SERVER_HASH_SHA256, leaf.fingerprint.to_uppercase());
    }
}

/// Unix seconds in ISO 8601, as the semantic conventions require for certificates; dates before 1970 become 1970.
fn date(seconds: i64) -> String {
    let since = std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    match std::time::UNIX_EPOCH.checked_add(since) {
        // ISO 8601 ends with the year 9999.
        Some(time) if seconds < 253_402_300_800 => humantime::format_rfc3339_seconds(time).to_string(),
        _ => seconds.to_string(),
    }
}

fn add_request(request: &Request, attributes: &mut Attributes) -> String {
    let method = name::http_method(&request.method);
    let is_known = request.method == method;
    attributes
        .text(semconv::HTTP_REQUEST_METHOD, method)
        .when_some(
            Some(&request.method).filter(|_| !is_known),
            |attributes, method| attributes.text(semconv::HTTP_REQUEST_METHOD_ORIGINAL, method.as_str()),
        )
        .text(semconv::URL_FULL, request.url.as_str())
        .text(semconv::URL_SCHEME, request.scheme)
        .text(semconv::SERVER_ADDRESS, request.host.as_str())
        .when_some(request.port, |attributes, port| {
            attributes.count(semconv::SERVER_PORT, port.into())
        })
        .text(semconv::NETWORK_PROTOCOL_NAME, "http")
        .text(semconv::USER_AGENT_SYNTHETIC_TYPE, name::SYNTHETIC_TEST)
        .count(semconv::HTTP_REQUEST_BODY_SIZE, request.request_bytes);
    if request.hop > 0 {
        attributes.count(semconv::HTTP_REQUEST_RESEND_COUNT, request.hop.into());
    }
    add_response(request, attributes);
    if is_known {
        request.method.to_string()
    } else {
        "HTTP".to_owned()
    }
}

fn add_response(request: &Request, attributes: &mut Attributes) {
    attributes
        .when_some(request.peer, |attributes, peer| {
            attributes
                .text(semconv::NETWORK_PEER_ADDRESS, peer.ip().to_string())
                .when_some(peer.port(), add_port)
        })
        .when_some(request.version, |attributes, version| {
            attributes.text(semconv::NETWORK_PROTOCOL_VERSION, version)
        })
        .when_some(request.status, |attributes, status| {
            attributes.count(semconv::HTTP_RESPONSE_STATUS_CODE, status.into())
        })
        .when_some(request.response_bytes, |attributes, bytes| {
            attributes.count(semconv::HTTP_RESPONSE_BODY_SIZE, bytes)
        });
    let phases = [
        ("canary.phase.send", request.send),
        ("canary.phase.wait", request.wait),
        ("canary.phase.receive", request.receive),
    ];
    for (key, took) in phases {
        attributes.when_some(took, |attributes, took| attributes.seconds(key, took));
    }
}
