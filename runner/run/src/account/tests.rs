use super::*;
use crate::outcome::StopCause;

const ENDED: Outcome = Outcome::Stopped(StopCause::Shutdown);

#[test]
fn an_empty_account_is_balanced() {
    assert!(RunAccount::default().is_balanced(0, 0));
}

#[test]
fn an_account_is_balanced_at_every_step_of_a_run() {
    let mut account = RunAccount::default();
    account.record_scheduled(1);
    assert!(account.is_balanced(1, 0));
    account.record_started();
    assert!(account.is_balanced(0, 1));
    account.record_finished(&ENDED);
    assert!(account.is_balanced(0, 0));
    assert_eq!(account.finished().get("stopped"), Some(&1));
}

#[test]
fn a_missed_due_time_is_accounted_for() {
    let mut account = RunAccount::default();
    for (reason, count) in [
        (MissReason::Overlap, 1),
        (MissReason::ClockJump, 3),
        (MissReason::Overlap, 1),
        (MissReason::Shutdown, 0),
    ] {
        account.record_scheduled(count);
        account.record_missed(reason, count);
        assert!(account.is_balanced(0, 0));
    }
    assert_eq!(account.scheduled(), 5);
    assert_eq!(account.missed().get(&MissReason::Overlap), Some(&2));
}

#[test]
fn a_lost_run_is_detected() {
    let mut account = RunAccount::default();
    account.record_scheduled(2);
    account.record_started();
    account.record_started();
    account.record_finished(&ENDED);
    assert!(!account.is_balanced(0, 0));
}

#[test]
fn a_run_that_ended_twice_is_detected() {
    let mut account = RunAccount::default();
    account.record_scheduled(1);
    account.record_started();
    account.record_finished(&ENDED);
    account.record_finished(&ENDED);
    assert!(!account.is_balanced(0, 0));
}

#[test]
fn a_run_that_was_never_scheduled_is_detected() {
    let mut account = RunAccount::default();
    account.record_started();
    assert!(!account.is_balanced(0, 1));
}

#[test]
fn a_running_run_that_was_never_started_is_detected() {
    let mut account = RunAccount::default();
    account.record_scheduled(1);
    assert!(!account.is_balanced(0, 1));
    account.record_started();
    assert_eq!(account.started(), 1);
    assert!(account.is_balanced(0, 1));
}

#[test]
fn only_runs_with_a_verdict_about_their_target_are_counted_as_verdicts() {
    let row = r#"{"scheduled":15,"started":15,"missed":{},
        "finished":{"pass":1,"warn":2,"fail":4,"stopped":3,"faulted":5}}"#;
    let account: RunAccount = serde_json::from_str(row).unwrap();
    assert_eq!((account.verdicts(), account.total_finished()), (7, 15));
}

#[test]
fn outcomes_of_a_later_version_count_as_stopped() {
    let row = r#"{"scheduled":6,"started":6,"missed":{},"finished":{"new":1,"newer":2,"stopped":3}}"#;
    let account: RunAccount = serde_json::from_str(row).unwrap();
    assert_eq!(account.finished().get("stopped"), Some(&6));
    assert!(account.is_balanced(0, 0));
}

#[test]
fn counts_saturate() {
    let max = u64::MAX;
    for finished in [max, max - 1, max / 2 + 1] {
        let row = serde_json::json!({
            "scheduled": max - 1,
            "started": max - 1,
            "finished": { "pass": finished, "stopped": max, "of another version": max },
            "missed": { "killed": max, "absent": finished },
        });
        let mut account: RunAccount = serde_json::from_value(row).unwrap();
        for _ in 0..3 {
            account.record_scheduled(1);
            account.record_started();
            account.record_finished(&ENDED);
            account.record_absent(max);
            account.record_missed(MissReason::Overload, max);
            account.merge(&account.clone());
            account.count_killed();
        }
        assert_eq!((account.scheduled(), account.total_missed()), (max, max));
        assert_eq!((account.total_finished(), account.in_flight()), (max, 0));
        assert_eq!(account.verdicts(), max);
        assert!(account.is_balanced(max, max));
    }
}
