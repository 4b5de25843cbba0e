//! What it costs to tell of a run: the same check with telemetry and without, all telemetry's work on this thread.
//!
//! With means: spans, metrics and log records made, journalled to disk, and sent to a collector over OTLP/HTTP.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use canary::ledger::audit::Reserve;
use canary::publish::Board;
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

use crate::rounds::{Figures, ROUNDS, thread_cpu};
use crate::stage::Stage;

/// Runs of a round.
const RUNS: u32 = 300;
/// Longer than a batch stays open, so that everything of a round is sent within it.
const SETTLE: Duration = Duration::from_millis(1_300);
/// The share that telemetry may add.
const BUDGET: f64 = 0.2;

/// Only the collector is set.
struct Collector(String);

impl Environment for Collector {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| self.0.clone())
    }

    fn file(&self, _path: &Path) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// Measures each plugin's check in turns, with telemetry and without.
pub(crate) async fn measure() {
    let stage = Stage::set().await;
    println!(
        "CPU of one check in µs, without telemetry and with it: the least and the median of {ROUNDS} rounds"
    );
    for name in ["http", "tcp", "tls"] {
        let (without, with) = check(&stage, stage.check(name)).await;
        let share = with.median.as_secs_f64() / without.median.as_secs_f64() - 1.0;
        let verdict = match share <= BUDGET {
            true => "met".to_owned(),
            false => format!("missed: {:.0} % more", share * 100.0),
        };
        println!(
            "{name:8}{:>16}{:>16}{:>7.1} %  20 %: {verdict}",
            without.to_string(),
            with.to_string(),
            share * 100.0
        );
        parts(&stage, stage.check(name)).await;
    }
}

/// What each part of telling one run costs by itself.
async fn parts(stage: &Stage, check: &Arc<Check>) {
    const TIMES: u32 = 5_000;
    let folder = TempDir::new().expect("a folder");
    let settings = settings(folder.path());
    let run = Arc::new(stage.run(check).await);
    let standing = Board::default().publish(&run, SystemTime::now());
    let mut metrics = Metrics::new(&settings, SystemTime::now());
    metrics.keep(&[Arc::clone(check)], SystemTime::now());
    let all = Selection { failures: true };
    let frame = spans::frame(&run, all).expect("it is sampled").bytes;
    let each = |work: &mut dyn FnMut()| {
        let before = thread_cpu();
        for _ in 0..TIMES {
            work();
        }
        (thread_cpu() - before).as_secs_f64() * 1e6 / f64::from(TIMES)
    };
    let spans = each(&mut || drop(spans::frame(&run, all)));
    let numbers = each(&mut || metrics.finished(&run, &standing, SystemTime::now()));
    let mut journal = std::fs::File::create(folder.path().join("journal")).expect("a file");
    let written = each(&mut || journal.write_all(&frame).expect("room on disk"));
    println!(
        "         of it: spans {spans:.1}, metrics {numbers:.1}, {} bytes to the journal {written:.1}",
        frame.len()
    );
}

async fn check(stage: &Stage, check: &Arc<Check>) -> (Figures, Figures) {
    let folder = TempDir::new().expect("a folder");
    let settings = settings(folder.path());
    let reserve = Reserve::default();
    let view = HostView {
        ledger: Arc::clone(stage.ledger()),
        audit: canary::ledger::audit::Audit::baseline(stage.ledger(), &reserve).expect("an audit"),
        reserve,
        secrets: Default::default(),
        alerts: None,
        streams: Default::default(),
        liveness: Default::default(),
    };
    let process = resource(&settings, &Process::current("bench".to_owned()));
    let (telemetry, _exposition, worker) = start(&settings, process, view, Box::new(std::io::sink()));
    telemetry.suite(vec![Arc::clone(check)]);
    let stop = CancellationToken::new();
    let until = stop.clone();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { worker.run(until).await });
    let board = Board::default();
    let off = Telemetry::off();
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let plain = one_round(stage, check, &off, &board).await;
        let told = one_round(stage, check, &telemetry, &board).await;
        // The first is for warmth.
        if round > 0 {
            without.push(plain);
            with.push(told);
        }
    }
    stop.cancel();
    tasks.join_all().await;
    (Figures::of(without), Figures::of(with))
}

/// All to a collector, by way of a folder.
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

async fn one_round(stage: &Stage, check: &Arc<Check>, telemetry: &Telemetry, board: &Board) -> Duration {
    let before = thread_cpu();
    for _ in 0..RUNS {
        telemetry.started(&check.id);
        let run = Arc::new(stage.run(check).await);
        let standing = board.publish(&run, SystemTime::now());
        telemetry.finished(&run, &standing);
    }
    sleep(SETTLE).await;
    (thread_cpu() - before) / RUNS
}

/// Takes everything, on a thread of its own; ends with the process.
fn collector() -> std::net::SocketAddr {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async move {
            let site = Site::start(|_| Reply::status(200));
            tell.send(site.address()).expect("the bench waits");
            std::future::pending::<()>().await;
        });
    });
    told.recv().expect("the collector starts")
}
