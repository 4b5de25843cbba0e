//! Wrong values: what an operator is told.

use super::*;

#[test]
fn every_variable_that_is_one_word_of_a_few() {
    let told = told(
        &[
            ("OTEL_SDK_DISABLED", "yes"),
            ("OTEL_TRACES_EXPORTER", "oltp"),
            ("OTEL_METRICS_EXPORTER", "prometheus"),
            ("OTEL_LOGS_EXPORTER", "otlp,console"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
            ("OTEL_EXPORTER_OTLP_INSECURE", "1"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
            ("OTEL_PROPAGATORS", "tracecontext,jaeger,xray,ottrace,b4"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
            ("OTEL_METRICS_EXEMPLAR_FILTER", "sometimes"),
        ],
        "",
    );
    insta::assert_snapshot!(told, @"");
}

#[test]
fn every_variable_that_is_a_number() {
    let told = told(
        &[
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "0"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "-1"),
            ("OTEL_BSP_SCHEDULE_DELAY", "86400000"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "10%"),
        ],
        "",
    );
    insta::assert_snapshot!(told, @"");
}

#[test]
fn every_variable_that_is_a_list() {
    let told = told(
        &[
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                "authorization,b ad=1,host=a,x=%zz,y=%00",
            ),
            ("OTEL_RESOURCE_ATTRIBUTES", "region,zone=%F,=a"),
            ("OTEL_PROPAGATORS", "none,b3"),
        ],
        "",
    );
    insta::assert_snapshot!(told, @"");
}

#[test]
fn an_endpoint_for_http() {
    let endpoints = [
        "collector:4318",
        "http://",
        "unix:///run/collector.sock",
        "http://collector:99999",
        "http://collector:0",
        "http://user:pass@collector",
        "http://collector#a",
        "http://collector:4318/v1/traces",
    ];
    let told = endpoints.map(|endpoint| told(&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)], ""));
    insta::assert_snapshot!(told.join("\n"), @"");
}

#[test]
fn an_endpoint_for_grpc() {
    let endpoints = [
        "http://collector:4317/v1/traces",
        "dns:///collector:4317",
        "a b:1",
    ];
    let told = endpoints.map(|endpoint| {
        let variables = [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", endpoint),
        ];
        told(&variables, "")
    });
    insta::assert_snapshot!(told.join("\n"), @"");
}

#[test]
fn what_is_wrong_for_all_signals_is_told_once() {
    let told = told(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")], "");
    assert!(told.ends_with("\n\n1 problem with the settings"), "{told}");
}

#[test]
fn a_wrong_value_is_told_even_if_nothing_is_sent() {
    let variables = [
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "carrier pigeon"),
    ];
    assert!(told(&variables, "").contains("`carrier pigeon` is no protocol"));
}

#[test]
fn every_key_of_the_file() {
    let told = told(
        &[],
        "endpoint: collector
protocol: [grpc]
timeout: 10
compression: brotli
insecure: yes
headers: { authorization: 1 }
traces: { exporter: oltp, certificat: ca.pem }
metrics: otlp
service_name: 1.10
resource: { region: [eu], zone: 1 }
interval: 1d
schedule_delay: soon
sampler_arg: 2
failures_always_sampled: 1
propagators: b3
temporality: delta
max_series_per_check: many
spool: { max_size: 1MiB, max_age: 1s, path: /spool }
endpiont: http://collector
x-mine: anything",
    );
    insta::assert_snapshot!(told, @"");
}

#[test]
fn a_ratio_that_no_sampler_takes() {
    insta::assert_snapshot!(told(&[], "sampler_arg: 0.5"), @"");
}
