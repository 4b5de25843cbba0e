//! One check that reports as much as possible beside five ordinary ones, and a collector with a small size limit.

mod exports;

use std::collections::BTreeMap;
use std::path::Path;

use canary_tests::collector::{Arrivals, Collector, LIMIT, Mode, Protocol};
use tokio::time::timeout;

use super::*;
use crate::sample;
use canary_net::ledger::audit::{Audit, InternalFds};
use canary_net::ledger::{Budget, Ledger};
use canary_run::outcome::{LogLevel, LogLine, Run};
use canary_run::status::{CheckStatus, Status};
use canary_settings::{Report, Section};
use canary_suite::{Check, CheckId, Environment, SecretRegistry};

const GOOD: [&str; 5] = ["a", "b", "c", "d", "e"];
/// The number of runs of each check.
const RUNS: usize = 20;

/// An environment that configures a collector.
struct Named(Vec<(&'static str, String)>);

impl Environment for Named {
    fn variable(&self, name: &str) -> Option<String> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone())
    }

    fn file(&self, _path: &Path) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// Telemetry to a collector.
fn telemetry(collector: &Collector, protocol: &str) -> (Telemetry, Worker) {
    let (telemetry, _, worker) = with_handle(collector, protocol);
    (telemetry, worker)
}

fn with_handle(collector: &Collector, protocol: &str) -> (Telemetry, MetricsHandle, Worker) {
    by(Named(vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url("http")),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_owned()),
    ]))
}

fn by(environment: Named) -> (Telemetry, MetricsHandle, Worker) {
    let settings = crate::settings::read(Section::default(), &environment, None, Report::default());
    let (ledger, internal_fds) = (Ledger::new(Budget::new(8)), InternalFds::default());
    let view = HostView {
        audit: Audit::baseline(&ledger, &internal_fds).unwrap(),
        ledger,
        internal_fds,
        secrets: SecretRegistry::default(),
        alerts: None,
        streams: canary_console::Streams::default(),
        liveness: canary_system::liveness::Registry::default(),
    };
    let console = Box::new(std::io::sink());
    start(&settings.unwrap(), Resource::default(), view, console)
}

fn standing() -> CheckStatus {
    CheckStatus {
        status: Status::Down,
        transition: None,
        consecutive_failures: 1,
        last_success: None,
    }
}

fn run(name: &str) -> Run {
    let mut run = sample::run();
    run.check = Arc::new(Check {
        id: CheckId::new(name),
        ..(*run.check).clone()
    });
    run.trace.trace_id = fastrand::u128(1..).to_be_bytes();
    run.trace.span_id = fastrand::u64(1..).to_be_bytes();
    run
}

/// 16 lines of 16 fields of 4 KiB: 1 MiB, more than fits into a frame.
fn loud() -> Run {
    let mut run = run("loud");
    let field = |number: usize| (format!("key {number}").into(), "v".repeat(4 << 10).into());
    let line = |_| LogLine {
        at: sample::MS,
        level: LogLevel::Info,
        message: "m".repeat(4 << 10).into(),
        fields: (0..16).map(field).collect(),
    };
    run.log = (0..16).map(line).collect();
    run
}

/// The number of received root spans by check.
fn roots(arrivals: &Arrivals) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for span in arrivals.spans().roots().0 {
        *counts.entry(span.name.clone()).or_default() += 1;
    }
    counts
}

async fn one_drowns_no_others(protocol: Protocol, name: &str) {
    let collector = Collector::start(protocol);
    collector.set(Mode::UpTo(100 << 10));
    let (telemetry, worker) = telemetry(&collector, name);
    let stop = CancellationToken::new();
    let working = worker.run(stop.clone());
    let reporting = async {
        let checks = GOOD.iter().map(|name| run(name).check);
        telemetry.suite_changed(checks.chain([run("loud").check]).collect());
        for _ in 0..RUNS {
            telemetry.run_finished(&Arc::new(loud()), &standing());
            for name in GOOD {
                telemetry.run_finished(&Arc::new(run(name)), &standing());
            }
            yield_now().await;
        }
        let all = |arrivals: &Arrivals| {
            let roots = roots(arrivals);
            GOOD.iter()
                .all(|name| roots.get(&format!("check {name}")) == Some(&RUNS))
        };
        let arrivals = collector.until(all).await;
        stop.cancel();
        arrivals
    };
    let both = async { tokio::join!(working, reporting).1 };
    let arrivals = timeout(LIMIT, both)
        .await
        .expect("all spans of good checks arrive");
    let largest = arrivals.requests.iter().map(|request| request.bytes).max();
    assert!(largest.unwrap() <= 1 << 20, "{largest:?}");
    assert!(roots(&arrivals)["check loud"] > 0, "{:?}", roots(&arrivals));
}

#[tokio::test]
async fn a_check_that_reports_much_costs_the_others_nothing_over_http() {
    one_drowns_no_others(Protocol::Http, "http/protobuf").await;
}

#[tokio::test]
async fn a_check_that_reports_much_costs_the_others_nothing_over_grpc() {
    one_drowns_no_others(Protocol::Grpc, "grpc").await;
}

#[tokio::test]
async fn that_something_is_to_be_exported_is_known_before_the_first_export_is_due() {
    let collector = Collector::start(Protocol::Http);
    let (_telemetry, handle, worker) = with_handle(&collector, "http/protobuf");
    assert!(handle.delivery_status().is_none());
    tokio::select! {
        biased;
        _ = worker.run(CancellationToken::new()) => unreachable!(),
        () = yield_now() => {}
    }
    let delivery = handle.delivery_status().expect("a report");
    assert!(!delivery.report.signals.is_empty());
}
