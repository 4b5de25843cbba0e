//! Incidents in which a monitor stopped: the runner keeps working, or reports the stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use canary_tests::harness::HOSTILE;
use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::{Hostile, Peer, hostile};
use canary_tests::ports;
use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use crate::monitor::{
    CONTROL_CHECK, MAX_LATE_PINGS, Monitor, assert_accounting, assert_on_schedule, ended, failure_ping,
    failure_ping_about, finished, named, replicate,
};
use crate::service_process::{LIMIT, Service};
use crate::stalls::assert_reported;
use crate::{accepted, canary, http_check, suite};

/// A suite of checks twice a second.
fn checks(checks: &[Value]) -> Value {
    json!({
        "plugins": { "hostile": { "path": HOSTILE } },
        "defaults": { "interval": "500ms", "timeout": "400ms", "retries": 0, "failure_threshold": 1 },
        "checks": checks,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn story_02_ssl_checker_a_peer_that_hangs_up_before_its_line_ends_the_run_at_once() {
    let closes = Hostile::ClosesAtOnce.start();
    let halfway = Peer::tcp(|mut connection| async move { connection.write_all(b"220 mail.exam").await });
    let check = |name: &str, peer: &Peer| {
        let config = json!({ "starttls": "smtp" });
        let target = peer.address().to_string();
        // A run that is not over at once on a busy machine must not be stopped either.
        json!({
            "name": name, "plugin": "tls", "target": target, "interval": "3s", "timeout": "3s", "config": config,
        })
    };
    let suite = checks(&[check("closes", &closes), check("halfway", &halfway)]);
    let monitor = Monitor::start(suite).await;
    for name in ["closes", "halfway"] {
        let status = monitor.finished(name, 4).await;
        // A verdict of the plugin, not a time-out.
        let check = named(&status, name).next().unwrap();
        assert_eq!(ended(&status, name, "fail"), finished(&status, name), "{check:#}");
        let summary = check["last"]["summary"].as_str().unwrap();
        assert!(!summary.contains("timed out"), "{summary}");
    }
    monitor.assert_healthy().await;
    monitor.service.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn story_05_uptime_kuma_monitors_that_stand_still_are_told_by_health_and_by_the_heartbeats_silence() {
    assert_reported("canary-command", "scheduler_stalled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn story_06_gatus_a_mail_server_that_never_answers_holds_up_no_check() {
    let (mail, is_up) = (Hostile::Silent.start(), Arc::new(AtomicBool::new(true)));
    let answer = Arc::clone(&is_up);
    let site = Site::start(move |_| {
        if answer.load(Ordering::SeqCst) {
            Reply::status(200)
        } else {
            Reply::status(503)
        }
    });
    let page = json!({ "name": "page", "plugin": "http", "target": site.url("http", "/") });
    let ops = json!({
        "type": "email", "host": "127.0.0.1", "port": mail.address().port(), "tls": "none",
        "from": "canary@example.com", "to": ["ops@example.com"],
    });
    let settings = json!({ "alerts": { "notifiers": { "ops": ops } } });
    let monitor = Monitor::start_with_settings(checks(&[page]), settings, |program| program).await;
    for _ in 0..3 {
        for word in ["down", "up"] {
            is_up.store(word == "up", Ordering::SeqCst);
            let is_so = |status: &Value| named(status, "page").all(|check| check["status"] == word);
            monitor.until(is_so).await;
        }
    }
    // The server has accepted the connection and sends nothing.
    accepted(&mail, 1).await;
    let status = monitor
        .finished("page", finished(&monitor.status(), "page") + 5)
        .await;
    assert_on_schedule(&status);
    monitor.assert_healthy().await;
    monitor.service.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn story_07_openstatus_a_target_that_is_down_is_told_of_at_every_due_time_until_it_is_back() {
    // Nobody else may listen there while the target is away.
    let address = ports::unused();
    let target = Peer::tcp_on(address, hostile::drain).unwrap();
    let port = json!({ "name": "port", "plugin": "tcp", "target": address.to_string() });
    let monitor = Monitor::start(checks(&[port])).await;
    let is =
        |word: &'static str| move |status: &Value| named(status, "port").all(|check| check["status"] == word);
    monitor.until(is("up")).await;
    drop(target);
    let before = monitor.until(is("down")).await;
    let fails = ended(&before, "port", "fail");
    let status = monitor
        .until(|status| ended(status, "port", "fail") >= fails + 10)
        .await;
    assert_on_schedule(&status);
    let resets = Peer::tcp_on(address, |connection| async move { connection.reset() }).unwrap();
    accepted(&resets, 5).await;
    drop(resets);
    let _back = Peer::tcp_on(address, hostile::drain).unwrap();
    monitor.until(is("up")).await;
    monitor.assert_healthy().await;
    monitor.service.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn story_08_heartbeat_what_an_overloaded_host_does_not_run_is_counted_and_none_vanishes() {
    let silent = Hostile::Silent.start();
    let slow = json!({ "name": "slow", "plugin": "tls", "target": silent.address().to_string() });
    let suite = checks(&replicate(20, &slow));
    let monitor = Monitor::start_with(suite, |program| program.env("CANARY_CONCURRENCY", "4")).await;
    let missed = |status: &Value| {
        let missed = &status["account"]["missed"];
        missed["overlap"].as_u64().unwrap() + missed["overload"].as_u64().unwrap()
    };
    // Twenty checks are due twice each second, with a concurrency of ten.
    let status = monitor
        .until(|status| finished(status, "slow") >= 40 && missed(status) >= 40)
        .await;
    assert_accounting(&status);
    monitor.service.end();
}

/// `canary run` with one check and its state in the folder.
fn keeping(folder: &TempDir) -> canary_tests::command::Running {
    let program = canary(folder, &["run", "suite.yaml"]);
    program
        .env("CANARY_STATE_DIR", folder.path().join("state"))
        .start()
}

#[tokio::test(flavor = "multi_thread")]
async fn story_08_heartbeat_after_an_upgrade_the_monitors_start_whatever_the_old_version_left() {
    let site = crate::site();
    let folder = suite(&format!(
        "defaults: {{ interval: 200ms, timeout: 200ms }}\nchecks:\n{}",
        http_check("page", &site, "/")
    ));
    let left: [&[&str]; 3] = [
        &["UPDATE kept SET value = 'of another version' WHERE shelf = 'check'"],
        &["PRAGMA user_version = 999"],
        &["DROP TABLE kept", "CREATE TABLE kept (old INTEGER)"],
    ];
    for statements in left {
        let running = keeping(&folder);
        accepted(&site, site.accepted() + 5).await;
        running.signal(Signal::TERM);
        assert_eq!(running.end().code, 0);
        let database = Connection::open(folder.path().join("state/state.db")).unwrap();
        for statement in statements {
            database.execute_batch(statement).unwrap();
        }
        drop(database);
        let running = keeping(&folder);
        accepted(&site, site.accepted() + 5).await;
        running.signal(Signal::TERM);
        let ending = running.end();
        assert_eq!(ending.code, 0, "{ending:?}");
        assert!(
            ending.err.contains("state") || ending.err.contains("kept"),
            "{ending:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn story_11_sensu_the_dead_mans_switch_fires_when_one_check_is_scheduled_no_more() {
    // One run occupies the only permit of the group for longer than the test takes, so the other check never runs.
    let sleep = json!({
        "name": "sleeps", "plugin": "hostile", "target": "127.0.0.1:1", "group": "one",
        "interval": "10m", "timeout": "10m", "config": { "then": "sleep" },
    });
    let starved = json!({ "name": "starved", "plugin": "tcp", "target": "127.0.0.1:1", "group": "one" });
    let mut suite = checks(&[starved]);
    suite["groups"] = json!({ "one": { "concurrency": 1 } });
    let mut monitor = Monitor::start(suite.clone()).await;
    monitor.finished("starved", 2).await;
    suite["checks"].as_array_mut().unwrap().insert(0, sleep);
    monitor.reload(suite);
    let asleep = |status: &Value| named(status, "sleeps").all(|check| check["stage"] == "running");
    monitor.until(asleep).await;
    failure_ping_about(&monitor.heartbeat, "no recent outcome of 1 check (starved;").await;
    let mut problems = monitor.service.problems("/readyz");
    // A busy machine has them.
    problems.retain(|what| what != "slow_poll");
    assert_eq!(problems, ["checks_stale"]);
    let pings = monitor.pings();
    let seen = ended(&monitor.status(), CONTROL_CHECK, "pass");
    // All other checks run, and still no success ping is sent.
    monitor
        .until(|status| ended(status, CONTROL_CHECK, "pass") >= seen + 25)
        .await;
    assert_eq!(monitor.pings(), pings);
    monitor.service.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn story_11_sensu_the_dead_mans_switch_fires_when_no_run_comes_to_an_end() {
    assert_reported("tokio-rt-worker", "workers_stalled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn story_15_serverkit_a_runner_that_has_never_run_a_check_is_not_well() {
    let heartbeat = Site::start(|_| Reply::text("OK"));
    let beat =
        json!({ "url": heartbeat.url("http", "/beat"), "interval": "1s", "grace": "500ms", "start": false });
    let suite = "checks:\n  - { name: port, plugin: tcp, target: '127.0.0.1:1', interval: 1s }\n";
    let service = Service::start(suite, &json!({ "heartbeat": beat }).to_string(), |program| {
        program
    });
    // No run that it has started ends.
    let frozen = service.process.freeze("tokio-rt-worker");
    let pings = || {
        heartbeat
            .requests()
            .iter()
            .filter(|ping| ping.path() == "/beat")
            .count()
    };
    let before = pings();
    failure_ping(&heartbeat).await;
    assert!(pings() - before <= MAX_LATE_PINGS);
    let began = Instant::now();
    while service.get("/readyz").status == 200 {
        assert!(began.elapsed() < LIMIT);
    }
    drop(frozen);
    service.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn story_15_serverkit_runs_that_come_to_no_verdict_are_no_sign_of_life() {
    let heartbeat = Site::start(|_| Reply::text("OK"));
    let beat =
        json!({ "url": heartbeat.url("http", "/beat"), "interval": "1s", "grace": "500ms", "start": false });
    let broken = json!({
        "name": "broken", "plugin": "hostile", "target": "127.0.0.1:1", "config": { "then": "panic" },
    });
    let service = Service::start(
        &checks(&[broken]).to_string(),
        &json!({ "heartbeat": beat }).to_string(),
        |program| program,
    );
    let ping = failure_ping(&heartbeat).await;
    assert!(ping.starts_with("no run has reached a verdict for"), "{ping}");
    let pings = || {
        heartbeat
            .requests()
            .iter()
            .filter(|ping| ping.path() == "/beat")
            .count()
    };
    assert!(pings() <= MAX_LATE_PINGS, "{}", pings());
    let before = (
        pings(),
        service.json(&["status", "--format", "json"])["account"]["scheduled"].as_u64(),
    );
    service.until(&["status", "--format", "json"], |status| {
        status["account"]["scheduled"].as_u64() >= before.1.map(|runs| runs + 10)
    });
    assert_eq!(pings(), before.0);
    service.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn story_16_thingly_a_runner_without_a_descriptor_left_says_so_itself() {
    let silent = Hostile::Silent.start();
    let slow = json!({ "name": "slow", "plugin": "tls", "target": silent.address().to_string() });
    let mut monitor = Monitor::start(checks(&[])).await;
    monitor.assert_healthy().await;
    // From here on the kernel refuses all but a few descriptors, whatever the runner's budget is.
    let open = monitor.service.process.descriptors();
    let free = (0..).filter(|number: &u64| !open.contains_key(&number.to_string()));
    let limit = free.take(8).last().unwrap();
    monitor.service.process.limit_descriptors(limit);
    monitor.reload(checks(&replicate(40, &slow)));
    let is_short = |status: &Value| {
        let mut checks = named(status, "slow");
        checks.any(|check| check["last"]["cause"] == "descriptors")
    };
    let began = Instant::now();
    while !is_short(&monitor.status()) {
        assert!(began.elapsed() < LIMIT, "{:#}", monitor.status());
    }
    let problems = monitor.service.problems("/readyz");
    assert!(problems.contains(&"descriptors_short".to_owned()), "{problems:?}");
    // No target is reported as down because of it.
    let status = monitor.status();
    let control = named(&status, CONTROL_CHECK).next().unwrap();
    assert_ne!(control["status"], "down", "{control:#}");
    let pings = monitor.heartbeat.accepted();
    accepted(&monitor.heartbeat, pings + 3).await;
    assert_accounting(&monitor.status());
    monitor.service.process.limit_descriptors(1_024);
    monitor.reload(checks(&[]));
    monitor.assert_healthy().await;
    monitor.service.end();
}
