//! A suspended process, and steps of the wall clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use canary_tests::command::Running;
use canary_tests::machine::Clock;
use canary_tests::peer::http::{Reply, Site};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::time::Instant;

use super::run::account;
use super::{accepted, canary, http_check, suite};

/// A check every half second.
fn steady(site: &Site) -> TempDir {
    let checks: String = (0..4)
        .map(|number| http_check(&format!("page {number}"), site, "/"))
        .collect();
    suite(&format!(
        "defaults: {{ interval: 500ms, timeout: 500ms, retries: 0 }}\nchecks:\n{checks}"
    ))
}

fn site() -> Site {
    Site::start(|_| Reply::status(200))
}

/// Waits for this many runs of another runner.
async fn intervals(site: &Site, count: usize) {
    let enough = site.accepted() + 4 * count;
    accepted(site, enough).await;
}

fn started(folder: &TempDir) -> Running {
    canary(folder, &["run", "suite.yaml"]).start()
}

/// The count of a miss reason in the closing line.
fn missed(line: &str, reason: &str) -> u64 {
    let word = format!("{reason}=");
    let words = line.split([' ', '(', ')']);
    let mut counts = words.filter_map(|found| found.strip_prefix(&word)?.parse().ok());
    counts.next().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_stopped_counts_what_it_missed_and_does_not_catch_up() {
    let (watched, other) = (site(), site());
    let folders = [steady(&other), steady(&watched)];
    let [clock, running] = [0, 1].map(|place| started(&folders[place]));
    intervals(&watched, 2).await;
    intervals(&other, 1).await;
    running.signal(Signal::STOP);
    let stopped = Instant::now();
    let before = watched.accepted();
    intervals(&other, 10).await;
    let asleep = due_times(stopped.elapsed());
    running.signal(Signal::CONT);
    intervals(&other, 2).await;
    let after = watched.accepted() - before;
    running.signal(Signal::TERM);
    let all = due_times(stopped.elapsed());
    drop(clock);
    let ending = running.end();
    assert_eq!(ending.code, 0);
    let line = ending.log_lines().last().unwrap();
    // Minus the last due time of each check, which may still be fresh, and those that passed before it noticed.
    let jumped = missed(line, "clock_jump");
    assert!(
        (asleep.saturating_sub(12)..=all + 4).contains(&jumped),
        "{asleep} due times passed, {all} in all: {line}"
    );
    // Due times since, and one more for each check that was fresh.
    let awake = usize::try_from(all - asleep).unwrap();
    assert!(after <= awake + 8, "{after} runs where {awake} came due: {line}");
}

/// Number of due times of four checks in this time.
fn due_times(time: Duration) -> u64 {
    4 * u64::try_from(time.as_millis() / 500).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_forth_and_back_bends_no_cadence() {
    let Some(clock) = Clock::new() else { return };
    let (watched, other) = (site(), site());
    let folder = steady(&watched);
    // Another runner, whose clock nobody sets, shows how much the machine misses by itself.
    let quiet_folder = steady(&other);
    let quiet = started(&quiet_folder);
    let running = clock.apply_to(canary(&folder, &["run", "suite.yaml"])).start();
    for ahead in [0, 3_600, -3_600, 0] {
        clock.set(ahead);
        intervals(&watched, 6).await;
    }
    running.signal(Signal::TERM);
    quiet.signal(Signal::TERM);
    let (ending, quiet) = (running.end(), quiet.end());
    assert_eq!(ending.code, 0, "{ending:?}");
    for step in ["set by 3600 s", "set by -7200 s"] {
        let is_logged = |line: &str| {
            let seconds = step.split(' ').nth(2).unwrap().parse::<i64>().unwrap();
            let found = line.strip_prefix("the system clock was stepped by ");
            found
                .and_then(|rest| rest.strip_suffix(" s")?.parse::<i64>().ok())
                .is_some_and(|found| (found - seconds).abs() <= 2)
        };
        assert!(ending.log_lines().any(is_logged), "{step}: {}", ending.err);
    }
    // An hour would be thousands.
    let line = ending.log_lines().last().unwrap();
    assert_eq!(missed(line, "clock_jump"), 0, "{line}");
    let [scheduled, _, missed] = account(&ending);
    let [_, _, missed_by_itself] = account(&quiet);
    assert!(
        missed <= scheduled / 20 + 2 * missed_by_itself,
        "{line}; and without steps of the clock {missed_by_itself} missed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_goes_on_while_the_process_is_stopped_still_has_one_outcome() {
    let stopped = Arc::new(AtomicBool::new(false));
    let (asked, is_stopped) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&stopped));
    let count = Arc::clone(&asked);
    let slow = Site::start(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        let reply = Reply::status(200);
        if is_stopped.load(Ordering::SeqCst) {
            reply
        } else {
            reply.after(Duration::from_millis(200))
        }
    });
    let other = site();
    let folders = [steady(&other), steady(&slow)];
    let [clock, running] = [0, 1].map(|place| started(&folders[place]));
    slow.until(|counts| counts.open > 0).await;
    stopped.store(true, Ordering::SeqCst);
    running.signal(Signal::STOP);
    intervals(&other, 6).await;
    running.signal(Signal::CONT);
    intervals(&other, 2).await;
    running.signal(Signal::TERM);
    drop(clock);
    let ending = running.end();
    let line = ending.log_lines().last().unwrap();
    let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert_eq!(numbers[0], numbers[1] + numbers[2], "{line}");
    assert!(
        usize::try_from(numbers[1]).unwrap() >= asked.load(Ordering::SeqCst),
        "{line}"
    );
}
