//! Checks that log as much as they can beside those that log little.

use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::outcome::{LogLevel, LogLine, Outcome, StopCause};
use canary_suite::Check;

fn run(check: &str, bytes: usize) -> Arc<Run> {
    let check = Arc::new(Check::minimal(check, Duration::from_secs(10)));
    let mut run = Run::plain(check, Outcome::Stopped(StopCause::Shutdown), UNIX_EPOCH);
    run.log = vec![LogLine {
        at: Duration::ZERO,
        level: LogLevel::Info,
        message: "m".repeat(bytes).into(),
        fields: Vec::new(),
    }];
    Arc::new(run)
}

fn put(runs: &mut LastRuns, run: &Arc<Run>) -> Vec<Arc<Run>> {
    runs.put(SizedRun::new(run))
}

fn has_details(runs: &LastRuns, check: &str) -> bool {
    !runs.get(&CheckId::new(check)).unwrap().log.is_empty()
}

/// Asserts that the totals are consistent, by recomputing them.
fn assert_right(runs: &LastRuns) {
    let bytes: usize = runs
        .runs
        .values()
        .map(|entry| entry.run.run.details_weight())
        .sum();
    assert_eq!(runs.bytes, bytes);
    let with_details = runs.runs.values().filter(|entry| entry.run.details > 0);
    assert_eq!(runs.by_size.len(), with_details.count());
}

#[test]
fn all_last_runs_stay_within_the_limit_however_much_checks_log() {
    let mut runs = LastRuns::with_limits(1 << 20, 0);
    for round in 0..3 {
        for number in 0..200 {
            put(&mut runs, &run(&format!("loud {number}"), (250 << 10) + round));
            assert!(runs.bytes <= 1 << 20, "{}", runs.bytes);
        }
    }
    assert_eq!(runs.runs.len(), 200, "each check has its run");
    assert_right(&runs);
}

#[test]
fn the_check_with_the_most_details_loses_them_and_those_within_their_share_keep_theirs() {
    let mut runs = LastRuns::with_limits(100 << 10, 0);
    for check in ["a", "b", "c"] {
        put(&mut runs, &run(check, 10 << 10));
    }
    let loud = run("loud", 90 << 10);
    let released = put(&mut runs, &loud);
    assert!(released.iter().any(|run| Arc::ptr_eq(run, &loud)));
    let have_details = ["a", "b", "c", "loud"].map(|check| has_details(&runs, check));
    assert_eq!(have_details, [true, true, true, false]);
    assert_eq!(runs.dropped(), BTreeMap::from([(CheckId::new("loud"), 1)]));
    let last = runs.get(&CheckId::new("loud")).unwrap();
    assert!(last.usage.record.cut == 1 && last.usage.record.cut_bytes > 90 << 10);
    assert_right(&runs);
}

#[test]
fn the_run_that_loses_its_details_need_not_be_the_one_that_came_last() {
    let mut runs = LastRuns::with_limits(100 << 10, 0);
    for (check, bytes) in [("loud", 60 << 10), ("a", 20 << 10), ("b", 30 << 10)] {
        put(&mut runs, &run(check, bytes));
    }
    let have_details = ["loud", "a", "b"].map(|check| has_details(&runs, check));
    assert_eq!(have_details, [false, true, true]);
    // Its next run is small, and keeps its details.
    put(&mut runs, &run("loud", 1 << 10));
    assert!(has_details(&runs, "loud"));
    assert_eq!(
        runs.dropped()[&CheckId::new("loud")],
        1,
        "what was lost stays counted"
    );
    assert_right(&runs);
}

#[test]
fn removing_a_check_frees_the_space_of_its_run() {
    let mut runs = LastRuns::with_limits(1 << 20, 0);
    put(&mut runs, &run("a", 10 << 10));
    assert!(runs.remove(&CheckId::new("a")).is_some());
    assert!(runs.remove(&CheckId::new("a")).is_none());
    assert_eq!((runs.bytes, runs.by_size.len()), (0, 0));
}

#[test]
fn summaries_are_retained_even_without_any_space_for_details() {
    let mut runs = LastRuns::with_limits(0, 0);
    for number in 0..10 {
        put(&mut runs, &run(&format!("check {number}"), 1 << 10));
    }
    assert_eq!((runs.runs.len(), runs.by_size.len()), (10, 0));
    assert_right(&runs);
}

#[test]
fn many_checks_with_few_details_keep_them() {
    let mut runs = LastRuns::with_limits(1 << 10, 8 << 10);
    for number in 0..100 {
        put(&mut runs, &run(&format!("check {number}"), 6 << 10));
    }
    assert!(runs.dropped().is_empty());
    put(&mut runs, &run("loud", 900 << 10));
    assert_eq!(runs.dropped().len(), 1);
    assert!(!has_details(&runs, "loud"));
}
