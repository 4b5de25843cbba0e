mod bounds;
mod exposition;
mod hostile;
mod reference;
mod runner;
mod secrets;

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric};
use opentelemetry_proto::tonic::resource::v1::Resource;
use tokio::time::Instant;

use super::instrument::ALL;
use super::*;
use crate::delivery::{DeliveryReport, DropReason, SignalReport};
use crate::sample;
use crate::settings::{self, Process};
use crate::signal::Signal;
use canary_net::pool::{Limits, Pool};
use canary_outbound::alert_report as alert;
use canary_outbound::alert_report::{AlertReport, Discarded, NotifierReport};
use canary_record::trace::StepKind;
use canary_run::outcome::{Fault, Outcome, Run, VerdictStatus};
use canary_run::status::{CheckStatus, Status, Transition};

fn settings() -> Settings {
    sample::settings()
}

fn resource() -> Resource {
    let process = Process {
        instance: "1".to_owned(),
        version: "0.1.0",
        host: "a".to_owned(),
        id: 7,
        os: "linux".to_owned(),
    };
    settings::resource(&settings(), &process)
}

fn standing() -> CheckStatus {
    CheckStatus {
        status: Status::Down,
        transition: Some(Transition {
            from: Status::Up,
            to: Status::Down,
            at: sample::noon(),
            summary: "503".to_owned(),
            consecutive: 2,
        }),
        consecutive_failures: 2,
        last_success: Some(sample::noon() - Duration::from_secs(60)),
    }
}

/// Metrics of a suite of one check.
fn metrics() -> Metrics {
    metrics_with(settings())
}

fn metrics_with(settings: Settings) -> Metrics {
    let mut metrics = Metrics::new(&settings, sample::noon());
    metrics.apply_suite(&[sample::check()], sample::noon());
    metrics
}

fn finish(metrics: &mut Metrics, run: &Run) {
    metrics.record_run(&Arc::new(run.clone()), &standing(), sample::noon());
    metrics.update_gauges();
}

fn text(metrics: &Metrics) -> String {
    metrics.exposition(Format::Prometheus, &resource())
}

/// The samples whose line contains `part`, without the common labels.
fn samples(metrics: &Metrics, part: &str) -> Vec<String> {
    let common =
        "service_name=\"canary\",canary_check_name=\"website\",canary_plugin_name=\"http\",team=\"web\"";
    let text = text(metrics);
    let lines = text
        .lines()
        .filter(|line| line.contains(part) && !line.starts_with('#'));
    lines
        .map(|line| line.replace(&format!("{common},"), "").replace(common, ""))
        .collect()
}

fn requests(metrics: &Metrics) -> Vec<ExportMetricsServiceRequest> {
    let scope = InstrumentationScope::default();
    let mut export = Export::new(resource(), scope);
    let next = || export.next_request(metrics, sample::noon() + sample::MS);
    std::iter::from_fn(next).map(|next| next.request).collect()
}

fn exported(metrics: &Metrics) -> Vec<Metric> {
    let scopes = requests(metrics)
        .into_iter()
        .flat_map(|request| request.resource_metrics);
    let metrics = scopes.flat_map(|resource| resource.scope_metrics);
    metrics.flat_map(|scope| scope.metrics).collect()
}

fn report() -> DeliveryReport {
    let signal = SignalReport {
        exports: [("success".into(), 3), ("http_503".into(), 2)].into(),
        dropped: [(DropReason::SpoolFull, 1)].into(),
        spool_bytes: 4_096,
        oldest_age: Some(Duration::from_secs(60)),
        ..SignalReport::default()
    };
    DeliveryReport {
        signals: [(Signal::Traces, signal)].into(),
        disk_failures: [(canary_system::io_class::IoClass::Full, 1)].into(),
        ..DeliveryReport::default()
    }
}

