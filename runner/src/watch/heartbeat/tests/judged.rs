//! What is sent when: a day is over in no time.

use super::*;
use crate::telemetry::delivery::SignalReport;
use crate::telemetry::settings::Signal;

/// A runner whose heart is listened to.
struct Patient {
    heartbeat: Heartbeat,
    start: Instant,
    seen: Vitals,
}

impl Patient {
    fn new(cadence: Cadence) -> Self {
        Self::seeing(cadence, Vitals::default())
    }

    /// One that sees this when it begins.
    fn seeing(cadence: Cadence, seen: Vitals) -> Self {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(cadence, start);
        let first = heartbeat.judge(start, &seen);
        assert_eq!(first, cadence.start.then_some(Ping::Start));
        Self {
            heartbeat,
            start,
            seen,
        }
    }

    /// What is sent at this second after the start.
    fn at(&mut self, second: u64) -> Option<Ping> {
        let now = self.start + Duration::from_secs(second);
        self.heartbeat.judge(now, &self.seen)
    }

    /// The same, after a run has ended and an export has got through.
    fn works_at(&mut self, second: u64) -> Option<Ping> {
        self.seen.verdicts += 1;
        if let Some(exports) = &mut self.seen.exports {
            exports.accepted += 1;
        }
        self.at(second)
    }
}

#[test]
fn the_start_is_told_once_and_success_every_interval() {
    let mut patient = Patient::new(cadence());
    for second in 1..=300 {
        let expected = (second % 60 == 0).then_some(Ping::Success);
        assert_eq!(patient.works_at(second), expected, "{second}");
    }
}

#[test]
fn an_export_that_is_known_of_later_than_the_start_is_waited_for_as_well() {
    let mut patient = Patient::new(cadence());
    patient.seen.verdicts = 1;
    patient.seen.exports = Some(ExportState {
        accepted: 0,
        failing_for: None,
    });
    assert_eq!(patient.at(60), None);
    assert_eq!(patient.works_at(61), Some(Ping::Success));
}

#[test]
fn a_start_without_a_verdict_or_an_export_so_far_is_no_success() {
    for (verdicts, accepted) in [(0, 0), (0, 1), (1, 0)] {
        let exports = ExportState {
            accepted,
            failing_for: None,
        };
        let seen = Vitals {
            verdicts,
            exports: Some(exports),
            ..Vitals::default()
        };
        let mut patient = Patient::seeing(cadence(), seen);
        let told: Vec<Ping> = (1..600).filter_map(|second| patient.at(second)).collect();
        assert!(matches!(told[..], [Ping::Fail { .. }]), "{told:?}");
        assert_eq!(patient.works_at(660), Some(Ping::Success));
    }
    let mut rare = Patient::new(cadence());
    rare.seen.pace = MINUTE * 60;
    assert_eq!(rare.at(60), Some(Ping::Success));
}

#[test]
fn a_runner_that_goes_down_and_waits_for_a_long_run_is_no_failure() {
    let mut patient = Patient::new(cadence());
    assert_eq!(patient.works_at(60), Some(Ping::Success));
    patient.seen.is_draining = true;
    for minute in 2..=10 {
        assert_eq!(patient.at(60 * minute), Some(Ping::Success), "{minute}");
    }
}

#[test]
fn a_ping_that_waits_for_the_first_verdict_is_looked_for_now_and_then() {
    let mut patient = Patient::new(cadence());
    let (mut now, mut looks) = (patient.start, 0);
    while now < patient.start + 2 * MINUTE && looks < 100 {
        patient.heartbeat.judge(now, &patient.seen);
        now = patient.heartbeat.next_look(now);
        looks += 1;
    }
    assert_eq!(looks, 2 * LOOKS);
}

#[test]
fn a_start_that_is_not_wanted_is_not_told() {
    let mut patient = Patient::new(Cadence {
        start: false,
        ..cadence()
    });
    assert_eq!(patient.works_at(30), None);
    assert_eq!(patient.works_at(60), Some(Ping::Success));
}

#[test]
fn runs_that_stand_still_end_the_success_within_three_intervals_and_are_told_once() {
    let mut patient = Patient::new(cadence());
    patient.works_at(1);
    let told: Vec<(u64, Ping)> = (2..600)
        .filter_map(|second| Some((second, patient.at(second)?)))
        .collect();
    assert_eq!(
        told,
        [
            (60, Ping::Success),
            (120, failure("no run has come to a verdict for 119s").unwrap())
        ]
    );
    assert_eq!(patient.works_at(600), Some(Ping::Success));
    assert_eq!(patient.works_at(660), Some(Ping::Success));
    assert_eq!(patient.at(720), Some(Ping::Success), "there is some grace");
    assert_eq!(patient.at(780), failure("no run has come to a verdict for 2m"));
}

