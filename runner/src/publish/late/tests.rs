//! A process that reads its records late ends up where one is that had them from the start.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tokio::time::Instant;

use super::*;
use crate::age::Since;
use crate::outcome::{Outcome, StopCause, Verdict};
use crate::suite::Check;

const ALL: [Option<VerdictStatus>; 4] = [
    Some(VerdictStatus::Pass),
    Some(VerdictStatus::Warn),
    Some(VerdictStatus::Fail),
    None,
];

fn check() -> Arc<Check> {
    Arc::new(Check {
        failure_threshold: 2,
        success_threshold: 2,
        ..Check::plain("a", Duration::from_secs(10))
    })
}

fn outcome(verdict: Option<VerdictStatus>) -> Outcome {
    let Some(status) = verdict else {
        return Outcome::Stopped(StopCause::Shutdown);
    };
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

fn keep(board: &Board, check: &Arc<Check>, records: &mut Restored) {
    board.keep(std::slice::from_ref(check), records, Instant::now());
}

fn run(board: &Board, check: &Arc<Check>, verdicts: &[Option<VerdictStatus>], from: u64) {
    for (now, verdict) in (from..).zip(verdicts) {
        board.schedule(check, Since::at(at(now))).unwrap();
        board.start(&check.id);
        let run = Run::plain(Arc::clone(check), outcome(*verdict), at(now));
        board.publish(&Arc::new(run), at(now));
    }
}

fn record(board: &Board, check: &Arc<Check>) -> Record {
    board.record(&check.id).unwrap()
}

/// What a board knows after `early` in one process and `late` in the next, which reads its records from the start,
/// or when it has run already.
fn both(early: &[Option<VerdictStatus>], late: &[Option<VerdictStatus>]) -> (Board, Board) {
    let check = check();
    let first = Board::default();
    keep(&first, &check, &mut Restored::default());
    run(&first, &check, early, 0);
    let records = || HashMap::from([(check.id.clone(), record(&first, &check))]);
    let (known, mut restored) = Board::restored(records(), Account::default());
    keep(&known, &check, &mut restored);
    run(&known, &check, late, 100);
    let merged = Board::default();
    merged.expect_records();
    keep(&merged, &check, &mut Restored::default());
    run(&merged, &check, late, 100);
    merged.merge(records().into(), &Account::default(), &HashMap::new());
    (known, merged)
}

#[test]
fn statuses_streaks_and_accounts_are_as_if_they_had_been_known() {
    let check = check();
    for seed in 0..2_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut verdicts = |most: usize| {
            let count = random.usize(..=most);
            (0..count).map(|_| ALL[random.usize(..4)]).collect::<Vec<_>>()
        };
        let (early, late) = (verdicts(8), verdicts(12));
        let (known, merged) = both(&early, &late);
        let [mut known_record, mut merged_record] = [&known, &merged].map(|board| record(board, &check));
        // When a status changed in between is not known any more.
        (known_record.changed, merged_record.changed) = (None, None);
        let is_same = known_record == merged_record && known.account() == merged.account();
        assert!(
            is_same,
            "seed {seed}: {early:?}, then {late:?}:\n{known_record:?}\n{merged_record:?}"
        );
        assert!(merged.holds(0));
    }
}

#[test]
fn a_day_of_runs_is_merged_in_a_moment_and_takes_no_room() {
    let mut history = History::default();
    for number in 0..100_000 {
        history.push(ALL[number / 3 % 4]);
    }
    assert_eq!(history.streaks.len(), MAX_STREAKS);
    assert_eq!(history.streaks.back(), Some(&(ALL[1], 1)), "the latest stay");
    let mut history = History::default();
    (0..100_000).for_each(|_| history.push(None));
    assert_eq!(history.streaks, [(None, 100_000)]);
}

