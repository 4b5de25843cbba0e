//! Telemetry and alerts of `canary` at real receivers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use canary_tests::collector::LIMIT;
use canary_tests::command::{Program, find};
use canary_tests::peer::http::{Reply, Site};
use canary_tests::real::{MockServer, Phoenix, Prometheus, Promtool, Rotel, VictoriaMetrics, Vmagent};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use super::telemetry::{PHASES, each_plugin, exporting, started, stopped};
use super::{canary, folder, http_check};

/// Time limit for an expression to find data: most use a range of a minute.
const DATA: Duration = Duration::from_secs(300);

/// Runs a check with each plugin once, and exports the results.
fn check(url: &str, protocol: &str) {
    check_with(&[("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)], url);
}

/// The same, with these settings of exporters.
fn check_with(settings: &[(&str, &str)], url: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let (_site, folder) = each_plugin();
    let program = exporting(&folder, &["check", "suite.yaml"], url);
    let program = settings
        .iter()
        .fold(program, |program, (name, value)| program.env(name, value));
    let ending = program.run();
    assert_eq!((ending.code, ending.err.as_str()), (0, ""), "{ending:?}");
}

#[test]
fn rotel_takes_a_trace_a_run_by_http_and_by_grpc() {
    let Some(rotel) = Rotel::start() else { return };
    let ways = [
        (format!("http://{}", rotel.http()), "http/protobuf"),
        (format!("http://{}", rotel.grpc()), "grpc"),
    ];
    for (url, protocol) in ways {
        let before = rotel.printed().len();
        check(&url, protocol);
        let expected: usize = PHASES.iter().map(|(_, children)| children.len() + 1).sum();
        let printed = rotel.wait_for(LIMIT, |printed| {
            let spans = printed[before..].iter().filter(|part| part.heading == "Span");
            spans
                .filter(|part| part.attributes.len() + part.fields.len() > 3)
                .count()
                >= expected
        });
        let field =
            |part: &canary_tests::real::Printed, key: &str| part.fields.get(key).cloned().unwrap_or_default();
        let spans: Vec<_> = printed[before..]
            .iter()
            .filter(|part| part.heading == "Span")
            .collect();
        for (name, children) in PHASES {
            let root = spans
                .iter()
                .find(|part| field(part, "Name") == format!("check {name}"))
                .unwrap();
            let own = spans
                .iter()
                .filter(|part| field(part, "Parent ID") == field(root, "ID"));
            assert_eq!(own.count(), children.len(), "{name} by {protocol}");
            assert_eq!(root.attributes["canary.outcome"], "Str(pass)");
        }
        let request = spans.iter().find(|part| field(part, "Name") == "GET").unwrap();
        assert_eq!(field(request, "Kind"), "SPAN_KIND_CLIENT");
        assert_eq!(request.attributes["user_agent.synthetic.type"], "Str(test)");
        assert!(!format!("{spans:?}").contains("queen-of-hearts"));
    }
}

#[test]
fn the_mock_server_takes_a_trace_a_run() {
    let Some(server) = MockServer::start() else { return };
    check(&format!("http://{}", server.http()), "http/protobuf");
    let count = PHASES
        .iter()
        .map(|(_, children)| children.len() + 1)
        .sum::<usize>();
    server.wait_for(LIMIT, |_| server.spans().len() == count);
    parents(&server.spans(), "spanId", "parentSpanId");
}

#[test]
fn phoenix_stores_a_trace_a_run() {
    let Some(phoenix) = Phoenix::start() else { return };
    let traces_only = [("OTEL_METRICS_EXPORTER", "none"), ("OTEL_LOGS_EXPORTER", "none")];
    check_with(&traces_only, &format!("http://{}", phoenix.http()));
    let count = PHASES
        .iter()
        .map(|(_, children)| children.len() + 1)
        .sum::<usize>();
    let spans = phoenix.wait_for(LIMIT, |spans| spans.len() == count);
    let (id, parent) = match spans[0].get("span_id") {
        Some(_) => ("span_id", "parent_span_id"),
        None => ("spanId", "parentSpanId"),
    };
    parents(&spans, id, parent);
}

/// Each root has its children.
fn parents(spans: &[Value], id: &str, parent: &str) {
    for (name, children) in PHASES {
        let root = spans
            .iter()
            .find(|span| span["name"] == format!("check {name}"))
            .unwrap();
        let own = spans
            .iter()
            .filter(|span| span[parent] == root[id] && !span[parent].is_null());
        assert_eq!(own.count(), children.len(), "{name}: {spans:#?}");
    }
}

#[test]
fn every_expression_finds_data_in_prometheus_behind_vmagent() {
    let Some(prometheus) = Prometheus::start() else {
        return;
    };
    let Some(agent) = Vmagent::start(&prometheus.write_url()) else {
        return;
    };
    finds_data(&agent.endpoint(), &format!("http://{}", prometheus.address()));
}

#[test]
fn every_expression_finds_data_in_victoria_metrics() {
    let Some(store) = VictoriaMetrics::start() else {
        return;
    };
    finds_data(&store.endpoint(), &format!("http://{}", store.address()));
}

/// Runs the demo, and a service with alerts, until each expression of each dashboard and rule finds data.
fn finds_data(endpoint: &str, queries: &str) {
    let Some(node) = find("node") else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let (_site, alerting) = alerting();
    let arguments = ["run", "suite.yaml", "--config", "canary.yaml"];
    // Only metrics are exported, since this receiver need not support other signals, and failing exports stop the
    // heartbeat. The dashboard of one check shows the first service, which is the demo.
    let alerting = exporting(&alerting, &arguments, endpoint)
        .env("OTEL_SERVICE_NAME", "canary-alerting")
        .env("OTEL_TRACES_EXPORTER", "none")
        .env("OTEL_LOGS_EXPORTER", "none");
    let alerting = started(alerting);
    let grafana = grafana();
    let folder = TempDir::new().unwrap();
    let program = canary(&folder, &["demo", "--otlp", endpoint]);
    let running = program.env("OTEL_METRIC_EXPORT_INTERVAL", "1000").start();
    let started = Instant::now();
    loop {
        let files = ["overview", "check", "certificates", "runner"];
        let files = files.map(|name| grafana.join(format!("dashboards/{name}.json")));
        let ending = Program::at(&node)
            .args([grafana.join("queries/check.mjs")])
            .args(["--range", "1m", "--scrape", "1s", "--prometheus", queries])
            .args(files)
            .args([grafana.join("rules/prometheus.yaml")])
            .run();
        if ending.code == 0 {
            break;
        }
        let empty: Vec<&str> = ending
            .out
            .lines()
            .filter(|line| line.starts_with("EMPTY"))
            .collect();
        assert!(started.elapsed() < DATA, "{empty:#?}\n{}", ending.err);
        std::thread::yield_now();
    }
    running.signal(Signal::INT);
    let ending = running.end();
    assert_eq!(ending.code, 0, "{ending:?}");
    stopped(alerting);
}

/// A site, and a suite and settings with a heartbeat and three notifiers: one accepts, one rejects permanently, one
/// fails temporarily.
fn alerting() -> (Site, TempDir) {
    let site = Site::start(|request| match request.path() {
        "/refused" => Reply::status(413),
        "/bad" | "/away" => Reply::status(503),
        _ => Reply::text("OK"),
    });
    let check = http_check("page", &site, "/bad");
    let suite = format!(
        "defaults: {{ interval: 1s, timeout: 1s, retries: 0, failure_threshold: 1 }}\nchecks:\n{check}"
    );
    let notifiers: String = ["taken", "refused", "away"]
        .map(|name| {
            let url = site.url("http", &format!("/{name}"));
            format!("    {name}: {{ type: webhook, url: \"{url}\" }}\n")
        })
        .concat();
    let url = site.url("http", "/beat");
    let settings =
        format!("heartbeat: {{ url: \"{url}\", interval: 1s }}\nalerts:\n  notifiers:\n{notifiers}");
    let folder = folder(&[("suite.yaml", &suite), ("canary.yaml", &settings)]);
    (site, folder)
}

fn grafana() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/grafana")
}

#[test]
fn the_rules_are_good_and_each_alert_fires_and_stays_quiet_as_told() {
    let Some(promtool) = Promtool::find() else { return };
    let rules = grafana().join("rules");
    let checked = promtool.check_rules(&[&rules.join("prometheus.yaml")]);
    assert_eq!(checked.code, 0, "{checked:?}");
    let tested = promtool.test_rules(&[&rules.join("prometheus.test.yaml")]);
    assert_eq!(tested.code, 0, "{tested:?}");
}

fn rules(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(grafana().join(file)).unwrap();
    let document: Value = serde_yaml::from_str(&text).unwrap();
    let groups = document["groups"].as_array().unwrap();
    groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap().clone())
        .collect()
}

#[test]
fn grafana_has_the_alerts_of_prometheus() {
    let (ours, theirs) = (rules("rules/prometheus.yaml"), rules("alerting/rules.yaml"));
    assert!(ours.len() > 10);
    assert_eq!(ours.len(), theirs.len());
    for (rule, same) in ours.iter().zip(&theirs) {
        let name = &rule["alert"];
        assert_eq!(*name, same["title"]);
        assert_eq!(rule["expr"], same["data"][0]["model"]["expr"], "{name}");
        assert_eq!(
            rule.get("for").unwrap_or(&Value::from("0s")),
            &same["for"],
            "{name}"
        );
        assert_eq!(rule["labels"], same["labels"], "{name}");
        // Grafana has another name for the value of an expression.
        let texts = rule["annotations"]
            .to_string()
            .replace("$value ", "$values.query.Value ");
        assert_eq!(texts, same["annotations"].to_string(), "{name}");
    }
}
