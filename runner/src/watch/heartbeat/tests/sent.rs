//! What arrives, at a server that notes it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use canary_tests::command::Program;
use canary_tests::peer::http::{Reply, Request, Site};

use super::*;
use crate::watch::tests::starve;
use crate::wire::{Place, Protocol, TlsFiles};

fn settings(url: &str) -> Settings {
    Settings {
        place: Place {
            url: url.parse().unwrap(),
            tls: TlsFiles::default(),
            protocol: Protocol::Http1,
        },
        cadence: cadence(),
        timeout: Duration::from_secs(10),
    }
}

/// Beats at a site, whose pings are one connection each, until there were `pings`. At an interval short enough to wait
/// for: a paused clock runs out while packets are under way.
async fn beat(site: &Site, pings: usize, vitals: impl FnMut() -> Vitals) -> HeartbeatReport {
    let mut settings = settings(&site.url("http", "/token?tag=a"));
    settings.cadence.interval = Duration::from_secs(1);
    let (reserve, record) = (Reserve::default(), Record::default());
    let stop = async {
        site.until(|counts| counts.accepted >= pings && counts.open == 0)
            .await;
    };
    let beats = run(&settings, vitals, &reserve, &record, stop);
    tokio::time::timeout(MINUTE, beats).await.unwrap();
    assert_eq!(reserve.held(), 0);
    record.report()
}

fn works() -> impl FnMut() -> Vitals {
    let mut verdicts = 0;
    move || {
        verdicts += 1;
        Vitals {
            verdicts,
            ..Vitals::default()
        }
    }
}

fn lines(site: &Site) -> Vec<String> {
    let line = |request: &Request| {
        let body = String::from_utf8_lossy(&request.body);
        format!("{} {} {body}", request.method, request.uri)
            .trim()
            .to_owned()
    };
    site.requests().iter().map(line).collect()
}

#[tokio::test]
async fn start_and_success_have_a_path_each_and_keep_the_query() {
    let site = Site::start(|_| Reply::text("OK"));
    let report = beat(&site, 3, works()).await;
    assert_eq!(
        lines(&site),
        ["GET /token/start?tag=a", "GET /token?tag=a", "GET /token?tag=a"]
    );
    assert_eq!((report.sent, report.failed.len()), (3, 0));
    assert!(report.last_success <= Some(SystemTime::now()) && report.last_success.is_some());
}

#[tokio::test]
async fn a_failure_brings_its_reason_once_and_silence_follows() {
    let site = Site::start(|_| Reply::text("OK"));
    let mut healthy = works();
    let vitals = || {
        let seen = healthy();
        // Four looks an interval.
        let sick = (seen.verdicts < 10).then(|| "no progress of the scheduler".to_owned());
        Vitals { sick, ..seen }
    };
    beat(&site, 3, vitals).await;
    assert_eq!(
        lines(&site),
        [
            "GET /token/start?tag=a",
            "POST /token/fail?tag=a no progress of the scheduler",
            "GET /token?tag=a"
        ]
    );
}

#[tokio::test]
async fn a_ping_that_is_not_taken_is_tried_twice_more() {
    let count = AtomicU64::new(0);
    let site = Site::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => Reply::status(502),
        _ => Reply::text("OK"),
    });
    let report = beat(&site, 3, works()).await;
    assert_eq!(lines(&site), ["GET /token/start?tag=a"; 3]);
    assert_eq!(report.failed, BTreeMap::from([("http_502".into(), 2)]));
    assert_eq!((report.sent, report.last_error), (1, None));
}

#[tokio::test]
async fn an_address_that_knows_no_such_check_is_a_failure_with_one_attempt_an_interval() {
    for (reply, word) in [
        (Reply::status(404), "http_404"),
        (Reply::text("OK (not found)"), "not_found"),
        (Reply::text("OK (rate limited)"), "rate_limited"),
    ] {
        let site = Site::start(move |_| reply.clone());
        let report = beat(&site, 2, works()).await;
        assert_eq!(report.sent, 0);
        assert_eq!(report.failed, BTreeMap::from([(word.into(), 2)]));
        assert_eq!(report.last_success, None);
    }
}

#[tokio::test]
async fn a_success_that_its_body_denies_is_a_failure() {
    for (body, word) in [
        ("<!DOCTYPE html><title>Log in</title>", "page"),
        (
            r#"{"ok": false, "msg": "Monitor not found or not active."}"#,
            "denied",
        ),
    ] {
        let site = Site::start(move |_| Reply::text(body));
        let report = beat(&site, 3, works()).await;
        assert_eq!((report.sent, report.last_success), (0, None));
        assert_eq!(report.failed, BTreeMap::from([(word.into(), 3)]));
    }
    let taken = Site::start(|_| Reply::text(r#"{"ok": true}"#));
    assert_eq!(beat(&taken, 1, works()).await.failed, BTreeMap::new());
}

#[tokio::test(start_paused = true)]
async fn an_address_that_never_answers_holds_one_connection_and_makes_no_ping_late() {
    let silent = Site::start(|_| Reply::text("OK").after(Duration::from_hours(24)));
    let settings = settings(&silent.url("http", "/token"));
    let (reserve, record) = (Reserve::default(), Record::default());
    let start = Instant::now();
    let mut most = 0;
    let mut healthy = works();
    let vitals = || {
        most = most.max(silent.open());
        healthy()
    };
    let stop = tokio::time::sleep(Duration::from_secs(299));
    run(&settings, vitals, &reserve, &record, stop).await;
    assert!(most <= 1, "{most} connections at once");
    assert_eq!(start.elapsed().as_secs(), 299);
    let report = record.report();
    assert_eq!(report.failed, BTreeMap::from([("timeout".into(), 15)]));
    assert_eq!(record.pings()["success"], 0);
    assert!(report.last_error.unwrap().ends_with("within the time-out"));
}

#[tokio::test]
async fn a_process_without_a_descriptor_left_still_pings() {
    let site = Site::start(|_| Reply::text("OK"));
    let url = format!("http://localhost:{}/token", site.address().port());
    let program = Program::test("watch::heartbeat::tests::sent::a_starving_process");
    let starving = program.env("CANARY_TEST_URL", &url).start();
    let pings = site.until(|counts| counts.accepted == 3);
    tokio::time::timeout(MINUTE, pings).await.unwrap();
    drop(starving);
}

/// Its URL has a name, which it takes descriptors to look up.
#[tokio::test]
#[ignore = "starves its process, so it needs one of its own"]
async fn a_starving_process() {
    let url = std::env::var_os("CANARY_TEST_URL").unwrap();
    let mut settings = settings(url.to_str().unwrap());
    settings.cadence.interval = Duration::from_secs(1);
    let mut eaten = Vec::new();
    let mut healthy = works();
    let vitals = || {
        starve(&mut eaten);
        healthy()
    };
    let record = Record::default();
    run(
        &settings,
        vitals,
        &Reserve::default(),
        &record,
        std::future::pending(),
    )
    .await;
}
