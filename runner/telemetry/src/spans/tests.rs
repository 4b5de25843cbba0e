use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::Event;

use super::*;
use crate::sample;
use canary_record::trace::StepKind;
use canary_run::outcome::{Fault, LogLevel, LogLine, Outcome, StopCause};

const ALL: Selection = Selection { failures: true };

fn attributes(list: &[KeyValue]) -> BTreeMap<&str, String> {
    let shown = |attribute: &KeyValue| match attribute.value.as_ref().and_then(|any| any.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        other => format!("{other:?}"),
    };
    list.iter()
        .map(|attribute| (attribute.key.as_str(), shown(attribute)))
        .collect()
}

fn decoded(run: &Run) -> Vec<Span> {
    let frame = encode_run(run, ALL).unwrap();
    ScopeSpans::decode(frame.bytes.as_slice()).unwrap().spans
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found = spans.iter().find(|span| span.name == name);
    found.unwrap_or_else(|| panic!("no span `{name}`"))
}

#[test]
fn a_run_is_a_root_with_a_child_for_each_thing_that_the_host_did() {
    let spans = decoded(&sample::run());
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    let expected = [
        "check website",
        "queue",
        "instantiate",
        "dns lookup",
        "tcp connect",
        "tls handshake",
        "GET",
    ];
    assert_eq!(names, expected);
    assert!(spans[0].parent_span_id.is_empty());
    for child in &spans[1..] {
        assert_eq!(child.parent_span_id, spans[0].span_id);
        assert_eq!(child.trace_id, spans[0].trace_id);
        assert!(spans[0].start_time_unix_nano <= child.start_time_unix_nano);
        assert!(child.end_time_unix_nano <= spans[0].end_time_unix_nano);
    }
    let kinds: Vec<i32> = spans.iter().map(|span| span.kind).collect();
    let (internal, client) = (SpanKind::Internal as i32, SpanKind::Client as i32);
    assert_eq!(
        kinds,
        [internal, internal, internal, internal, internal, internal, client]
    );
}

#[test]
fn the_root_spans_the_queue_and_the_run() {
    let run = sample::run();
    let root = &decoded(&run)[0];
    assert_eq!(
        root.start_time_unix_nano,
        unix_nanos(sample::noon() - 5 * sample::MS)
    );
    assert_eq!(
        root.end_time_unix_nano,
        unix_nanos(sample::noon() + 100 * sample::MS)
    );
}

