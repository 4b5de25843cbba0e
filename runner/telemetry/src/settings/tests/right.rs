//! Valid values of every setting, by its variable and by its key.

use canary_tests::documentation;

use super::*;
use canary_record::trace::propagation::Format;
use canary_record::trace::sampler::Ratio;

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

/// With an endpoint, so that there is a destination to inspect.
fn otlp(name: &str, value: &str) -> Destination {
    let settings = from_variables(&[ENDPOINT, (name, value)]);
    destination(&settings, Signal::Metrics).clone()
}

fn otlp_of_file(telemetry: &str) -> Destination {
    let settings = from_file(&format!("endpoint: http://collector:4318\n{telemetry}"));
    destination(&settings, Signal::Metrics).clone()
}

#[test]
fn without_configuration_nothing_is_exported_and_that_is_known() {
    let settings = from_variables(&[]);
    assert_eq!(urls(&settings), ["none"; 3]);
    assert!(settings.is_unconfigured);
    assert!(!settings.disabled);
}

#[test]
fn nothing_exported_on_purpose_is_not_reported() {
    let none = [
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "none"),
    ];
    assert!(!from_variables(&none).is_unconfigured);
    assert!(!from_variables(&[("OTEL_SDK_DISABLED", "true")]).is_unconfigured);
    assert!(!from_file("disabled: true").is_unconfigured);
}

