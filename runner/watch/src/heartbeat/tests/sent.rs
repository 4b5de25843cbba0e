//! Pings as received by a server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use canary_tests::command::Program;
use canary_tests::peer::http::{Reply, Request, Site};

use super::*;
use crate::tests::use_up_descriptors;
use canary_outbound::http_client::{Endpoint, Protocol, TlsFiles};

fn settings(url: &str) -> Settings {
    Settings {
        endpoint: Endpoint {
            url: url.parse().unwrap(),
            tls: TlsFiles::default(),
            protocol: Protocol::Http1,
        },
        cadence: cadence(),
        timeout: Duration::from_secs(10),
    }
}

/// Runs a heartbeat until the site has accepted `pings` connections, one per ping. Uses a short real interval: a
/// paused clock would advance while packets are in flight.
async fn beat(site: &Site, pings: usize, health_input: impl FnMut() -> HealthInput) -> HeartbeatReport {
    let mut settings = settings(&site.url("http", "/token?tag=a"));
    settings.cadence.interval = Duration::from_secs(1);
    let (internal_fds, stats) = (InternalFds::default(), PingStats::default());
    let stop = async {
        site.until(|counts| counts.accepted >= pings && counts.open == 0)
            .await;
        // The site may see the end of a connection before its result is recorded.
        while stats.pings().values().sum::<u64>() < u64::try_from(pings).unwrap() {
            tokio::task::yield_now().await;
        }
    };
    let beats = run(&settings, health_input, &internal_fds, &stats, stop);
    tokio::time::timeout(MINUTE, beats).await.unwrap();
    assert_eq!(internal_fds.count(), 0);
    stats.report()
}

fn works() -> impl FnMut() -> HealthInput {
    let mut verdicts = 0;
    move || {
        verdicts += 1;
        HealthInput {
            verdicts,
            ..HealthInput::default()
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
    let health_input = || {
        let input = healthy();
        // Four polls per interval.
        let unhealthy_reason = (input.verdicts < 10).then(|| "no progress of the scheduler".to_owned());
        HealthInput {
            unhealthy_reason,
            ..input
        }
    };
    beat(&site, 3, health_input).await;
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
async fn a_ping_that_is_not_accepted_is_tried_twice_more() {
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
    for (reply, reason) in [
        (Reply::status(404), "http_404"),
        (Reply::text("OK (not found)"), "not_found"),
        (Reply::text("OK (rate limited)"), "rate_limited"),
    ] {
        let site = Site::start(move |_| reply.clone());
        let report = beat(&site, 2, works()).await;
        assert_eq!(report.sent, 0);
        assert_eq!(report.failed, BTreeMap::from([(reason.into(), 2)]));
        assert_eq!(report.last_success, None);
    }
}

#[tokio::test]
async fn a_success_that_its_body_denies_is_a_failure() {
    for (body, reason) in [
        ("<!DOCTYPE html><title>Log in</title>", "page"),
        (
            r#"{"ok": false, "msg": "Monitor not found or not active."}"#,
            "denied",
        ),
    ] {
        let site = Site::start(move |_| Reply::text(body));
        let report = beat(&site, 3, works()).await;
        assert_eq!((report.sent, report.last_success), (0, None));
        assert_eq!(report.failed, BTreeMap::from([(reason.into(), 3)]));
    }
    let accepted = Site::start(|_| Reply::text(r#"{"ok": true}"#));
    assert_eq!(beat(&accepted, 1, works()).await.failed, BTreeMap::new());
}

#[tokio::test(start_paused = true)]
async fn an_address_that_never_answers_holds_one_connection_and_makes_no_ping_late() {
    let silent = Site::start(|_| Reply::text("OK").after(Duration::from_hours(24)));
    let settings = settings(&silent.url("http", "/token"));
    let (internal_fds, stats) = (InternalFds::default(), PingStats::default());
    let start = Instant::now();
    let mut held = BTreeSet::new();
    // Counted at this end: the peer, whose clock is not paused, sees the end of a connection some time later.
    let stop = async {
        for second in 1..=299 {
            tokio::time::sleep_until(start + Duration::from_secs(second)).await;
            held.insert(internal_fds.count());
        }
    };
    run(&settings, works(), &internal_fds, &stats, stop).await;
    assert_eq!(
        held,
        BTreeSet::from([1, 3]),
        "a connection, or what is reserved for the next"
    );
    assert_eq!(start.elapsed().as_secs(), 299);
    let report = stats.report();
    assert_eq!(report.failed, BTreeMap::from([("timeout".into(), 15)]));
    assert_eq!(stats.pings()["success"], 0);
    assert!(report.last_error.unwrap().ends_with("within the timeout"));
}

#[tokio::test]
async fn a_process_without_a_descriptor_left_still_pings() {
    let site = Site::start(|_| Reply::text("OK"));
    let url = format!("http://localhost:{}/token", site.address().port());
    let program = Program::test("heartbeat::tests::sent::a_starving_process");
    let starving = program.env("CANARY_TEST_URL", &url).start();
    let pings = site.until(|counts| counts.accepted >= 3);
    tokio::time::timeout(MINUTE, pings).await.unwrap();
    drop(starving);
}

/// The URL has a host name, which takes descriptors to look up.
#[tokio::test]
#[ignore = "starves its process, so it needs one of its own"]
async fn a_starving_process() {
    let url = std::env::var_os("CANARY_TEST_URL").unwrap();
    let mut settings = settings(url.to_str().unwrap());
    settings.cadence.interval = Duration::from_secs(1);
    let mut files = Vec::new();
    let mut healthy = works();
    let health_input = || {
        use_up_descriptors(&mut files);
        healthy()
    };
    let stats = PingStats::default();
    run(
        &settings,
        health_input,
        &InternalFds::default(),
        &stats,
        std::future::pending(),
    )
    .await;
}
