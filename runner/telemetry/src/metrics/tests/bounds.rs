//! Limits on what a plugin or a suite can inflate.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use prost::Message as _;

use super::*;
use canary_record::Text;
use canary_record::trace::StepKind;
use canary_run::outcome::{Assertion, Measurement};

fn measurement(name: &str) -> Measurement {
    Measurement {
        name: name.into(),
        value: 1.0,
        unit: "s".into(),
        attributes: Vec::new(),
    }
}

#[test]
fn names_that_a_plugin_makes_up_are_capped_and_counted() {
    let mut metrics = metrics_with(Settings {
        max_series_per_check: 10,
        ..settings()
    });
    for number in 0..50 {
        let mut verdict = sample::verdict(VerdictStatus::Pass);
        verdict.measurements = vec![measurement(&format!("m{number}")); 1];
        verdict.assertions = vec![Assertion {
            name: format!("a{number}").into(),
            status: VerdictStatus::Pass,
            message: Text::default(),
        }];
        let outcome = Outcome::Completed(verdict);
        finish(
            &mut metrics,
            &Run {
                outcome,
                ..sample::run()
            },
        );
    }
    let assertions = samples(&metrics, "canary_check_assertions_total");
    assert!(assertions.len() <= 11, "{assertions:?}");
    assert!(
        assertions
            .iter()
            .any(|line| line.contains("otel_metric_overflow=\"true\"")),
        "{assertions:?}"
    );
    let overflow = samples(&metrics, "canary_telemetry_series_overflow_total");
    assert!(!overflow[0].ends_with(" 0"), "{overflow:?}");
}

#[test]
fn what_a_plugin_says_is_cut_and_escaped() {
    let mut verdict = sample::verdict(VerdictStatus::Pass);
    let mut hostile = measurement(&"\"\n\\é".repeat(100));
    hostile.value = f64::NAN;
    hostile.attributes = (0..20)
        .map(|number| (format!("1 k{number}").into(), "v\n".repeat(200).into()))
        .collect();
    hostile
        .attributes
        .push(("canary.check.name".into(), "another".into()));
    verdict.measurements = vec![hostile];
    let mut metrics = metrics();
    let outcome = Outcome::Completed(verdict);
    finish(
        &mut metrics,
        &Run {
            outcome,
            ..sample::run()
        },
    );
    let [line] = &samples(&metrics, "canary_check_measurement")[..] else {
        panic!("not one line")
    };
    assert!(line.ends_with("} NaN") && line.len() < 3_000, "{line}");
    assert!(
        !line.contains("another") && line.contains("key_1_k7") && !line.contains("key_1_k8"),
        "{line}"
    );
}

#[test]
fn a_label_cannot_take_the_place_of_the_checks_name() {
    let mut check = Check::clone(&sample::check());
    let labels = Arc::make_mut(&mut check.labels);
    labels.insert("canary.check.name".to_owned(), "another".to_owned());
    labels.insert("service.name".to_owned(), "another".to_owned());
    let mut metrics = Metrics::new(&settings(), sample::noon());
    metrics.apply_suite(&[Arc::new(check)], sample::noon());
    assert!(!text(&metrics).contains("another"));
}

/// The metrics of a suite with copies of `check`, each after one run.
fn large_suite(number_of_checks: usize, check: &Check) -> Metrics {
    let check = |number: usize| {
        let mut check = check.clone();
        check.id = CheckId::new(&format!("check {number}"));
        Arc::new(check)
    };
    let checks: Vec<Arc<Check>> = (0..number_of_checks).map(check).collect();
    let mut metrics = Metrics::new(&settings(), sample::noon());
    metrics.apply_suite(&checks, sample::noon());
    for check in checks {
        let run = Run {
            check,
            ..sample::run()
        };
        finish(&mut metrics, &run);
    }
    metrics
}

#[test]
fn a_large_suite_leaves_in_requests_of_a_bounded_size() {
    let requests = requests(&large_suite(1_000, &sample::check()));
    assert!(requests.len() > 5);
    for request in &requests {
        assert!(request.encoded_len() < 3 << 20, "{} bytes", request.encoded_len());
    }
}

