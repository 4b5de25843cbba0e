//! `canary run`: the service.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use canary_tests::command::{Ending, Running};
use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::{Hostile, Peer};
use rustix::process::Signal;

use super::{canary, http_check, site, suite};

/// Starts the service with one HTTP check of a peer, at these settings.
fn service(settings: &str, grace: &str, peer: &Peer) -> Running {
    let check = http_check("page", peer, "/");
    let folder = suite(&format!("defaults: {{ {settings} }}\nchecks:\n{check}"));
    let mut running = canary(&folder, &["run", "suite.yaml", "--grace", grace]).start();
    assert_eq!(running.log_line().as_deref(), Some("running 1 check"));
    running
}

/// Ends the service; its [`account`].
fn stopped(running: Running) -> [u64; 3] {
    running.signal(Signal::TERM);
    let ending = running.end();
    assert_eq!(ending.code, 0, "{ending:?}");
    account(&ending)
}

/// The numbers of the closing line: scheduled, finished, missed.
pub(crate) fn account(ending: &Ending) -> [u64; 3] {
    let line = ending.log_lines().last().unwrap();
    let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    let account @ [scheduled, finished, missed] = numbers.try_into().unwrap();
    let expected = format!("stopped: {scheduled} scheduled = {finished} finished + {missed} missed");
    assert!(line.starts_with(&expected), "{line}");
    assert_eq!(scheduled, finished + missed);
    account
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_status_is_a_line() {
    let is_up = Arc::new(AtomicBool::new(true));
    let answer = Arc::clone(&is_up);
    let site = Site::start(move |_| {
        if answer.load(Ordering::Relaxed) {
            Reply::status(200)
        } else {
            Reply::status(503)
        }
    });
    let settings = "interval: 1s, timeout: 1s, retries: 0, failure_threshold: 2, success_threshold: 2";
    let mut running = service(settings, "60s", &site);
    let mut changes = Vec::new();
    for answer in [false, true, true] {
        let line = running.line().unwrap();
        let (_time, change) = line.split_once("Z  ").unwrap();
        changes.push(change.to_owned());
        is_up.store(answer, Ordering::Relaxed);
    }
    let starts = [
        "page  unknown -> up  200 OK",
        "page  up -> down  status: 503",
        "page  down -> up  200 OK",
    ];
    for (change, start) in changes.iter().zip(starts) {
        assert!(change.starts_with(start), "{changes:#?}");
    }
    let [scheduled, ..] = stopped(running);
    assert!(scheduled >= 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_during_the_checks_own_run_is_counted_as_missed() {
    let peer = Hostile::Silent.start();
    let running = service("interval: 500ms, timeout: 500ms, retries: 100", "60s", &peer);
    // The second attempt of the first run begins after the second due time.
    peer.until(|counts| counts.accepted >= 3).await;
    let [scheduled, finished, missed] = stopped(running);
    assert_eq!(finished, 1);
    assert!(missed >= 1, "{scheduled} = {finished} + {missed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_lets_the_runs_under_way_finish() {
    let peer = Hostile::Silent.start();
    let mut running = service(
        "interval: 5s, timeout: 5s, retries: 0, failure_threshold: 1",
        "60s",
        &peer,
    );
    peer.until(|counts| counts.open == 1).await;
    running.signal(Signal::TERM);
    // The last run ended at its deadline, not at the signal.
    let line = running.line().unwrap();
    assert!(
        line.contains("unknown -> down") && line.contains("timed out"),
        "{line}"
    );
    let ending = running.end();
    assert_eq!(ending.code, 0, "{ending:?}");
    assert!(account(&ending)[1] >= 1, "{ending:?}");
}

/// A supervisor that waits for signals blocks them, and its children inherit that.
#[tokio::test(flavor = "multi_thread")]
async fn signals_that_the_parent_blocked_are_received() {
    let site = site();
    let folder = suite(&format!("checks:\n{}", http_check("page", &site, "/")));
    for signal in [Signal::TERM, Signal::INT] {
        let program = canary(&folder, &["run", "suite.yaml"]).by("env", &["--block-signal"]);
        let mut running = program.start();
        assert_eq!(running.log_line().as_deref(), Some("running 1 check"));
        running.signal(signal);
        assert_eq!(running.end().code, 0, "{signal:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_outlives_the_grace_is_stopped_and_accounted_for() {
    let peer = Hostile::Silent.start();
    let running = service("interval: 1s, timeout: 1s, retries: 100", "0s", &peer);
    peer.until(|counts| counts.open == 1).await;
    running.signal(Signal::INT);
    let ending = running.end();
    assert_eq!(ending.code, 0, "{ending:?}");
    assert_eq!(account(&ending)[1], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_output_of_the_service_has_no_colours() {
    let site = site();
    let mut running = service("interval: 1s, timeout: 1s", "60s", &site);
    let line = running.line().unwrap();
    assert!(!line.contains('\x1b'), "{line:?}");
    stopped(running);
}
