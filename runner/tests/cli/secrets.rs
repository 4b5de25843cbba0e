//! Values that a suite takes from the environment or from a file are in no output of a command.

use std::fmt::Write as _;

use canary_tests::certificate::Authority;
use canary_tests::collector::{Collector, Protocol};
use canary_tests::command::Ending;
use canary_tests::peer::http::{Reply, Site};
use canary_tests::receiver::Receiver;
use serde_json::Value;

use super::service_process::{self, Service};
use super::{canary, folder};

const TOKEN: &str = "correct-horse-battery";
const PASSWORD: &str = "staple-tr0ub4dor";
/// The password as it appears in the base64 of `canary:` and the password.
const CREDENTIALS: &str = "N0YXBsZS10cjB1YjRkb3";

/// A site that echoes the request.
fn echo() -> Site {
    Site::start(|request| {
        let sent: Vec<&str> = ["authorization", "x-token"]
            .iter()
            .filter_map(|name| request.header(name))
            .collect();
        Reply::json(format!(r#"{{"sent":"{}"}}"#, sent.join(" "))).header("x-sent", &sent.join(" "))
    })
}

/// Sends both secrets to `echo`, and reports its response in every possible way.
fn ask(echo: &Site, arguments: &[&str]) -> Ending {
    let target = echo.url("http", "/${env:TOKEN}?key=${env:TOKEN}");
    let suite = format!(
        "defaults: {{ retries: 0 }}\nchecks:\n  - name: parrot\n    plugin: http\n    target: \"{target}\"\n    config:\n      \
         headers: {{ x-token: \"${{env:TOKEN}}\" }}\n      \
         basic_auth: {{ username: canary, password: \"${{file:password}}\" }}\n      \
         expect:\n        headers: {{ x-sent: nothing }}\n        json: {{ \"$.sent\": nothing }}\n        \
         body: {{ not_matches: \"[a-z]+-.*\" }}\n"
    );
    let folder = folder(&[("suite.yaml", &suite), ("password", PASSWORD)]);
    canary(&folder, arguments).env("TOKEN", TOKEN).run()
}

fn assert_silent(ending: &Ending) {
    for secret in [TOKEN, PASSWORD, CREDENTIALS] {
        let is_leaked = ending.out.contains(secret) || ending.err.contains(secret);
        assert!(!is_leaked, "{secret}: {ending:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_peer_says_again_is_redacted_in_every_format() {
    let echo = echo();
    for format in ["human", "json", "junit"] {
        let ending = ask(&echo, &["check", "suite.yaml", "--format", format]);
        assert_eq!(ending.code, 1, "{ending:?}");
        assert!(
            ending.out.contains("***"),
            "nothing to redact was quoted: {ending:?}"
        );
        assert_silent(&ending);
    }
    let sent = &echo.requests()[0];
    assert_eq!(sent.header("x-token"), Some(TOKEN));
    assert!(sent.header("authorization").unwrap().contains(CREDENTIALS));
}

#[test]
fn a_value_that_does_not_fit_is_not_shown() {
    let places = [
        "target: \"http://${env:TOKEN}:port/\"",
        "target: localhost:1\n    interval: \"${env:TOKEN}\"",
        "target: localhost:1\n    retries: \"${env:TOKEN}\"",
        "target: localhost:1\n    quota: { memory: \"${env:TOKEN}\" }",
        "target: localhost:1\n    allow: [\"${env:TOKEN}\"]",
        "target: localhost:1\n    config: { method: \"${env:TOKEN}\" }",
        "target: localhost:1\n    config: { expect: { status: \"${env:TOKEN}\" } }",
        "target: localhost:1\n    config: { \"${env:TOKEN}\": 1 }",
        "target: localhost:1\n    \"${env:TOKEN}\": 1",
    ];
    for place in places {
        let folder = folder(&[(
            "suite.yaml",
            &format!("checks:\n  - name: a\n    plugin: http\n    {place}\n"),
        )]);
        let ending = canary(&folder, &["validate", "suite.yaml"])
            .env("TOKEN", TOKEN)
            .run();
        assert_eq!(ending.code, 3, "{place}: {ending:?}");
        assert_silent(&ending);
    }
}

#[test]
fn a_plugin_that_cannot_make_sense_of_a_secret_does_not_show_it() {
    let suite = "defaults: { retries: 0 }\nchecks:\n  - name: a\n    plugin: http\n    target: \"https://127.0.0.1:1/${env:TOKEN}\"\n    \
                 config: { tls: { ca: \"${env:TOKEN}\", client_cert: \"${env:TOKEN}\", client_key: \"${env:TOKEN}\" } }\n";
    for format in ["human", "json", "junit"] {
        let folder = folder(&[("suite.yaml", suite)]);
        let ending = canary(&folder, &["check", "suite.yaml", "--format", format])
            .env("TOKEN", TOKEN)
            .run();
        // Invalid certificates and keys are rejected before anything runs.
        assert_eq!(ending.code, 3, "{ending:?}");
        assert_silent(&ending);
    }
}

/// A value with characters that encodings change, and that may be part of a target.
const SHORT: &str = "P@ss w\u{f6}rd<1>%41\"quo\\te'x Top line two";

/// A value of 4 KiB with the same characters, on two lines.
pub(super) fn long() -> String {
    format!(
        "Q@ss w\u{f6}rd<1>%41\"quo\\te'{}\nTop line three",
        "aB3$".repeat(1024)
    )
}

/// Encodings of a value that need no library.
pub(super) fn written(value: &str) -> Vec<String> {
    let json = Value::from(value).to_string();
    let percent = value.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() {
            text.push(char::from(byte))
        } else {
            write!(text, "%{byte:02X}").unwrap()
        }
        text
    });
    let begin: String = value.chars().take(12).collect();
    vec![
        value.to_owned(),
        value.to_lowercase(),
        json.trim_matches('"').to_owned(),
        format!("{value:?}").trim_matches('"').to_owned(),
        value.escape_default().to_string(),
        percent,
        begin,
    ]
}

/// All outputs of a service with each built-in plugin: admin address, receivers, disk.
fn everything(service: &Service, collector: &Collector, receiver: &Receiver) -> Vec<(String, String)> {
    let mut outputs: Vec<(String, String)> = vec![
        ("otlp".to_owned(), format!("{:?}", collector.arrivals().requests)),
        ("alerts".to_owned(), format!("{:?}", receiver.bodies())),
    ];
    let paths = [
        "/",
        "/metrics",
        "/readyz",
        "/api/v1/status",
        "/api/v1/connections",
    ];
    let checks = CHECKS.map(|name| format!("/api/v1/checks/{name}"));
    for path in paths.into_iter().map(str::to_owned).chain(checks) {
        let answer = service.get(&path).text();
        outputs.push((path, answer));
    }
    for command in ["status", "connections"] {
        outputs.push((command.to_owned(), service.client_command(&[command]).run().out));
    }
    let mut folders = vec![service.folder.path().join("state")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                outputs.push((
                    path.display().to_string(),
                    String::from_utf8_lossy(&bytes).into_owned(),
                ));
            }
        }
    }
    outputs
}

