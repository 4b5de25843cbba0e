//! The OTLP exports of `canary`, as a collector receives them.

use canary_tests::certificate::Authority;
use canary_tests::collector::{Collector, LIMIT, Protocol, Span};
use canary_tests::command::{Program, Running};
use canary_tests::peer::http::{Reply, Site};
use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::Instant;

use super::reload::next;
use super::{canary, http_check, site, suite};

/// `canary ARGUMENTS` with all signals exported to a collector at short intervals.
pub(super) fn exporting(folder: &TempDir, arguments: &[&str], url: &str) -> Program {
    canary(folder, arguments)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        .env("OTEL_METRIC_EXPORT_INTERVAL", "300")
        .env("OTEL_BSP_SCHEDULE_DELAY", "100")
        .env("CANARY_STATE_DIR", folder.path().join("state"))
}

/// A suite with ten checks of one site, each with ten runs per second.
pub(super) fn busy(site: &Site) -> TempDir {
    busy_every("100ms", site)
}

/// A suite with ten checks of one site at this interval.
pub(super) fn busy_every(interval: &str, site: &Site) -> TempDir {
    let checks: String = (0..10)
        .map(|number| http_check(&format!("page {number}"), site, "/"))
        .collect();
    suite(&format!(
        "defaults: {{ interval: {interval}, timeout: {interval}, retries: 0 }}\nchecks:\n{checks}"
    ))
}

pub(super) fn started(program: Program) -> Running {
    let mut running = program.start();
    assert!(running.log_line().is_some_and(|note| note.starts_with("running")));
    running
}

pub(super) fn stopped(running: Running) {
    running.signal(Signal::TERM);
    let ending = running.end();
    assert_eq!(ending.code, 0, "{ending:?}");
}

fn text<'a>(span: &'a Span, key: &str) -> &'a str {
    span.attributes
        .get(key)
        .and_then(|value| value.as_str())
        .unwrap_or_default()
}

/// A site with TLS, and a suite that checks it with each plugin.
pub(super) fn each_plugin() -> (Site, TempDir) {
    let authority = Authority::new("Test Root");
    let certificate = authority.leaf(&["localhost"]).valid_until_days(60).issue();
    let site = Site::start_tls(certificate.server_config(), |_| Reply::text("Welcome"));
    let port = site.address().port();
    let ca = json!(authority.pem());
    let folder = suite(&format!(
        r#"
checks:
  - {{ name: http, plugin: http, target: "https://localhost:{port}/a?card=queen-of-hearts", config: {{ tls: {{ ca: {ca} }} }} }}
  - {{ name: tls, plugin: tls, target: "localhost:{port}", config: {{ ca: {ca} }} }}
  - {{ name: tcp, plugin: tcp, target: "localhost:{port}", labels: {{ team: web }} }}
"#
    ));
    (site, folder)
}