#[test]
fn a_failure_that_did_not_arrive_is_told_again() {
    let mut patient = Patient::new(cadence());
    assert_eq!(patient.works_at(60), Some(Ping::Success));
    assert_eq!(patient.at(120), Some(Ping::Success));
    let ping = patient.at(180).unwrap();
    patient.heartbeat.undelivered(&ping);
    assert_eq!(patient.at(240), failure("no run has come to a verdict for 3m"));
    assert_eq!(patient.at(300), None);
}

#[test]
fn where_failures_are_not_wanted_silence_tells_them() {
    let mut patient = Patient::new(Cadence {
        fail: false,
        ..cadence()
    });
    assert_eq!(patient.works_at(60), Some(Ping::Success));
    assert_eq!(patient.at(180), None);
    assert_eq!(patient.works_at(240), Some(Ping::Success));
}

#[test]
fn exports_must_get_through_where_something_is_exported() {
    let mut patient = Patient::new(cadence());
    patient.seen.exports = Some(ExportState::default());
    assert_eq!(patient.works_at(60), Some(Ping::Success));
    patient.seen.verdicts += 1;
    assert_eq!(patient.at(120), Some(Ping::Success));
    patient.seen.verdicts += 1;
    assert_eq!(patient.at(180), failure("no export has got through for 2m"));
    assert_eq!(patient.works_at(240), Some(Ping::Success));
}

#[test]
fn one_signal_that_gets_through_does_not_speak_for_another_that_fails() {
    let mut patient = Patient::new(cadence());
    let fails = |for_seconds| {
        Some(ExportState {
            accepted: 0,
            failing_for: Some(Duration::from_secs(for_seconds)),
        })
    };
    patient.seen.exports = fails(30);
    assert_eq!(patient.works_at(60), Some(Ping::Success), "one attempt may fail");
    patient.seen.exports = fails(90);
    assert_eq!(patient.works_at(120), failure("exports have failed for 90s"));
}

#[test]
fn exports_of_all_signals_count_together_and_the_worst_off_speaks_for_them() {
    assert_eq!(ExportState::of(&DeliveryReport::default()), None);
    let signal = |accepted, failing| SignalReport {
        exports: [("success".into(), accepted), ("timeout".into(), 9)].into(),
        failing_for: failing,
        ..SignalReport::default()
    };
    let report = DeliveryReport {
        signals: [
            (Signal::Traces, signal(3, None)),
            (Signal::Logs, signal(4, Some(MINUTE))),
        ]
        .into(),
        ..DeliveryReport::default()
    };
    let state = ExportState::of(&report).unwrap();
    assert_eq!((state.accepted, state.failing_for), (7, Some(MINUTE)));
}

#[test]
fn exports_that_begin_later_have_time_until_their_first() {
    let mut patient = Patient::new(cadence());
    for minute in 1..=10 {
        assert_eq!(patient.works_at(minute * 60), Some(Ping::Success));
    }
    patient.seen.exports = Some(ExportState::default());
    patient.seen.verdicts += 1;
    assert_eq!(patient.at(660), Some(Ping::Success));
}

#[test]
fn health_that_complains_ends_the_success_at_once() {
    let mut patient = Patient::new(cadence());
    assert_eq!(patient.works_at(60), Some(Ping::Success));
    patient.seen.sick = Some("2 descriptors\r\nare nobody's".to_owned());
    assert_eq!(patient.works_at(120), failure("2 descriptorsare nobody's"));
    assert_eq!(patient.works_at(180), None);
    patient.seen.sick = None;
    assert_eq!(patient.works_at(240), Some(Ping::Success));
}

#[test]
fn a_suite_whose_checks_are_rare_has_a_slow_pulse() {
    let mut patient = Patient::new(cadence());
    patient.seen.pace = Duration::from_mins(10);
    for minute in 1..=60 {
        let ping = match minute % 10 {
            0 => patient.works_at(minute * 60),
            _ => patient.at(minute * 60),
        };
        assert_eq!(ping, Some(Ping::Success), "{minute}");
    }
    assert_eq!(
        patient.at(71 * 60),
        failure("no run has come to a verdict for 11m")
    );
}

#[test]
fn a_process_that_was_suspended_catches_up_with_no_burst() {
    let mut patient = Patient::new(cadence());
    assert_eq!(patient.works_at(60), Some(Ping::Success));
    assert_eq!(patient.works_at(60 + 3_600), Some(Ping::Success));
    assert_eq!(patient.works_at(60 + 3_601), None);
    assert_eq!(patient.works_at(60 + 3_630), Some(Ping::Success));
    assert_eq!(patient.works_at(60 + 3_689), None);
    assert_eq!(patient.works_at(60 + 3_690), Some(Ping::Success));
}

#[test]
fn a_reason_has_a_bound_and_is_cut_between_characters() {
    let mut patient = Patient::new(cadence());
    patient.seen.sick = Some(format!("x{}", "ü".repeat(MAX_REASON)));
    let Some(Ping::Fail { reason }) = patient.at(60) else {
        panic!("a failure is told");
    };
    assert_eq!(reason.len(), MAX_REASON - 1);
}
