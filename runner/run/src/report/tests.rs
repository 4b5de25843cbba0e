mod alike;
pub(crate) mod hostile;

use std::sync::Arc;
use std::time::SystemTime;

use insta::assert_snapshot;

use super::*;
use crate::outcome::{Assertion, Fault, Measurement, StopCause, Usage, Verdict};
use crate::status::{Status, Transition};
use canary_record::quota::{QuotaKind, QuotaUsage};
use canary_suite::{Check, CheckId, Target};

const PLAIN: Screen = Screen {
    width: 100,
    colour: false,
};

fn check(name: &str, plugin: &str, target: &str) -> Arc<Check> {
    Arc::new(Check {
        id: CheckId::new(&format!("{name}@{target}")),
        plugin: plugin.to_owned(),
        target: Target::new(target),
        timeout: Duration::from_secs(5),
        failure_threshold: 1,
        ..Check::minimal(name, Duration::from_secs(30))
    })
}

fn run(check: Arc<Check>, micros: u64, outcome: Outcome) -> Run {
    let started_at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_323_045_678);
    Run {
        duration: Duration::from_micros(micros),
        usage: Usage {
            used: QuotaUsage {
                sockets_peak: 1,
                connections: 1,
                bytes_in: 512,
                ..QuotaUsage::default()
            },
            ..Usage::default()
        },
        ..Run::plain(check, outcome, started_at)
    }
}

fn verdict(status: VerdictStatus, summary: &str, assertions: &[(&str, VerdictStatus, &str)]) -> Outcome {
    let assertion = |(name, status, message): &(&str, VerdictStatus, &str)| Assertion {
        name: (*name).into(),
        status: *status,
        message: (*message).into(),
    };
    Outcome::Completed(Verdict {
        status,
        summary: summary.into(),
        assertions: assertions.iter().map(assertion).collect(),
        measurements: Vec::new(),
        attributes: vec![
            ("http.version".into(), "2".into()),
            ("peer".into(), "10.0.0.1\nx".into()),
        ],
    })
}

fn passing() -> Run {
    let outcome = verdict(
        VerdictStatus::Pass,
        "200 OK, 12 KiB",
        &[("status", VerdictStatus::Pass, "200")],
    );
    run(check("website", "http", "https://example.com/"), 37_412, outcome)
}

fn warning() -> Run {
    let assertions = [
        ("days left", VerdictStatus::Warn, "14, at least 21 wanted"),
        ("trusted", VerdictStatus::Pass, ""),
    ];
    let mut outcome = verdict(VerdictStatus::Warn, "expires in 14 days", &assertions);
    if let Outcome::Completed(verdict) = &mut outcome {
        verdict.measurements = vec![Measurement {
            name: "certificate.days_left".into(),
            value: 14.0,
            unit: "d".into(),
            attributes: vec![("position".into(), "leaf".into())],
        }];
    }
    run(
        check("certificate", "tls", "mail.example.com:25"),
        1_234_000,
        outcome,
    )
}

fn failing() -> Run {
    let assertions = [
        ("status", VerdictStatus::Fail, "500, expected 200"),
        (
            "body",
            VerdictStatus::Fail,
            "has no `Welcome`\x1b[2J\nsecond\u{e0041} line",
        ),
        ("latency", VerdictStatus::Pass, "20ms"),
    ];
    let outcome = verdict(
        VerdictStatus::Fail,
        "500 Internal Server Error \u{202e}evil",
        &assertions,
    );
    run(
        check(
            "shop",
            "http",
            "https://shop.example.com/basket?with=a&very=long&query=string",
        ),
        450,
        outcome,
    )
}

fn stopped() -> Run {
    let outcome = Outcome::Stopped(StopCause::Deadline {
        limit: Duration::from_secs(5),
    });
    let mut run = run(check("silent", "tcp", "10.0.0.1:25"), 5_000_120, outcome);
    run.attempts = 2;
    run.usage.used.cpu = Duration::from_micros(1_530);
    run.usage.denials = [(QuotaKind::Sockets, 12), (QuotaKind::Lookups, 1)].into();
    run.usage.reclaimed = 4;
    run
}

fn faulted() -> Run {
    run(
        check("broken", "mine", "anything"),
        200,
        Outcome::Faulted(Fault::Trap("unreachable".into())),
    )
}

