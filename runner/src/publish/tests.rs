mod views;

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::outcome::{LogLevel, LogLine, Outcome, StopCause, Verdict, VerdictStatus};
use crate::status::Status;

fn check(name: &str) -> Arc<Check> {
    Arc::new(Check::plain(name, Duration::from_secs(10)))
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

/// A board with these checks.
fn board(checks: &[Arc<Check>]) -> Board {
    let board = Board::default();
    board.keep(checks, &mut Restored::default(), Instant::now());
    board
}

/// One whole run.
fn went(board: &Board, check: &Arc<Check>, status: VerdictStatus, now: u64) -> Standing {
    board.schedule(check, Since::at(at(now))).unwrap();
    board.start(&check.id);
    board.publish(&run(check, verdict(status)), at(now))
}

#[test]
fn the_account_holds_at_every_step_of_a_run() {
    let check = check("a");
    let board = board(std::slice::from_ref(&check));
    assert!(board.holds(0));
    board.schedule(&check, Since::at(at(1))).unwrap();
    assert!(board.holds(1) && !board.holds(0));
    board.start(&check.id);
    assert!(board.holds(1));
    board.publish(&run(&check, verdict(VerdictStatus::Pass)), at(1));
    assert!(board.holds(0));
}

#[test]
fn the_last_runs_of_checks_that_log_all_they_may_take_no_more_than_there_is_for_all() {
    let checks: Vec<Arc<Check>> = (0..300).map(|number| check(&format!("check {number}"))).collect();
    let board = board(&checks);
    for check in &checks {
        let line = LogLine {
            at: Duration::ZERO,
            level: LogLevel::Info,
            message: "m".repeat(4 << 10).into(),
            fields: Vec::new(),
        };
        let mut run = Run::clone(&run(check, verdict(VerdictStatus::Fail)));
        run.log = vec![line; 64];
        board.schedule(check, Since::at(at(1))).unwrap();
        board.start(&check.id);
        board.publish(&Arc::new(run), at(1));
    }
    let last: Vec<Arc<Run>> = checks.iter().filter_map(|check| board.last(&check.id)).collect();
    let bytes: usize = last.iter().map(|run| run.details_weight()).sum();
    assert!(bytes <= MAX_LAST_RUNS, "{bytes}");
    assert!(last.iter().all(|run| run.outcome.summary() == "as told"));
    let dropped = board.dropped_details();
    assert_eq!(
        (last.len(), last.iter().filter(|run| run.log.is_empty()).count()),
        (300, dropped.len())
    );
    assert!(!dropped.is_empty());
    // A check that is taken out takes its part with it.
    board.keep(&[], &mut Restored::default(), Instant::now());
    assert!(board.last(&checks[0].id).is_none() && board.dropped_details().is_empty());
}

#[test]
fn what_was_known_of_checks_that_are_gone_is_released_by_whoever_laid_out_others() {
    let check = check("a");
    let board = board(std::slice::from_ref(&check));
    let kept = Arc::downgrade(&check);
    drop(check);
    let layout = board.keep(&[], &mut Restored::default(), Instant::now());
    assert_eq!((layout.gone.len(), board.len()), (1, 0));
    assert!(kept.upgrade().is_some());
    drop(layout);
    assert!(kept.upgrade().is_none());
}

#[test]
fn a_run_that_vanished_shows() {
    let check = check("a");
    let board = board(std::slice::from_ref(&check));
    board.schedule(&check, Since::at(at(1))).unwrap();
    // The task is gone, and nobody was told.
    assert!(!board.holds(0));
    let mut uneven = Account::default();
    uneven.schedule(1);
    let (board, _) = Board::restored(HashMap::new(), uneven);
    assert!(!board.holds(0));
}

#[test]
fn a_check_never_overlaps_itself_and_the_reason_says_what_it_waited_for() {
    let check = check("a");
    let board = board(std::slice::from_ref(&check));
    board.schedule(&check, Since::at(at(1))).unwrap();
    assert_eq!(
        board.schedule(&check, Since::at(at(2))),
        Err(MissReason::Overload)
    );
    board.start(&check.id);
    assert_eq!(board.schedule(&check, Since::at(at(3))), Err(MissReason::Overlap));
    assert!(board.holds(1));
    let account = board.record(&check.id).unwrap().account;
    assert_eq!((account.scheduled(), account.missed_in_all()), (3, 2));
}

#[test]
fn each_check_has_an_account_and_all_have_one() {
    let (a, b) = (check("a"), check("b"));
    let board = board(&[Arc::clone(&a), Arc::clone(&b)]);
    went(&board, &a, VerdictStatus::Pass, 1);
    went(&board, &b, VerdictStatus::Fail, 2);
    board.pass(&b, MissReason::ClockJump, 5, Since::at(at(60)));
    let b_alone = board.record(&b.id).unwrap().account;
    assert!(board.holds(0) && b_alone.holds(0, 0));
    let of = |check: &Arc<Check>| board.record(&check.id).unwrap().account.scheduled();
    assert_eq!((of(&a), of(&b), board.account().scheduled()), (1, 6, 7));
}

#[test]
fn a_check_that_is_gone_stays_in_the_account_of_all() {
    let (a, b) = (check("a"), check("b"));
    let board = board(&[Arc::clone(&a), Arc::clone(&b)]);
    went(&board, &a, VerdictStatus::Pass, 1);
    let layout = board.keep(&[b], &mut Restored::default(), Instant::now());
    assert_eq!(layout.gone, std::slice::from_ref(&a.id));
    assert!(board.record(&a.id).is_none());
    assert_eq!(board.account().scheduled(), 1);
    assert_eq!(board.retired().scheduled(), 1);
    assert!(board.holds(0));
}

#[test]
fn a_check_that_is_taken_out_while_it_runs_leaves_when_its_run_is_over() {
    let check = check("a");
    let board = board(std::slice::from_ref(&check));
    board.schedule(&check, Since::at(at(1))).unwrap();
    board.start(&check.id);
    let layout = board.keep(&[], &mut Restored::default(), Instant::now());
    assert!(layout.gone.is_empty() && board.holds(1));
    board.publish(&run(&check, verdict(VerdictStatus::Pass)), at(1));
    assert!(board.record(&check.id).is_none() && board.holds(0));
    assert_eq!(board.retired().finished_in_all(), 1);
}

#[test]
fn a_check_that_comes_back_while_its_old_run_goes_on_does_not_run_twice() {
    let check = check("a");
    let board = board(std::slice::from_ref(&check));
    board.schedule(&check, Since::at(at(1))).unwrap();
    board.start(&check.id);
    board.keep(&[], &mut Restored::default(), Instant::now());
    board.keep(
        std::slice::from_ref(&check),
        &mut Restored::default(),
        Instant::now(),
    );
    assert_eq!(board.schedule(&check, Since::at(at(2))), Err(MissReason::Overlap));
    board.publish(&run(&check, verdict(VerdictStatus::Pass)), at(2));
    assert!(board.record(&check.id).is_some() && board.holds(0));
}

#[test]
fn statuses_streaks_and_accounts_go_on_after_a_restart() {
    let check = check("a");
    let before = board(std::slice::from_ref(&check));
    went(&before, &check, VerdictStatus::Pass, 1);
    went(&before, &check, VerdictStatus::Fail, 2);
    let text = serde_json::to_string(&before.record(&check.id).unwrap()).unwrap();

    let record = serde_json::from_str(&text).unwrap();
    let (after, mut restored) =
        Board::restored(HashMap::from([(check.id.clone(), record)]), Account::default());
    after.keep(std::slice::from_ref(&check), &mut restored, Instant::now());
    assert_eq!(after.record(&check.id).unwrap().status(), Status::Up);
    // The second failure in a row, as if nothing had happened.
    let standing = went(&after, &check, VerdictStatus::Fail, 3);
    assert_eq!(standing.status, Status::Down);
    assert_eq!(standing.consecutive_failures, 2);
    assert_eq!(after.account().finished().get("fail"), Some(&2));
    assert!(after.holds(0));
}

#[test]
fn what_was_under_way_at_a_kill_is_missed_for_that() {
    let check = check("a");
    let before = board(std::slice::from_ref(&check));
    before.schedule(&check, Since::at(at(1))).unwrap();
    before.start(&check.id);
    let record = before.record(&check.id).unwrap();

    let (after, mut restored) =
        Board::restored(HashMap::from([(check.id.clone(), record)]), Account::default());
    let layout = after.keep(std::slice::from_ref(&check), &mut restored, Instant::now());
    assert_eq!(layout.killed, [(check.id.clone(), 1)]);
    assert_eq!(after.account().missed().get(&MissReason::Killed), Some(&1));
    assert!(after.holds(0));
}

#[test]
fn checks_that_were_taken_out_while_no_runner_was_there_stay_in_the_account_of_all() {
    let check = check("a");
    let before = board(std::slice::from_ref(&check));
    went(&before, &check, VerdictStatus::Pass, 1);
    let record = before.record(&check.id).unwrap();
    let (after, mut restored) =
        Board::restored(HashMap::from([(check.id.clone(), record)]), Account::default());
    after.keep(&[], &mut restored, Instant::now());
    assert_eq!(after.retire(restored), std::slice::from_ref(&check.id));
    assert_eq!(after.account().finished_in_all(), 1);
}

#[test]
fn a_stop_before_the_permit_is_missed_for_that() {
    let check = check("a");
    let board = board(std::slice::from_ref(&check));
    board.schedule(&check, Since::at(at(1))).unwrap();
    board.abandon(&check.id);
    assert!(board.holds(0));
    assert_eq!(board.account().missed().get(&MissReason::Shutdown), Some(&1));
}

#[tokio::test(start_paused = true)]
async fn signs_of_life_tell_how_long_nothing_was_heard() {
    let check = check("a");
    let board = board(std::slice::from_ref(&check));
    tokio::time::advance(Duration::from_secs(5)).await;
    went(&board, &check, VerdictStatus::Pass, 1);
    tokio::time::advance(Duration::from_secs(7)).await;
    board.schedule(&check, Since::at(at(8))).unwrap();
    tokio::time::advance(Duration::from_secs(2)).await;
    let mut signs = Vec::new();
    board.each(|_, sign| signs.push(sign));
    let secs = Duration::from_secs;
    assert_eq!(
        signs,
        [Sign {
            stage: Stage::Waiting,
            age: secs(2),
            silent_for: secs(9),
            patience: Patience {
                next: secs(10),
                stale: secs(30)
            }
        }]
    );
}

#[tokio::test(start_paused = true)]
async fn a_check_with_another_interval_is_not_silent_for_longer_than_it_has_had_that() {
    let rare = check("a");
    let board = board(std::slice::from_ref(&rare));
    tokio::time::advance(Duration::from_secs(9)).await;
    let frequent = Arc::new(Check::plain("a", Duration::from_secs(1)));
    board.keep(&[frequent], &mut Restored::default(), Instant::now());
    let mut silent_for = Vec::new();
    board.each(|_, sign| silent_for.push(sign.silent_for));
    assert_eq!(silent_for, [Duration::ZERO]);
}

#[test]
fn a_stopped_run_is_kept_with_its_cause() {
    let check = check("a");
    let board = board(std::slice::from_ref(&check));
    board.schedule(&check, Since::at(at(1))).unwrap();
    board.start(&check.id);
    board.publish(&run(&check, Outcome::Stopped(StopCause::Shutdown)), at(1));
    let last = board.record(&check.id).unwrap().last.unwrap();
    assert_eq!(
        (last.outcome.as_str(), last.cause.as_deref()),
        ("stopped", Some("shutdown"))
    );
}

/// An id held the query of its target once, and so did the alert of that id, which is over.
#[test]
fn a_check_whose_id_was_different_keeps_its_account_and_goes_down_anew() {
    let earlier = check("a@https://h.test/?q=1");
    let before = board(std::slice::from_ref(&earlier));
    went(&before, &earlier, VerdictStatus::Fail, 1);
    went(&before, &earlier, VerdictStatus::Fail, 2);
    let records = HashMap::from([(earlier.id.clone(), before.record(&earlier.id).unwrap())]);

    let check = Arc::new(Check {
        former_id: Some(earlier.id.clone()),
        ..Check::clone(&check("a@https://h.test/~1a2b3c4d"))
    });
    let (after, mut restored) = Board::restored(records, Account::default());
    restored.rename(std::slice::from_ref(&check));
    after.keep(std::slice::from_ref(&check), &mut restored, Instant::now());
    assert!(went(&after, &check, VerdictStatus::Fail, 3).transition.is_none());
    assert!(went(&after, &check, VerdictStatus::Fail, 4).transition.is_some());
    assert_eq!(after.retire(restored), std::slice::from_ref(&earlier.id));
    assert_eq!(after.account().finished_in_all(), 4);
}
