//! Merging records late has the same result as knowing them from the start.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tokio::time::Instant;

use super::*;
use crate::outcome::{Outcome, StopCause, Verdict};
use canary_suite::Check;
use canary_system::age::Since;

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
        ..Check::minimal("a", Duration::from_secs(10))
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

fn apply(store: &StatusStore, check: &Arc<Check>, records: &mut Restored) {
    store.apply_suite(std::slice::from_ref(check), records, Instant::now());
}

fn run(store: &StatusStore, check: &Arc<Check>, verdicts: &[Option<VerdictStatus>], from: u64) {
    for (now, verdict) in (from..).zip(verdicts) {
        store.schedule(check, Since::at(at(now))).unwrap();
        store.start(&check.id);
        let run = Run::plain(Arc::clone(check), outcome(*verdict), at(now));
        store.publish(&Arc::new(run), at(now));
    }
}

fn record(store: &StatusStore, check: &Arc<Check>) -> CheckRecord {
    store.record(&check.id).unwrap()
}

/// Two stores after `early` runs in one process and `late` runs in the next: the first had the records from the start,
/// the second merged them after its runs.
fn both(early: &[Option<VerdictStatus>], late: &[Option<VerdictStatus>]) -> (StatusStore, StatusStore) {
    let check = check();
    let first = StatusStore::default();
    apply(&first, &check, &mut Restored::default());
    run(&first, &check, early, 0);
    let records = || HashMap::from([(check.id.clone(), record(&first, &check))]);
    let (known, mut restored) = StatusStore::from_records(records(), RunAccount::default());
    apply(&known, &check, &mut restored);
    run(&known, &check, late, 100);
    let merged = StatusStore::default();
    merged.expect_records();
    apply(&merged, &check, &mut Restored::default());
    run(&merged, &check, late, 100);
    merged.merge(records().into(), &RunAccount::default(), &HashMap::new());
    (known, merged)
}

#[test]
fn statuses_streaks_and_accounts_are_the_same_as_if_known_from_the_start() {
    let check = check();
    for seed in 0..2_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut verdicts = |most: usize| {
            let count = random.usize(..=most);
            (0..count).map(|_| ALL[random.usize(..4)]).collect::<Vec<_>>()
        };
        let (early, late) = (verdicts(8), verdicts(12));
        let (known, merged) = both(&early, &late);
        let [mut known_record, mut merged_record] = [&known, &merged].map(|store| record(store, &check));
        // The time of a transition in between is unknown.
        (known_record.changed, merged_record.changed) = (None, None);
        let is_same = known_record == merged_record && known.total_account() == merged.total_account();
        assert!(
            is_same,
            "seed {seed}: {early:?}, then {late:?}:\n{known_record:?}\n{merged_record:?}"
        );
        assert!(merged.is_balanced(0));
    }
}

#[test]
fn the_history_of_many_runs_is_bounded() {
    let mut history = VerdictHistory::default();
    for number in 0..100_000 {
        history.push(ALL[number / 3 % 4]);
    }
    assert_eq!(history.streaks.len(), MAX_STREAKS);
    assert_eq!(history.streaks.back(), Some(&(ALL[1], 1)), "the latest stay");
    let mut history = VerdictHistory::default();
    (0..100_000).for_each(|_| history.push(None));
    assert_eq!(history.streaks, [(None, 100_000)]);
}

#[test]
fn absent_due_times_killed_runs_and_removed_checks_are_accounted_for() {
    let check = check();
    let mut killed = CheckRecord::default();
    killed.account.record_scheduled(3);
    killed.account.record_started();
    let mut gone = CheckRecord::default();
    gone.account.record_scheduled(5);
    gone.account.record_missed(crate::account::MissReason::Overlap, 5);
    let store = StatusStore::default();
    store.expect_records();
    apply(&store, &check, &mut Restored::default());
    run(&store, &check, &[Some(VerdictStatus::Pass)], 100);
    let records = HashMap::from([(check.id.clone(), killed), (CheckId::new("gone"), gone)]);
    let merged = store.merge(
        records.into(),
        &RunAccount::default(),
        &HashMap::from([(check.id.clone(), 4)]),
    );
    assert_eq!(merged.killed, [(check.id.clone(), 3)]);
    assert_eq!(record(&store, &check).account.scheduled(), 3 + 4 + 1);
    assert_eq!(
        (
            store.total_account().scheduled(),
            store.archived_account().scheduled()
        ),
        (3 + 4 + 1 + 5, 5)
    );
    assert!(store.is_balanced(0));
}