fn one_of_each() -> Vec<Run> {
    vec![passing(), warning(), failing(), stopped(), faulted()]
}

#[test]
fn a_person_sees_each_run_and_what_failed() {
    assert_snapshot!(human(&one_of_each(), Detail::Problems, PLAIN));
}

#[test]
fn a_person_with_a_narrow_terminal_sees_what_fits() {
    assert_snapshot!(human(
        &one_of_each(),
        Detail::Problems,
        Screen { width: 60, ..PLAIN }
    ));
}

#[test]
fn a_person_may_see_everything_that_was_found() {
    assert_snapshot!(human(&one_of_each(), Detail::Everything, PLAIN));
}

#[test]
fn a_person_may_see_colours() {
    let text = human(
        &one_of_each(),
        Detail::Problems,
        Screen {
            colour: true,
            ..PLAIN
        },
    );
    assert_snapshot!(text.replace('\x1b', "<esc>"));
}

#[test]
fn nothing_but_colour_is_obeyed_by_the_terminal() {
    for text in [
        human(&one_of_each(), Detail::Problems, PLAIN),
        live(&live_rows(&one_of_each()), PLAIN),
        json(&one_of_each()).unwrap(),
    ] {
        assert!(
            !text.chars().any(|char| char != '\n' && sanitize::is_unsafe(char)),
            "{text:?}"
        );
    }
}

#[test]
fn one_run_is_not_runs() {
    assert!(human(&[passing()], Detail::Problems, PLAIN).ends_with("\n1 run: 1 pass\n"));
    assert!(human(&[], Detail::Problems, PLAIN).ends_with("\n0 runs\n"));
}

#[test]
fn a_program_sees_each_run() {
    assert_snapshot!(json(&one_of_each()).unwrap());
}

#[test]
fn the_parts_of_json_are_lines_and_hold_one_run_each() {
    let runs = one_of_each();
    let parts: Vec<String> = json_parts(&runs).map(Result::unwrap).collect();
    assert_eq!(parts.len(), runs.len() + 2);
    assert!(parts.iter().all(|part| part.ends_with('\n')));
    for (part, run) in parts[1..].iter().zip(&runs) {
        assert!(
            part.contains(&format!("\"check\": \"{}\"", run.check.name)),
            "{part}"
        );
    }
}

#[test]
fn json_keeps_texts_whole() {
    let value: serde_json::Value = serde_json::from_str(&json(&[failing()]).unwrap()).unwrap();
    assert_eq!(
        value["runs"][0]["summary"],
        "500 Internal Server Error \u{202e}evil"
    );
    assert_eq!(
        value["runs"][0]["assertions"][1]["message"],
        "has no `Welcome`\x1b[2J\nsecond\u{e0041} line"
    );
}

#[test]
fn json_of_no_runs_is_an_object_too() {
    let value: serde_json::Value = serde_json::from_str(&json(&[]).unwrap()).unwrap();
    assert_eq!(value["runs"], serde_json::json!([]));
    assert_eq!(value["totals"]["runs"], 0);
}

#[test]
fn a_measurement_that_is_no_number_is_null() {
    let mut run = warning();
    if let Outcome::Completed(verdict) = &mut run.outcome {
        verdict.measurements[0].value = f64::NAN;
    }
    let value: serde_json::Value = serde_json::from_str(&json(&[run]).unwrap()).unwrap();
    assert!(value["runs"][0]["measurements"][0]["value"].is_null());
}

#[test]
fn a_ci_system_sees_failures_and_errors() {
    assert_snapshot!(junit(&one_of_each(), "host"));
}

