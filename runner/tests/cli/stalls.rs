//! Frozen threads of the runner: health reports them within the documented time if runs depend on them, and the service
//! keeps working if not.

use std::time::Duration;

use canary_tests::harness::HOSTILE;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use super::blocked_output::named;
use super::monitor::{MAX_LATE_PINGS, Monitor, ended, failure_ping, failure_ping_about};
use super::service_process::LIMIT;
use super::site;

/// The log has a health issue after this time at the latest.
const HEALTH_LOG_INTERVAL: Duration = Duration::from_secs(6);

/// Maximum time until `/livez` reports a stall: 5 s as documented, plus time for a busy machine.
const MAX_DETECTION: Duration = Duration::from_secs(20);

/// A suite with these checks and the hostile plugin.
fn suite(checks: Value) -> Value {
    json!({
        "plugins": { "hostile": { "path": HOSTILE } },
        "defaults": { "retries": 0 },
        "checks": checks,
    })
}

/// Polls `/livez` until it reports this issue, and returns how long it has lasted according to the runner.
fn wait_for_issue(monitor: &Monitor, what: &str) -> Duration {
    let began = Instant::now();
    loop {
        let answer = monitor.service.get("/livez");
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        let problems = body["problems"].as_array().unwrap();
        if let Some(problem) = problems.iter().find(|problem| problem["what"] == what) {
            assert_eq!(answer.status, 503);
            let words = problem["message"].as_str().unwrap().split(' ');
            let seconds = words.filter_map(|word| word.parse().ok()).next_back();
            return Duration::from_secs(seconds.expect("it says how long"));
        }
        assert!(began.elapsed() < LIMIT, "{body}");
    }
}