#[test]
fn a_change_since_the_earlier_process_is_a_transition() {
    let (pass, fail) = (Some(VerdictStatus::Pass), Some(VerdictStatus::Fail));
    let transition = |early: &[_], late: &[_]| {
        let (_, merged) = both(early, late);
        let (_, status) = merged.check_statuses().pop()?;
        status
            .transition
            .map(|transition| (transition.from.as_str(), transition.to.as_str()))
    };
    assert_eq!(transition(&[fail, fail], &[fail, fail]), None);
    assert_eq!(transition(&[fail, fail], &[pass, pass]), Some(("down", "up")));
    assert_eq!(transition(&[pass, pass], &[fail, fail]), Some(("up", "down")));
    assert_eq!(transition(&[pass, pass, fail], &[fail]), Some(("up", "down")));
    assert_eq!(transition(&[], &[fail, fail]), Some(("unknown", "down")));
}

#[test]
fn a_change_is_dated_by_this_process_and_an_unchanged_status_by_the_earlier_one() {
    let (pass, fail) = (Some(VerdictStatus::Pass), Some(VerdictStatus::Fail));
    let merged = |early: &[_], late: &[_]| both(early, late).1;
    let changed = |store: &StatusStore| record(store, &check()).changed;
    assert_eq!(changed(&merged(&[fail, fail], &[fail, fail])), Some(at(1)));
    assert_eq!(changed(&merged(&[pass, pass], &[fail, fail])), Some(at(101)));
    // The second failure of both processes together was the first of this one.
    let tipped = merged(&[pass, pass, fail], &[fail]);
    assert_eq!(changed(&tipped), Some(at(100)));
    let (_, status) = tipped.check_statuses().remove(0);
    let transition = status.transition.unwrap();
    assert_eq!((transition.at, transition.consecutive), (at(100), 2));
    assert_eq!(
        (status.consecutive_failures, status.last_success),
        (2, Some(at(1)))
    );
}

#[test]
fn a_check_without_a_run_continues_as_the_earlier_process_left_it() {
    let (known, merged) = both(&[Some(VerdictStatus::Pass)], &[]);
    assert_eq!(record(&merged, &check()), record(&known, &check()));
    assert_eq!(record(&merged, &check()).last_due, Some(Since::at(at(0))));
    assert!(merged.check_statuses().is_empty());
}

#[test]
fn own_verdicts_take_precedence_if_no_records_were_expected() {
    let check = check();
    let (fail, pass) = (Some(VerdictStatus::Fail), Some(VerdictStatus::Pass));
    for (own, status) in [(vec![fail; 2], "down"), (vec![], "up")] {
        let (earlier, _) = both(&[pass, pass], &[]);
        let store = StatusStore::default();
        apply(&store, &check, &mut Restored::default());
        run(&store, &check, &own, 100);
        let records = HashMap::from([(check.id.clone(), record(&earlier, &check))]);
        let merged = store.merge(records.into(), &RunAccount::default(), &HashMap::new());
        assert!(merged.killed.is_empty());
        assert_eq!(record(&store, &check).status().as_str(), status);
    }
}

#[test]
fn no_history_is_recorded_once_the_records_are_merged() {
    let (_, merged) = both(&[], &[]);
    run(&merged, &check(), &[Some(VerdictStatus::Pass)], 200);
    assert!(merged.state().entries[&check().id].history.is_none());
}

#[test]
fn the_archived_account_is_merged() {
    let mut archived = RunAccount::default();
    archived.record_absent(7);
    let store = StatusStore::default();
    let merged = store.merge(Restored::default(), &archived, &HashMap::new());
    assert!(merged.killed.is_empty());
    assert_eq!(
        (store.total_account(), store.archived_account()),
        (archived.clone(), archived)
    );
}
