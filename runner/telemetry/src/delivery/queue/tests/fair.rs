//! Fairness between a check that reports a lot and the others.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span};
use prost::Message as _;

use super::pieces::names;
use super::*;
use crate::name;

/// The root span of a check's run, named after the check.
pub(super) fn root(check: &str, bytes: usize) -> Frame {
    named_root(check, check, bytes)
}

/// The root span of a check's run.
pub(super) fn named_root(check: &str, name: &str, bytes: usize) -> Frame {
    let value = Some(AnyValue {
        value: Some(Value::StringValue(check.to_owned())),
    });
    let span = Span {
        name: name.to_owned(),
        trace_state: "x".repeat(bytes),
        attributes: vec![KeyValue {
            key: name::CHECK.to_owned(),
            value,
            ..Default::default()
        }],
        ..Default::default()
    };
    let spans = ScopeSpans {
        spans: vec![span],
        ..Default::default()
    };
    Frame::new(Owner::of_check(check), spans.encode_to_vec())
}

/// The collector is unreachable while six checks run a hundred times, one of them with frames of the maximum size.
async fn outage(folder: Option<&Path>, max_bytes: u64) -> Fixture {
    let mut fixture = Fixture::with(
        folder,
        max_bytes,
        Envelope::new(&Default::default(), &Default::default()),
    );
    fixture.store.set_check_count(6);
    for _ in 0..100 {
        for _ in 0..10 {
            fixture.store.append(Signal::Traces, &root("loud", 60 << 10));
        }
        for check in ["a", "b", "c", "d", "e"] {
            fixture.store.append(Signal::Traces, &root(check, 500));
        }
        advance(DELAY).await;
        if let Some((id, _)) = fixture.send(Signal::Traces) {
            fixture.store.complete(Signal::Traces, id, away());
        }
    }
    // Nothing is deferred any more.
    advance(Duration::from_secs(30)).await;
    fixture
}

fn arrived(fixture: &mut Fixture) -> BTreeMap<String, usize> {
    let mut arrived = BTreeMap::new();
    fixture.store.close_batches();
    for request in fixture.drain(Signal::Traces) {
        for name in names(&request) {
            *arrived.entry(name).or_default() += 1;
        }
    }
    arrived
}

#[tokio::test(start_paused = true)]
async fn a_full_spool_takes_from_the_check_that_fills_it_and_the_others_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = outage(Some(folder.path()), 16 << 20).await;
    let report = fixture.report(Signal::Traces);
    assert!(report.spool_bytes <= 16 << 20, "{report:?}");
    assert!(report.dropped_items > 500, "{report:?}");
    assert!(!report.dropped.contains_key(&DropReason::SpoolFull), "{report:?}");
    let notices = fixture.notices();
    let said = notices.iter().any(|notice| notice.contains("over their share"));
    assert!(said, "{notices:?}");
    let arrived = arrived(&mut fixture);
    for check in ["a", "b", "c", "d", "e"] {
        assert_eq!(arrived[check], 100, "{arrived:?}");
    }
    assert!(arrived["loud"] > 100, "{arrived:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_spool_memory_is_shared_alike() {
    let mut fixture = outage(None, 0).await;
    let arrived = arrived(&mut fixture);
    for check in ["a", "b", "c", "d", "e"] {
        assert_eq!(arrived[check], 100, "{arrived:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_fills_a_spool_is_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    drop(outage(Some(folder.path()), 64 << 20).await);
    let mut fixture = Fixture::with(
        Some(folder.path()),
        16 << 20,
        Envelope::new(&Default::default(), &Default::default()),
    );
    fixture.store.set_check_count(6);
    for _ in 0..8 {
        fixture.store.push(Signal::Metrics, b"anything".to_vec());
    }
    assert!(fixture.report(Signal::Traces).spool_bytes <= 16 << 20);
    let arrived = arrived(&mut fixture);
    for check in ["a", "b", "c", "d", "e"] {
        assert_eq!(arrived[check], 100, "{arrived:?}");
    }
}
