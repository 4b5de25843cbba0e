use std::iter;

use super::*;
use crate::outcome::{Fault, StopCause, Verdict};

/// p(ass), w(arn), f(ail), s(topped), x (faulted).
fn outcome(letter: char) -> Outcome {
    let status = match letter {
        'p' => VerdictStatus::Pass,
        'w' => VerdictStatus::Warn,
        'f' => VerdictStatus::Fail,
        's' => return Outcome::Stopped(StopCause::Shutdown),
        _ => return Outcome::Faulted(Fault::Trap("unreachable".into())),
    };
    Outcome::Completed(Verdict {
        status,
        summary: format!("summary of {letter}").into(),
        assertions: Vec::new(),
        measurements: Vec::new(),
        attributes: Vec::new(),
    })
}

fn letter(status: Status) -> char {
    match status {
        Status::Up => 'U',
        Status::Degraded => 'D',
        Status::Down => 'X',
        Status::Unknown => '?',
    }
}

fn thresholds(failure: u32, success: u32) -> Thresholds {
    Thresholds { failure, success }
}

/// The status after each outcome.
fn statuses(outcomes: &str, thresholds: Thresholds) -> String {
    let mut tracker = Tracker::default();
    let mut step = |letter_| {
        tracker.observe(&outcome(letter_), thresholds, SystemTime::UNIX_EPOCH);
        letter(tracker.status())
    };
    outcomes.chars().map(&mut step).collect()
}

/// Failure threshold, success threshold, outcomes, statuses.
fn table(cases: &[(u32, u32, &str, &str)]) {
    for (failure, success, outcomes, expected) in cases {
        let actual = statuses(outcomes, thresholds(*failure, *success));
        assert_eq!(&actual, expected, "{outcomes} with {failure} and {success}");
    }
}

/// Every row of up to `length` outcomes.
fn rows(length: usize) -> Vec<String> {
    let longer = |rows: &Vec<String>| {
        Some(
            rows.iter()
                .flat_map(|row| "pwfsx".chars().map(move |letter| format!("{row}{letter}")))
                .collect(),
        )
    };
    iter::successors(Some(vec![String::new()]), longer)
        .take(length + 1)
        .flatten()
        .collect()
}

#[test]
fn a_new_check_is_unknown() {
    assert_eq!(Tracker::default().status(), Status::Unknown);
}

#[test]
fn one_outcome_is_enough_at_a_threshold_of_one() {
    table(&[
        (1, 1, "pwfpfwp", "UDXUXDU"),
        (1, 1, "sps", "?U?"),
        (1, 1, "xfx", "?X?"),
        (0, 0, "pf", "UX"),
        (0, 2, "pp", "?U"),
    ]);
}

#[test]
fn the_first_status_takes_a_whole_row() {
    table(&[
        (3, 2, "pp", "?U"),
        (3, 2, "fff", "??X"),
        (3, 2, "ww", "?D"),
        (3, 2, "pw", "?D"),
        (3, 2, "pf", "??"),
    ]);
}

#[test]
fn up_turns_down_after_a_row_of_fails() {
    table(&[(3, 1, "pfff", "UUUX"), (3, 1, "pffpff", "UUUUUU")]);
}

#[test]
fn down_turns_up_after_a_row_of_passes() {
    table(&[(1, 3, "fppp", "XXXU"), (1, 3, "fppfppp", "XXXXXXU")]);
}

#[test]
fn up_degrades_after_a_row_of_warnings() {
    table(&[
        (2, 1, "pww", "UUD"),
        (2, 1, "pwpw", "UUUU"),
        (2, 1, "pwwp", "UUDU"),
    ]);
}

#[test]
fn warnings_and_fails_in_turn_degrade() {
    table(&[(2, 1, "pwfwf", "UUDDD"), (2, 2, "wfwf", "?DDD")]);
}

#[test]
fn down_improves_as_far_as_the_whole_row_allows() {
    table(&[
        (1, 2, "fwp", "XXD"),
        (1, 2, "fpwpp", "XXDDU"),
        (1, 2, "fww", "XXD"),
    ]);
}

#[test]
fn degraded_turns_down_and_up() {
    table(&[(2, 2, "wwff", "?DDX"), (2, 2, "wwpp", "?DDU")]);
}