fn alert_report() -> AlertReport {
    let notifier = NotifierReport {
        kind: "slack",
        delivered: 3,
        failed: [("http_503".into(), 2)].into(),
        dropped: [(alert::DropReason::Expired, 1)].into(),
        waiting: 4,
        late: None,
        oldest_age: Some(Duration::from_secs(90)),
        firing: 5,
        failing: None,
    };
    AlertReport {
        notifiers: [("ops".into(), notifier)].into(),
        discarded: Discarded {
            removed: [("old".into(), 7)].into(),
            unreadable: 6,
        },
    }
}

#[test]
fn each_notifier_tells_how_its_notifications_fare() {
    let mut metrics = metrics();
    metrics.record_alerts(&alert_report());
    let of = "canary_notifier_name=\"ops\",canary_notifier_type=\"slack\"";
    let text = text(&metrics);
    for sample in [
        "canary_alert_notifications_total{SERVICE,OF} 3",
        "canary_alert_notifications_total{SERVICE,OF,error_type=\"http_503\"} 2",
        "canary_alert_dropped_total{SERVICE,OF} 0",
        "canary_alert_dropped_total{SERVICE,OF,error_type=\"expired\"} 1",
        "canary_alert_dropped_total{SERVICE,canary_notifier_name=\"old\",error_type=\"notifier_removed\"} 7",
        "canary_alert_dropped_total{SERVICE,error_type=\"unreadable\"} 6",
        "canary_alert_queue_size{SERVICE,OF} 4",
        "canary_alert_queue_oldest_age_seconds{SERVICE,OF} 90",
        "canary_alert_firing{SERVICE,OF} 5",
    ] {
        let sample = sample
            .replace("SERVICE", "service_name=\"canary\"")
            .replace("OF", of);
        assert!(text.contains(&sample), "no `{sample}` in\n{text}");
    }
}

/// Metrics with a point of every instrument.
fn complete() -> Metrics {
    let mut metrics = metrics();
    finish(&mut metrics, &sample::run());
    let fault = Outcome::Faulted(Fault::Trap("unreachable".into()));
    finish(
        &mut metrics,
        &Run {
            outcome: fault,
            ..sample::run()
        },
    );
    finish(&mut metrics, &sample::run());
    metrics.record_missed(&sample::check().id, MissReason::Overlap, 1);
    metrics.record_host(&HostStats {
        budget: 1_000,
        leased: 2,
        unaccounted: Some(0),
        heartbeat: Some(HeartbeatStats {
            pings: [("success".into(), 2), ("timeout".into(), 1)].into(),
            last_success: Some(SystemTime::now()),
            interval: Duration::from_secs(60),
        }),
        pools: vec![Pool::new("dns", Limits::new(4)).snapshot()],
        ..HostStats::default()
    });
    metrics.record_process(&ProcessStats::read(Instant::now()).unwrap());
    metrics.record_delivery(&report());
    metrics.record_alerts(&alert_report());
    metrics.record_lost_events(0);
    metrics
}

#[test]
fn every_instrument_has_a_point_once_there_was_something_to_tell() {
    let exported_names: BTreeSet<String> = exported(&complete())
        .into_iter()
        .map(|metric| metric.name)
        .collect();
    let declared: BTreeSet<String> = ALL.iter().map(|one| one.name.to_owned()).collect();
    assert_eq!(exported_names, declared);
}

#[test]
fn no_instrument_is_declared_twice() {
    let names: BTreeSet<&str> = ALL.iter().map(|one| one.name).collect();
    assert_eq!(names.len(), ALL.len());
}

#[test]
fn counters_are_there_before_the_first_run() {
    let metrics = metrics();
    assert_eq!(
        samples(&metrics, "canary_connections_reclaimed_total"),
        ["canary_connections_reclaimed_total{} 0"]
    );
    assert_eq!(
        samples(&metrics, "missed_total{canary_miss_reason=\"overlap\"").len(),
        0
    );
    assert_eq!(samples(&metrics, "canary_scheduler_missed_total").len(), 6);
}

