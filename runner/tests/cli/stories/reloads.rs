//! Repeated reloads, and slow checks that delay no others.

use canary_tests::certificate::Authority;
use canary_tests::peer::Hostile;
use canary_tests::peer::tls::{HostileTls, NAMES};
use canary_tests::peer::{Peer, hostile, tls};
use serde_json::{Value, json};

use crate::accepted;
use crate::monitor::{FD_TOLERANCE, Monitor, finished, named, replicate};

/// The checks of the n-th suite: one changes, another is added and removed, and most are running at any time.
fn nth(silent: &Peer, number: usize) -> Value {
    let check = |name: &str, label: usize| {
        let labels = json!({ "number": label.to_string() });
        let target = silent.address().to_string();
        replicate(
            2,
            &json!({ "name": name, "plugin": "tls", "target": target, "labels": labels }),
        )
    };
    let mut checks = [check("steady", 0), check("changing", number)].concat();
    if number.is_multiple_of(2) {
        checks.extend(check("coming and going", 0));
    }
    json!({ "defaults": { "interval": "500ms", "timeout": "500ms", "retries": 0 }, "checks": checks })
}

#[tokio::test(flavor = "multi_thread")]
async fn story_09_telegraf_more_reloads_than_descriptors_with_runs_under_way_leave_as_many_open() {
    const DESCRIPTORS: u32 = 128;
    let silent = Hostile::Silent.start();
    let mut monitor = Monitor::start_with(nth(&silent, 0), |program| program.descriptors(DESCRIPTORS)).await;
    accepted(&silent, 6).await;
    let mut before = usize::MAX;
    for number in 1..=2 * usize::try_from(DESCRIPTORS).unwrap() {
        monitor.reload(nth(&silent, number));
        if number == 20 {
            before = monitor.descriptors().await;
        }
    }
    monitor.wait_for_descriptors(before + FD_TOLERANCE).await;
    let status = monitor.status();
    assert!(
        status["suite"]["reloads"]["succeeded"].as_u64() >= Some(2 * u64::from(DESCRIPTORS)),
        "{status:#}"
    );
    assert_eq!(status["suite"]["reloads"]["failed"], 0);
    let steady = finished(&status, "steady");
    monitor.finished("steady", steady + 4).await;
    monitor.assert_healthy().await;
    monitor.assert_clean([&silent]).await;
    monitor.service.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn story_09_telegraf_a_tarpit_holds_up_no_other_certificate() {
    let authority = Authority::new("Test Root");
    let tarpit = HostileTls::SilentAfterHello.start(&authority);
    let good = tls::server(authority.leaf(&NAMES).issue().server_config(), hostile::drain);
    let check = |name: &str, peer: &Peer, interval: &str| {
        json!({
            "name": name,
            "plugin": "tls",
            "target": peer.address().to_string(),
            "interval": interval,
            "timeout": interval,
            "config": { "ca": authority.pem() },
        })
    };
    let (quick, stuck) = (check("good", &good, "500ms"), check("tarpit", &tarpit, "30s"));
    let checks = [replicate(10, &quick), replicate(10, &stuck)].concat();
    let monitor = Monitor::start(json!({ "defaults": { "retries": 0 }, "checks": checks })).await;
    // From the third on there are always three: each is held until its next due time.
    let held = |status: &Value| {
        let stuck = named(status, "tarpit").filter(|check| check["stage"] == "running");
        stuck.count()
    };
    let status = monitor.until(|status| held(status) >= 3).await;
    let before = finished(&status, "good");
    let status = monitor.finished("good", before + 50).await;
    assert!(held(&status) >= 3, "{status:#}");
    let are_up = |status: &Value| named(status, "good").all(|check| check["status"] == "up");
    monitor.until(are_up).await;
    monitor.assert_healthy().await;
    monitor.service.end();
}