/// The points of the requests, each by its metric and its attributes.
fn points_of(requests: Vec<ExportMetricsServiceRequest>) -> Vec<String> {
    let of_metric = |metric: Metric| {
        let attributes = match metric.data {
            Some(metric::Data::Sum(sum)) => sum
                .data_points
                .into_iter()
                .map(|point| point.attributes)
                .collect(),
            Some(metric::Data::Gauge(gauge)) => gauge
                .data_points
                .into_iter()
                .map(|point| point.attributes)
                .collect(),
            Some(metric::Data::Histogram(all)) => all
                .data_points
                .into_iter()
                .map(|point| point.attributes)
                .collect(),
            _ => Vec::new(),
        };
        let name = metric.name;
        attributes
            .into_iter()
            .map(move |attributes: Vec<KeyValue>| format!("{name} {attributes:?}"))
    };
    let scopes = requests.into_iter().flat_map(|request| request.resource_metrics);
    let metrics = scopes
        .flat_map(|of| of.scope_metrics)
        .flat_map(|scope| scope.metrics);
    metrics.flat_map(of_metric).collect()
}

#[test]
fn each_point_is_exported_once_however_many_requests_it_takes() {
    let metrics = large_suite(200, &sample::check());
    let points = points_of(requests(&metrics));
    let unlike: BTreeSet<&String> = points.iter().collect();
    assert_eq!(unlike.len(), points.len());
    let of_one = points
        .iter()
        .filter(|point| point.contains("\"check 7\""))
        .count();
    let of_runner = points.iter().filter(|point| !point.contains("\"check ")).count();
    assert_eq!(points.len(), 200 * of_one + of_runner);
}

#[test]
fn a_check_that_goes_while_an_export_is_under_way_ends_there_and_the_others_go_on() {
    let mut metrics = large_suite(200, &sample::check());
    let mut export = Export::new(resource(), InstrumentationScope::default());
    let mut requests = Vec::new();
    while let Some(next) = export.next_request(&metrics, sample::noon()) {
        let stays = Check {
            id: CheckId::new("check 7"),
            ..Check::clone(&sample::check())
        };
        metrics.apply_suite(&[Arc::new(stays)], sample::noon());
        requests.push(next.request);
    }
    let last = points_of(requests.split_off(1));
    assert!(
        last.iter()
            .any(|point| point.starts_with("canary.quota.utilization ") && point.contains("\"check 7\""))
    );
    assert!(!last.iter().any(|point| point.contains("\"check 8\"")));
}

#[test]
fn a_request_knows_whose_its_data_points_are() {
    let metrics = large_suite(3, &sample::check());
    let mut export = Export::new(resource(), InstrumentationScope::default());
    let first = export.next_request(&metrics, sample::noon()).unwrap();
    assert_eq!(first.owners.len(), 4, "three checks and the runner");
    assert!(export.next_request(&metrics, sample::noon()).is_none());
}

#[test]
fn requests_are_of_a_bounded_size_however_long_labels_are() {
    let mut check = Check::clone(&sample::check());
    let labels = (0..16).map(|number| (format!("label{number}"), "\u{1f426}".repeat(256)));
    check.labels = Arc::new(labels.collect());
    let requests = requests(&large_suite(20, &check));
    assert!(requests.len() > 5);
    for request in &requests {
        assert!(request.encoded_len() < 3 << 20, "{} bytes", request.encoded_len());
    }
}

#[test]
fn hosts_that_a_plugin_makes_up_are_capped_and_counted() {
    let mut metrics = metrics_with(Settings {
        max_series_per_check: 10,
        ..settings()
    });
    for number in 0..50 {
        let mut run = sample::run();
        for step in &mut run.trail.steps {
            match &mut step.kind {
                StepKind::Lookup(lookup) => lookup.name = format!("{number}.example").into(),
                StepKind::Request(request) => request.host = format!("{number}.example").into(),
                _ => {}
            }
        }
        finish(&mut metrics, &run);
    }
    let count = |name| samples(&metrics, name).len();
    let hosts =
        count("http_client_request_duration_seconds_count") + count("dns_lookup_duration_seconds_count");
    assert!(hosts < 12, "{hosts}");
    let overflow = samples(&metrics, "otel_metric_overflow=\"true\"} ");
    let overflow = overflow
        .iter()
        .filter(|line| line.starts_with("dns_lookup_duration_seconds_count"));
    assert_eq!(overflow.count(), 1);
}

