//! Output that is not read blocks neither checks nor alerts nor shutdown, and health reports it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use canary_tests::command::{Program, Running};
use canary_tests::machine::Clock;
use canary_tests::peer::http::{Reply, Site};
use canary_tests::receiver::{Receiver, ReceiverMode};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::monitor::Monitor;
use super::service_process::{LIMIT, Service};
use super::{canary, folder};

/// Waits until it has exited, without reading its output.
async fn ends(process: &Running) {
    let began = Instant::now();
    while !process.has_ended() {
        assert!(began.elapsed() < LIMIT, "it does not end");
        tokio::task::yield_now().await;
    }
}

/// Polls `/readyz` until it names this component.
pub(super) fn named(service: &Service, name: &str) -> Value {
    within(LIMIT, service, name)
}

fn within(limit: Duration, service: &Service, name: &str) -> Value {
    let began = Instant::now();
    loop {
        let body: Value = serde_json::from_slice(&service.get("/readyz").body).unwrap();
        let is_named = |problem: &Value| problem["message"].as_str().unwrap().contains(name);
        if let Some(problem) = body["problems"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| is_named(one))
        {
            return problem.clone();
        }
        assert!(began.elapsed() < limit, "`{name}` is not named: {body}");
    }
}

/// Checks that change their status with each run, and settings with a working and a failing receiver.
fn flapping(site: &Site) -> Value {
    let check = |number| {
        json!({
            "name": format!("page {number}"),
            "plugin": "http",
            "target": site.url("http", "/"),
            "interval": "1s",
            "timeout": "1s",
            "retries": 0,
            "failure_threshold": 1,
            "success_threshold": 1,
        })
    };
    json!({ "checks": (0..5).map(check).collect::<Vec<_>>() })
}