/// Freezes a thread, and asserts that `/livez` reports `what`, the heartbeat stops, other endpoints still answer, and
/// the service recovers when the thread is resumed.
pub(crate) async fn assert_reported(thread: &str, what: &str) {
    let monitor = Monitor::start(suite(json!([]))).await;
    monitor.assert_healthy().await;
    let frozen = monitor.service.process.freeze(thread);
    let pings = monitor.pings();
    let time = wait_for_issue(&monitor, what);
    assert!(time <= MAX_DETECTION, "{time:?}");
    let ping = failure_ping(&monitor.heartbeat).await;
    assert!(!ping.is_empty());
    let more = monitor.pings() - pings;
    assert!(more <= MAX_LATE_PINGS, "{more} more pings of success: {ping}");
    assert_eq!(monitor.status()["suite"]["checks"], 1);
    drop(frozen);
    monitor.assert_healthy().await;
    // The machine was not suspended, and the rest of the process kept running.
    let missed = &monitor.status()["account"]["missed"];
    assert_eq!(missed["clock_jump"], 0, "{missed}");
    let busy = ["overload", "overlap"].map(|reason| missed[reason].as_u64().unwrap());
    assert_ne!(busy, [0, 0], "{missed}");
    monitor.service.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_that_is_blocked_is_told_while_the_admin_address_answers() {
    assert_reported("canary-command", "scheduler_stalled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_are_blocked_are_told_while_the_admin_address_answers() {
    assert_reported("tokio-rt-worker", "workers_stalled").await;
}

/// Checks that compute until their limit.
fn computing(count: usize) -> Vec<Value> {
    let check = |number| {
        json!({
            "name": format!("spin {number}"),
            "plugin": "hostile",
            "target": "127.0.0.1:1",
            "interval": "20s",
            "timeout": "19s",
            "quota": { "cpu": "30s" },
            "config": { "then": "spin" },
        })
    };
    (0..count).map(check).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_that_compute_leave_a_worker_to_the_checks_that_do_not() {
    let site = site();
    let other = json!({
        "name": "other",
        "plugin": "http",
        "target": site.url("http", "/"),
        "interval": "1s",
        "timeout": "1s",
    });
    let mut checks = computing(200);
    checks.push(other.clone());
    let monitor = Monitor::start(suite(json!(checks))).await;
    let under_way = |status: &Value| status["account"]["under_way"].as_u64().unwrap();
    monitor.until(|status| under_way(status) >= 150).await;
    // Another runner measures how much processor time the machine has left.
    let quiet = Monitor::start(suite(json!([other]))).await;
    let passed = |monitor: &Monitor| ended(&monitor.status(), "other", "pass");
    let before = (passed(&quiet), passed(&monitor));
    quiet
        .until(|status| ended(status, "other", "pass") >= before.0 + 10)
        .await;
    let with_load = passed(&monitor) - before.1;
    assert!(
        with_load >= 5,
        "10 runs passed alone, and {with_load} beside guests that compute"
    );
    quiet.service.end();
    monitor.assert_healthy().await;
    monitor.service.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_full_of_guests_that_nothing_interrupts_are_told_while_the_admin_address_answers() {
    let monitor = Monitor::start(suite(json!(computing(20)))).await;
    monitor.assert_healthy().await;
    // This thread interrupts guests.
    let frozen = monitor.service.process.freeze("canary-ticker");
    let time = wait_for_issue(&monitor, "workers_stalled");
    assert!(time <= MAX_DETECTION, "{time:?}");
    // The report names the check whose guest is computing.
    let slow = named(&monitor.service, "in `guest`");
    assert_eq!(slow["what"], "slow_poll", "{slow}");
    assert!(
        slow["message"].as_str().unwrap().contains("check spin "),
        "{slow}"
    );
    failure_ping(&monitor.heartbeat).await;
    assert_eq!(monitor.status()["suite"]["checks"], 21);
    drop(frozen);
    monitor.assert_healthy().await;
    monitor.service.end();
}

/// A service that delivers an alert now and then, so that every thread exists.
async fn with_alerts() -> Monitor {
    let receiver = json!({ "type": "webhook", "url": "http://127.0.0.1:1/" });
    let settings = json!({ "alerts": { "notifiers": { "ops": receiver } } });
    Monitor::start_with_settings(suite(json!([])), settings, |program| program).await
}

/// Freezes a thread, and asserts that `/readyz` names it.
async fn assert_named(monitor: &Monitor, thread: &str) -> Value {
    let frozen = monitor.service.process.freeze(thread);
    let name = thread.strip_prefix("canary-").unwrap();
    let problem_text = match name {
        "telemetry" => "the telemetry thread has been stalled".to_owned(),
        _ => format!("`{name}` has made no progress"),
    };
    let problem = named(&monitor.service, &problem_text);
    if ["alert", "telemetry", "ticker"].contains(&name) {
        failure_ping_about(&monitor.heartbeat, &problem_text).await;
    } else {
        let pings = monitor.pings();
        let pinged = monitor.heartbeat.until(|_| monitor.pings() >= pings + 2);
        let waited = timeout(LIMIT, pinged).await;
        assert!(waited.is_ok(), "{name} stops the heartbeat");
    }
    drop(frozen);
    problem
}

#[tokio::test(flavor = "multi_thread")]
async fn threads_that_nothing_works_without_are_named_and_stop_the_heartbeat() {
    for (thread, is_fatal) in [
        ("canary-alert", true),
        ("canary-telemetry", false),
        ("canary-ticker", true),
    ] {
        let monitor = with_alerts().await;
        assert_named(&monitor, thread).await;
        let frozen = monitor.service.process.freeze(thread);
        let name = thread.strip_prefix("canary-").unwrap();
        named(&monitor.service, name);
        // Other threads may be late as well on a busy machine.
        let livez = String::from_utf8(monitor.service.get("/livez").body.to_vec()).unwrap();
        let is_dead = livez.contains(name);
        assert_eq!(is_dead, is_fatal, "{thread}: {livez}");
        drop(frozen);
        monitor.assert_healthy().await;
        monitor.service.end();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threads_that_the_checks_do_not_need_are_named_and_leave_the_heartbeat_alone() {
    let monitor = with_alerts().await;
    for thread in [
        "canary-console",
        "canary-log",
        "canary-reload",
        "canary-shutdown",
        "canary-pauses",
    ] {
        let problem = assert_named(&monitor, thread).await;
        assert_eq!(problem["what"], "component_stalled", "{problem}");
        monitor.assert_healthy().await;
    }
    let frozen = monitor.service.process.freeze("canary-heartbeat");
    named(&monitor.service, "`heartbeat` has made no progress");
    drop(frozen);
    monitor.assert_healthy().await;
    monitor.service.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_thread_that_stands_still_holds_up_the_end() {
    for thread in [
        "canary-admin",
        "canary-alert",
        "canary-console",
        "canary-heartbeat",
        "canary-log",
        "canary-pauses",
        "canary-reload",
        "canary-shutdown",
        "canary-telemetry",
        "canary-ticker",
        "tokio-rt-worker",
    ] {
        let monitor = with_alerts().await;
        let frozen = monitor.service.process.freeze(thread);
        monitor.service.process.signal(Signal::TERM);
        let began = Instant::now();
        while !monitor.service.process.has_ended() {
            assert!(began.elapsed() < LIMIT, "{thread} holds up the end");
            tokio::task::yield_now().await;
        }
        drop(frozen);
        let code = monitor.service.process.end().code;
        assert!([0, 124].contains(&code), "{thread}: {code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threads_beside_the_checks_that_stand_still_hold_up_no_run() {
    for thread in [
        "canary-admin",
        "canary-alert",
        "canary-console",
        "canary-log",
        "canary-reload",
        "canary-heartbeat",
        "canary-telemetry",
    ] {
        let monitor = with_alerts().await;
        monitor.assert_healthy().await;
        let missed = |status: &Value| status["account"]["missed"]["overload"].as_u64().unwrap();
        let before = missed(&monitor.status());
        let frozen = monitor.service.process.freeze(thread);
        let runs = monitor.control.accepted();
        super::accepted(&monitor.control, runs + 25).await;
        drop(frozen);
        monitor.assert_healthy().await;
        let status = monitor.status();
        // Runs that waited for the thread would miss many more; a busy machine misses a few.
        let more = missed(&status) - before;
        assert!(
            more <= 5,
            "{thread}: {more} more due times were missed: {status:#}"
        );
        monitor.service.end();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_hangs_is_told_and_holds_up_neither_runs_nor_the_end() {
    let state = TempDir::new().unwrap();
    let slow = suite(json!([]));
    let monitor = Monitor::start_with(slow, |program| program.env("CANARY_STATE_DIR", state.path())).await;
    monitor.assert_healthy().await;
    let frozen = monitor.service.process.freeze("canary-state");
    let began = Instant::now();
    while monitor.service.problems("/readyz") != ["state_not_kept"] {
        assert!(began.elapsed() < LIMIT);
    }
    // A run waits until its due time is persisted, but at most half a second.
    let reported = Instant::now();
    while reported.elapsed() < 2 * HEALTH_LOG_INTERVAL {
        let runs = monitor.control.accepted();
        super::accepted(&monitor.control, runs + 10).await;
    }
    assert_eq!(monitor.service.problems("/livez"), [""; 0]);
    drop(frozen);
    monitor.assert_healthy().await;
    let began = Instant::now();
    while monitor.service.problems("/readyz") != [""; 0] {
        assert!(
            began.elapsed() < LIMIT,
            "{:?}",
            monitor.service.problems("/readyz")
        );
    }

    let frozen = monitor.service.process.freeze("canary-state");
    monitor.service.process.signal(Signal::TERM);
    let began = Instant::now();
    while !monitor.service.process.has_ended() {
        assert!(began.elapsed() < LIMIT, "the disk holds up the end");
        tokio::task::yield_now().await;
    }
    drop(frozen);
    let ending = monitor.service.process.end();
    assert_eq!(ending.code, 0, "{ending:?}");
    for line in [
        "WARN  not ready: state is not being persisted",
        "WARN  `state_not_kept` has ended",
    ] {
        assert!(ending.err.contains(line), "{line}: {ending:?}");
    }
}