#[test]
fn a_report_for_a_ci_system_has_what_strict_schemas_allow_in_their_order() {
    let xml = junit(&one_of_each(), "host");
    let document = roxmltree::Document::parse(&xml).unwrap();
    let names = |node: roxmltree::Node<'_, '_>| {
        let attributes = node.attributes().map(|attribute| attribute.name().to_owned());
        attributes.collect::<Vec<_>>().join(" ")
    };
    let root = document.root_element();
    assert_eq!((root.tag_name().name(), names(root).as_str()), ("testsuites", ""));
    let suite = root.first_element_child().unwrap();
    assert_eq!(
        names(suite),
        "name package id timestamp hostname tests failures errors skipped time"
    );
    let children = suite.children().filter(roxmltree::Node::is_element);
    let mut children: Vec<_> = children.map(|child| child.tag_name().name().to_owned()).collect();
    children.dedup();
    assert_eq!(children, ["properties", "testcase", "system-out", "system-err"]);
    for case in suite.children().filter(|child| child.has_tag_name("testcase")) {
        assert_eq!(names(case), "name classname time");
        let inside: Vec<_> = case.children().filter(roxmltree::Node::is_element).collect();
        assert!(inside.len() <= 1, "{xml}");
        assert!(
            inside.iter().all(|problem| names(*problem) == "message type"),
            "{xml}"
        );
    }
}

#[test]
fn a_report_for_a_ci_system_is_written_run_by_run() {
    let runs = one_of_each();
    let parts: Vec<String> = junit_parts(&runs, "host").collect();
    assert_eq!(parts.len(), 2 * runs.len() + 3);
    for (part, run) in parts.iter().skip(1).zip(&runs) {
        assert_eq!(part.matches("<testcase").count(), 1, "{part}");
        assert!(part.contains(&run.check.name), "{part}");
    }
    let empty = junit(&[], "host");
    assert!(roxmltree::Document::parse(&empty).is_ok(), "{empty}");
}

#[test]
fn the_exit_code_is_that_of_the_worst_run() {
    let code = |runs: &[fn() -> Run]| exit_code(&runs.iter().map(|run| run()).collect::<Vec<_>>());
    assert_eq!(code(&[]), 0);
    assert_eq!(code(&[passing, warning]), 0);
    assert_eq!(code(&[passing, failing, warning]), 1);
    assert_eq!(code(&[stopped, passing]), 2);
    assert_eq!(code(&[faulted]), 2);
    assert_eq!(code(&[failing, stopped, failing]), 2);
}

fn live_rows(runs: &[Run]) -> Vec<LiveRow> {
    let statuses = [
        Status::Up,
        Status::Degraded,
        Status::Down,
        Status::Unknown,
        Status::Unknown,
    ];
    runs.iter()
        .zip(statuses)
        .map(|(run, status)| LiveRow {
            check: Arc::clone(&run.check),
            status,
            is_running: false,
            last: Some(Arc::new(run.clone())),
        })
        .collect()
}

#[test]
fn the_live_table_shows_quota_denials_and_what_was_reclaimed() {
    let runs = one_of_each();
    let mut rows = live_rows(&runs);
    rows[1].is_running = true;
    let (new, under_way) = (
        check("new", "http", "http://new/"),
        check("under way", "http", "http://now/"),
    );
    rows.push(LiveRow {
        check: new,
        status: Status::Unknown,
        is_running: false,
        last: None,
    });
    rows.push(LiveRow {
        check: under_way,
        status: Status::Unknown,
        is_running: true,
        last: None,
    });
    assert_snapshot!(live(&rows, Screen { width: 140, ..PLAIN }));
}

#[test]
fn the_live_table_fits_eighty_columns() {
    let runs = one_of_each();
    let table = live(&live_rows(&runs), Screen { width: 80, ..PLAIN });
    assert!(table.lines().all(|line| line.chars().count() <= 80));
    assert_snapshot!(table);
}

#[test]
fn a_transition_is_one_line() {
    let change = Transition {
        from: Status::Up,
        to: Status::Down,
        at: passing().started_at,
        summary: "refused\nand more".to_owned(),
        consecutive: 2,
    };
    assert_eq!(
        transition(&passing().check, &change, false),
        "2026-01-02T03:04:05Z  website@https://example.com/  up -> down  refused\\nand more (2 in a row)\n"
    );
    assert!(transition(&passing().check, &change, true).contains("\x1b[31mdown\x1b[0m"));
}

#[test]
fn durations_show_the_digits_that_matter() {
    let cases = [
        (0, "0.0ms"),
        (450, "0.5ms"),
        (9_940, "9.9ms"),
        (9_960, "10ms"),
        (999_400, "999ms"),
        (999_600, "1.0s"),
        (5_000_120, "5.0s"),
        (125_000_000, "2m 5s"),
    ];
    for (micros, expected) in cases {
        assert_eq!(format_duration(Duration::from_micros(micros)), expected);
    }
}