#[test]
fn a_run_is_recorded_as_metrics() {
    let mut metrics = metrics();
    finish(&mut metrics, &sample::run());
    let matching = |part: &str| samples(&metrics, part);
    insta::assert_debug_snapshot!([
        matching("canary_check_runs_total"),
        matching("canary_check_status"),
        matching("canary_check_up"),
        matching("canary_check_consecutive"),
        matching("canary_check_last"),
        matching("transitions_total"),
        matching("canary_check_measurement"),
        matching("canary_check_assertions"),
        matching("certificate"),
        matching("canary_connections"),
        matching("canary_network_io"),
        matching("utilization"),
        matching("denials_total"),
        matching("canary_plugin_cpu"),
        matching("run_duration_seconds_count"),
        matching("phase_duration_seconds_count"),
        matching("http_client_request_duration_seconds_count"),
        matching("dns_lookup_duration_seconds_count"),
    ]);
}

/// It does not replace that of the target either, if only the proxy was reached.
#[test]
fn the_certificate_of_a_proxy_is_not_recorded() {
    let mut metrics = metrics();
    finish(&mut metrics, &sample::run());
    let before = samples(&metrics, "certificate");
    let mut run = sample::run();
    for step in &mut run.trail.steps {
        if let StepKind::Handshake(handshake) = &mut step.kind {
            handshake.is_proxy = true;
            handshake.server_name = "proxy.example.com".into();
        }
    }
    finish(&mut metrics, &run);
    assert_eq!(samples(&metrics, "certificate"), before);
}

#[test]
fn a_removed_check_vanishes_from_everything_and_starts_anew_when_it_is_back() {
    let mut metrics = metrics();
    finish(&mut metrics, &sample::run());
    metrics.apply_suite(&[], sample::noon());
    assert!(!text(&metrics).contains("website"));
    // A run still in progress leaves nothing.
    finish(&mut metrics, &sample::run());
    assert!(!text(&metrics).contains("website"));
    let later = sample::noon() + Duration::from_secs(60);
    metrics.apply_suite(&[sample::check()], later);
    let runs = exported(&metrics)
        .into_iter()
        .find(|metric| metric.name == "canary.check.runs");
    let Some(metric::Data::Sum(sum)) = runs.unwrap().data else {
        panic!("no sum")
    };
    assert!(
        sum.data_points
            .iter()
            .all(|point| point.start_time_unix_nano == unix(later))
    );
}

fn unix(time: SystemTime) -> u64 {
    crate::attribute::unix_nanos(time)
}

#[test]
fn a_check_that_stays_keeps_its_numbers() {
    let mut metrics = metrics();
    finish(&mut metrics, &sample::run());
    metrics.apply_suite(&[sample::check()], sample::noon());
    let runs = samples(&metrics, "canary_outcome=\"fail\",error_type=\"assertion\"");
    assert!(
        runs.iter()
            .any(|line| line.starts_with("canary_check_runs_total") && line.ends_with(" 1")),
        "{runs:?}"
    );
}

#[test]
fn what_the_last_run_did_not_measure_is_gone() {
    let mut metrics = metrics();
    finish(&mut metrics, &sample::run());
    assert_eq!(samples(&metrics, "canary_check_measurement").len(), 1);
    let mut verdict = sample::verdict(VerdictStatus::Pass);
    verdict.measurements.clear();
    let outcome = Outcome::Completed(verdict);
    finish(
        &mut metrics,
        &Run {
            outcome,
            ..sample::run()
        },
    );
    assert_eq!(samples(&metrics, "canary_check_measurement").len(), 0);
}

#[test]
fn active_runs_and_connections_are_those_of_the_moment() {
    let mut metrics = metrics();
    let now = |count: u64| BTreeMap::from([(sample::check().id.clone(), count)]);
    for counts in [3, 0] {
        metrics.record_host(&HostStats {
            connections: now(counts),
            runs: now(counts),
            ..HostStats::default()
        });
        let run_active = format!("canary_check_run_active{{}} {counts}");
        assert_eq!(samples(&metrics, "run_active"), [run_active]);
        let connections = format!("canary_connections_active{{}} {counts}");
        assert_eq!(samples(&metrics, "connections_active"), [connections]);
    }
}