#[tokio::test(flavor = "multi_thread")]
async fn output_that_nobody_reads_holds_up_neither_checks_nor_alerts_nor_the_end() {
    let asked = Arc::new(AtomicUsize::new(0));
    let site = Site::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => Reply::status(200),
        _ => Reply::status(503),
    });
    let (good, bad) = (Receiver::webhook(), Receiver::webhook());
    let notifier = |receiver: &Receiver| json!({ "type": "webhook", "url": receiver.url("http", "/") });
    let settings = json!({ "alerts": { "notifiers": { "good": notifier(&good), "bad": notifier(&bad) } } });
    let monitor = Monitor::start_with_settings(flapping(&site), settings, |program| program).await;
    let arrive = |more: usize| {
        let enough = good.delivered().len() + more;
        timeout(LIMIT, good.until(enough))
    };
    assert!(arrive(5).await.is_ok());
    monitor.service.process.fill_output();
    // Each status change of this check is a log line.
    bad.set(ReceiverMode::Respond(Reply::status(500)));
    for stream in ["`log`", "`console`"] {
        let problem = named(&monitor.service, stream);
        assert_eq!(problem["what"], "component_stalled", "{problem}");
    }
    assert!(arrive(20).await.is_ok(), "alerts wait for whoever reads the log");
    assert_eq!(monitor.service.problems("/livez"), [""; 0]);
    let pings = monitor.pings();
    let pinged = monitor.heartbeat.until(|_| monitor.pings() >= pings + 3);
    assert!(
        timeout(LIMIT, pinged).await.is_ok(),
        "the heartbeat waits as well"
    );
    let metrics = monitor.service.get("/metrics").body;
    let metrics = String::from_utf8_lossy(&metrics);
    assert!(metrics.contains("canary_output_dropped_total"), "{metrics}");
    monitor.service.process.signal(Signal::TERM);
    ends(&monitor.service.process).await;
    let ending = monitor.service.process.end();
    assert_eq!(ending.code, 0, "{}", ending.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_answers_is_named_and_holds_up_no_other() {
    let asked = Arc::new(AtomicUsize::new(0));
    let site = Site::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => Reply::status(200),
        _ => Reply::status(503),
    });
    let (good, silent) = (Receiver::webhook(), Receiver::webhook());
    silent.set(ReceiverMode::Silent);
    let notifier = |receiver: &Receiver| json!({ "type": "webhook", "url": receiver.url("http", "/") });
    let settings =
        json!({ "alerts": { "notifiers": { "good": notifier(&good), "silent": notifier(&silent) } } });
    let monitor = Monitor::start_with_settings(flapping(&site), settings, |program| program).await;
    // It must fail for a minute before health reports it.
    let problem = within(LIMIT * 3, &monitor.service, "`silent`");
    assert_eq!(problem["what"], "notifier_failing", "{problem}");
    let before = good.delivered().len();
    let arrived = timeout(LIMIT, good.until(before + 20)).await;
    assert!(arrived.is_ok(), "the other receiver waits");
    let pings = monitor.pings();
    let pinged = monitor.heartbeat.until(|_| monitor.pings() >= pings + 3);
    assert!(timeout(LIMIT, pinged).await.is_ok(), "the heartbeat stops");
    monitor.service.process.signal(Signal::TERM);
    ends(&monitor.service.process).await;
    assert_eq!(monitor.service.process.end().code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_while_nobody_reads_the_log_bends_no_cadence() {
    let Some(clock) = Clock::new() else { return };
    let monitor = Monitor::start_with(json!({ "checks": [] }), |program| clock.apply_to(program)).await;
    monitor.service.process.fill_output();
    clock.set(3_600);
    named(&monitor.service, "`log`");
    let runs = monitor.control.accepted();
    super::accepted(&monitor.control, runs + 25).await;
    assert_eq!(monitor.service.problems("/livez"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once_what_does_not_end() {
    let monitor = Monitor::start(json!({ "checks": [] })).await;
    let process = &monitor.service.process;
    let frozen = process.freeze("canary");
    process.signal(Signal::TERM);
    // Only after the first one has been handled: simultaneous signals count as one.
    let began = Instant::now();
    while !process.has_ended() {
        process.signal(Signal::INT);
        assert!(began.elapsed() < LIMIT, "it does not end");
        std::thread::yield_now();
    }
    drop(frozen);
    assert_eq!(monitor.service.process.end().code, 128 + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_hangs_is_ended_when_its_time_is_over() {
    let monitor = Monitor::start(json!({ "checks": [] })).await;
    let frozen = monitor.service.process.freeze("canary");
    monitor.service.process.signal(Signal::TERM);
    ends(&monitor.service.process).await;
    drop(frozen);
    assert_eq!(monitor.service.process.end().code, 124);
}

#[test]
fn a_command_prints_everything_and_ends_when_its_reader_is_gone() {
    // More than fits into a pipe.
    let lines: String = (0..4_000)
        .map(|number| format!("  - {{ name: {number} }}\n"))
        .collect();
    let folder = folder(&[("suite.yaml", &format!("checks:\n{lines}"))]);
    let ending = canary(&folder, &["validate", "suite.yaml"]).run();
    assert_eq!(ending.code, 3);
    assert!(ending.err.len() > 1 << 17, "{}", ending.err.len());
    assert!(ending.err.starts_with("error: "), "{}", ending.err);
    let script = "\"$0\" validate suite.yaml 2>&1 | head -c 1; exit ${PIPESTATUS[0]}";
    let program = Program::at("/bin/bash").within(folder.path());
    let program = program.env("CANARY_CACHE_DIR", super::cache());
    let ending = program.args(["-c", script, env!("CARGO_BIN_EXE_canary")]).run();
    assert_eq!((ending.code, ending.out.as_str()), (3, "e"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_json_log_is_an_object() {
    let site = super::site();
    let checks = super::http_check("page", &site, "/");
    let folder = folder(&[("suite.yaml", &format!("checks:\n{checks}"))]);
    let program = canary(&folder, &["run", "suite.yaml", "--log-format", "json"]);
    let mut running = program.start();
    let first = running.log_line().unwrap();
    running.signal(Signal::TERM);
    let ending = running.end();
    for line in [first.as_str()].into_iter().chain(ending.err.lines()) {
        let record: Value = serde_json::from_str(line).unwrap();
        let words = ["time", "level", "target", "message"];
        assert!(words.iter().all(|word| record[word].is_string()), "{line}");
        let module = record["target"].as_str().unwrap();
        assert!(module.starts_with("canary::"), "{line}");
    }
    assert!(
        ending.err.lines().last().unwrap().contains("stopped: "),
        "{}",
        ending.err
    );
}
