//! The text of a scrape, and exemplars in OTLP and OpenMetrics.

use opentelemetry_proto::tonic::metrics::v1::exemplar;

use super::*;
use crate::metrics::Scrape;

#[test]
fn both_ways_name_a_metric_the_same() {
    // As seen behind vmagent and in victoria-metrics.
    let mut metrics = metrics();
    finish(&mut metrics, &sample::run());
    metrics.record_delivery(&report());
    metrics.record_process(&ProcessStats::read(Instant::now()).unwrap());
    let text = text(&metrics);
    for name in [
        "canary_check_runs_total",
        "canary_plugin_cpu_time_seconds_total",
        "canary_network_io_bytes_total",
        "canary_check_run_active",
        "canary_check_run_duration_seconds_bucket",
        "canary_plugin_memory_peak_bytes_bucket",
        "canary_quota_utilization_ratio",
        "canary_check_up",
        "canary_check_last_run_timestamp_seconds",
        "canary_check_interval_seconds",
        "canary_tls_certificate_not_after_timestamp_seconds",
        "canary_telemetry_spool_size_bytes",
        "canary_telemetry_spool_oldest_age_seconds",
        "canary_telemetry_exports_total",
        "process_cpu_time_seconds_total",
        "process_memory_usage_bytes",
        "process_uptime_seconds",
        "process_unix_file_descriptor_count",
        "http_client_request_duration_seconds_bucket",
    ] {
        assert!(
            text.lines().any(|line| line.starts_with(&format!("{name}{{"))),
            "{name}"
        );
    }
}

#[test]
fn each_family_has_one_head_and_its_samples_below_it() {
    let mut metrics = metrics();
    finish(&mut metrics, &sample::run());
    for format in [Format::Prometheus, Format::OpenMetrics] {
        let text = metrics.exposition(format, &resource());
        let heads: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
        let unlike: BTreeSet<&str> = heads.iter().copied().collect();
        assert_eq!(heads.len(), unlike.len());
    }
}

#[test]
fn openmetrics_names_families_without_total_and_ends_with_a_mark() {
    let mut metrics = metrics();
    finish(&mut metrics, &sample::run());
    let text = metrics.exposition(Format::OpenMetrics, &resource());
    assert!(text.contains("# TYPE canary_check_runs counter\n"));
    assert!(text.contains("# UNIT canary_check_run_duration_seconds seconds\n"));
    assert!(text.contains("# TYPE target info\n"));
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn the_run_duration_has_the_trace_of_a_run_as_exemplar_where_the_format_has_room() {
    let mut metrics = metrics();
    finish(&mut metrics, &sample::run());
    let trace = "01".repeat(16);
    assert!(!text(&metrics).contains(&trace));
    let open = metrics.exposition(Format::OpenMetrics, &resource());
    let line = open.lines().find(|line| line.contains(&trace)).unwrap();
    assert!(
        line.starts_with("canary_check_run_duration_seconds_bucket") && line.contains("le=\"0.1\"} 1 # {"),
        "{line}"
    );
    let duration = exported(&metrics)
        .into_iter()
        .find(|metric| metric.name == "canary.check.run.duration");
    let Some(metric::Data::Histogram(histogram)) = duration.unwrap().data else {
        panic!("no histogram")
    };
    let [found] = &histogram.data_points[0].exemplars[..] else {
        panic!("{histogram:?}")
    };
    assert_eq!(found.trace_id, [1; 16]);
    assert_eq!(found.value, Some(exemplar::Value::AsDouble(0.1)));
}

#[test]
fn a_run_that_is_not_sampled_is_no_exemplar_nor_is_any_when_they_are_off() {
    let mut run = sample::run();
    run.trace.sampled = false;
    let mut metrics = metrics();
    finish(&mut metrics, &run);
    let off = Settings {
        exemplars: false,
        ..settings()
    };
    let mut without = metrics_with(off);
    finish(&mut without, &sample::run());
    for metrics in [metrics, without] {
        assert!(
            !metrics
                .exposition(Format::OpenMetrics, &resource())
                .contains("trace_id")
        );
    }
}

#[test]
fn a_long_text_comes_in_parts_between_which_metrics_may_change() {
    let checks: Vec<_> = (100..300)
        .map(|number| Arc::new(Check::minimal(&format!("c{number}"), Duration::from_secs(10))))
        .collect();
    let mut metrics = metrics();
    metrics.apply_suite(&checks, sample::noon());
    let whole = metrics.exposition(Format::OpenMetrics, &resource());
    let mut scrape = Scrape::new(Format::OpenMetrics, &resource());
    let mut parts = Vec::new();
    while let Some(part) = scrape.next_chunk(&metrics) {
        parts.push(part);
    }
    assert_eq!(parts.concat(), whole);
    assert!(parts.len() > 5, "{}", parts.len());
    assert!(parts.iter().all(|part| part.len() < 192 << 10));
    assert!(parts[..parts.len() - 1].iter().all(|part| part.ends_with('\n')));

    // Every other check is removed after the first chunk, including one that was already written.
    let mut scrape = Scrape::new(Format::OpenMetrics, &resource());
    let mut text = scrape.next_chunk(&metrics).unwrap();
    let half: Vec<_> = checks.iter().step_by(2).cloned().collect();
    metrics.apply_suite(&half, sample::noon());
    while let Some(part) = scrape.next_chunk(&metrics) {
        text += &part;
    }
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, _) = line.rsplit_once(' ').unwrap();
        assert!(seen.insert(name.to_owned()), "{name} is told twice");
    }
    assert!(text.ends_with("# EOF\n"));
}
