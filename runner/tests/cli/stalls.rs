//! Parts of the runner that stand still: it says so within the stated time where runs stop with them, and goes on where
//! they do not.

use std::time::Duration;

use canary_tests::harness::HOSTILE;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use super::monitor::{BYSTANDER, INTERVALS, Monitor, alarm, ended};
use super::running::LIMIT;
use super::sinks::named;

/// Until `/livez` tells of what stands still, as the README has it: 5 s, and what a busy machine takes.
const STATED: Duration = Duration::from_secs(10);

/// A suite of these checks, with the plugin that misbehaves as it is told.
fn suite(checks: Value) -> Value {
    json!({
        "plugins": { "hostile": { "path": HOSTILE } },
        "defaults": { "retries": 0 },
        "checks": checks,
    })
}

/// Asks `/livez` until it complains of this; how long it has been so, as the runner says.
fn complaint(monitor: &Monitor, what: &str) -> Duration {
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

/// Freezes a thread: `/livez` complains of `what`, the heartbeat stops, others still answer, and all is well again
/// when it thaws.
pub(crate) async fn is_told(thread: &str, what: &str) {
    let monitor = Monitor::start(suite(json!([]))).await;
    monitor.goes_on().await;
    let frozen = monitor.service.process.freeze(thread);
    let beats = monitor.beats();
    let time = complaint(&monitor, what);
    assert!(time <= STATED, "{time:?}");
    let alarm = alarm(&monitor.heart).await;
    assert!(!alarm.is_empty());
    let more = monitor.beats() - beats;
    assert!(more <= INTERVALS, "{more} more pings of success: {alarm}");
    assert_eq!(monitor.status()["suite"]["checks"], 1);
    drop(frozen);
    monitor.goes_on().await;
    // The machine did not sleep, and the rest of the process went on.
    let missed = &monitor.status()["account"]["missed"];
    assert_eq!(missed["clock_jump"], 0, "{missed}");
    let busy = ["overload", "overlap"].map(|reason| missed[reason].as_u64().unwrap());
    assert_ne!(busy, [0, 0], "{missed}");
    monitor.service.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_that_is_blocked_is_told_while_the_admin_address_answers() {
    is_told("canary-command", "scheduler_stalled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_are_blocked_are_told_while_the_admin_address_answers() {
    is_told("tokio-rt-worker", "workers_stalled").await;
}

/// Checks that compute for as long as they may.
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
    let monitor = Monitor::start(suite(json!(computing(200)))).await;
    let under_way = |status: &Value| status["account"]["under_way"].as_u64().unwrap();
    monitor.until(|status| under_way(status) >= 150).await;
    // What the machine has left for anybody, another runner tells.
    let quiet = Monitor::start(suite(json!([]))).await;
    let passed = |monitor: &Monitor| ended(&monitor.status(), BYSTANDER, "pass");
    let before = (passed(&quiet), passed(&monitor));
    quiet
        .until(|status| ended(status, BYSTANDER, "pass") >= before.0 + 50)
        .await;
    let beside = passed(&monitor) - before.1;
    assert!(
        beside >= 25,
        "50 runs passed alone, and {beside} beside guests that compute"
    );
    quiet.service.end();
    monitor.goes_on().await;
    monitor.service.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_full_of_guests_that_nothing_interrupts_are_told_while_the_admin_address_answers() {
    let monitor = Monitor::start(suite(json!(computing(20)))).await;
    monitor.goes_on().await;
    // It interrupts guests.
    let frozen = monitor.service.process.freeze("canary-ticker");
    let time = complaint(&monitor, "workers_stalled");
    assert!(time <= STATED, "{time:?}");
    // It is a guest that computes, and it is known whose.
    let slow = named(&monitor.service, "in `guest`");
    assert_eq!(slow["what"], "slow_poll", "{slow}");
    assert!(
        slow["message"].as_str().unwrap().contains("check spin "),
        "{slow}"
    );
    alarm(&monitor.heart).await;
    assert_eq!(monitor.status()["suite"]["checks"], 21);
    drop(frozen);
    monitor.goes_on().await;
    monitor.service.end();
}

/// A runner with an alert to deliver now and then, so that every thread is there.
async fn with_alerts() -> Monitor {
    let receiver = json!({ "type": "webhook", "url": "http://127.0.0.1:1/" });
    let settings = json!({ "alerts": { "notifiers": { "ops": receiver } } });
    Monitor::start_as(suite(json!([])), settings, |program| program).await
}

/// Freezes a thread: `/readyz` names it.
async fn is_named(monitor: &Monitor, thread: &str) -> Value {
    let frozen = monitor.service.process.freeze(thread);
    let name = thread.strip_prefix("canary-").unwrap();
    let told = match name {
        "telemetry" => "telemetry did not come round".to_owned(),
        _ => format!("`{name}` has made no progress"),
    };
    let problem = named(&monitor.service, &told);
    if ["alert", "telemetry", "ticker"].contains(&name) {
        let alarm = alarm(&monitor.heart).await;
        assert!(alarm.contains(&told), "{alarm}");
    } else {
        let beats = monitor.beats();
        let beating = monitor.heart.until(|_| monitor.beats() >= beats + 2);
        let waited = timeout(LIMIT, beating).await;
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
        is_named(&monitor, thread).await;
        let frozen = monitor.service.process.freeze(thread);
        named(&monitor.service, thread.strip_prefix("canary-").unwrap());
        assert_eq!(
            monitor.service.problems("/livez").is_empty(),
            !is_fatal,
            "{thread}"
        );
        drop(frozen);
        monitor.goes_on().await;
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
        let problem = is_named(&monitor, thread).await;
        assert_eq!(problem["what"], "component_stalled", "{problem}");
        monitor.goes_on().await;
    }
    let frozen = monitor.service.process.freeze("canary-heartbeat");
    named(&monitor.service, "`heartbeat` has made no progress");
    drop(frozen);
    monitor.goes_on().await;
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
        monitor.goes_on().await;
        let frozen = monitor.service.process.freeze(thread);
        let runs = monitor.bystander.accepted();
        super::accepted(&monitor.bystander, runs + 25).await;
        drop(frozen);
        monitor.goes_on().await;
        let missed = &monitor.status()["account"]["missed"];
        assert_eq!(missed["overload"], 0, "{thread}: {missed}");
        monitor.service.end();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_hangs_is_told_and_holds_up_neither_runs_nor_the_end() {
    let state = TempDir::new().unwrap();
    let slow = suite(json!([]));
    let monitor = Monitor::start_with(slow, |program| program.env("CANARY_STATE_DIR", state.path())).await;
    monitor.goes_on().await;
    let frozen = monitor.service.process.freeze("canary-state");
    let began = Instant::now();
    while monitor.service.problems("/readyz") != ["state_not_kept"] {
        assert!(began.elapsed() < LIMIT);
    }
    // A run waits for its due time to be kept, and half a second at most.
    let runs = monitor.bystander.accepted();
    super::accepted(&monitor.bystander, runs + 10).await;
    assert_eq!(monitor.service.problems("/livez"), [""; 0]);
    drop(frozen);
    monitor.goes_on().await;
    assert_eq!(monitor.service.problems("/readyz"), [""; 0]);

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
}