#[test]
fn runs_without_a_verdict_make_it_unknown() {
    table(&[
        (2, 1, "pss", "UU?"),
        (2, 1, "psx", "UU?"),
        (2, 1, "ffxs", "?XX?"),
        (3, 1, "pssp", "UUUU"),
    ]);
}

#[test]
fn a_run_without_a_verdict_breaks_no_row() {
    table(&[(2, 1, "pfsf", "UUUX"), (2, 2, "psp", "??U")]);
}

#[test]
fn what_was_learned_before_unknown_is_forgotten() {
    table(&[(2, 2, "ppsspp", "?UU??U"), (2, 2, "pfssf", "?????")]);
}

#[test]
fn a_transition_has_the_outcome_that_caused_it() {
    let mut tracker = Tracker::default();
    let mut observe = |letter, second| {
        let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(second);
        (tracker.observe(&outcome(letter), thresholds(2, 1), at), at)
    };
    let (first, at) = observe('p', 1);
    let up = Transition {
        from: Status::Unknown,
        to: Status::Up,
        at,
        summary: "summary of p".to_owned(),
        consecutive: 1,
    };
    assert_eq!(first, Some(up));
    assert_eq!(observe('f', 2).0, None);
    let (second, at) = observe('f', 3);
    let down = Transition {
        from: Status::Up,
        to: Status::Down,
        at,
        summary: "summary of f".to_owned(),
        consecutive: 2,
    };
    assert_eq!(second, Some(down));
}

#[test]
fn outcomes_before_the_row_that_tipped_a_status_are_not_counted_in() {
    let mut tracker = Tracker::default();
    let mut observe = |letter| tracker.observe(&outcome(letter), thresholds(2, 1), SystemTime::UNIX_EPOCH);
    let changes: Vec<_> = "pppwwff".chars().filter_map(&mut observe).collect();
    let rows: Vec<_> = changes
        .iter()
        .map(|change| (letter(change.to), change.consecutive))
        .collect();
    assert_eq!(rows, [('U', 1), ('D', 2), ('X', 2)]);
}

#[test]
fn a_status_changes_only_through_a_threshold() {
    for (failure, success) in [(1, 1), (2, 1), (1, 2), (2, 3), (3, 2)] {
        for row in rows(6) {
            let mut tracker = Tracker::default();
            for letter in row.chars() {
                let before = tracker.status();
                let change = tracker.observe(
                    &outcome(letter),
                    thresholds(failure, success),
                    SystemTime::UNIX_EPOCH,
                );
                let Some(change) = change else {
                    assert_eq!(tracker.status(), before, "{row}");
                    continue;
                };
                assert_eq!((change.from, change.to), (before, tracker.status()), "{row}");
                assert_ne!(change.from, change.to, "{row}");
                let threshold = if change.to < change.from && change.to < Status::Down {
                    success.min(failure)
                } else {
                    failure
                };
                assert!(change.consecutive >= threshold, "{row}: {change:?}");
            }
        }
    }
}

#[test]
fn a_whole_row_always_decides() {
    for row in rows(6) {
        for (last, expected) in [('p', 'U'), ('w', 'D'), ('f', 'X'), ('s', '?'), ('x', '?')] {
            let row = format!("{row}{}", last.to_string().repeat(3));
            assert!(statuses(&row, thresholds(3, 2)).ends_with(expected), "{row}");
        }
    }
}

#[test]
fn outcomes_at_once_come_to_the_same_as_one_by_one() {
    for (failure, success) in [(1, 1), (2, 1), (1, 3), (2, 3), (3, 2)] {
        let thresholds = thresholds(failure, success);
        for (row, last) in rows(4)
            .iter()
            .flat_map(|row| "pwfs".chars().map(move |last| (row, last)))
        {
            let mut at_once = Tracker::default();
            for letter in row.chars() {
                at_once.observe(&outcome(letter), thresholds, SystemTime::UNIX_EPOCH);
            }
            let mut one_by_one = at_once.clone();
            for times in [0, 1, 2, 5] {
                at_once.replay(outcome(last).verdict(), times, thresholds);
                for _ in 0..times {
                    one_by_one.observe(&outcome(last), thresholds, SystemTime::UNIX_EPOCH);
                }
                assert_eq!(at_once, one_by_one, "{row}, then {last} {times} times");
            }
        }
    }
}
