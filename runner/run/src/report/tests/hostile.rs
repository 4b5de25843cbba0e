//! Hostile texts in every field, through every output format, read by a real parser.

use std::collections::BTreeMap;

use canary_tests::texts::NASTY;
use serde_json::Value;

use super::*;

/// A text of any characters.
fn random_text(random: &mut fastrand::Rng) -> String {
    let any = |random: &mut fastrand::Rng| match random.u8(..4) {
        0 => random.char('\0'..='\u{ff}'),
        1 => NASTY.chars().nth(random.usize(..NASTY.chars().count())).unwrap(),
        2 => random.char('\u{2000}'..='\u{ffff}'),
        _ => random.char(..),
    };
    let count = random.usize(..80);
    (0..count).map(|_| any(random)).collect()
}

/// Runs of every outcome with `text` in every field.
fn runs(text: &str) -> Vec<Run> {
    let mut attacked = (*check(text, text, text)).clone();
    attacked.group = Some(text.into());
    attacked.labels = BTreeMap::from([(text.to_owned(), text.to_owned())]).into();
    let attacked = Arc::new(attacked);
    let verdict = |status| {
        let assertions = [(text, status, text), (text, VerdictStatus::Pass, text)];
        let mut outcome = verdict(status, text, &assertions);
        if let Outcome::Completed(verdict) = &mut outcome {
            verdict.attributes = vec![(text.into(), text.into())];
            verdict.measurements = vec![Measurement {
                name: text.into(),
                value: f64::NAN,
                unit: text.into(),
                attributes: vec![(text.into(), text.into())],
            }];
        }
        outcome
    };
    let outcomes = [
        verdict(VerdictStatus::Pass),
        verdict(VerdictStatus::Warn),
        verdict(VerdictStatus::Fail),
        Outcome::Stopped(StopCause::Shutdown),
        Outcome::Faulted(Fault::Trap(text.into())),
        Outcome::Faulted(Fault::Host(text.into())),
    ];
    outcomes
        .map(|outcome| run(Arc::clone(&attacked), 1, outcome))
        .into()
}

/// Asserts that there are no control characters except line ends and the colours of reports.
fn assert_safe(output: &str) {
    assert_eq!(for_terminal(output), output);
    let rest = output.replace("\x1b[", "");
    let unsafe_char = rest
        .chars()
        .find(|char| *char != '\n' && sanitize::is_unsafe(*char));
    assert_eq!(unsafe_char, None, "{output}");
}

fn assert_all_safe(text: &str) {
    let runs = runs(text);
    for colour in [false, true] {
        let screen = Screen { colour, ..PLAIN };
        assert_safe(&human(&runs, Detail::Everything, screen));
        let change = Transition {
            from: Status::Up,
            to: Status::Down,
            at: SystemTime::UNIX_EPOCH,
            summary: text.to_owned(),
            consecutive: 2,
        };
        for run in &runs {
            assert_safe(&transition(&run.check, &change, colour));
            let row = LiveRow {
                check: Arc::clone(&run.check),
                status: Status::Down,
                is_running: false,
                last: Some(Arc::new(run.clone())),
            };
            assert_safe(&live(&[row], screen));
        }
    }
    let json = json(&runs).unwrap();
    assert_safe(&json);
    let read: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(read["runs"][0]["summary"], text);
    let object = run_object(&runs[0]).unwrap();
    assert_safe(&safe_json(&object).unwrap());
    let xml = junit(&runs, "host");
    assert_safe(&xml);
    let document = roxmltree::Document::parse(&xml).unwrap_or_else(|error| panic!("{error}: {xml}"));
    let cases = document
        .descendants()
        .filter(|node| node.has_tag_name("testcase"));
    assert_eq!(cases.count(), runs.len());
}

#[test]
fn a_nasty_text_in_every_field_leaves_every_output_well_formed_and_harmless() {
    assert_all_safe(NASTY);
}

#[test]
fn random_texts_leave_every_output_well_formed_and_harmless() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        assert_all_safe(&random_text(&mut random));
    }
}

#[test]
fn colours_of_reports_are_not_escaped() {
    let screen = Screen {
        colour: true,
        ..PLAIN
    };
    let output = human(&[passing(), warning(), failing()], Detail::Everything, screen);
    assert!(output.contains('\x1b'));
    assert_eq!(for_terminal(&output), output);
}
