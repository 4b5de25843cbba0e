//! Runs that repeatedly end in every way other than success.

use std::time::Duration;

use canary_tests::certificate::Authority;
use canary_tests::harness::HOSTILE;
use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::tls::HostileTls;
use canary_tests::peer::{Hostile, Peer};
use serde_json::{Value, json};

use crate::monitor::{FD_TOLERANCE, Monitor, ended, finished, named, replicate};

/// Behaviours of a plugin that holds connections, each with the kind and cause of the outcome.
const WAYS: [(&str, &str, Option<&str>); 13] = [
    ("return", "pass", None),
    ("huge_verdict", "pass", None),
    ("give_up", "faulted", Some("gave_up")),
    ("panic", "faulted", Some("trap")),
    ("exit", "faulted", Some("trap")),
    ("recurse", "faulted", Some("trap")),
    ("bad_text", "faulted", Some("trap")),
    ("huge_call", "faulted", Some("limit")),
    ("grow_memory", "stopped", Some("quota")),
    ("spin", "stopped", Some("quota")),
    ("flood_log", "stopped", Some("quota")),
    ("connect_without_end", "stopped", Some("quota")),
    ("sleep", "stopped", Some("deadline")),
];
/// Connections that each of them holds.
const HELD: u64 = 3;

/// A suite with the hostile plugin.
fn guests(checks: &[Value]) -> Value {
    json!({
        "plugins": { "hostile": { "path": HOSTILE } },
        "defaults": { "interval": "1s", "timeout": "900ms", "retries": 0 },
        "checks": checks,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn story_13_seven_probers_on_every_way_out_of_a_plugin_its_connections_are_closed() {
    const RUNS: u64 = 12;
    let peer = Hostile::Silent.start();
    let quota = json!({ "cpu": "100ms" });
    let config = |way| json!({ "hold": HELD, "on_each": "request", "then": way });
    let check = |(way, _, _)| {
        json!({
            "name": way,
            "plugin": "hostile",
            "target": peer.address().to_string(),
            "quota": quota,
            "config": config(way),
        })
    };
    let mut monitor = Monitor::start(guests(&WAYS.map(check))).await;
    monitor.finished("return", 3).await;
    let before = monitor.descriptors().await;
    for (way, outcome, cause) in WAYS {
        let ended_so = |status: &Value| {
            let last = &named(status, way).next().unwrap()["last"];
            ended(status, way, outcome) >= RUNS && last["cause"].as_str() == cause
        };
        monitor.until(ended_so).await;
    }
    monitor.wait_for_descriptors(before + FD_TOLERANCE).await;
    let status = monitor.status();
    let reclaimed = status["descriptors"]["reclaimed"].as_u64();
    // Runs that ended by themselves have held all connections.
    let own = WAYS.into_iter().filter(|(_, outcome, _)| *outcome != "stopped");
    let runs: u64 = own.map(|(way, outcome, _)| ended(&status, way, outcome)).sum();
    assert!(reclaimed >= Some(HELD * runs), "{reclaimed:?} of {runs} runs");
    monitor.assert_healthy().await;
    monitor.assert_clean([&peer]).await;
    monitor.service.end();
}

/// Checks by name, path and configuration, each of which fails in another way.
fn pages() -> [(&'static str, &'static str, Value); 8] {
    [
        ("a status that is an error", "/bad", json!({})),
        (
            "a status that is not the one",
            "/fine",
            json!({ "expect": { "status": 201 } }),
        ),
        (
            "a body that is not the one",
            "/fine",
            json!({ "expect": { "body": { "contains": "y" } } }),
        ),
        (
            "a body that is not JSON",
            "/fine",
            json!({ "expect": { "json": { "$.a": 1 } } }),
        ),
        (
            "a header that is missing",
            "/fine",
            json!({ "expect": { "headers": { "x-there": "yes" } } }),
        ),
        ("redirects without end", "/round", json!({})),
        (
            "a redirect that is judged",
            "/away",
            json!({ "follow_redirects": false, "expect": { "status": 200 } }),
        ),
        (
            "a redirect to what is not the one",
            "/away",
            json!({ "expect": { "status": 201 } }),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn story_13_seven_probers_on_every_way_out_of_an_http_check_its_connection_is_closed() {
    const RUNS: u64 = 20;
    let site = Site::start(|request| match request.path() {
        "/round" => Reply::redirect(302, "/round"),
        "/away" => Reply::redirect(302, "/fine"),
        "/bad" => Reply::status(503),
        _ => Reply::text("x".repeat(1 << 16)),
    });
    let ways = pages();
    let check = |(name, path, config): &(&str, &str, Value)| {
        let target = site.url("http", path);
        json!({ "name": name, "plugin": "http", "target": target, "config": config })
    };
    let checks: Vec<Value> = ways.iter().map(check).collect();
    let defaults = json!({ "interval": "250ms", "retries": 0 });
    let mut monitor = Monitor::start(json!({ "defaults": defaults, "checks": checks })).await;
    let before = monitor.descriptors().await;
    for (name, ..) in &ways {
        monitor.until(|status| ended(status, name, "fail") >= RUNS).await;
    }
    let status = monitor.status();
    assert!(
        ways.iter().all(|(name, ..)| ended(&status, name, "pass") == 0),
        "{status:#}"
    );
    monitor.wait_for_descriptors(before + FD_TOLERANCE).await;
    monitor.assert_healthy().await;
    monitor.assert_clean([&*site]).await;
    monitor.service.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn story_04_otel_httpcheck_no_body_and_no_silence_outlasts_a_check_that_says_nothing_of_time() {
    const RUNS: u64 = 15;
    let kinds = [
        (Hostile::Silent, json!({})),
        (Hostile::NeverReads, json!({})),
        (
            Hostile::HalfOpen,
            json!({ "expect": { "body": { "contains": "never" } } }),
        ),
        (Hostile::Drips(Duration::from_millis(50)), json!({})),
        (Hostile::EndlessHeaders, json!({})),
        // A body that is not read, and one that is read up to its limit.
        (Hostile::EndlessBody, json!({})),
        (
            Hostile::LargeBody,
            json!({ "expect": { "body": { "contains": "never" } } }),
        ),
    ];
    let peers = kinds.each_ref().map(|(kind, _)| kind.start());
    let check = |((kind, config), peer): (&(Hostile, Value), &Peer)| json!({ "name": kind.name(), "plugin": "http", "target": peer.url("http", "/"), "config": config });
    let checks: Vec<Value> = kinds.iter().zip(&peers).map(check).collect();
    // No time-out is configured, neither here nor in a check.
    let defaults = json!({ "interval": "300ms", "retries": 0 });
    let mut monitor = Monitor::start(json!({ "defaults": defaults, "checks": checks })).await;
    monitor.finished("silent", 2).await;
    let before = monitor.descriptors().await;
    for ((kind, _), peer) in kinds.iter().zip(&peers) {
        monitor.finished(kind.name(), RUNS).await;
        // A peer sees a close a little later than the check begins its next run, and on a busy machine later than that.
        assert!(
            peer.counts().most_open <= 10,
            "{}: {:?}",
            kind.name(),
            peer.counts()
        );
    }
    monitor.wait_for_descriptors(before + FD_TOLERANCE).await;
    monitor.assert_healthy().await;
    monitor.assert_clean(&peers).await;
    monitor.service.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn story_10_cloudprober_a_handshake_that_fails_keeps_no_socket() {
    const RUNS: u64 = 15;
    let authority = Authority::new("Test Root");
    let peers = HostileTls::ALL.map(|kind| kind.start(&authority));
    let check = |(kind, peer): (HostileTls, &Peer)| {
        json!({
            "name": kind.name(),
            "plugin": "tls",
            "target": peer.address().to_string(),
            "config": { "ca": authority.pem() },
        })
    };
    let checks: Vec<Value> = HostileTls::ALL.into_iter().zip(&peers).map(check).collect();
    let defaults = json!({ "interval": "1s", "timeout": "900ms", "retries": 0 });
    let mut monitor = Monitor::start(json!({ "defaults": defaults, "checks": checks })).await;
    monitor.finished(HostileTls::Alert.name(), 2).await;
    let before = monitor.descriptors().await;
    for kind in HostileTls::ALL {
        monitor.finished(kind.name(), RUNS).await;
        let shakes = matches!(
            kind,
            HostileTls::OnlyTls12 | HostileTls::SilentAfterHandshake | HostileTls::LargeBody
        );
        let word = if shakes { "pass" } else { "fail" };
        monitor.until(|status| ended(status, kind.name(), word) > 0).await;
    }
    monitor.wait_for_descriptors(before + FD_TOLERANCE).await;
    monitor.assert_healthy().await;
    monitor.assert_clean(&peers).await;
    monitor.service.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn story_10_cloudprober_a_plugin_that_eats_all_memory_is_stopped_each_time_and_the_runner_grows_by_none()
 {
    const MEMORY: u64 = 16 << 20;
    let check = json!({
        "name": "eater",
        "plugin": "hostile",
        "target": "127.0.0.1:1",
        "interval": "250ms",
        "timeout": "250ms",
        "quota": { "memory": MEMORY, "cpu": "5s" },
        "config": { "then": "grow_memory" },
    });
    let mut monitor = Monitor::start(guests(&replicate(4, &check))).await;
    monitor.finished("eater", 20).await;
    let before = monitor.service.process.resident();
    let status = monitor.finished("eater", 200).await;
    // Four of them run at once, at any point when memory was first measured.
    let most = before + 4 * MEMORY;
    let now = monitor.service.process.resident();
    assert!(
        now < most,
        "{now} bytes are resident, {before} were after twenty runs"
    );
    let stopped = ended(&status, "eater", "stopped");
    assert_eq!(stopped, finished(&status, "eater"), "{status:#}");
    monitor.assert_healthy().await;
    monitor.assert_clean([]).await;
    monitor.service.end();
}
