//! Secrets in problems and debug output.

use super::*;

const TOKEN: &str = "hunter2-token";

#[test]
fn header_values_and_queries_are_not_shown() {
    let settings = from_variables(&[
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "https://collector?key=hunter2-token",
        ),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Bearer%20hunter2-token",
        ),
    ]);
    let shown = format!("{settings:?}");
    assert!(!shown.contains(TOKEN), "{shown}");
    assert!(shown.contains("authorization"), "{shown}");
    let headers = &destination(&settings, Signal::Traces).headers;
    assert!(headers[0].1.is_sensitive());
    assert_eq!(headers[0].1, "Bearer hunter2-token");
}

#[test]
fn a_header_of_the_file_may_come_from_the_environment() {
    let telemetry = "endpoint: http://collector:4318\nheaders: { authorization: 'Bearer ${env:TOKEN}' }";
    let settings = with(&[("TOKEN", TOKEN)], telemetry).unwrap();
    assert_eq!(
        destination(&settings, Signal::Traces).headers[0].1,
        "Bearer hunter2-token"
    );
}

#[test]
fn no_header_that_is_wrong_shows_its_value() {
    for list in [
        "Bearer hunter2-token",
        "Bearer hunter2-token=",
        "hunter2-token\u{1}=a",
        "authorization=hunter2-token%zz",
        "authorization=hunter2-token%FF",
        "authorization=hunter2-token%0A",
        "authorization=hunter2-tokenß",
        "content-type=hunter2-token",
        "grpc-timeout=hunter2-token",
    ] {
        let problems = problems(&[("OTEL_EXPORTER_OTLP_HEADERS", list)], "");
        assert!(!problems.contains("hunter2"), "{problems}");
    }
}

#[test]
fn no_file_that_is_wrong_shows_a_header() {
    for telemetry in [
        "headers: { authorization: [hunter2-token] }",
        "headers: hunter2-token",
        "headers: [hunter2-token]",
        "headers: { authorization: \"hunter2-token\\n\" }",
        "headers: { authorization: hunter2-token",
        "headers:\n  authorization: Bearer: hunter2-token",
        "headers: { authorization: 'hunter2-token${env:NOTHING}' }",
    ] {
        let problems = problems(&[], telemetry);
        assert!(!problems.contains("hunter2"), "{problems}");
    }
}

#[test]
fn an_endpoint_that_is_wrong_is_not_shown() {
    for endpoint in [
        "http://user:hunter2-token@collector:4318",
        "hunter2-token",
        "http://hunter2-token:port",
        "http://collector/#hunter2-token",
    ] {
        let problems = problems(&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)], "");
        assert!(!problems.contains("hunter2"), "{problems}");
    }
}

#[test]
fn a_value_from_a_reference_is_not_shown() {
    let problems = problems(
        &[("TOKEN", TOKEN)],
        "protocol: ${env:TOKEN}\ninterval: ${env:TOKEN}",
    );
    assert!(!problems.contains("hunter2"), "{problems}");
    assert!(problems.contains("unknown protocol `***`"), "{problems}");
}
