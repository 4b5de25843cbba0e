//! A collector that accepts less at once than is queued.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span};
use prost::Message as _;

use super::*;

pub(super) fn span(name: &str, bytes: usize) -> Vec<u8> {
    let span = Span {
        name: name.to_owned(),
        trace_state: "x".repeat(bytes),
        ..Default::default()
    };
    ScopeSpans {
        spans: vec![span],
        ..Default::default()
    }
    .encode_to_vec()
}

/// The span names in a request.
pub(super) fn names(request: &[u8]) -> Vec<String> {
    let request = ExportTraceServiceRequest::decode(request).unwrap();
    let scopes = request
        .resource_spans
        .into_iter()
        .flat_map(|spans| spans.scope_spans);
    scopes
        .flat_map(|spans| spans.spans)
        .map(|span| span.name)
        .collect()
}

pub(super) fn too_large() -> ExportResult {
    ExportResult::TooLarge {
        cause: ExportFailure::Http(StatusCode::PAYLOAD_TOO_LARGE),
        message: "too large".to_owned(),
    }
}

/// Sends everything to a collector with a size limit; returns what it accepted and the number of refusals.
fn send_to(fixture: &mut Fixture, most: usize) -> (Vec<String>, usize) {
    let (mut taken, mut refused) = (Vec::new(), 0);
    while let Some((id, request)) = fixture.send(Signal::Traces) {
        let answer = if request.len() > most {
            refused += 1;
            too_large()
        } else {
            taken.extend(names(&request));
            ExportResult::accepted()
        };
        fixture.store.complete(Signal::Traces, id, answer);
    }
    (taken, refused)
}

fn fixture(folder: &Path) -> Fixture {
    Fixture::with(
        Some(folder),
        64 << 20,
        Envelope::new(&Default::default(), &Default::default()),
    )
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_goes_in_halves_and_one_that_is_too_large_alone_becomes_a_dead_letter_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = fixture(folder.path());
    for name in ["1", "2", "3", "4", "5", "6", "7"] {
        fixture.append(&span(name, if name == "3" { 5_000 } else { 100 }));
    }
    fixture.store.close_batches();
    let (taken, _) = send_to(&mut fixture, 1_000);
    assert_eq!(taken, ["1", "2", "4", "5", "6", "7"]);
    let report = fixture.report(Signal::Traces);
    assert_eq!((report.waiting, report.dead_letters), (0, 1));
    assert_eq!(report.dropped, BTreeMap::from([(DropReason::Rejected, 1)]));
    let dead = folder.path().join("dead");
    let letter = fs::read(dead.join(&files(&dead)[0])).unwrap();
    assert_eq!(names(&letter), ["3"]);
    assert!(files(&folder.path().join("traces")).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_collector_takes_at_once_is_remembered_until_the_connection_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = fixture(folder.path());
    let round = |fixture: &mut Fixture| {
        for _ in 0..8 {
            fixture.append(&span("a", 100));
        }
        fixture.store.close_batches();
        send_to(fixture, 400).1
    };
    let first = round(&mut fixture);
    assert!(first > 0);
    assert_eq!(round(&mut fixture), 0);
    fixture.append(&span("a", 100));
    fixture.store.close_batches();
    fixture.answer(Signal::Traces, away());
    assert!(round(&mut fixture) > 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_half_sent_goes_on_where_it_was_when_the_collector_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = fixture(folder.path());
    for name in ["1", "2", "3", "4"] {
        fixture.append(&span(name, 100));
    }
    fixture.store.close_batches();
    fixture.answer(Signal::Traces, too_large());
    assert_eq!(
        names(&fixture.answer(Signal::Traces, ExportResult::accepted())),
        ["1", "2"]
    );
    fixture.answer(Signal::Traces, away());
    assert!(fixture.report(Signal::Traces).spool_bytes > 0);
    let (taken, _) = send_to(&mut fixture, 1_000);
    assert_eq!(taken, ["3", "4"]);
}

#[tokio::test(start_paused = true)]
async fn no_request_is_larger_than_a_mebibyte_whatever_lies_in_the_spool() {
    let folder = tempfile::tempdir().unwrap();
    let frames: Vec<u8> = (0..100).flat_map(|_| span("a", 60 << 10)).collect();
    let envelope = Envelope::new(&Default::default(), &Default::default());
    let traces = folder.path().join("traces");
    fs::create_dir_all(&traces).unwrap();
    let name = format!("{}.request", RequestId::from_wall_clock(clock().0).number());
    fs::write(traces.join(name), envelope.request(&frames)).unwrap();
    let mut fixture = fixture(folder.path());
    let (mut taken, mut largest) = (0, 0);
    for request in fixture.drain(Signal::Traces) {
        taken += names(&request).len();
        largest = largest.max(request.len());
    }
    assert_eq!(taken, 100);
    assert!(largest <= (1 << 20) + 64, "{largest}");
}

#[tokio::test(start_paused = true)]
async fn two_that_are_too_large_together_go_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = fixture(folder.path());
    fixture.append(&["a", "b"].map(|name| span(name, 100)).concat());
    fixture.store.close_batches();
    let (taken, refused) = send_to(&mut fixture, 150);
    assert_eq!((taken.concat().as_str(), refused), ("ab", 1));
}
