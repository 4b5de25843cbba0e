//! What leaves `canary` by OTLP, as a collector gets it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use canary_tests::certificate::Authority;
use canary_tests::collector::{Arrivals, Collector, LIMIT, Mode, Protocol, Span, Spans};
use canary_tests::command::{Program, Running};
use canary_tests::peer::http::{Reply, Site};
use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use super::{canary, http_check, site, suite};

/// `canary ARGUMENTS` with everything sent to a collector, and soon.
fn exporting(folder: &TempDir, arguments: &[&str], url: &str) -> Program {
    canary(folder, arguments)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        .env("OTEL_METRIC_EXPORT_INTERVAL", "300")
        .env("OTEL_BSP_SCHEDULE_DELAY", "100")
        .env("CANARY_STATE_DIR", folder.path().join("state"))
}

/// A busy suite of one site: ten checks, ten runs of each a second.
fn busy(site: &Site) -> TempDir {
    let checks: String = (0..10)
        .map(|number| http_check(&format!("page {number}"), site, "/"))
        .collect();
    suite(&format!(
        "defaults: {{ interval: 100ms, timeout: 100ms, retries: 0 }}\nchecks:\n{checks}"
    ))
}

fn started(program: Program) -> Running {
    let mut running = program.start();
    assert!(running.note().is_some_and(|note| note.starts_with("running")));
    running
}

fn stopped(running: Running) {
    running.signal(Signal::TERM);
    let ending = running.end();
    assert_eq!(ending.code, 0, "{ending:?}");
}

/// The trace ids of all roots; each is one run.
fn runs(spans: &Spans) -> BTreeSet<Vec<u8>> {
    spans.roots().iter().map(|root| root.trace_id.clone()).collect()
}