#[test]
fn due_times_in_between_runs_that_were_killed_and_checks_that_are_gone_are_accounted_for() {
    let check = check();
    let mut killed = Record::default();
    killed.account.schedule(3);
    killed.account.start();
    let mut gone = Record::default();
    gone.account.schedule(5);
    gone.account.miss(crate::account::MissReason::Overlap, 5);
    let board = Board::default();
    board.expect_records();
    keep(&board, &check, &mut Restored::default());
    run(&board, &check, &[Some(VerdictStatus::Pass)], 100);
    let records = HashMap::from([(check.id.clone(), killed), (CheckId::new("gone"), gone)]);
    let merged = board.merge(
        records.into(),
        &Account::default(),
        &HashMap::from([(check.id.clone(), 4)]),
    );
    assert_eq!(merged.killed, [(check.id.clone(), 3)]);
    assert_eq!(record(&board, &check).account.scheduled(), 3 + 4 + 1);
    assert_eq!(
        (board.account().scheduled(), board.retired().scheduled()),
        (3 + 4 + 1 + 5, 5)
    );
    assert!(board.holds(0));
}

#[test]
fn a_change_since_the_earlier_process_is_one_and_what_stayed_is_none() {
    let (pass, fail) = (Some(VerdictStatus::Pass), Some(VerdictStatus::Fail));
    let transition = |early: &[_], late: &[_]| {
        let (_, merged) = both(early, late);
        let (_, standing) = merged.standings().pop()?;
        standing
            .transition
            .map(|transition| (transition.from.word(), transition.to.word()))
    };
    assert_eq!(transition(&[fail, fail], &[fail, fail]), None);
    assert_eq!(transition(&[fail, fail], &[pass, pass]), Some(("down", "up")));
    assert_eq!(transition(&[pass, pass], &[fail, fail]), Some(("up", "down")));
    assert_eq!(transition(&[pass, pass, fail], &[fail]), Some(("up", "down")));
    assert_eq!(transition(&[], &[fail, fail]), Some(("unknown", "down")));
}

#[test]
fn a_change_is_dated_by_this_process_and_what_stayed_by_the_earlier_one() {
    let (pass, fail) = (Some(VerdictStatus::Pass), Some(VerdictStatus::Fail));
    let merged = |early: &[_], late: &[_]| both(early, late).1;
    let changed = |board: &Board| record(board, &check()).changed;
    assert_eq!(changed(&merged(&[fail, fail], &[fail, fail])), Some(at(1)));
    assert_eq!(changed(&merged(&[pass, pass], &[fail, fail])), Some(at(101)));
    // The second failure of both processes was the first of this one.
    let tipped = merged(&[pass, pass, fail], &[fail]);
    assert_eq!(changed(&tipped), Some(at(100)));
    let (_, standing) = tipped.standings().remove(0);
    let transition = standing.transition.unwrap();
    assert_eq!((transition.at, transition.consecutive), (at(100), 2));
    assert_eq!(
        (standing.consecutive_failures, standing.last_success),
        (2, Some(at(1)))
    );
}

#[test]
fn a_check_that_has_not_run_yet_goes_on_as_the_earlier_process_left_it() {
    let (known, merged) = both(&[Some(VerdictStatus::Pass)], &[]);
    assert_eq!(record(&merged, &check()), record(&known, &check()));
    assert_eq!(record(&merged, &check()).last_due, Some(Since::at(at(0))));
    assert!(merged.standings().is_empty());
}

#[test]
fn what_was_found_out_counts_where_nobody_expected_records() {
    let check = check();
    let (fail, pass) = (Some(VerdictStatus::Fail), Some(VerdictStatus::Pass));
    for (own, status) in [(vec![fail; 2], "down"), (vec![], "up")] {
        let (earlier, _) = both(&[pass, pass], &[]);
        let board = Board::default();
        keep(&board, &check, &mut Restored::default());
        run(&board, &check, &own, 100);
        let records = HashMap::from([(check.id.clone(), record(&earlier, &check))]);
        let merged = board.merge(records.into(), &Account::default(), &HashMap::new());
        assert!(merged.killed.is_empty());
        assert_eq!(record(&board, &check).status().word(), status);
    }
}

#[test]
fn nothing_more_is_remembered_once_the_records_are_merged() {
    let (_, merged) = both(&[], &[]);
    run(&merged, &check(), &[Some(VerdictStatus::Pass)], 200);
    assert!(merged.state().entries[&check().id].history.is_none());
}

#[test]
fn the_account_of_checks_that_were_gone_by_then_is_counted_on() {
    let mut retired = Account::default();
    retired.pass(7);
    let board = Board::default();
    let merged = board.merge(Restored::default(), &retired, &HashMap::new());
    assert!(merged.killed.is_empty());
    assert_eq!((board.account(), board.retired()), (retired.clone(), retired));
}
