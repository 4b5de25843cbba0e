//! Sockets that a plugin never closes, run after run.

use std::iter::repeat;

use canary_tests::certificate::Authority;
use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::tls::{HostileTls, NAMES};
use canary_tests::peer::{Hostile, Peer};
use serde_json::{Value, json};

use crate::monitor::{FD_TOLERANCE, Monitor, ended, finished, replicate};
use crate::site;

fn check(name: &str, plugin: &str, target: &str, config: Value) -> Value {
    json!({ "name": name, "plugin": plugin, "target": target, "config": config })
}

/// A suite with this many checks of each kind.
fn suite(interval: &str, kinds: &[(usize, Value)]) -> Value {
    let checks: Vec<Value> = kinds
        .iter()
        .flat_map(|(count, check)| replicate(*count, check))
        .collect();
    json!({ "defaults": { "interval": interval, "retries": 0 }, "checks": checks })
}

#[tokio::test(flavor = "multi_thread")]
async fn story_01_ssl_checker_a_socket_that_nobody_closes_is_closed_with_its_run() {
    let authority = Authority::new("Test Root");
    let (page, secure) = (
        Hostile::LargeBody.start(),
        HostileTls::LargeBody.start(&authority),
    );
    let (http, https) = (page.url("http", "/"), secure.url("https", "/"));
    let (place, ca) = (secure.address().to_string(), authority.pem());
    let mut monitor = Monitor::start(suite(
        "250ms",
        &[
            (2, check("leak", "leak", &http, json!({ "connections": 4 }))),
            (2, check("http", "http", &http, json!({}))),
            (1, check("https", "http", &https, json!({ "tls": { "ca": ca } }))),
            (2, check("tls", "tls", &place, json!({ "ca": ca }))),
        ],
    ))
    .await;
    let after = async |runs: u64| {
        for plugin in ["leak", "http", "tls", "https"] {
            monitor.finished(plugin, runs).await;
        }
    };
    after(10).await;
    let before = monitor.descriptors().await;
    after(60).await;
    // A busy machine stops some of these runs before they have opened all sockets.
    let status = monitor.until(|status| ended(status, "leak", "pass") > 0).await;
    monitor.wait_for_descriptors(before + FD_TOLERANCE).await;
    // A leaking run that passes has held all four sockets.
    let leaked = 4 * ended(&status, "leak", "pass");
    let reclaimed = status["descriptors"]["reclaimed"].as_u64().unwrap();
    assert!(reclaimed >= leaked, "{status:#}");
    monitor.assert_healthy().await;
    monitor.assert_clean([&page, &secure]).await;
    monitor.service.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn story_03_blackbox_peers_that_keep_connections_alive_use_up_no_descriptors_and_no_server_is_down() {
    const DESCRIPTORS: u32 = 128;
    let authority = Authority::new("Test Root");
    let site = site();
    let certificate = authority.leaf(&NAMES).issue();
    let secure = Site::start_tls(certificate.server_config(), |_| Reply::status(200));
    let (http, https) = (site.url("http", "/"), secure.url("https", "/"));
    let config = json!({ "version": "2", "tls": { "ca": authority.pem() } });
    let mut suite = suite(
        "2s",
        &[
            (40, check("http", "http", &http, json!({}))),
            (10, check("http2", "http", &https, config)),
        ],
    );
    suite["defaults"]["retries"] = json!(3);
    let mut monitor = Monitor::start_with(suite, |program| program.descriptors(DESCRIPTORS)).await;
    let status = monitor.finished("http2", 10).await;
    let budget = status["descriptors"]["budget"].as_u64().unwrap();
    assert!((1..u64::from(DESCRIPTORS)).contains(&budget), "{status:#}");
    let before = monitor.descriptors().await;
    monitor.finished("http", 4 * u64::from(DESCRIPTORS)).await;
    let status = monitor.finished("http2", u64::from(DESCRIPTORS)).await;
    for name in ["http", "http2"] {
        assert_eq!(
            ended(&status, name, "pass"),
            finished(&status, name),
            "{status:#}"
        );
    }
    monitor.wait_for_descriptors(before + FD_TOLERANCE).await;
    monitor.assert_healthy().await;
    monitor.assert_clean([&*site, &*secure]).await;
    monitor.service.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn story_12_cachet_monitor_it_works_after_some_time_when_all_that_was_opened_is_far_beyond_the_limit() {
    const DESCRIPTORS: u32 = 96;
    let page = Hostile::LargeBody.start();
    let leak = check(
        "leak",
        "leak",
        &page.url("http", "/"),
        json!({ "connections": 4 }),
    );
    let suite = suite("250ms", &[(2, leak)]);
    let mut monitor = Monitor::start_with(suite, |program| program.descriptors(DESCRIPTORS)).await;
    // Four per run: all of them together would exceed the descriptor limit five times.
    let enough = 5 * u64::from(DESCRIPTORS) / 4;
    let passed = |status: &Value| ended(status, "leak", "pass");
    monitor.until(|status| passed(status) >= 10).await;
    let before = monitor.descriptors().await;
    let status = monitor.until(|status| passed(status) >= enough).await;
    assert!(
        status["descriptors"]["budget"].as_u64() < Some(DESCRIPTORS.into()),
        "{status:#}"
    );
    assert!(
        status["descriptors"]["reclaimed"].as_u64() >= Some(4 * enough),
        "{status:#}"
    );
    monitor.wait_for_descriptors(before + FD_TOLERANCE).await;
    let opened = page.accepted();
    monitor.assert_healthy().await;
    monitor.until(|status| passed(status) >= enough + 10).await;
    assert!(page.accepted() > opened);
    monitor.assert_clean([&page]).await;
    monitor.service.end();
}

/// One check for each kind of hostile peer.
fn one_each<'p>(peers: impl Iterator<Item = &'p Peer>) -> Value {
    let check = |(kind, peer): (Hostile, &Peer)| {
        json!({
            "name": kind.name(),
            "plugin": "http",
            "target": peer.url("http", "/"),
            "config": { "expect": { "body": { "contains": "ok" } } },
        })
    };
    let checks: Vec<Value> = Hostile::ALL.into_iter().zip(peers).map(check).collect();
    json!({ "defaults": { "interval": "1s", "timeout": "900ms", "retries": 0 }, "checks": checks })
}

#[tokio::test(flavor = "multi_thread")]
async fn story_14_opnsense_exporter_targets_that_fail_cost_no_more_descriptors_than_one_that_answers() {
    const RUNS: u64 = 12;
    let (control, failing) = (site(), Hostile::ALL.map(Hostile::start));
    let mut reachable = Monitor::start(one_each(repeat(&*control))).await;
    let mut unreachable = Monitor::start(one_each(failing.iter())).await;
    let names = || Hostile::ALL.into_iter().map(Hostile::name);
    for name in names() {
        let status = reachable
            .until(|status| ended(status, name, "pass") >= RUNS)
            .await;
        assert_eq!(ended(&status, name, "faulted"), 0, "{status:#}");
        let status = unreachable
            .until(|status| ended(status, name, "fail") >= RUNS)
            .await;
        assert_eq!(ended(&status, name, "pass"), 0, "{status:#}");
    }
    let fine = reachable.descriptors().await;
    unreachable.wait_for_descriptors(fine + FD_TOLERANCE).await;
    reachable.wait_for_descriptors(fine + FD_TOLERANCE).await;
    unreachable.assert_healthy().await;
    reachable.assert_healthy().await;
    unreachable.assert_clean(&failing).await;
    reachable.assert_clean([&*control]).await;
    unreachable.service.end();
    reachable.service.end();
}