/// The children of each plugin's run, in order.
pub(super) const PHASES: [(&str, &[&str]); 3] = [
    (
        "http",
        &[
            "queue",
            "instantiate",
            "dns lookup",
            "tcp connect",
            "tls handshake",
            "GET",
        ],
    ),
    (
        "tls",
        &[
            "queue",
            "instantiate",
            "dns lookup",
            "tcp connect",
            "tls handshake",
        ],
    ),
    ("tcp", &["queue", "instantiate", "dns lookup", "tcp connect"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_each_plugin_is_one_trace_with_the_phases_as_children() {
    for (protocol, word) in [(Protocol::Http, "http/protobuf"), (Protocol::Grpc, "grpc")] {
        let collector = Collector::start(protocol);
        let (site, folder) = each_plugin();
        let program = exporting(&folder, &["check", "suite.yaml"], &collector.url("http"));
        let ending = program.env("OTEL_EXPORTER_OTLP_PROTOCOL", word).run();
        assert_eq!(ending.code, 0, "{ending:?}");
        let arrivals = collector.wait_for(LIMIT, |arrivals| arrivals.spans().roots().len() == 3);
        assert_eq!(arrivals.problems, [""; 0]);
        let spans = arrivals.spans();
        for (name, children) in PHASES {
            let root = spans.one(&format!("check {name}"));
            assert_eq!(spans.children_of(root).names(), children, "{name}");
            assert_eq!(spans.trace_of(root).len(), children.len() + 1);
            let attributes = (text(root, "canary.outcome"), text(root, "canary.check.name"));
            assert_eq!(attributes, ("pass", name));
        }
        assert_eq!(text(spans.one("check tcp"), "team"), "web");
        let request = spans.one("GET");
        assert_eq!(request.kind, 3, "a client");
        let url = format!("https://localhost:{}/a", site.address().port());
        assert_eq!(text(request, "url.full"), url);
        let sent = format!("{spans:?}");
        assert!(!sent.contains("queen-of-hearts"), "{sent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_a_suite_do_not_leave() {
    let collector = Collector::start(Protocol::Http);
    let site = Site::start(|_| Reply::status(500));
    let folder = suite(&format!(
        "checks:\n  - {{ name: page, plugin: http, target: \"{}\", config: {{ headers: {{ x-token: \"${{env:TOKEN}}\" }} }} }}\n",
        site.url("http", "/${env:TOKEN}/x")
    ));
    let program = exporting(&folder, &["check", "suite.yaml"], &collector.url("http"));
    let ending = program.env("TOKEN", "open-sesame").run();
    assert_eq!(ending.code, 1, "{ending:?}");
    let arrivals = collector.wait_for(LIMIT, |arrivals| !arrivals.spans().is_empty());
    assert!(site.requests()[0].path().contains("open-sesame"));
    let sent = format!("{:?}", arrivals.requests);
    assert!(!sent.contains("open-sesame"), "{sent}");
    let root = &arrivals.spans().roots()[0];
    assert_eq!(
        (text(root, "error.type"), root.status.as_ref().unwrap().code),
        ("assertion", 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_asks_for_it_joins_the_trace() {
    let collector = Collector::start(Protocol::Http);
    let site = site();
    let folder = suite(&format!(
        "checks:\n{}    config: {{ propagate_trace: true }}\n",
        http_check("page", &site, "/")
    ));
    let ending = exporting(&folder, &["check", "suite.yaml"], &collector.url("http")).run();
    assert_eq!(ending.code, 0, "{ending:?}");
    let arrivals = collector.wait_for(LIMIT, |arrivals| !arrivals.spans().is_empty());
    let spans = arrivals.spans();
    let request = spans.one("GET");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let parent = format!("00-{}-{}-01", hex(&request.trace_id), hex(&request.span_id));
    assert_eq!(site.requests()[0].header("traceparent"), Some(parent.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_changes_of_status_leave_while_the_service_runs() {
    let collector = Collector::start(Protocol::Http);
    let site = site();
    let folder = busy_every("1s", &site);
    let running = started(exporting(&folder, &["run", "suite.yaml"], &collector.url("http")));
    let page = [("canary.check.name", "page 3"), ("canary.outcome", "pass")];
    // Metrics and logs are exported by themselves, so one may be ahead of the other.
    let arrivals = collector.wait_for(LIMIT, |arrivals| {
        let metrics = arrivals.metrics();
        let passed = metrics.sum("canary.check.runs", &page).unwrap_or_default();
        let are_up = metrics.sum("canary.check.up", &[]) == Some(10.0);
        passed > 3.0 && are_up && arrivals.logs().named("canary.check.transition").len() >= 10
    });
    stopped(running);
    let metrics = arrivals.metrics();
    assert_eq!(metrics.sum("canary.check.up", &[]), Some(10.0));
    assert_eq!(metrics.sum("canary.host.descriptors.unaccounted", &[]), Some(0.0));
    assert!(metrics.sum("process.unix.file_descriptor.count", &[]).unwrap() > 3.0);
    let logs = arrivals.logs();
    assert_eq!(logs.named("canary.check.transition").len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_passed_is_dropped_by_the_sampler_and_one_that_failed_is_kept() {
    let collector = Collector::start(Protocol::Http);
    let site = site();
    let checks = [http_check("good", &site, "/"), http_check("bad", &site, "/bad")].concat();
    let folder = suite(&format!("checks:\n{checks}"));
    let program = exporting(&folder, &["check", "suite.yaml"], &collector.url("http"));
    let ending = program.env("OTEL_TRACES_SAMPLER", "always_off").run();
    assert_eq!(ending.code, 1, "{ending:?}");
    let arrivals = collector.wait_for(LIMIT, |arrivals| !arrivals.spans().is_empty());
    assert_eq!(arrivals.spans().roots().names(), ["check bad"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scraper_sees_what_the_collector_sees() {
    let site = site();
    let folder = busy(&site);
    let program = canary(&folder, &["run", "suite.yaml", "--admin", "127.0.0.1:0"]);
    let mut running = started(program);
    let note = next(&mut running, "metrics on ");
    let url = note
        .strip_prefix("metrics on http://")
        .unwrap()
        .strip_suffix("/metrics")
        .unwrap();
    next(
        &mut running,
        "telemetry export is off; set OTEL_EXPORTER_OTLP_ENDPOINT",
    );
    site.until(|counts| counts.accepted >= 30).await;
    // A run is counted a little later than its target sees it.
    let began = Instant::now();
    let is_counted = |text: &str| {
        text.contains("canary_check_runs_total{service_name=\"canary\",canary_check_name=\"page 3\"")
    };
    let mut text = scrape(url);
    while !is_counted(&text) {
        assert!(began.elapsed() < LIMIT, "{text}");
        text = scrape(url);
    }
    assert!(
        text.contains("canary_host_descriptors_unaccounted{service_name=\"canary\"} 0"),
        "{text}"
    );
    stopped(running);
}

fn scrape(address: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn an_admin_address_in_use_is_an_error_that_names_the_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = suite("checks:\n  - { name: a, plugin: tcp, target: \"127.0.0.1:9\" }\n");
    let ending = canary(&folder, &["run", "suite.yaml", "--admin", &address]).run();
    assert_eq!(ending.code, 1);
    assert!(
        ending
            .err
            .contains("choose another address with `--admin`, or `--admin none`"),
        "{}",
        ending.err
    );
}

#[test]
fn a_wrong_variable_is_an_error_that_names_it() {
    let folder = suite("checks:\n  - { name: a, plugin: tcp, target: \"127.0.0.1:9\" }\n");
    let program = canary(&folder, &["run", "suite.yaml"]).env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
    let ending = program.run();
    assert_eq!(ending.code, 64);
    assert!(
        ending.err.contains("OTEL_EXPORTER_OTLP_PROTOCOL"),
        "{}",
        ending.err
    );
}

#[test]
fn the_demo_sends_its_telemetry_where_it_is_told_to() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let collector = Collector::start(Protocol::Http);
    let folder = TempDir::new().unwrap();
    let ending = canary(&folder, &["demo", "--once", "--otlp", &collector.url("http")]).run();
    assert_eq!(ending.code, 0, "{ending:?}");
    let arrivals = collector.wait_for(LIMIT, |arrivals| arrivals.spans().roots().len() == 10);
    let reclaimed = arrivals.metrics().sum("canary.connections.reclaimed", &[]);
    assert_eq!(reclaimed, Some(4.0));
    assert_eq!(arrivals.logs().named("canary.connection.reclaimed").len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_exporter_prints_a_line_of_json_a_request() {
    let site = site();
    let folder = suite(&format!("checks:\n{}", http_check("page", &site, "/")));
    let program = canary(&folder, &["check", "suite.yaml"]).env("OTEL_TRACES_EXPORTER", "console");
    let ending = program.run();
    assert_eq!(ending.code, 0, "{ending:?}");
    let line = ending.out.lines().find(|line| line.starts_with('{')).unwrap();
    let request: serde_json::Value = serde_json::from_str(line).unwrap();
    let spans = &request["resourceSpans"][0]["scopeSpans"][0]["spans"];
    assert_eq!(spans[0]["name"], "check page");
}
