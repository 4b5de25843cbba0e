mod views;

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::outcome::{LogLevel, LogLine, Outcome, StopCause, Verdict, VerdictStatus};
use crate::status::Status;

fn check(name: &str) -> Arc<Check> {
    Arc::new(Check::minimal(name, Duration::from_secs(10)))
}

fn run(check: &Arc<Check>, outcome: Outcome) -> Arc<Run> {
    Arc::new(Run::plain(Arc::clone(check), outcome, UNIX_EPOCH))
}

fn verdict(status: VerdictStatus) -> Outcome {
    Outcome::Completed(Verdict {
        status,
        summary: "as told".into(),
        assertions: Vec::new(),
        measurements: Vec::new(),
        attributes: Vec::new(),
    })
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A status store with these checks.
fn store(checks: &[Arc<Check>]) -> StatusStore {
    let store = StatusStore::default();
    store.apply_suite(checks, &mut Restored::default(), Instant::now());
    store
}

/// Runs a check once.
fn run_once(store: &StatusStore, check: &Arc<Check>, status: VerdictStatus, now: u64) -> CheckStatus {
    store.schedule(check, Since::at(at(now))).unwrap();
    store.start(&check.id);
    store.publish(&run(check, verdict(status)), at(now))
}

#[test]
fn the_account_is_balanced_at_every_step_of_a_run() {
    let check = check("a");
    let store = store(std::slice::from_ref(&check));
    assert!(store.is_balanced(0));
    store.schedule(&check, Since::at(at(1))).unwrap();
    assert!(store.is_balanced(1) && !store.is_balanced(0));
    store.start(&check.id);
    assert!(store.is_balanced(1));
    store.publish(&run(&check, verdict(VerdictStatus::Pass)), at(1));
    assert!(store.is_balanced(0));
}

#[test]
fn the_last_runs_of_checks_that_log_as_much_as_allowed_stay_within_the_limit() {
    let checks: Vec<Arc<Check>> = (0..300).map(|number| check(&format!("check {number}"))).collect();
    let store = store(&checks);
    for check in &checks {
        let line = LogLine {
            at: Duration::ZERO,
            level: LogLevel::Info,
            message: "m".repeat(4 << 10).into(),
            fields: Vec::new(),
        };
        let mut run = Run::clone(&run(check, verdict(VerdictStatus::Fail)));
        run.log = vec![line; 64];
        store.schedule(check, Since::at(at(1))).unwrap();
        store.start(&check.id);
        store.publish(&Arc::new(run), at(1));
    }
    let last: Vec<Arc<Run>> = checks
        .iter()
        .filter_map(|check| store.last_run(&check.id))
        .collect();
    let bytes: usize = last.iter().map(|run| run.details_weight()).sum();
    assert!(bytes <= MAX_LAST_RUN_BYTES, "{bytes}");
    assert!(last.iter().all(|run| run.outcome.summary() == "as told"));
    let dropped = store.dropped_details();
    assert_eq!(
        (last.len(), last.iter().filter(|run| run.log.is_empty()).count()),
        (300, dropped.len())
    );
    assert!(!dropped.is_empty());
    // Removing a check removes its last run.
    store.apply_suite(&[], &mut Restored::default(), Instant::now());
    assert!(store.last_run(&checks[0].id).is_none() && store.dropped_details().is_empty());
}

#[test]
fn the_data_of_removed_checks_is_freed_by_the_caller() {
    let check = check("a");
    let store = store(std::slice::from_ref(&check));
    let weak = Arc::downgrade(&check);
    drop(check);
    let applied = store.apply_suite(&[], &mut Restored::default(), Instant::now());
    assert_eq!((applied.removed.len(), store.len()), (1, 0));
    assert!(weak.upgrade().is_some());
    drop(applied);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_lost_run_is_detected() {
    let check = check("a");
    let store = store(std::slice::from_ref(&check));
    store.schedule(&check, Since::at(at(1))).unwrap();
    // The task is gone without having been recorded.
    assert!(!store.is_balanced(0));
    let mut unbalanced = RunAccount::default();
    unbalanced.record_scheduled(1);
    let (store, _) = StatusStore::from_records(HashMap::new(), unbalanced);
    assert!(!store.is_balanced(0));
}

#[test]
fn a_check_never_overlaps_itself_and_the_reason_says_what_it_waited_for() {
    let check = check("a");
    let store = store(std::slice::from_ref(&check));
    store.schedule(&check, Since::at(at(1))).unwrap();
    assert_eq!(
        store.schedule(&check, Since::at(at(2))),
        Err(MissReason::Overload)
    );
    store.start(&check.id);
    assert_eq!(store.schedule(&check, Since::at(at(3))), Err(MissReason::Overlap));
    assert!(store.is_balanced(1));
    let account = store.record(&check.id).unwrap().account;
    assert_eq!((account.scheduled(), account.total_missed()), (3, 2));
}

#[test]
fn each_check_has_an_account_and_all_have_one() {
    let (a, b) = (check("a"), check("b"));
    let store = store(&[Arc::clone(&a), Arc::clone(&b)]);
    run_once(&store, &a, VerdictStatus::Pass, 1);
    run_once(&store, &b, VerdictStatus::Fail, 2);
    store.record_missed(&b, MissReason::ClockJump, 5, Since::at(at(60)));
    let b_alone = store.record(&b.id).unwrap().account;
    assert!(store.is_balanced(0) && b_alone.is_balanced(0, 0));
    let of = |check: &Arc<Check>| store.record(&check.id).unwrap().account.scheduled();
    assert_eq!((of(&a), of(&b), store.total_account().scheduled()), (1, 6, 7));
}

#[test]
fn a_removed_check_stays_in_the_total_account() {
    let (a, b) = (check("a"), check("b"));
    let store = store(&[Arc::clone(&a), Arc::clone(&b)]);
    run_once(&store, &a, VerdictStatus::Pass, 1);
    let applied = store.apply_suite(&[b], &mut Restored::default(), Instant::now());
    assert_eq!(applied.removed, std::slice::from_ref(&a.id));
    assert!(store.record(&a.id).is_none());
    assert_eq!(store.total_account().scheduled(), 1);
    assert_eq!(store.archived_account().scheduled(), 1);
    assert!(store.is_balanced(0));
}

#[test]
fn a_check_that_is_removed_while_it_runs_leaves_when_its_run_ends() {
    let check = check("a");
    let store = store(std::slice::from_ref(&check));
    store.schedule(&check, Since::at(at(1))).unwrap();
    store.start(&check.id);
    let applied = store.apply_suite(&[], &mut Restored::default(), Instant::now());
    assert!(applied.removed.is_empty() && store.is_balanced(1));
    store.publish(&run(&check, verdict(VerdictStatus::Pass)), at(1));
    assert!(store.record(&check.id).is_none() && store.is_balanced(0));
    assert_eq!(store.archived_account().total_finished(), 1);
}

#[test]
fn a_check_that_is_added_again_while_its_old_run_continues_does_not_run_twice() {
    let check = check("a");
    let store = store(std::slice::from_ref(&check));
    store.schedule(&check, Since::at(at(1))).unwrap();
    store.start(&check.id);
    store.apply_suite(&[], &mut Restored::default(), Instant::now());
    store.apply_suite(
        std::slice::from_ref(&check),
        &mut Restored::default(),
        Instant::now(),
    );
    assert_eq!(store.schedule(&check, Since::at(at(2))), Err(MissReason::Overlap));
    store.publish(&run(&check, verdict(VerdictStatus::Pass)), at(2));
    assert!(store.record(&check.id).is_some() && store.is_balanced(0));
}

#[test]
fn statuses_streaks_and_accounts_continue_after_a_restart() {
    let check = check("a");
    let before = store(std::slice::from_ref(&check));
    run_once(&before, &check, VerdictStatus::Pass, 1);
    run_once(&before, &check, VerdictStatus::Fail, 2);
    let text = serde_json::to_string(&before.record(&check.id).unwrap()).unwrap();

    let record = serde_json::from_str(&text).unwrap();
    let (after, mut restored) =
        StatusStore::from_records(HashMap::from([(check.id.clone(), record)]), RunAccount::default());
    after.apply_suite(std::slice::from_ref(&check), &mut restored, Instant::now());
    assert_eq!(after.record(&check.id).unwrap().status(), Status::Up);
    // The second consecutive failure, across the restart.
    let status = run_once(&after, &check, VerdictStatus::Fail, 3);
    assert_eq!(status.status, Status::Down);
    assert_eq!(status.consecutive_failures, 2);
    assert_eq!(after.total_account().finished().get("fail"), Some(&2));
    assert!(after.is_balanced(0));
}

#[test]
fn runs_in_flight_at_a_kill_are_counted_as_killed() {
    let check = check("a");
    let before = store(std::slice::from_ref(&check));
    before.schedule(&check, Since::at(at(1))).unwrap();
    before.start(&check.id);
    let record = before.record(&check.id).unwrap();

    let (after, mut restored) =
        StatusStore::from_records(HashMap::from([(check.id.clone(), record)]), RunAccount::default());
    let applied = after.apply_suite(std::slice::from_ref(&check), &mut restored, Instant::now());
    assert_eq!(applied.killed, [(check.id.clone(), 1)]);
    assert_eq!(after.total_account().missed().get(&MissReason::Killed), Some(&1));
    assert!(after.is_balanced(0));
}

#[test]
fn checks_that_were_removed_while_no_runner_was_running_stay_in_the_total_account() {
    let check = check("a");
    let before = store(std::slice::from_ref(&check));
    run_once(&before, &check, VerdictStatus::Pass, 1);
    let record = before.record(&check.id).unwrap();
    let (after, mut restored) =
        StatusStore::from_records(HashMap::from([(check.id.clone(), record)]), RunAccount::default());
    after.apply_suite(&[], &mut restored, Instant::now());
    assert_eq!(after.archive_removed(restored), std::slice::from_ref(&check.id));
    assert_eq!(after.total_account().total_finished(), 1);
}

#[test]
fn a_run_abandoned_before_its_permit_is_missed_because_of_the_shutdown() {
    let check = check("a");
    let store = store(std::slice::from_ref(&check));
    store.schedule(&check, Since::at(at(1))).unwrap();
    store.abandon(&check.id);
    assert!(store.is_balanced(0));
    assert_eq!(
        store.total_account().missed().get(&MissReason::Shutdown),
        Some(&1)
    );
}

#[tokio::test(start_paused = true)]
async fn liveness_includes_how_long_a_check_has_been_silent() {
    let check = check("a");
    let store = store(std::slice::from_ref(&check));
    tokio::time::advance(Duration::from_secs(5)).await;
    run_once(&store, &check, VerdictStatus::Pass, 1);
    tokio::time::advance(Duration::from_secs(7)).await;
    store.schedule(&check, Since::at(at(8))).unwrap();
    tokio::time::advance(Duration::from_secs(2)).await;
    let mut all = Vec::new();
    store.for_each(|_, liveness| all.push(liveness));
    let secs = Duration::from_secs;
    assert_eq!(
        all,
        [CheckLiveness {
            stage: Stage::Waiting,
            stage_age: secs(2),
            silent_for: secs(9),
            limits: SilenceLimits {
                next_due: secs(10),
                stale_after: secs(30)
            }
        }]
    );
}

#[tokio::test(start_paused = true)]
async fn the_silence_of_a_check_starts_over_with_another_interval() {
    let rare = check("a");
    let store = store(std::slice::from_ref(&rare));
    tokio::time::advance(Duration::from_secs(9)).await;
    let frequent = Arc::new(Check::minimal("a", Duration::from_secs(1)));
    store.apply_suite(&[frequent], &mut Restored::default(), Instant::now());
    let mut silent_for = Vec::new();
    store.for_each(|_, liveness| silent_for.push(liveness.silent_for));
    assert_eq!(silent_for, [Duration::ZERO]);
}

#[test]
fn a_stopped_run_is_recorded_with_its_cause() {
    let check = check("a");
    let store = store(std::slice::from_ref(&check));
    store.schedule(&check, Since::at(at(1))).unwrap();
    store.start(&check.id);
    store.publish(&run(&check, Outcome::Stopped(StopCause::Shutdown)), at(1));
    let last = store.record(&check.id).unwrap().last.unwrap();
    assert_eq!(
        (last.outcome.as_str(), last.cause.as_deref()),
        ("stopped", Some("shutdown"))
    );
}

/// Ids once contained the query of the target. The alert of the former id ends.
#[test]
fn a_check_whose_id_was_different_keeps_its_account_and_its_status_starts_over() {
    let earlier = check("a@https://h.test/?q=1");
    let before = store(std::slice::from_ref(&earlier));
    run_once(&before, &earlier, VerdictStatus::Fail, 1);
    run_once(&before, &earlier, VerdictStatus::Fail, 2);
    let records = HashMap::from([(earlier.id.clone(), before.record(&earlier.id).unwrap())]);

    let check = Arc::new(Check {
        former_id: Some(earlier.id.clone()),
        ..Check::clone(&check("a@https://h.test/~1a2b3c4d"))
    });
    let (after, mut restored) = StatusStore::from_records(records, RunAccount::default());
    restored.migrate_ids(std::slice::from_ref(&check));
    after.apply_suite(std::slice::from_ref(&check), &mut restored, Instant::now());
    assert!(
        run_once(&after, &check, VerdictStatus::Fail, 3)
            .transition
            .is_none()
    );
    assert!(
        run_once(&after, &check, VerdictStatus::Fail, 4)
            .transition
            .is_some()
    );
    assert_eq!(after.archive_removed(restored), std::slice::from_ref(&earlier.id));
    assert_eq!(after.total_account().total_finished(), 4);
}
