//! Endpoints of the signals.

use super::*;

fn of_all(endpoint: &str) -> [String; 3] {
    let settings = from_variables(&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)]);
    urls(&settings).map(str::to_owned)
}

fn grpc(endpoint: &str, insecure: &str) -> String {
    let settings = from_variables(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_EXPORTER_OTLP_INSECURE", insecure),
    ]);
    destination(&settings, Signal::Logs).url.to_string()
}

#[test]
fn each_signal_appends_its_path_to_the_endpoint_of_all() {
    for endpoint in ["http://collector:4318", "http://collector:4318/"] {
        assert_eq!(
            of_all(endpoint),
            [
                "http://collector:4318/v1/traces",
                "http://collector:4318/v1/metrics",
                "http://collector:4318/v1/logs"
            ]
        );
    }
    assert_eq!(
        of_all("https://otlp.example.com/tenant/")[2],
        "https://otlp.example.com/tenant/v1/logs"
    );
    assert_eq!(
        of_all("https://otlp.example.com?key=a")[0],
        "https://otlp.example.com/v1/traces?key=a"
    );
}

#[test]
fn the_endpoint_of_a_signal_is_taken_as_it_is() {
    for (endpoint, url) in [
        ("http://collector:4318", "http://collector:4318/"),
        ("http://collector:4318/spans/", "http://collector:4318/spans/"),
    ] {
        let settings = from_variables(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint)]);
        assert_eq!(urls(&settings), [url, "none", "none"]);
        assert!(!settings.is_unconfigured);
    }
}

#[test]
fn a_signal_that_is_sent_has_an_endpoint_by_default() {
    let settings = from_variables(&[("OTEL_LOGS_EXPORTER", "otlp")]);
    assert_eq!(urls(&settings), ["none", "none", "http://localhost:4318/v1/logs"]);
    let settings = from_variables(&[
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ]);
    assert_eq!(urls(&settings)[2], "http://localhost:4317/");
}

#[test]
fn the_scheme_of_a_grpc_endpoint_decides_on_tls() {
    for insecure in ["", "true", "false"] {
        assert_eq!(grpc("http://collector:4317", insecure), "http://collector:4317/");
        assert_eq!(
            grpc("https://collector:4317", insecure),
            "https://collector:4317/"
        );
        assert_eq!(
            grpc("https://otlp.example.com", insecure),
            "https://otlp.example.com/"
        );
    }
}

#[test]
fn a_grpc_endpoint_without_scheme_is_secure_unless_told_otherwise() {
    assert_eq!(grpc("collector:4317", ""), "https://collector:4317/");
    assert_eq!(grpc("collector:4317", "false"), "https://collector:4317/");
    assert_eq!(grpc("collector:4317", "true"), "http://collector:4317/");
    assert_eq!(grpc("[::1]:4317", "true"), "http://[::1]:4317/");
}

#[test]
fn a_grpc_endpoint_without_scheme_and_port_has_the_port_of_otlp() {
    assert_eq!(grpc("collector", "true"), "http://collector:4317/");
    assert_eq!(grpc("[::1]", ""), "https://[::1]:4317/");
    // 443 and 80 are not special.
    assert_eq!(grpc("collector:443", ""), "https://collector/");
    assert_eq!(grpc("collector:80", "true"), "http://collector/");
}

#[test]
fn an_endpoint_of_all_is_for_the_signals_that_go_nowhere_else() {
    let settings = from_variables(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "console"),
    ]);
    assert_eq!(
        urls(&settings),
        ["none", "http://collector:4318/v1/metrics", "console"]
    );
}
