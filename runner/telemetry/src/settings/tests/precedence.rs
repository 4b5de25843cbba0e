//! Precedence between sources.

use super::*;

fn timeouts(variables: &[(&str, &str)], telemetry: &str) -> [u64; 3] {
    let settings = with(variables, telemetry).unwrap();
    Signal::ALL.map(|signal| destination(&settings, signal).timeout.as_secs())
}

#[test]
fn a_signal_wins_over_all_in_each_place() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "2000"),
        ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "3000"),
    ];
    assert_eq!(timeouts(&variables, ""), [1, 2, 3]);
    let telemetry =
        "endpoint: http://collector:4318\ntimeout: 1s\nmetrics: { timeout: 2s }\nlogs: { timeout: 3s }";
    assert_eq!(timeouts(&[], telemetry), [1, 2, 3]);
}

#[test]
fn a_variable_of_all_wins_over_a_key_of_a_signal() {
    let telemetry = "endpoint: http://collector:4318\ntimeout: 1s\ntraces: { timeout: 2s }";
    assert_eq!(timeouts(&[], telemetry), [2, 1, 1]);
    let variables = [("OTEL_EXPORTER_OTLP_TIMEOUT", "5000")];
    assert_eq!(timeouts(&variables, telemetry), [5, 5, 5]);
    let variables = [("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "5000")];
    assert_eq!(timeouts(&variables, telemetry), [2, 1, 5]);
}

#[test]
fn every_key_of_a_signal_may_differ() {
    let signals = [
        ("TRACES", Signal::Traces),
        ("METRICS", Signal::Metrics),
        ("LOGS", Signal::Logs),
    ];
    for (word, signal) in signals {
        let name = |key: &str| format!("OTEL_EXPORTER_OTLP_{word}_{key}");
        let set = [
            (name("ENDPOINT"), "own:1"),
            (name("PROTOCOL"), "grpc"),
            (name("HEADERS"), "x-own=1"),
            (name("COMPRESSION"), "gzip"),
            (name("INSECURE"), "true"),
        ];
        let mut variables: Vec<(&str, &str)> =
            set.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"));
        variables.push(("OTEL_EXPORTER_OTLP_HEADERS", "x-all=1"));
        let settings = from_variables(&variables);
        for other in Signal::ALL {
            let found = destination(&settings, other);
            let own = (found.protocol, found.compression, found.headers[0].0.as_str());
            if other == signal {
                assert_eq!(own, (Protocol::Grpc, Compression::Gzip, "x-own"));
                assert_eq!(found.url.as_str(), "http://own:1/");
            } else {
                assert_eq!(own, (Protocol::HttpProtobuf, Compression::None, "x-all"));
                assert_eq!(found.url.path(), format!("/v1/{}", other.as_str()));
            }
        }
    }
}

#[test]
fn a_variable_wins_over_the_file_and_an_empty_one_does_not() {
    let telemetry = "interval: 20s";
    let interval = |value| {
        let settings = with(&[("OTEL_METRIC_EXPORT_INTERVAL", value)], telemetry).unwrap();
        settings.interval.as_secs()
    };
    assert_eq!(interval("30000"), 30);
    assert_eq!(interval(""), 20);
    assert_eq!(interval(" "), 20);
}

#[test]
fn a_name_of_the_service_wins_over_the_attribute_and_the_environment_over_the_file() {
    let name = |variables: &[(&str, &str)], telemetry: &str| with(variables, telemetry).unwrap().service_name;
    let attribute = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=attribute");
    assert_eq!(name(&[], ""), "canary");
    assert_eq!(name(&[], "resource: { service.name: attribute }"), "attribute");
    assert_eq!(
        name(&[], "service_name: own\nresource: { service.name: attribute }"),
        "own"
    );
    assert_eq!(name(&[attribute], "service_name: of-the-file"), "attribute");
    assert_eq!(name(&[("OTEL_SERVICE_NAME", "own"), attribute], ""), "own");
}

#[test]
fn attributes_of_both_places_are_one_resource() {
    let variables = [(
        "OTEL_RESOURCE_ATTRIBUTES",
        "region=eu%2Cwest,team=canary,service.name=x",
    )];
    let settings = with(&variables, "resource: { region: us, rack: '7' }").unwrap();
    let attributes: Vec<(&str, &str)> = settings
        .resource
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        attributes,
        [("region", "eu,west"), ("rack", "7"), ("team", "canary")]
    );
}

#[test]
fn the_resource_says_who_speaks() {
    let settings = from_file("resource: { host.name: mine, telemetry.sdk.name: theirs, region: eu }");
    let process = Process {
        instance: "instance".to_owned(),
        version: "1.2.3",
        host: "host".to_owned(),
        id: 7,
        os: "linux".to_owned(),
    };
    let shown: Vec<String> = resource(&settings, &process)
        .attributes
        .iter()
        .map(|pair| {
            let value = pair.value.as_ref().unwrap().value.as_ref().unwrap();
            format!("{} = {value:?}", pair.key)
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    service.name = StringValue("canary")
    service.version = StringValue("1.2.3")
    service.instance.id = StringValue("instance")
    host.name = StringValue("mine")
    process.pid = IntValue(7)
    os.type = StringValue("linux")
    telemetry.sdk.name = StringValue("canary")
    region = StringValue("eu")
    telemetry.sdk.language = StringValue("rust")
    telemetry.sdk.version = StringValue("1.2.3")
    "#);
}

#[test]
fn this_process_has_a_host_and_a_system() {
    let process = Process::current("instance".to_owned());
    assert_eq!(process.id, std::process::id());
    assert_eq!(process.os, "linux");
    assert!(!process.host.is_empty());
}
