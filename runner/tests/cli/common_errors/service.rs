//! Mistakes around a service: where it listens, where it keeps its state, and where its telemetry goes.

use std::net::TcpListener;

use canary_tests::peer::http::{Reply, Site};
use canary_tests::ports;
use insta::assert_snapshot;

use super::super::{canary, http_check, site, suite};
use super::{seen, seen_with, shown, steady};

const SUITE: &str = "checks:\n  - name: database\n    plugin: tcp\n    target: localhost:1\n";

#[test]
fn an_admin_address_in_use() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    assert_snapshot!(seen_with(SUITE, &["run", "suite.yaml", "--admin", &address]), @r"
    stderr:
    DATE ERROR cannot listen on 127.0.0.1:PORT: address in use; choose another address with `--admin`, or `--admin none`

    exit code: 1
    ");
}

#[test]
fn a_suite_in_place_of_the_settings() {
    assert_snapshot!(seen_with(SUITE, &["check", "suite.yaml", "--config", "suite.yaml"]), @r"
    stderr:
    error: suite.yaml:1:1: unknown key `checks`
    hint: `checks` belongs in a suite, whose file is an argument, such as in `canary run suite.yaml`

    1 problem with the settings

    exit code: 64
    ");
}

#[test]
fn no_settings_file() {
    assert_snapshot!(seen_with(SUITE, &["check", "suite.yaml", "--config", "canary.yaml"]), @r"
    stderr:
    error: canary.yaml: no such file

    1 problem with the settings

    exit code: 64
    ");
}

#[test]
fn misspelled_and_incomplete_settings() {
    let settings = "telemetry: { endpiont: http://localhost:4318 }\nadmin: { listen: localhost }\n";
    let files = [("suite.yaml", SUITE), ("canary.yaml", settings)];
    assert_snapshot!(seen(&files, &["check", "suite.yaml", "--config", "canary.yaml"]), @r"
    stderr:
    error: canary.yaml:1:14: unknown key `endpiont` in `telemetry`
    hint: did you mean `endpoint`?

    canary.yaml:2:18: `admin.listen`: invalid listen address `localhost`
    hint: write `127.0.0.1:PORT` or `[::1]:9464`, or `admin: none`

    2 problems with the settings

    exit code: 64
    ");
}

#[test]
fn no_runner_at_the_address() {
    let address = ports::unused().to_string();
    let status = seen(&[], &["status", "--admin", &address]);
    assert_snapshot!(status, @r"
    stderr:
    error: cannot reach canary at http://127.0.0.1:PORT: cannot connect to 127.0.0.1:PORT: connection refused; is it running, and is `--admin` right?

    exit code: 1
    ");
    assert_eq!(seen(&[], &["top", "--admin", &address]), status);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_at_the_address() {
    let other = Site::start(|_| Reply::text("hello"));
    let address = other.address().to_string();
    assert_snapshot!(seen(&[], &["status", "--admin", &address]), @r"
    stderr:
    error: unexpected response from http://127.0.0.1:PORT: the body is not JSON; is it the same canary version?

    exit code: 1
    ");
}

#[test]
fn a_state_directory_that_cannot_be_made() {
    let folder = suite(SUITE);
    // For root too, a file is not a folder.
    let program = canary(&folder, &["run", "suite.yaml", "--state-dir", "suite.yaml/state"]);
    let mut running = program.start();
    let mut lines = std::iter::from_fn(|| running.log_line());
    let line = lines.find(|line| line.contains("the state")).unwrap();
    assert_snapshot!(line, @"cannot read the state: cannot use `suite.yaml/state`: Not a directory (os error 20); is `--state-dir` right? Checks run meanwhile, and alerts are delayed by up to 60 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_cannot_be_reached() {
    let site = site();
    let folder = suite(&format!("checks:\n{}", http_check("website", &site, "/")));
    let check = |state: &str| {
        let check = canary(&folder, &["check", "suite.yaml", "--state-dir", state]);
        let ending = check
            .env(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                format!("http://{}", ports::unused()),
            )
            .env("OTEL_METRICS_EXPORTER", "none")
            .env("OTEL_LOGS_EXPORTER", "none")
            .run();
        // The check itself is fine.
        assert_eq!(ending.code, 0, "{ending:?}");
        steady(&ending.err)
    };
    assert_snapshot!(check("none"), @"error: exporting traces failed: cannot connect to 127.0.0.1:PORT: connection refused; 1 request was not exported");
    // What is on disk is sent by the next command.
    assert_snapshot!(check("state"), @"warning: exporting traces failed: cannot connect to 127.0.0.1:PORT: connection refused; buffering and retrying");
}

#[test]
fn an_endpoint_without_a_scheme() {
    let folder = suite(SUITE);
    let check = canary(&folder, &["check", "suite.yaml"]);
    let ending = check.env("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318").run();
    assert_snapshot!(shown(&ending), @r"
    stderr:
    error: `OTEL_EXPORTER_OTLP_ENDPOINT`: the endpoint has no scheme
    hint: write `http://HOST:4318` or `https://HOST`

    1 problem with the settings

    exit code: 64
    ");
}