#[test]
fn the_root_names_the_check_its_outcome_and_what_it_used() {
    let root = &decoded(&sample::run())[0];
    insta::assert_debug_snapshot!(attributes(&root.attributes), @r#"
    {
        "canary.attempts": "1",
        "canary.check.name": "website",
        "canary.lag": "0.007",
        "canary.outcome": "fail",
        "canary.plugin.digest": "sha256:00ff",
        "canary.plugin.name": "http",
        "canary.summary": "503 Service Unavailable",
        "canary.target": "https://example.com/shop",
        "canary.usage.bytes_in": "2048",
        "canary.usage.bytes_out": "512",
        "canary.usage.connections": "1",
        "canary.usage.cpu": "0.001",
        "canary.usage.lookups": "1",
        "canary.usage.measurements": "0",
        "canary.usage.memory_peak": "1048576",
        "canary.usage.reclaimed": "1",
        "canary.usage.record": "0",
        "canary.usage.sockets_peak": "1",
        "error.type": "assertion",
        "http.server": "nginx",
        "team": "web",
    }
    "#);
    let status = root.status.as_ref().unwrap();
    assert_eq!(status.code, StatusCode::Error as i32);
    assert_eq!(status.message, "503 Service Unavailable");
}

#[test]
fn a_request_follows_the_http_conventions() {
    let spans = decoded(&sample::run());
    let request = named(&spans, "GET");
    insta::assert_debug_snapshot!(attributes(&request.attributes), @r#"
    {
        "canary.phase.receive": "0.002",
        "canary.phase.send": "0.001",
        "canary.phase.wait": "0.03",
        "error.type": "503",
        "http.request.body.size": "0",
        "http.request.method": "GET",
        "http.response.body.size": "11",
        "http.response.status_code": "503",
        "network.peer.address": "192.0.2.7",
        "network.peer.port": "443",
        "network.protocol.name": "http",
        "network.protocol.version": "2",
        "server.address": "example.com",
        "server.port": "443",
        "url.full": "https://example.com/shop",
        "url.scheme": "https",
        "user_agent.synthetic.type": "test",
    }
    "#);
    assert_eq!(request.status.as_ref().unwrap().code, StatusCode::Error as i32);
}

#[test]
fn a_handshake_has_what_the_peer_presented() {
    let spans = decoded(&sample::run());
    insta::assert_debug_snapshot!(attributes(&named(&spans, "tls handshake").attributes), @r#"
    {
        "network.peer.address": "192.0.2.7",
        "network.peer.port": "443",
        "server.address": "example.com",
        "tls.cipher": "TLS13_AES_128_GCM_SHA256",
        "tls.established": "true",
        "tls.next_protocol": "h2",
        "tls.protocol.name": "tls",
        "tls.protocol.version": "1.3",
        "tls.server.hash.sha256": "ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB",
        "tls.server.issuer": "CN=Test Root",
        "tls.server.not_after": "2027-01-26T21:46:40Z",
        "tls.server.not_before": "2026-09-21T14:13:20Z",
        "tls.server.subject": "CN=example.com",
    }
    "#);
}

#[test]
fn denials_reclaimed_connections_log_lines_and_failed_assertions_are_events_in_order() {
    let mut run = sample::run();
    run.log.push(LogLine {
        level: LogLevel::Info,
        message: "hello".into(),
        fields: vec![("step".into(), "1".into())],
        at: 3 * sample::MS,
    });
    let root = &decoded(&run)[0];
    let describe = |event: &Event| format!("{} {:?}", event.name, attributes(&event.attributes));
    let events: Vec<String> = root.events.iter().map(describe).collect();
    insta::assert_debug_snapshot!(events, @r#"
    [
        "log {\"log.level\": \"info\", \"log.message\": \"hello\", \"step\": \"1\"}",
        "canary.quota.denied {\"canary.quota.limit\": \"4\", \"canary.quota.name\": \"sockets\"}",
        "canary.connection.reclaimed {\"canary.close.reason\": \"leak\", \"canary.connection.bytes_in\": \"2048\", \"canary.connection.bytes_out\": \"512\", \"canary.connection.open_for\": \"0.088\", \"network.peer.address\": \"192.0.2.7\", \"network.peer.port\": \"443\"}",
        "canary.assertion {\"canary.assertion.name\": \"status\", \"canary.assertion.status\": \"fail\"}",
    ]
    "#);
}

#[test]
fn what_stopped_or_broke_a_run_is_its_error_type() {
    let ends = [
        (Outcome::Stopped(StopCause::Shutdown), "shutdown"),
        (Outcome::Faulted(Fault::Trap("unreachable".into())), "trap"),
    ];
    for (outcome, word) in ends {
        let run = Run {
            outcome,
            ..sample::run()
        };
        let root = &decoded(&run)[0];
        assert_eq!(attributes(&root.attributes)["error.type"], word);
        assert_eq!(root.status.as_ref().unwrap().code, StatusCode::Error as i32);
    }
}

#[test]
fn a_failed_step_is_an_error_and_names_that_of_the_run() {
    let mut run = sample::run();
    let peer = std::net::SocketAddr::from(([192, 0, 2, 7], 443)).into();
    let failed = Some(("refused", "connection refused"));
    run.trail.steps = vec![sample::step(9, StepKind::Connect { peer }, 0, 1, failed)];
    let spans = decoded(&run);
    let connect = named(&spans, "tcp connect");
    assert_eq!(attributes(&connect.attributes)["error.type"], "refused");
    assert_eq!(connect.status.as_ref().unwrap().message, "connection refused");
    assert_eq!(attributes(&spans[0].attributes)["error.type"], "refused");
}

#[test]
fn a_run_that_passed_is_no_error() {
    let outcome = Outcome::Completed(sample::verdict(VerdictStatus::Pass));
    let root = &decoded(&Run {
        outcome,
        ..sample::run()
    })[0];
    assert_eq!(root.status, None);
    assert!(!attributes(&root.attributes).contains_key("error.type"));
}

#[test]
fn a_run_that_was_not_sampled_is_kept_when_it_did_not_pass() {
    let mut run = sample::run();
    run.trace.sampled = false;
    assert!(encode_run(&run, ALL).is_some());
    assert!(encode_run(&run, Selection { failures: false }).is_none());
    run.outcome = Outcome::Completed(sample::verdict(VerdictStatus::Pass));
    assert!(encode_run(&run, ALL).is_none());
}

/// A run that reports as much as possible.
fn chatty() -> Run {
    let mut run = sample::run();
    let pair = |number: usize| (format!("key-{number}").into(), "v".repeat(3_000).into());
    run.log = (0..64)
        .map(|number| LogLine {
            at: sample::MS,
            level: LogLevel::Info,
            message: "é".repeat(2_000).into(),
            fields: (0..16).map(|field| pair(number * 16 + field)).collect(),
        })
        .collect();
    let mut verdict = sample::verdict(VerdictStatus::Fail);
    verdict.summary = "s".repeat(9_000).into();
    verdict.attributes = (0..64).map(pair).collect();
    run.outcome = Outcome::Completed(verdict);
    let steps = run.trail.steps.clone();
    run.trail.steps = steps.iter().cycle().take(500).cloned().collect();
    run
}

#[test]
fn what_a_run_reports_has_a_size_and_its_root_is_always_there_with_the_verdict() {
    let run = chatty();
    let frame = encode_run(&run, ALL).unwrap();
    assert!(
        frame.bytes.len() <= size_limit::MAX_FRAME,
        "{}",
        frame.bytes.len()
    );
    assert!(frame.left_out > 400, "{}", frame.left_out);
    let spans = ScopeSpans::decode(frame.bytes.as_slice()).unwrap().spans;
    let root = &spans[0];
    assert_eq!(root.name, "check website");
    let recorded = attributes(&root.attributes);
    assert_eq!(recorded["canary.outcome"], "fail");
    assert_eq!(recorded["canary.check.name"], "website");
    assert!(root.status.is_some());
    assert!(root.dropped_events_count > 0 && root.dropped_attributes_count > 0);
    assert!(spans.len() > 50, "{} spans", spans.len());
}

#[test]
fn a_run_of_an_ordinary_size_is_exported_whole() {
    assert_eq!(encode_run(&sample::run(), ALL).unwrap().left_out, 0);
}
