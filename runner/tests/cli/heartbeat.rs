//! Liveness signals of the service: pings to a heartbeat service, and notifications to systemd.

use std::time::Duration;

use canary_tests::command::Running;
use canary_tests::peer::http::{Reply, Site};
use canary_tests::systemd::Systemd;
use rustix::process::Signal;
use tempfile::TempDir;

use super::{canary, folder, http_check, site};

const LIMIT: Duration = Duration::from_secs(120);

/// A suite with one check of `site`, and settings with a heartbeat at `address`. A busy machine may have no verdict for
/// the time of `grace`.
fn files(site: &Site, address: &Site, grace: &str) -> TempDir {
    let check = http_check("page", site, "/");
    let url = address.url("http", "/token");
    folder(&[
        (
            "suite.yaml",
            &format!("defaults: {{ interval: 1s, timeout: 1s }}\nchecks:\n{check}"),
        ),
        (
            "canary.yaml",
            &format!("heartbeat: {{ url: '{url}', interval: 1s, grace: {grace} }}"),
        ),
    ])
}

async fn pings(address: &Site, count: usize) -> Vec<(String, String)> {
    let there = address.until(|counts| counts.accepted >= count && counts.open == 0);
    tokio::time::timeout(LIMIT, there).await.unwrap();
    let ping = |request: &canary_tests::peer::http::Request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        (request.path().to_owned(), body)
    };
    address.requests().iter().map(ping).collect()
}

/// The next systemd notification that is not a watchdog ping; watchdog pings are counted.
fn notice(systemd: &Systemd, watchdog_pings: &mut usize) -> String {
    loop {
        let notice = systemd.notice();
        if notice != "WATCHDOG=1\n" {
            return notice;
        }
        *watchdog_pings += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_at_work_pings_and_systemd_hears_of_all_it_does() {
    let (site, address, systemd) = (site(), Site::start(|_| Reply::text("OK")), Systemd::listen());
    let folder = files(&site, &address, "1m");
    let running: Running = canary(&folder, &["run", "suite.yaml", "--config", "canary.yaml"])
        .env("NOTIFY_SOCKET", systemd.path())
        .env("WATCHDOG_USEC", "10000000")
        .start();
    let mut watchdog_pings = 0;
    assert_eq!(notice(&systemd, &mut watchdog_pings), "READY=1\nSTATUS=1 check\n");
    let pings = pings(&address, 3).await;
    let paths: Vec<&str> = pings.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths[..3], ["/token/start", "/token", "/token"]);

    running.signal(Signal::HUP);
    assert!(notice(&systemd, &mut watchdog_pings).starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(notice(&systemd, &mut watchdog_pings), "READY=1\nSTATUS=1 check\n");
    std::fs::write(folder.path().join("suite.yaml"), "checks: none").unwrap();
    running.signal(Signal::HUP);
    assert!(notice(&systemd, &mut watchdog_pings).starts_with("RELOADING=1\n"));
    assert_eq!(
        notice(&systemd, &mut watchdog_pings),
        "READY=1\nSTATUS=reload failed, keeping the current suite\n"
    );
    running.signal(Signal::TERM);
    assert_eq!(
        notice(&systemd, &mut watchdog_pings),
        "STOPPING=1\nSTATUS=waiting for running checks\n"
    );
    assert!(watchdog_pings > 0, "the watchdog was not fed");
    let ending = running.end();
    assert_eq!(ending.code, 0, "{ending:?}");
    assert!(!ending.err.contains("/token"), "{ending:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_exports_fail_says_so_and_falls_silent() {
    let (site, address) = (site(), Site::start(|_| Reply::text("OK")));
    let away = Site::start(|_| Reply::status(503));
    let folder = files(&site, &address, "5s");
    let running = canary(&folder, &["run", "suite.yaml", "--config", "canary.yaml"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", away.url("http", ""))
        .env("OTEL_METRIC_EXPORT_INTERVAL", "300")
        .start();
    // A success ping may come before exports have failed for longer than the grace period.
    let reason = loop {
        let all = pings(&address, 2).await;
        if let Some((_, reason)) = all.into_iter().find(|(path, _)| path == "/token/fail") {
            break reason;
        }
        pings(&address, address.accepted() + 1).await;
    };
    assert!(
        reason.starts_with("exports have failed for") || reason.starts_with("no export has succeeded"),
        "{reason}"
    );
    drop(running);
}
