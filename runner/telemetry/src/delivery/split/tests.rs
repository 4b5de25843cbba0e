use std::collections::{BTreeMap, HashSet};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Histogram, HistogramDataPoint, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span};

use super::*;
use crate::name;

const CHECKS: [&str; 4] = ["a", "b", "loud", "d"];

fn named(check: &str) -> Vec<KeyValue> {
    let value = Some(AnyValue {
        value: Some(Value::StringValue(check.to_owned())),
    });
    vec![KeyValue {
        key: name::CHECK.to_owned(),
        value,
        ..Default::default()
    }]
}

/// The spans of one run per check: a root that names it, and a child.
fn spans() -> Bytes {
    let of_run = |check: &&str| {
        let root = Span {
            name: format!("check {check}"),
            attributes: named(check),
            ..Default::default()
        };
        let child = Span {
            name: format!("child of {check}"),
            ..Default::default()
        };
        [root, child]
    };
    let frame = ScopeSpans {
        spans: CHECKS.iter().flat_map(of_run).collect(),
        ..Default::default()
    };
    let envelope = Envelope::new(&Default::default(), &Default::default());
    Bytes::from(envelope.request(&frame.encode_to_vec()))
}

fn metric(name: &str, data: Data) -> Metric {
    Metric {
        name: name.to_owned(),
        data: Some(data),
        ..Default::default()
    }
}

/// A metric of each kind, with a data point of each check, and one of the runner's own.
fn metrics() -> ExportMetricsServiceRequest {
    let number = |check: &&str| NumberDataPoint {
        attributes: named(check),
        ..Default::default()
    };
    let histogram = |check: &&str| HistogramDataPoint {
        attributes: named(check),
        ..Default::default()
    };
    let numbers: Vec<_> = CHECKS.iter().map(number).collect();
    let sum = Sum {
        data_points: numbers.clone(),
        aggregation_temporality: 2,
        is_monotonic: true,
    };
    let histogram = Histogram {
        data_points: CHECKS.iter().map(histogram).collect(),
        aggregation_temporality: 2,
    };
    let gauge = |data_points| Data::Gauge(Gauge { data_points });
    let metrics = vec![
        metric("gauge", gauge(numbers)),
        metric("own", gauge(vec![NumberDataPoint::default()])),
        metric("sum", Data::Sum(sum)),
        metric("histogram", Data::Histogram(histogram)),
    ];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Default::default()),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(Default::default()),
                metrics,
                ..Default::default()
            }],
            ..Default::default()
        }],
    }
}

fn split(signal: Signal, request: &Bytes) -> Split {
    let id = RequestId::from_wall_clock(std::time::UNIX_EPOCH);
    Split::parse(id, signal, request, |_| false).unwrap()
}

/// All pieces of a split, of at most `limit` bytes each.
fn pieces(split: &mut Split, limit: usize) -> Vec<Vec<Item>> {
    std::iter::from_fn(|| split.next(limit, |_| false)).collect()
}

#[test]
fn the_pieces_of_a_request_have_all_of_it_and_none_is_larger_than_it_may_be() {
    let request = spans();
    for limit in [0, 1, 40, 80, 120, 200, request.len()] {
        let mut split = split(Signal::Traces, &request);
        let mut all = Vec::new();
        for piece in pieces(&mut split, limit) {
            let bytes = split.request(&piece).len();
            assert!(piece.len() == 1 || bytes <= limit + 12, "{limit}: {bytes}");
            all.extend(piece);
        }
        assert_eq!(split.request(&all), request, "{limit}");
    }
}

#[test]
fn halves_are_made_between_checks_as_long_as_there_are_several() {
    let request = spans();
    let all = split(Signal::Traces, &request)
        .next(usize::MAX, |_| false)
        .unwrap();
    let (first, second) = halves(&all).unwrap();
    let owners = |items: &[Item]| items.iter().map(|item| item.owner).collect::<HashSet<_>>();
    assert!(owners(&first).is_disjoint(&owners(&second)));
    assert_eq!((first.len(), second.len()), (4, 4));
    let (one, _) = halves(&first).unwrap();
    assert!(only_owner(&one).is_some());
    let (root, child) = halves(&one).unwrap();
    assert_eq!((root.len(), child.len()), (1, 1));
    assert_eq!(halves(&root), None);
    assert_eq!(halves(&[]), None);
}

