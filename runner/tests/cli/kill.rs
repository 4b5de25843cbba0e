//! `kill -9` at any moment: no outcome is lost or counted twice.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use canary::account::{MissReason, RunAccount};
use canary::publish::CheckRecord;
use canary_tests::command::Running;
use canary_tests::peer::http::{Reply, Site};
use rusqlite::Connection;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::time::Instant;

use super::{accepted, canary, http_check, suite};

const KILLS: u32 = 200;
const CHECKS: u64 = 20;
/// The interval and timeout of each check in milliseconds.
const INTERVAL_MS: u64 = 100;

/// A site that counts what reaches it; `/bad` fails.
fn counting() -> (Site, Arc<AtomicU64>) {
    let seen = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&seen);
    let site = Site::start(move |request| {
        count.fetch_add(1, Ordering::SeqCst);
        match request.path() {
            "/bad" => Reply::status(503),
            _ => Reply::status(200),
        }
    });
    (site, seen)
}

fn many_checks(site: &Site) -> TempDir {
    let good = (1..CHECKS).map(|number| http_check(&format!("page {number}"), site, "/"));
    let checks: String = good.chain([http_check("bad", site, "/bad")]).collect();
    suite(&format!(
        "defaults: {{ interval: {INTERVAL_MS}ms, timeout: {INTERVAL_MS}ms, retries: 0, failure_threshold: 10 }}\n\
         checks:\n{checks}"
    ))
}

fn started(folder: &TempDir) -> Running {
    let program = canary(folder, &["run", "suite.yaml"]);
    program
        .env("CANARY_STATE_DIR", folder.path().join("state"))
        .start()
}

/// The stored record of each check.
fn rows(folder: &Path) -> Vec<(String, CheckRecord)> {
    let database = Connection::open(folder.join("state/state.db")).unwrap();
    let mut rows = database
        .prepare("SELECT key, value FROM kept WHERE shelf = 'check'")
        .unwrap();
    let rows = rows.query_map([], |row| {
        let (key, value): (String, String) = (row.get(0)?, row.get(1)?);
        Ok((key, serde_json::from_str(&value).unwrap()))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn missed(account: &RunAccount, reason: MissReason) -> u64 {
    account.missed().get(&reason).copied().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_outcome_is_lost_or_counted_twice_in_two_hundred_kills() {
    let (site, seen) = counting();
    let folder = many_checks(&site);
    for _ in 0..KILLS {
        let running = started(&folder);
        let enough = site.accepted() + fastrand::usize(1..60);
        accepted(&site, enough).await;
        // Dropping it kills it, at whatever point it is.
        drop(running);
    }
    let running = started(&folder);
    let enough = site.accepted() + 100;
    accepted(&site, enough).await;
    running.signal(Signal::TERM);
    let ending = running.end();
    assert_eq!(ending.code, 0, "{ending:?}");

    let records = rows(folder.path());
    assert_eq!(u64::try_from(records.len()).unwrap(), CHECKS);
    let mut total = RunAccount::default();
    for (id, record) in &records {
        assert!(record.account.is_balanced(0, 0), "{id}: {:?}", record.account);
        total.merge(&record.account);
    }
    // The sum that the runner itself reports.
    let summary = ending.log_lines().last().unwrap();
    let sum = format!(
        "stopped: {} scheduled = {} finished + {} missed",
        total.scheduled(),
        total.total_finished(),
        total.total_missed()
    );
    assert!(summary.starts_with(&sum), "{summary} is not {sum}");

    let seen = seen.load(Ordering::SeqCst);
    let killed = missed(&total, MissReason::Killed);
    let passed = total.finished().get("pass").copied().unwrap_or_default();
    // Each verdict of pass took a request: none is counted twice.
    assert!(passed <= seen, "{passed} passed, and the site saw {seen}");
    // Each request belongs to a run that finished or was in flight at a kill and counted as such: none is lost.
    assert!(
        seen <= total.total_finished() + killed,
        "the site saw {seen}, and there are {total:?}"
    );
    assert!(killed <= u64::from(KILLS) * CHECKS, "{killed}");

    let (_, bad) = records.iter().find(|(id, _)| id == "bad").unwrap();
    // It never passed, so all its runs are consecutive failures.
    assert_eq!(bad.failures, bad.account.total_finished());
    assert_eq!(bad.status().as_str(), "down");
    for (id, record) in records.iter().filter(|(id, _)| id != "bad") {
        assert_eq!(record.status().as_str(), "up", "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_due_while_no_runner_was_there_is_accounted_for() {
    let (site, _) = counting();
    let folder = many_checks(&site);
    let first = started(&folder);
    accepted(&site, 40).await;
    let ending = Instant::now();
    first.signal(Signal::TERM);
    assert_eq!(first.end().code, 0);
    // Moves the record a minute back, in place of waiting.
    let database = Connection::open(folder.path().join("state/state.db")).unwrap();
    for (id, mut record) in rows(folder.path()) {
        record.last_due = record
            .last_due
            .map(|due| due.earlier(std::time::Duration::from_secs(60)));
        let text = serde_json::to_string(&record).unwrap();
        database
            .execute(
                "UPDATE kept SET value = ?1 WHERE shelf = 'check' AND key = ?2",
                (text, id),
            )
            .unwrap();
    }
    drop(database);
    let second = started(&folder);
    let enough = site.accepted() + 40;
    accepted(&site, enough).await;
    let between = u64::try_from(ending.elapsed().as_millis()).unwrap() / INTERVAL_MS;
    second.signal(Signal::TERM);
    assert_eq!(second.end().code, 0);
    let minute = 60_000 / INTERVAL_MS;
    for (id, record) in rows(folder.path()) {
        let absent = missed(&record.account, MissReason::Absent);
        // The due times of the minute, and of the time until the second runner had started.
        assert!(
            (minute - 2..=minute + between + 2).contains(&absent),
            "{id}: {absent} in a minute of {INTERVAL_MS} ms each, and {between} more"
        );
        assert!(record.account.is_balanced(0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_state_is_set_aside_aloud_and_the_checks_run() {
    let (site, _) = counting();
    let folder = many_checks(&site);
    std::fs::create_dir(folder.path().join("state")).unwrap();
    std::fs::write(folder.path().join("state/state.db"), "no database".repeat(1_000)).unwrap();
    let running = started(&folder);
    accepted(&site, 40).await;
    running.signal(Signal::TERM);
    let ending = running.end();
    assert_eq!(ending.code, 0);
    assert!(ending.err.contains("moved it to"), "{}", ending.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_runner_does_not_touch_the_state_of_the_first() {
    let (site, _) = counting();
    let folder = many_checks(&site);
    let _first = started(&folder);
    accepted(&site, 20).await;
    let second = started(&folder).end();
    assert_eq!(second.code, 1);
    assert!(
        second.err.contains("is in use by another instance"),
        "{}",
        second.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_state_a_restart_begins_anew() {
    let (site, _) = counting();
    let folder = many_checks(&site);
    for _ in 0..2 {
        let program = canary(&folder, &["run", "suite.yaml", "--state-dir", "none"]);
        let running = program
            .env("CANARY_STATE_DIR", folder.path().join("state"))
            .start();
        let enough = site.accepted() + 20;
        accepted(&site, enough).await;
        running.signal(Signal::TERM);
        assert_eq!(running.end().code, 0);
    }
    assert!(!folder.path().join("state/state.db").exists());
}
