//! Invalid values and their problems.

use super::*;

#[test]
fn every_variable_that_is_one_word_of_a_few() {
    let problems = problems(
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
    insta::assert_snapshot!(problems, @"
    `OTEL_SDK_DISABLED`: invalid boolean `yes`
    hint: write `true` or `false`

    `OTEL_TRACES_EXPORTER`: unknown exporter `oltp`
    hint: did you mean `otlp`?

    `OTEL_EXPORTER_OTLP_PROTOCOL`: `http/json` is not supported
    hint: write `http/protobuf`; every collector accepts it on the same port

    `OTEL_EXPORTER_OTLP_INSECURE`: invalid boolean `1`
    hint: write `true` or `false`

    `OTEL_EXPORTER_OTLP_COMPRESSION`: unknown compression `zstd`
    hint: known: `none`, `gzip`

    `OTEL_METRICS_EXPORTER`: `prometheus` is not supported
    hint: leave it out: metrics are served to Prometheus at `/metrics` of the admin address as well

    `OTEL_LOGS_EXPORTER`: `otlp,console` names several exporters
    hint: choose one; a collector can forward to several backends

    `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`: `delta` is not supported
    hint: write `cumulative`; a collector can convert it to deltas

    `OTEL_TRACES_SAMPLER`: `jaeger_remote` is not supported
    hint: write `always_on`, `always_off` or `traceidratio`

    `OTEL_PROPAGATORS`: `jaeger` is not supported
    hint: write `tracecontext`, `b3` or `b3multi`

    `OTEL_PROPAGATORS`: `xray` is not supported
    hint: write `tracecontext`, `b3` or `b3multi`

    `OTEL_PROPAGATORS`: `ottrace` is not supported
    hint: write `tracecontext`, `b3` or `b3multi`

    `OTEL_PROPAGATORS`: unknown propagator `b4`
    hint: did you mean `b3`?

    `OTEL_METRICS_EXEMPLAR_FILTER`: unknown exemplar filter `sometimes`
    hint: known: `trace_based`, `always_on`, `always_off`

    14 problems with the settings
    ");
}

#[test]
fn every_variable_that_is_a_number() {
    let problems = problems(
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
    insta::assert_snapshot!(problems, @"
    `OTEL_EXPORTER_OTLP_TIMEOUT`: invalid number of milliseconds `10s`
    hint: write a whole number without a unit, such as `10000` for ten seconds

    `OTEL_EXPORTER_OTLP_LOGS_TIMEOUT`: 0s is out of range; allowed: 1ms to 10m

    `OTEL_METRIC_EXPORT_INTERVAL`: invalid number of milliseconds `-1`
    hint: write a whole number without a unit, such as `10000` for ten seconds

    `OTEL_BSP_SCHEDULE_DELAY`: 1d is out of range; allowed: 10ms to 1h

    `OTEL_TRACES_SAMPLER_ARG`: invalid ratio `10%`
    hint: write a number from `0` to `1`, such as `0.1` for every tenth trace

    5 problems with the settings
    ");
}

#[test]
fn every_variable_that_is_a_list() {
    let problems = problems(
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
    insta::assert_snapshot!(problems, @"
    `OTEL_EXPORTER_OTLP_HEADERS`: header 1 has no `=`
    hint: write `NAME=VALUE,NAME=VALUE`, with `%2C` for a comma in a value

    `OTEL_EXPORTER_OTLP_HEADERS`: the value of header 4 is not percent-encoded
    hint: write `%25` for a plain `%`, and other bytes as UTF-8

    `OTEL_RESOURCE_ATTRIBUTES`: `region` has no `=`
    hint: write `NAME=VALUE,NAME=VALUE`, with `%2C` for a comma in a value

    `OTEL_RESOURCE_ATTRIBUTES`: `zone=%F` is not percent-encoded
    hint: write `%25` for a plain `%`, and other bytes as UTF-8

    `OTEL_RESOURCE_ATTRIBUTES`: an attribute has no name

    `OTEL_EXPORTER_OTLP_HEADERS`: invalid header name
    hint: use letters, digits and `-`, such as `authorization`

    `OTEL_EXPORTER_OTLP_HEADERS`: the header `host` is set by Canary
    hint: leave it out

    `OTEL_EXPORTER_OTLP_HEADERS`: the value of the header `y` contains characters that are not allowed
    hint: use printable ASCII characters, in one line

    `OTEL_PROPAGATORS`: `none` cannot be combined with other propagators
    hint: use one or the other

    9 problems with the settings
    ");
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
    let problems = endpoints.map(|endpoint| problems(&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)], ""));
    insta::assert_snapshot!(problems.join("\n"), @"
    `OTEL_EXPORTER_OTLP_ENDPOINT`: the endpoint has no scheme
    hint: write `http://HOST:4318` or `https://HOST`

    1 problem with the settings
    `OTEL_EXPORTER_OTLP_ENDPOINT`: invalid endpoint URL: empty host

    1 problem with the settings
    `OTEL_EXPORTER_OTLP_ENDPOINT`: unsupported endpoint scheme `unix`
    hint: write `http://` or `https://`

    1 problem with the settings
    `OTEL_EXPORTER_OTLP_ENDPOINT`: invalid endpoint URL: invalid port number

    1 problem with the settings
    `OTEL_EXPORTER_OTLP_ENDPOINT`: the endpoint has port 0
    hint: set the collector's port

    1 problem with the settings
    `OTEL_EXPORTER_OTLP_ENDPOINT`: the endpoint contains credentials
    hint: send them as a header, such as `authorization`

    1 problem with the settings
    `OTEL_EXPORTER_OTLP_ENDPOINT`: the endpoint contains a `#`
    hint: leave out what follows it

    1 problem with the settings
    `OTEL_EXPORTER_OTLP_ENDPOINT`: the endpoint of all signals ends in `/v1/traces`
    hint: leave it out: each signal appends its own

    1 problem with the settings
    ");
}

#[test]
fn an_endpoint_for_grpc() {
    let endpoints = [
        "http://collector:4317/v1/traces",
        "dns:///collector:4317",
        "a b:1",
    ];
    let problems = endpoints.map(|endpoint| {
        let variables = [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", endpoint),
        ];
        problems(&variables, "")
    });
    insta::assert_snapshot!(problems.join("\n"), @"
    `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT`: gRPC does not support a path or query in the endpoint
    hint: write `http://HOST:4317`, or set the protocol to `http/protobuf`

    1 problem with the settings
    `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT`: unsupported endpoint scheme `dns`
    hint: write `http://` or `https://`

    1 problem with the settings
    `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT`: invalid endpoint URL: invalid international domain name

    1 problem with the settings
    ");
}

#[test]
fn what_is_wrong_for_all_signals_is_told_once() {
    let problems = problems(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")], "");
    assert!(
        problems.ends_with("\n\n1 problem with the settings"),
        "{problems}"
    );
}

#[test]
fn a_wrong_value_is_told_even_if_nothing_is_sent() {
    let variables = [
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "carrier pigeon"),
    ];
    assert!(problems(&variables, "").contains("unknown protocol `carrier pigeon`"));
}

#[test]
fn every_key_of_the_way_to_a_collector() {
    let problems = problems(
        &[],
        "endpoint: collector
protocol: [grpc]
timeout: 10
compression: brotli
insecure: yes
headers: { authorization: 1 }
traces: { exporter: oltp, certificat: ca.pem }
metrics: otlp
endpiont: http://collector
x-mine: anything",
    );
    insta::assert_snapshot!(problems, @"
    canary.yaml:2:13: `telemetry.endpoint`: the endpoint has no scheme
    hint: write `http://HOST:4318` or `https://HOST`

    canary.yaml:3:13: `telemetry.protocol`: expected one value, found a list

    canary.yaml:4:12: `telemetry.timeout`: invalid duration `10`
    hint: write a number with a unit, such as `500ms`, `30s`, `5m`, `1.5h`, `1h 30m` or `21d`

    canary.yaml:5:16: `telemetry.compression`: unknown compression `brotli`
    hint: known: `none`, `gzip`

    canary.yaml:6:13: `telemetry.insecure`: invalid boolean `yes`
    hint: write `true` or `false`

    canary.yaml:7:29: `telemetry.headers.authorization`: expected a string, found a number or a boolean
    hint: put it in quotes

    canary.yaml:8:23: `telemetry.traces.exporter`: unknown exporter `oltp`
    hint: did you mean `otlp`?

    canary.yaml:8:29: unknown key `certificat` in `telemetry.traces`
    hint: did you mean `certificate`?

    canary.yaml:9:12: `telemetry.metrics`: expected a mapping, found a string

    canary.yaml:10:3: unknown key `endpiont` in `telemetry`
    hint: did you mean `endpoint`?

    10 problems with the settings
    ");
}

#[test]
fn every_other_key() {
    let problems = problems(
        &[],
        "service_name: 1.10
resource: { region: [eu], zone: 1 }
interval: 1d
schedule_delay: soon
sampler_arg: 2
failures_always_sampled: 1
propagators: b3
temporality: delta
max_series_per_check: many
spool: { max_size: 1MiB, max_age: 1s, path: /spool }",
    );
    insta::assert_snapshot!(problems, @"
    canary.yaml:2:17: `telemetry.service_name`: expected a string, found a number or a boolean
    hint: put it in quotes

    canary.yaml:3:23: `telemetry.resource.region`: expected a string, found a list

    canary.yaml:3:35: `telemetry.resource.zone`: expected a string, found a number or a boolean
    hint: put it in quotes

    canary.yaml:4:13: `telemetry.interval`: 1d is out of range; allowed: 10ms to 1h

    canary.yaml:5:19: `telemetry.schedule_delay`: invalid duration `soon`
    hint: write a number with a unit, such as `500ms`, `30s`, `5m`, `1.5h`, `1h 30m` or `21d`

    canary.yaml:6:16: `telemetry.sampler_arg`: invalid ratio `2`
    hint: write a number from `0` to `1`, such as `0.1` for every tenth trace

    canary.yaml:7:28: `telemetry.failures_always_sampled`: invalid boolean `1`
    hint: write `true` or `false`

    canary.yaml:8:16: `telemetry.propagators`: expected a list, found a string

    canary.yaml:9:16: `telemetry.temporality`: `delta` is not supported
    hint: write `cumulative`; a collector can convert it to deltas

    canary.yaml:10:25: `telemetry.max_series_per_check`: invalid number `many`
    hint: write digits only

    canary.yaml:11:22: `telemetry.spool.max_size`: 1 MiB is out of range; allowed: 16 MiB to 1024 GiB

    canary.yaml:11:37: `telemetry.spool.max_age`: 1s is out of range; allowed: 60s to 30d

    canary.yaml:11:41: unknown key `path` in `telemetry.spool`
    hint: known: `folder`, `max_size`, `max_age`

    13 problems with the settings
    ");
}

#[test]
fn a_ratio_that_no_sampler_takes() {
    insta::assert_snapshot!(problems(&[], "sampler_arg: 0.5"), @"
    canary.yaml:2:16: `telemetry.sampler_arg`: no sampler uses it
    hint: set `sampler: traceidratio`

    1 problem with the settings
    ");
}