#[test]
fn halves_of_unlike_checks_are_still_between_checks() {
    let request = spans();
    let all = split(Signal::Traces, &request)
        .next(usize::MAX, |_| false)
        .unwrap();
    let much = |item: &Item| match item.owner == Owner::of_check("loud") {
        true => vec![item.clone(); 50],
        false => vec![item.clone()],
    };
    let unlike: Vec<Item> = all.iter().flat_map(much).collect();
    let (first, second) = halves(&unlike).unwrap();
    let has = |items: &[Item]| items.iter().any(|item| item.owner == Owner::of_check("loud"));
    assert!(has(&first) != has(&second));
}

#[test]
fn what_a_check_has_in_metrics_goes_alone_and_the_rest_is_what_it_was_without_it() {
    let whole = metrics();
    let request = Bytes::from(whole.encode_to_vec());
    let loud = Owner::of_check("loud");
    let id = RequestId::from_wall_clock(std::time::UNIX_EPOCH);
    let mut split = Split::parse(id, Signal::Metrics, &request, |owner| owner == loud).unwrap();
    assert!(!split.is_whole());
    let [good, suspect] = &pieces(&mut split, usize::MAX)[..] else {
        panic!("two pieces");
    };
    assert_eq!(only_owner(suspect), Some(loud));
    assert_eq!(check_named(Signal::Metrics, suspect).as_deref(), Some("loud"));
    assert_eq!(suspect.iter().map(|item| item.count).sum::<u64>(), 3);
    assert_eq!(good.iter().map(|item| item.count).sum::<u64>(), 10);
    assert_eq!(
        checks_of(&split.request(good)),
        BTreeMap::from([
            ("gauge".to_owned(), vec!["a", "b", "d"]),
            ("own".to_owned(), vec![""]),
            ("sum".to_owned(), vec!["a", "b", "d"]),
            ("histogram".to_owned(), vec!["a", "b", "d"]),
        ])
    );
    let all = [good.clone(), suspect.clone()].concat();
    let again = ExportMetricsServiceRequest::decode(&split.request(&all)[..]).unwrap();
    assert_eq!(again.encoded_len(), whole.encoded_len());
}

/// The checks in each metric, sorted by name.
fn checks_of(request: &[u8]) -> BTreeMap<String, Vec<&'static str>> {
    let request = ExportMetricsServiceRequest::decode(request).unwrap();
    let metrics = request.resource_metrics[0].scope_metrics[0].metrics.clone();
    let checks = |metric: Metric| {
        let parts = points::by_owner(metric.clone());
        let mut checks: Vec<&str> = parts
            .iter()
            .map(|(_, part)| {
                let named = points::check_of(part).unwrap_or_default();
                CHECKS
                    .iter()
                    .find(|check| **check == named)
                    .map_or("", |check| check)
            })
            .collect();
        checks.sort_unstable();
        (metric.name, checks)
    };
    metrics.into_iter().map(checks).collect()
}

#[test]
fn a_request_of_one_owner_is_not_taken_apart_for_it() {
    let request = spans();
    let id = RequestId::from_wall_clock(std::time::UNIX_EPOCH);
    for is_suspect in [true, false] {
        let split = Split::parse(id, Signal::Traces, &request, |_| is_suspect).unwrap();
        assert!(split.is_whole());
    }
    let foreign = Bytes::from_static(b"as it is");
    assert!(Split::parse(id, Signal::Traces, &foreign, |_| false).is_none());
}

#[test]
fn a_piece_may_be_exactly_as_large_as_it_may_be() {
    let request = spans();
    let mut split = split(Signal::Traces, &request);
    let all = split.next(usize::MAX, |_| false).unwrap();
    let envelope = split.envelope.resource.len() + split.envelope.scope.len();
    let two: usize = all[..2].iter().map(|item| item.encoded.len()).sum();
    for (limit, items) in [(envelope + two, 2), (envelope + two - 1, 1), (0, 1)] {
        split.rest.clear();
        split.push_front(all.clone());
        assert_eq!(split.next(limit, |_| false).unwrap().len(), items);
    }
}

#[test]
fn the_items_of_a_metric_are_its_data_points() {
    let points = vec![NumberDataPoint::default(); 3];
    let gauge = metric("gauge", Data::Gauge(Gauge { data_points: points }));
    assert_eq!(points::count(&gauge), 3);
    let empty = metric("histogram", Data::Histogram(Histogram::default()));
    assert_eq!(points::count(&empty), 0);
}