#[test]
fn a_disabled_runner_exports_nothing() {
    let settings = from_variables(&[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")]);
    assert!(settings.disabled);
    assert_eq!(urls(&settings), ["none"; 3]);
    assert!(!from_variables(&[("OTEL_SDK_DISABLED", "False")]).disabled);
}

#[test]
fn each_signal_has_its_exporter() {
    let settings = from_variables(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_METRICS_EXPORTER", "Console"),
        ("OTEL_LOGS_EXPORTER", "none"),
    ]);
    let expected = ["http://localhost:4318/v1/traces", "console", "none"];
    assert_eq!(urls(&settings), expected);
    let settings =
        from_file("traces: { exporter: otlp }\nmetrics: { exporter: console }\nlogs: { exporter: none }");
    assert_eq!(urls(&settings), expected);
}

#[test]
fn an_export_has_ten_seconds_and_no_headers_by_default() {
    let destination = otlp("UNRELATED", "");
    assert_eq!(destination.protocol, Protocol::HttpProtobuf);
    assert_eq!(destination.timeout, Duration::from_secs(10));
    assert_eq!(destination.compression, Compression::None);
    assert_eq!(destination.headers, []);
    assert_eq!(destination.tls, TlsFiles::default());
}

#[test]
fn the_protocol_is_grpc_or_http() {
    let protocol = |word| otlp("OTEL_EXPORTER_OTLP_PROTOCOL", word).protocol;
    assert_eq!(protocol("grpc"), Protocol::Grpc);
    assert_eq!(protocol("http/protobuf"), Protocol::HttpProtobuf);
    assert_eq!(otlp_of_file("protocol: grpc").protocol, Protocol::Grpc);
}

#[test]
fn a_timeout_is_milliseconds_in_a_variable_and_has_a_unit_in_the_file() {
    let timeout = otlp("OTEL_EXPORTER_OTLP_TIMEOUT", "2500").timeout;
    assert_eq!(timeout, Duration::from_millis(2_500));
    assert_eq!(otlp_of_file("timeout: 2500ms").timeout, timeout);
}

#[test]
fn requests_are_compressed_on_demand() {
    let compression = |word| otlp("OTEL_EXPORTER_OTLP_COMPRESSION", word).compression;
    assert_eq!(compression("gzip"), Compression::Gzip);
    assert_eq!(compression("none"), Compression::None);
    assert_eq!(otlp_of_file("compression: gzip").compression, Compression::Gzip);
}

#[test]
fn headers_of_a_variable_are_percent_decoded() {
    let written = "Authorization=Basic%20YTpi%3D, x-tenant = a%2Cb ,,x-raw=a=b==";
    let headers = otlp("OTEL_EXPORTER_OTLP_HEADERS", written).headers;
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    assert_eq!(
        headers,
        [
            ("authorization", "Basic YTpi="),
            ("x-tenant", "a,b"),
            ("x-raw", "a=b==")
        ]
    );
}

#[test]
fn headers_of_the_file_are_taken_as_they_are() {
    let headers = otlp_of_file("headers: { X-Tenant: 100%25 }").headers;
    assert_eq!(headers[0].0, "x-tenant");
    assert_eq!(headers[0].1, "100%25");
}

#[test]
fn of_two_headers_of_one_name_the_last_counts() {
    let headers = otlp("OTEL_EXPORTER_OTLP_HEADERS", "a=1,A=2").headers;
    assert_eq!(headers.len(), 1);
    assert_eq!(headers[0].1, "2");
}

#[test]
fn metrics_leave_every_15_seconds_and_spans_after_one() {
    let settings = from_variables(&[]);
    assert_eq!(settings.interval, Duration::from_secs(15));
    assert_eq!(settings.schedule_delay, Duration::from_secs(1));
    let settings = from_variables(&[
        ("OTEL_METRIC_EXPORT_INTERVAL", "60000"),
        ("OTEL_BSP_SCHEDULE_DELAY", "5000"),
    ]);
    assert_eq!(settings.interval, Duration::from_mins(1));
    assert_eq!(settings.schedule_delay, Duration::from_secs(5));
    let settings = from_file("interval: 60s\nschedule_delay: 5s");
    assert_eq!(settings.interval, Duration::from_mins(1));
    assert_eq!(settings.schedule_delay, Duration::from_secs(5));
}

#[test]
fn a_run_is_a_root_so_that_its_parent_decides_nothing() {
    let sampler = |word: &str| {
        let variables = [("OTEL_TRACES_SAMPLER", word), ("OTEL_TRACES_SAMPLER_ARG", "0.25")];
        from_variables(&variables).sampler
    };
    let quarter = Sampler::Ratio(Ratio::new(0.25).unwrap());
    for (word, expected) in [
        ("always_on", Sampler::AlwaysOn),
        ("always_off", Sampler::AlwaysOff),
        ("traceidratio", quarter),
    ] {
        assert_eq!(sampler(word), expected);
        assert_eq!(sampler(&format!("parentbased_{word}")), expected);
    }
    assert_eq!(from_variables(&[]).sampler, Sampler::AlwaysOn);
    let of_file = from_file("sampler: traceidratio\nsampler_arg: 0.25").sampler;
    assert_eq!(of_file, quarter);
}

#[test]
fn a_ratio_that_nobody_gives_is_all() {
    let variables = [("OTEL_TRACES_SAMPLER", "traceidratio")];
    assert_eq!(from_variables(&variables).sampler, Sampler::AlwaysOn);
    let variables = [("OTEL_TRACES_SAMPLER_ARG", "0.5")];
    assert_eq!(from_variables(&variables).sampler, Sampler::AlwaysOn);
}

#[test]
fn failures_are_always_sampled_by_default() {
    assert!(from_file("").failures_always_sampled);
    assert!(!from_file("failures_always_sampled: false").failures_always_sampled);
}

#[test]
fn propagators_are_formats_of_headers() {
    let of = |words| from_variables(&[("OTEL_PROPAGATORS", words)]).propagation;
    assert_eq!(of(""), Propagation::default());
    assert_eq!(of("tracecontext,baggage"), Propagation::default());
    assert_eq!(of("none"), Propagation::new([]));
    assert_eq!(of("baggage"), Propagation::new([]));
    assert_eq!(
        of("b3, b3multi,b3"),
        Propagation::new([Format::B3, Format::B3Multi])
    );
    let of_file = from_file("propagators: [b3]").propagation;
    assert_eq!(of_file, Propagation::new([Format::B3]));
}

#[test]
fn sums_are_cumulative_and_may_be_asked_to_be() {
    let name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    from_variables(&[(name, "Cumulative")]);
    from_file("temporality: cumulative");
}

#[test]
fn exemplars_are_there_unless_switched_off() {
    let of = |word| from_variables(&[("OTEL_METRICS_EXEMPLAR_FILTER", word)]).exemplars;
    assert!(of("trace_based") && of("always_on") && of(""));
    assert!(!of("always_off"));
    assert!(!from_file("exemplar_filter: always_off").exemplars);
}

#[test]
fn series_of_a_check_have_a_bound() {
    assert_eq!(from_file("").max_series_per_check, 200);
    assert_eq!(
        from_file("max_series_per_check: 1000").max_series_per_check,
        1_000
    );
}

#[test]
fn the_spool_lies_where_the_state_lies() {
    let default = SpoolSettings {
        folder: PathBuf::from("/state/spool"),
        max_bytes: 512 << 20,
        max_age: Duration::from_hours(48),
    };
    assert_eq!(from_file("").spool, Some(default));
    let written = from_file("spool: { folder: /spool, max_size: 1GiB, max_age: 1h }").spool;
    let expected = SpoolSettings {
        folder: PathBuf::from("/spool"),
        max_bytes: 1 << 30,
        max_age: Duration::from_hours(1),
    };
    assert_eq!(written, Some(expected));
}

#[test]
fn without_a_place_there_is_no_spool() {
    assert_eq!(from_file("spool: none").spool, None);
    let settings = read(Section::default(), &Fixed(&[]), None, Report::default());
    assert_eq!(settings.unwrap().spool, None);
}

/// The example of the documentation, and every variable and key that it names.
#[test]
fn the_documentation_is_right() {
    let page = documentation::page("telemetry/settings.md");
    let example = documentation::blocks(&page, "yaml").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("canary.yaml");
    std::fs::write(&path, example).unwrap();
    let environment = Fixed(&[("TOKEN", "hunter2")]);
    let file = File::read(&path, &environment);
    let settings = read(file.telemetry, &environment, None, file.report).unwrap();
    assert_eq!(settings.sampler, Sampler::Ratio(Ratio::new(0.1).unwrap()));
    let quoted = |text: &'static str| text.split('"').skip(1).step_by(2);
    let is_variable = |name: &&str| name.starts_with("OTEL_") && !name.ends_with('_') && !name.contains('{');
    for name in quoted(include_str!("../variables.rs")).filter(is_variable) {
        assert!(page.contains(&format!("| `{name}` |")), "`{name}` is missing");
    }
    let keys = quoted(include_str!("../file.rs")).chain(quoted(include_str!("../layer.rs")));
    for key in keys.filter(|key| *key != "canary") {
        let forms = [format!("`{key}`"), format!(".{key}`"), format!("`{key}: ")];
        assert!(forms.iter().any(|form| page.contains(form)), "`{key}` is missing");
    }
}
