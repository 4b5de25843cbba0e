use opentelemetry_proto::tonic::common::v1::AnyValue;

use super::*;
use crate::sample;
use canary_run::outcome::{Fault, VerdictStatus};

fn standing(transition: Option<Transition>) -> CheckStatus {
    CheckStatus {
        status: Status::Down,
        transition,
        consecutive_failures: 2,
        last_success: None,
    }
}

fn decoded(frame: Option<Encoded>) -> Vec<String> {
    let Some(frame) = frame else { return Vec::new() };
    let scope = ScopeLogs::decode(frame.bytes.as_slice()).unwrap();
    let line = |record: &LogRecord| {
        let Some(AnyValue {
            value: Some(Value::StringValue(text)),
        }) = &record.body
        else {
            panic!("{record:?}")
        };
        format!("{} {}: {text}", record.severity_text, record.event_name)
    };
    scope.log_records.iter().map(line).collect()
}

fn uneventful() -> Run {
    let mut run = sample::run();
    run.trail.connections.clear();
    run
}

#[test]
fn an_ordinary_run_is_no_record() {
    assert!(encode_run(&uneventful(), &standing(None), sample::noon()).is_none());
}

#[test]
fn a_change_of_status_is_a_record_in_the_trace_of_its_run() {
    let change = Transition {
        from: Status::Up,
        to: Status::Down,
        at: sample::noon(),
        summary: "503 Service Unavailable".to_owned(),
        consecutive: 2,
    };
    let run = uneventful();
    let frame = encode_run(&run, &standing(Some(change)), sample::noon()).unwrap();
    let record = &ScopeLogs::decode(frame.bytes.as_slice()).unwrap().log_records[0];
    assert_eq!(record.trace_id, run.trace.trace_id);
    assert_eq!(record.span_id, run.trace.span_id);
    let line = "ERROR canary.check.transition: check website: up -> down: 503 Service Unavailable";
    assert_eq!(decoded(Some(frame)), [line]);
}

#[test]
fn a_fault_and_a_reclaimed_connection_are_records() {
    let mut run = sample::run();
    run.outcome = Outcome::Faulted(Fault::Trap("unreachable".into()));
    let decoded = decoded(encode_run(&run, &standing(None), sample::noon()));
    insta::assert_debug_snapshot!(decoded, @r#"
    [
        "ERROR canary.check.fault: the plugin trapped: unreachable",
        "WARN canary.connection.reclaimed: check website: closed a connection to 192.0.2.7:443 that the plugin left open",
    ]
    "#);
}

#[test]
fn missed_due_times_are_one_record() {
    let frame = encode_missed(&CheckId::new("website"), MissReason::Overlap, 3, sample::noon());
    let line = "WARN canary.scheduler.missed: check website: missed 3 scheduled runs (overlap)";
    assert_eq!(decoded(frame), [line]);
}

#[test]
fn a_run_that_passed_may_have_changed_the_status_to_up() {
    let mut run = uneventful();
    run.outcome = Outcome::Completed(sample::verdict(VerdictStatus::Pass));
    let change = Transition {
        from: Status::Down,
        to: Status::Up,
        at: sample::noon(),
        summary: "200 OK".to_owned(),
        consecutive: 1,
    };
    let decoded = decoded(encode_run(&run, &standing(Some(change)), sample::noon()));
    assert_eq!(
        decoded,
        ["INFO canary.check.transition: check website: down -> up: 200 OK"]
    );
}

#[test]
fn the_records_of_a_run_have_a_size_and_the_first_is_always_there() {
    let mut run = sample::run();
    let connection = run.trail.connections[0].clone();
    run.trail.connections = vec![connection; 1_000];
    let change = Transition {
        from: Status::Up,
        to: Status::Down,
        at: sample::noon(),
        summary: "s".repeat(200_000),
        consecutive: 2,
    };
    let frame = encode_run(&run, &standing(Some(change)), sample::noon()).unwrap();
    assert!(
        frame.bytes.len() <= size_limit::MAX_FRAME,
        "{}",
        frame.bytes.len()
    );
    assert!(frame.left_out > 500, "{}", frame.left_out);
    let records = decoded(Some(frame));
    assert!(
        records[0].starts_with("ERROR canary.check.transition"),
        "{}",
        &records[0][..60]
    );
}