fn text<'a>(span: &'a Span, key: &str) -> &'a str {
    span.attributes
        .get(key)
        .and_then(|value| value.as_str())
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_each_plugin_is_one_trace_with_the_phases_as_children() {
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let collector = Collector::start(protocol);
        let authority = Authority::new("Test Root");
        let certificate = authority.leaf(&["localhost"]).valid_until_days(60).issue();
        let site = Site::start_tls(certificate.server_config(), |_| Reply::text("Welcome"));
        let port = site.address().port();
        let folder = suite(&format!(
            "checks:\n  - {{ name: http, plugin: http, target: \"https://localhost:{port}/a?card=4111\", config: {{ tls: {{ ca: {ca} }} }} }}\n  - {{ name: tls, plugin: tls, target: \"localhost:{port}\", config: {{ ca: {ca} }} }}\n  - {{ name: tcp, plugin: tcp, target: \"localhost:{port}\", labels: {{ team: web }} }}\n",
            ca = json!(authority.pem()),
        ));
        let word = if protocol == Protocol::Grpc {
            "grpc"
        } else {
            "http/protobuf"
        };
        let program = exporting(&folder, &["check", "suite.yaml"], &collector.url("http"));
        let ending = program.env("OTEL_EXPORTER_OTLP_PROTOCOL", word).run();
        assert_eq!(ending.code, 0, "{ending:?}");
        let arrivals = collector.wait_for(LIMIT, |arrivals| arrivals.spans().roots().len() == 3);
        assert_eq!(arrivals.complaints, [""; 0]);
        let spans = arrivals.spans();
        let phases = [
            (
                "http",
                &[
                    "queue",
                    "instantiate",
                    "dns lookup",
                    "tcp connect",
                    "tls handshake",
                    "GET",
                ][..],
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
        for (name, children) in phases {
            let root = spans.one(&format!("check {name}"));
            assert_eq!(spans.children_of(root).names(), children, "{name}");
            assert_eq!(spans.trace_of(root).len(), children.len() + 1);
            assert_eq!(
                (text(root, "canary.outcome"), text(root, "canary.check.name")),
                ("pass", name)
            );
        }
        assert_eq!(text(spans.one("check tcp"), "team"), "web");
        let request = spans.one("GET");
        assert_eq!(request.kind, 3, "a client");
        assert_eq!(text(request, "url.full"), format!("https://localhost:{port}/a"));
        let sent = format!("{spans:?}");
        assert!(!sent.contains("4111"), "{sent}");
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
    let folder = busy(&site);
    let running = started(exporting(&folder, &["run", "suite.yaml"], &collector.url("http")));
    let page = [("canary.check.name", "page 3"), ("canary.outcome", "pass")];
    let arrivals = collector.wait_for(LIMIT, |arrivals| {
        arrivals
            .metrics()
            .sum("canary.check.runs", &page)
            .unwrap_or_default()
            > 3.0
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
async fn nothing_is_lost_while_the_collector_is_away_and_the_runner_is_killed() {
    let mut collector = Collector::start(Protocol::Http);
    collector.go_away();
    let site = site();
    let folder = busy(&site);
    for _ in 0..3 {
        let running = started(exporting(&folder, &["run", "suite.yaml"], &collector.url("http")));
        let before = site.requests().len();
        while site.requests().len() < before + 100 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // What the target has answered by now is in the journal in a moment.
        drop(running);
    }
    let asked = site.requests().len();
    let waiting = requests_on_disk(&folder.path().join("state/spool/metrics"));
    collector.come_back();
    let running = started(exporting(&folder, &["run", "suite.yaml"], &collector.url("http")));
    // In flight at each of the three kills was at most one run of each of the ten checks.
    let arrivals = collector.wait_for(LIMIT, |arrivals| runs(&arrivals.spans()).len() + 30 >= asked);
    stopped(running);
    let arrivals_at_end = collector.arrivals();
    let runs = runs(&arrivals_at_end.spans());
    assert!(runs.len() + 30 >= asked, "{} of {asked}", runs.len());
    // A trace arrives once.
    assert_eq!(arrivals_at_end.spans().roots().len(), runs.len());
    in_order(&arrivals);
    assert!(waiting > 0);
    assert_eq!(requests_on_disk(&folder.path().join("state/spool/traces")), 0);
    assert_eq!(requests_on_disk(&folder.path().join("state/spool/metrics")), 0);
}

fn requests_on_disk(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// The windows of metrics came in the order of their time.
fn in_order(arrivals: &Arrivals) {
    let metrics = arrivals.metrics();
    let times: Vec<u64> = metrics.points.iter().map(|(_, point)| point.time).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_keep_their_time_whatever_the_collector_does() {
    let modes = [
        Mode::Silent,
        Mode::Status {
            code: 500,
            retry_after: None,
        },
        Mode::Status {
            code: 429,
            retry_after: Some(60),
        },
        Mode::Status {
            code: 400,
            retry_after: None,
        },
        Mode::Garbage,
        Mode::Close(canary_tests::collector::Half::Request),
        Mode::Close(canary_tests::collector::Half::Answer),
    ];
    for mode in modes {
        let collector = Collector::start(Protocol::Http);
        collector.set(mode);
        let site = site();
        let folder = busy(&site);
        let program = exporting(&folder, &["run", "suite.yaml"], &collector.url("http"));
        let running = started(program.env("OTEL_EXPORTER_OTLP_TIMEOUT", "500"));
        while site.requests().len() < 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        running.signal(Signal::TERM);
        let ending = running.end();
        let account = ending.err.lines().last().unwrap();
        assert!(account.ends_with("+ 0 missed"), "{mode:?}: {account}");
        let told = ending
            .err
            .lines()
            .filter(|line| line.starts_with("traces are not delivered"));
        assert!(told.count() <= 1, "{mode:?}: {}", ending.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_is_a_dead_letter_and_told_once() {
    let collector = Collector::start(Protocol::Http);
    collector.set(Mode::Status {
        code: 400,
        retry_after: None,
    });
    let site = site();
    let folder = busy(&site);
    let running = started(exporting(&folder, &["run", "suite.yaml"], &collector.url("http")));
    let dead = folder.path().join("state/spool/dead");
    while requests_on_disk(&dead) < 3 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    running.signal(Signal::TERM);
    let ending = running.end();
    let refusals = ending
        .err
        .lines()
        .filter(|line| line.starts_with("the collector refuses requests of traces"));
    assert_eq!(refusals.count(), 1, "{}", ending.err);
}

#[test]
fn a_folder_that_cannot_be_a_spool_is_told_and_checks_go_on() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let mut collector = Collector::start(Protocol::Http);
    collector.go_away();
    let site = site();
    let folder = busy(&site);
    std::fs::write(folder.path().join("state"), "a file").unwrap();
    let mut running = started(exporting(&folder, &["run", "suite.yaml"], &collector.url("http")));
    let told = std::iter::from_fn(|| running.note()).find(|note| note.contains("spool folder"));
    assert!(told.unwrap().ends_with("requests wait in memory"));
    while site.requests().len() < 50 {
        std::thread::yield_now();
    }
    collector.come_back();
    collector.wait_for(LIMIT, |arrivals| runs(&arrivals.spans()).len() > 40);
    stopped(running);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scraper_sees_what_the_collector_sees() {
    let site = site();
    let folder = busy(&site);
    let program = canary(&folder, &["run", "suite.yaml", "--admin", "127.0.0.1:0"]);
    let mut running = started(program);
    let note = running.note().unwrap();
    let url = note
        .strip_prefix("metrics on http://")
        .unwrap()
        .strip_suffix("/metrics")
        .unwrap();
    assert!(
        running
            .note()
            .unwrap()
            .starts_with("nothing is exported: set OTEL_EXPORTER_OTLP_ENDPOINT")
    );
    while site.requests().len() < 30 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let text = scrape(url);
    assert!(
        text.contains("canary_check_runs_total{service_name=\"canary\",canary_check_name=\"page 3\""),
        "{text}"
    );
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
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
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
