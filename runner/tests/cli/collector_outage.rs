//! A collector that is unreachable or misbehaves: no data is lost, and no check is late.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use canary_tests::collector::{Arrivals, ClosePoint, Collector, LIMIT, Mode, Protocol, Spans};
use rustix::process::Signal;

use super::reload::next;
use super::run::account;
use super::site;
use super::telemetry::{busy, busy_every, exporting, started, stopped};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_the_collector_is_away_and_the_runner_is_killed() {
    let mut collector = Collector::start(Protocol::Http);
    collector.stop_listening();
    let site = site();
    // What a check found is in the journal long before its next run, so that a kill costs one run of each at most.
    let folder = busy_every("1s", &site);
    for _ in 0..3 {
        let running = started(exporting(&folder, &["run", "suite.yaml"], &collector.url("http")));
        let before = site.requests().len();
        site.until(|counts| counts.accepted >= before + 50).await;
        drop(running);
    }
    let asked = site.requests().len();
    let waiting = requests_on_disk(&folder.path().join("state/spool/metrics"));
    collector.listen();
    let restarted = SystemTime::now();
    let running = started(exporting(&folder, &["run", "suite.yaml"], &collector.url("http")));
    // In flight at each of the three kills was at most one run of each of the ten checks.
    let arrivals = collector.wait_for(LIMIT, |arrivals| {
        runs_before(restarted, &arrivals.spans()).len() + 30 >= asked
    });
    stopped(running);
    let arrivals_at_end = collector.arrivals();
    // Each trace arrives exactly once.
    assert_eq!(
        arrivals_at_end.spans().roots().len(),
        runs(&arrivals_at_end.spans()).len()
    );
    in_order(&arrivals);
    assert!(waiting > 0);
    assert_eq!(requests_on_disk(&folder.path().join("state/spool/traces")), 0);
    assert_eq!(requests_on_disk(&folder.path().join("state/spool/metrics")), 0);
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
        Mode::Close(ClosePoint::Request),
        Mode::Close(ClosePoint::Response),
    ];
    for mode in modes {
        let collector = Collector::start(Protocol::Http);
        collector.set(mode);
        let site = site();
        let folder = busy_every("250ms", &site);
        let program = exporting(&folder, &["run", "suite.yaml"], &collector.url("http"));
        let running = started(program.env("OTEL_EXPORTER_OTLP_TIMEOUT", "500"));
        site.until(|counts| counts.accepted >= 100).await;
        running.signal(Signal::TERM);
        let ending = running.end();
        // Runs that waited for a collector would miss most due times: each of them two or three. A machine that is
        // busy for a few hundred milliseconds misses one of each check.
        let [scheduled, _, missed] = account(&ending);
        assert!(missed * 4 <= scheduled, "{mode:?}: {}", ending.err);
        let warnings = ending.log_lines().filter(|line| {
            line.starts_with("exporting traces failed") && line.ends_with("buffering and retrying")
        });
        assert!(warnings.count() <= 1, "{mode:?}: {}", ending.err);
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
    let is_refusal = |line: &&str| line.starts_with("the collector rejected traces of check `");
    let refusals: Vec<&str> = ending.log_lines().filter(is_refusal).collect();
    let once: BTreeSet<&str> = refusals.iter().copied().collect();
    // The message names only some of many checks.
    assert!((1..=8).contains(&refusals.len()), "{}", ending.err);
    assert_eq!(once.len(), refusals.len(), "{}", ending.err);
}

#[test]
fn a_folder_that_cannot_be_a_spool_is_told_and_checks_go_on() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let mut collector = Collector::start(Protocol::Http);
    collector.stop_listening();
    let site = site();
    let folder = busy(&site);
    std::fs::write(folder.path().join("state"), "a file").unwrap();
    let mut running = started(exporting(&folder, &["run", "suite.yaml"], &collector.url("http")));
    let warnings = std::iter::from_fn(|| running.log_line()).find(|note| note.contains("spool folder"));
    assert!(warnings.unwrap().ends_with("buffering requests in memory"));
    runtime.block_on(site.until(|counts| counts.accepted >= 50));
    collector.listen();
    collector.wait_for(LIMIT, |arrivals| runs(&arrivals.spans()).len() > 40);
    stopped(running);
}

fn requests_on_disk(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Asserts that metrics arrived in chronological order.
fn in_order(arrivals: &Arrivals) {
    let metrics = arrivals.metrics();
    let times: Vec<u64> = metrics.points.iter().map(|(_, point)| point.time).collect();
    assert!(times.is_sorted(), "{times:?}");
}

/// The trace ids of all roots; each is one run.
fn runs(spans: &Spans) -> BTreeSet<Vec<u8>> {
    spans.roots().iter().map(|root| root.trace_id.clone()).collect()
}

/// The trace ids of the runs that started before `moment`.
fn runs_before(moment: SystemTime, spans: &Spans) -> BTreeSet<Vec<u8>> {
    let moment = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    let roots = spans.roots();
    let earlier = roots
        .iter()
        .filter(|root| u128::from(root.start_time_unix_nano) < moment);
    earlier.map(|root| root.trace_id.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_a_folder_says_that_what_cannot_be_sent_is_soon_lost() {
    let collector = Collector::start(Protocol::Http);
    let site = site();
    let folder = busy(&site);
    let program = super::canary(&folder, &["run", "suite.yaml"]);
    let mut running = started(program.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url("http")));
    let note = next(&mut running, "no spool: ");
    assert!(note.ends_with("for a short time (set `--state-dir`)"), "{note}");
    stopped(running);
}