const CHECKS: [&str; 7] = ["name", "address", "path", "case", "body", "json", "header"];

/// A suite with secrets wherever a built-in plugin accepts a text.
fn everywhere(echo: &Site, other: &Site) -> String {
    let (echo, other) = (echo.address().port(), other.address().port());
    format!(
        r#"
defaults: {{ interval: 3s, timeout: 3s, retries: 1, failure_threshold: 1 }}
checks:
  - {{ name: name, plugin: tls, target: "${{env:HOST}}:{other}" }}
  - {{ name: address, plugin: tcp, target: "${{env:ADDRESS}}:{echo}" }}
  - {{ name: path, plugin: http, target: "http://127.0.0.1:{echo}/${{env:SHORT}}/x?key=${{env:SHORT}}" }}
  - {{ name: case, plugin: http, target: "http://${{env:CASE}}.localhost:{echo}/" }}
  - {{ name: body, plugin: http, target: "http://127.0.0.1:{echo}/", config: {{ expect: {{ body: {{ contains: "${{env:LONG}}" }} }} }} }}
  - {{ name: json, plugin: http, target: "http://127.0.0.1:{echo}/", config: {{ expect: {{ json: {{ "$.sent": "${{env:LONG}}" }} }} }} }}
  - {{ name: header, plugin: http, target: "http://127.0.0.1:{echo}/", config: {{ headers: {{ x-token: "${{env:CASE}}" }}, expect: {{ headers: {{ x-sent: "${{env:SHORT}}" }} }} }} }}
"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn no_output_of_a_service_shows_a_secret_however_it_is_written_there() {
    let certificate = Authority::new("Test Root").leaf(&["other.example"]).issue();
    let (echo, other) = (
        echo(),
        Site::start_tls(certificate.server_config(), |_| Reply::text("ok")),
    );
    let (collector, receiver) = (Collector::start(Protocol::Http), Receiver::webhook());
    let (long, url) = (long(), receiver.url("http", "/"));
    let secrets = [
        "secret-host.localhost",
        "127.0.0.77",
        "AcMeTenant",
        SHORT,
        long.as_str(),
    ];
    let settings = format!("alerts: {{ notifiers: {{ ops: {{ type: webhook, url: '{url}' }} }} }}");
    let service = Service::start(&everywhere(&echo, &other), &settings, |program| {
        let values = ["HOST", "ADDRESS", "CASE", "SHORT", "LONG"]
            .into_iter()
            .zip(secrets);
        let program = values.fold(program, |program, (name, value)| program.env(name, value));
        program
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url("http"))
            // Rejected data is stored on disk.
            .env("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://127.0.0.1:1/")
            .env("OTEL_METRIC_EXPORT_INTERVAL", "300")
            .env("CANARY_STATE_DIR", "state")
    });
    service.until(&["status", "--format", "json"], |status| {
        let checks = status["checks"].as_array().unwrap();
        checks.iter().all(|check| check["last"].is_object())
    });
    collector.wait_for(service_process::LIMIT, |arrivals| {
        arrivals.spans().roots().len() >= CHECKS.len()
    });
    let outputs = everything(&service, &collector, &receiver);
    let detector = canary::suite::Secrets::new(secrets);
    for (output, shown) in &outputs {
        for form in secrets.iter().flat_map(|secret| written(secret)) {
            assert!(!shown.contains(&form), "{output} shows {form}: {shown}");
        }
        assert!(!detector.contains_secret(shown), "{output}: {shown}");
    }
    assert!(outputs.iter().any(|(_, shown)| shown.contains("***")));
    service.end();
}
