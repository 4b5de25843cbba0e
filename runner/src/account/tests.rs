use super::*;
use crate::outcome::StopCause;

const ENDED: Outcome = Outcome::Stopped(StopCause::Shutdown);

#[test]
fn an_empty_account_holds() {
    assert!(Account::default().holds(0, 0));
}

#[test]
fn an_account_holds_at_every_step_of_a_run() {
    let mut account = Account::default();
    account.schedule(1);
    assert!(account.holds(1, 0));
    account.start();
    assert!(account.holds(0, 1));
    account.finish(&ENDED);
    assert!(account.holds(0, 0));
    assert_eq!(account.finished().get("stopped"), Some(&1));
}

#[test]
fn a_missed_due_time_is_accounted_for() {
    let mut account = Account::default();
    for (reason, count) in [
        (MissReason::Overlap, 1),
        (MissReason::ClockJump, 3),
        (MissReason::Overlap, 1),
        (MissReason::Shutdown, 0),
    ] {
        account.schedule(count);
        account.miss(reason, count);
        assert!(account.holds(0, 0));
    }
    assert_eq!(account.scheduled(), 5);
    assert_eq!(account.missed().get(&MissReason::Overlap), Some(&2));
}

#[test]
fn a_run_that_vanished_shows() {
    let mut account = Account::default();
    account.schedule(2);
    account.start();
    account.start();
    account.finish(&ENDED);
    assert!(!account.holds(0, 0));
}

#[test]
fn a_run_that_ended_twice_shows() {
    let mut account = Account::default();
    account.schedule(1);
    account.start();
    account.finish(&ENDED);
    account.finish(&ENDED);
    assert!(!account.holds(0, 0));
}

#[test]
fn a_run_that_nobody_scheduled_shows() {
    let mut account = Account::default();
    account.start();
    assert!(!account.holds(0, 1));
}

#[test]
fn a_run_that_goes_on_and_was_never_started_shows() {
    let mut account = Account::default();
    account.schedule(1);
    assert!(!account.holds(0, 1));
    account.start();
    assert_eq!(account.started(), 1);
    assert!(account.holds(0, 1));
}

#[test]
fn only_runs_that_say_something_of_their_target_are_verdicts() {
    let kept = r#"{"scheduled":15,"started":15,"missed":{},
        "finished":{"pass":1,"warn":2,"fail":4,"stopped":3,"faulted":5}}"#;
    let account: Account = serde_json::from_str(kept).unwrap();
    assert_eq!((account.verdicts(), account.finished_in_all()), (7, 15));
}

#[test]
fn outcomes_of_a_later_version_count_as_stopped() {
    let kept = r#"{"scheduled":6,"started":6,"missed":{},"finished":{"new":1,"newer":2,"stopped":3}}"#;
    let account: Account = serde_json::from_str(kept).unwrap();
    assert_eq!(account.finished().get("stopped"), Some(&6));
    assert!(account.holds(0, 0));
}

#[test]
fn counts_that_are_as_large_as_can_be_stay_so_whatever_comes() {
    let max = u64::MAX;
    for finished in [max, max - 1, max / 2 + 1] {
        let row = serde_json::json!({
            "scheduled": max - 1,
            "started": max - 1,
            "finished": { "pass": finished, "stopped": max, "of another version": max },
            "missed": { "killed": max, "absent": finished },
        });
        let mut account: Account = serde_json::from_value(row).unwrap();
        for _ in 0..3 {
            account.schedule(1);
            account.start();
            account.finish(&ENDED);
            account.pass(max);
            account.miss(MissReason::Overload, max);
            account.absorb(&account.clone());
            account.bury();
        }
        assert_eq!((account.scheduled(), account.missed_in_all()), (max, max));
        assert_eq!((account.finished_in_all(), account.under_way()), (max, 0));
        assert_eq!(account.verdicts(), max);
        assert!(account.holds(max, max));
    }
}