#[test]
fn no_name_that_a_plugin_chooses_breaks_a_scrape_or_says_what_is_not_so() {
    for name in [
        "",
        "__name__",
        "le",
        "\u{e9}",
        "error_type",
        "team",
        "canary_check_name",
        "service.name",
    ] {
        let mut hostile = measurement("x");
        hostile.attributes = vec![(name.into(), "evil".into())];
        let mut verdict = sample::verdict(VerdictStatus::Pass);
        verdict.measurements = vec![hostile];
        let outcome = Outcome::Completed(verdict);
        let mut metrics = metrics();
        finish(
            &mut metrics,
            &Run {
                outcome,
                ..sample::run()
            },
        );
        assert!(!text(&metrics).contains("evil"), "{name}");
        assert_eq!(samples(&metrics, "canary_check_measurement").len(), 1);
    }
}

#[test]
fn attributes_that_a_plugin_chooses_are_exported_once() {
    let mut twice = measurement("x");
    let long = "k".repeat(200);
    twice.attributes = vec![
        ("a.b".into(), "one".into()),
        ("a_b".into(), "two".into()),
        (format!("{long}1").into(), "one".into()),
        (format!("{long}2").into(), "two".into()),
    ];
    let mut verdict = sample::verdict(VerdictStatus::Pass);
    verdict.measurements = vec![twice];
    let outcome = Outcome::Completed(verdict);
    let mut metrics = metrics();
    finish(
        &mut metrics,
        &Run {
            outcome,
            ..sample::run()
        },
    );
    let text = text(&metrics);
    assert!(text.contains("a_b=\"one\"") && !text.contains("\"two\""));
}

#[test]
fn no_label_of_a_suite_takes_the_place_of_an_attribute_or_breaks_a_scrape() {
    let mut first = metrics();
    finish(&mut first, &sample::run());
    let mut check = Check::clone(&sample::check());
    let exported_keys = exported(&first).into_iter().flat_map(keys).flatten();
    let labels = Arc::make_mut(&mut check.labels);
    labels.extend(exported_keys.map(|key| (key, "evil".to_owned())));
    assert!(labels.contains_key("error.type") && labels.len() > 20);
    for name in ["le", "__name__", "service_name", "error_type"] {
        labels.insert(name.into(), "evil".into());
    }
    // A label with a unique name stays.
    labels.insert("team".to_owned(), "web".to_owned());
    let mut metrics = Metrics::new(&settings(), sample::noon());
    let check = Arc::new(check);
    metrics.apply_suite(&[Arc::clone(&check)], sample::noon());
    finish(
        &mut metrics,
        &Run {
            check,
            ..sample::run()
        },
    );
    assert!(!text(&metrics).contains("evil"));
    assert!(text(&metrics).contains("team=\"web\""));
    for keys in exported(&metrics).into_iter().flat_map(keys) {
        let unlike: BTreeSet<&String> = keys.iter().collect();
        assert_eq!(unlike.len(), keys.len(), "{keys:?}");
    }
}

/// The names of the attributes of each point.
fn keys(metric: Metric) -> Vec<Vec<String>> {
    let of = |attributes: Vec<KeyValue>| attributes.into_iter().map(|one| one.key).collect();
    match metric.data {
        Some(metric::Data::Sum(sum)) => sum
            .data_points
            .into_iter()
            .map(|point| of(point.attributes))
            .collect(),
        Some(metric::Data::Gauge(gauge)) => gauge
            .data_points
            .into_iter()
            .map(|point| of(point.attributes))
            .collect(),
        Some(metric::Data::Histogram(histogram)) => histogram
            .data_points
            .into_iter()
            .map(|point| of(point.attributes))
            .collect(),
        _ => panic!("a kind that is not used"),
    }
}
