//! CPU cost of telemetry: the same check with and without it, with all telemetry work on the measured thread.
//!
//! With telemetry means: spans, metrics and log records are created, journalled to disk, and sent over OTLP/HTTP.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use canary::ledger::audit::InternalFds;
use canary::publish::StatusStore;
use canary::settings::{Report, Section};
use canary::suite::{Check, Environment};
use canary::telemetry::metrics::Metrics;
use canary::telemetry::settings::{Process, Settings, SpoolSettings, read, resource};
use canary::telemetry::spans::{self, Selection};
use canary::telemetry::{HostView, Telemetry, start};
use canary_tests::peer::http::{Reply, Site};
use tempfile::TempDir;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::fixture::Fixture;
use crate::rounds::{CpuTime, ROUNDS, thread_cpu};

/// Runs of a round.
const RUNS: u32 = 300;
/// Longer than a batch stays open, so that all data of a round is exported within the round.
const EXPORT_TIME: Duration = Duration::from_millis(1_300);
/// The maximum share of CPU time that telemetry may add.
const BUDGET: f64 = 0.2;

/// An environment that sets only the OTLP endpoint.
struct Collector(String);

impl Environment for Collector {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| self.0.clone())
    }

    fn file(&self, _path: &Path) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// Measures each plugin's check alternately with and without telemetry.
pub(crate) async fn measure() {
    let fixture = Fixture::new().await;
    println!(
        "CPU of one check in µs, without telemetry and with it: the least and the median of {ROUNDS} rounds"
    );
    for name in ["http", "tcp", "tls"] {
        let (without, with) = check(&fixture, fixture.check(name)).await;
        let share = with.median.as_secs_f64() / without.median.as_secs_f64() - 1.0;
        let verdict = if share <= BUDGET {
            "met".to_owned()
        } else {
            format!("missed: {:.0} % more", share * 100.0)
        };
        println!(
            "{name:8}{:>16}{:>16}{:>7.1} %  20 %: {verdict}",
            without.to_string(),
            with.to_string(),
            share * 100.0
        );
        parts(&fixture, fixture.check(name)).await;
    }
}

/// Measures each part of the telemetry of a run separately.
async fn parts(fixture: &Fixture, check: &Arc<Check>) {
    const TIMES: u32 = 5_000;
    let folder = TempDir::new().expect("a folder");
    let settings = settings(folder.path());
    let run = Arc::new(fixture.run(check).await);
    let standing = StatusStore::default().publish(&run, SystemTime::now());
    let mut metrics = Metrics::new(&settings, SystemTime::now());
    metrics.apply_suite(&[Arc::clone(check)], SystemTime::now());
    let all = Selection { failures: true };
    let frame = spans::encode_run(&run, all).expect("it is sampled").bytes;
    let each = |work: &mut dyn FnMut()| {
        let before = thread_cpu();
        for _ in 0..TIMES {
            work();
        }
        (thread_cpu() - before).as_secs_f64() * 1e6 / f64::from(TIMES)
    };
    let spans = each(&mut || drop(spans::encode_run(&run, all)));
    let numbers = each(&mut || metrics.record_run(&run, &standing, SystemTime::now()));
    let mut journal = std::fs::File::create(folder.path().join("journal")).expect("a file");
    let written = each(&mut || journal.write_all(&frame).expect("room on disk"));
    println!(
        "         of it: spans {spans:.1}, metrics {numbers:.1}, {} bytes to the journal {written:.1}",
        frame.len()
    );
}

async fn check(fixture: &Fixture, check: &Arc<Check>) -> (CpuTime, CpuTime) {
    let folder = TempDir::new().expect("a folder");
    let settings = settings(folder.path());
    let reserve = InternalFds::default();
    let view = HostView {
        ledger: Arc::clone(fixture.ledger()),
        audit: canary::ledger::audit::Audit::baseline(fixture.ledger(), &reserve).expect("an audit"),
        internal_fds: reserve,
        secrets: Default::default(),
        alerts: None,
        streams: Default::default(),
        liveness: Default::default(),
    };
    let process = resource(&settings, &Process::current("bench".to_owned()));
    let (telemetry, _exposition, worker) = start(&settings, process, view, Box::new(std::io::sink()));
    telemetry.suite_changed(vec![Arc::clone(check)]);
    let stop = CancellationToken::new();
    let until = stop.clone();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { worker.run(until).await });
    let board = StatusStore::default();
    let off = Telemetry::off();
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let plain = one_round(fixture, check, &off, &board).await;
        let exported = one_round(fixture, check, &telemetry, &board).await;
        // The first round is a warm-up.
        if round > 0 {
            without.push(plain);
            with.push(exported);
        }
    }
    stop.cancel();
    tasks.join_all().await;
    (CpuTime::new(without), CpuTime::new(with))
}

/// Settings that export everything to a collector, with a spool folder.
fn settings(folder: &Path) -> Settings {
    let collector = Collector(format!("http://{}", collector()));
    let settings = read(Section::default(), &collector, None, Report::default());
    Settings {
        spool: Some(SpoolSettings {
            folder: folder.join("spool"),
            max_bytes: 1 << 30,
            max_age: Duration::from_secs(3_600),
        }),
        ..settings.expect("good settings")
    }
}

async fn one_round(
    fixture: &Fixture,
    check: &Arc<Check>,
    telemetry: &Telemetry,
    board: &StatusStore,
) -> Duration {
    let before = thread_cpu();
    for _ in 0..RUNS {
        telemetry.run_due(&check.id);
        let run = Arc::new(fixture.run(check).await);
        let standing = board.publish(&run, SystemTime::now());
        telemetry.run_finished(&run, &standing);
    }
    sleep(EXPORT_TIME).await;
    (thread_cpu() - before) / RUNS
}

/// Starts a collector that accepts everything, on a separate thread until the process exits.
fn collector() -> std::net::SocketAddr {
    let (tx, rx) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async move {
            let site = Site::start(|_| Reply::status(200));
            tx.send(site.address()).expect("the bench waits");
            std::future::pending::<()>().await;
        });
    });
    rx.recv().expect("the collector starts")
}
