//! Which ping is sent when, with simulated time.

use super::*;
use canary_telemetry::Signal;
use canary_telemetry::delivery::SignalReport;

/// A heartbeat under test, and its input.
struct Fixture {
    heartbeat: Heartbeat,
    start: Instant,
    input: HealthInput,
}

impl Fixture {
    fn new(cadence: Cadence) -> Self {
        Self::with_input(cadence, HealthInput::default())
    }

    /// Starts with this input.
    fn with_input(cadence: Cadence, input: HealthInput) -> Self {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(cadence, start);
        let first = heartbeat.poll(start, &input);
        assert_eq!(first, cadence.start.then_some(Ping::Start));
        Self {
            heartbeat,
            start,
            input,
        }
    }

    /// The ping at this second after the start.
    fn at(&mut self, second: u64) -> Option<Ping> {
        let now = self.start + Duration::from_secs(second);
        self.heartbeat.poll(now, &self.input)
    }

    /// The same, after a run with a verdict and a successful export.
    fn works_at(&mut self, second: u64) -> Option<Ping> {
        self.input.verdicts += 1;
        if let Some(exports) = &mut self.input.exports {
            exports.accepted += 1;
        }
        self.at(second)
    }
}

#[test]
fn the_start_is_sent_once_and_success_every_interval() {
    let mut fixture = Fixture::new(cadence());
    for second in 1..=300 {
        let expected = (second % 60 == 0).then_some(Ping::Success);
        assert_eq!(fixture.works_at(second), expected, "{second}");
    }
}

#[test]
fn an_export_that_is_known_of_later_than_the_start_is_waited_for_as_well() {
    let mut fixture = Fixture::new(cadence());
    fixture.input.verdicts = 1;
    fixture.input.exports = Some(ExportState {
        accepted: 0,
        failing_for: None,
    });
    assert_eq!(fixture.at(60), None);
    assert_eq!(fixture.works_at(61), Some(Ping::Success));
}

#[test]
fn a_start_without_a_verdict_or_an_export_so_far_is_no_success() {
    for (verdicts, accepted) in [(0, 0), (0, 1), (1, 0)] {
        let exports = ExportState {
            accepted,
            failing_for: None,
        };
        let input = HealthInput {
            verdicts,
            exports: Some(exports),
            ..HealthInput::default()
        };
        let mut fixture = Fixture::with_input(cadence(), input);
        let reported: Vec<Ping> = (1..600).filter_map(|second| fixture.at(second)).collect();
        assert!(matches!(reported[..], [Ping::Fail { .. }]), "{reported:?}");
        assert_eq!(fixture.works_at(660), Some(Ping::Success));
    }
    let mut rare = Fixture::new(cadence());
    rare.input.expected_interval = MINUTE * 60;
    assert_eq!(rare.at(60), Some(Ping::Success));
}

#[test]
fn a_runner_that_shuts_down_and_waits_for_a_long_run_is_no_failure() {
    let mut fixture = Fixture::new(cadence());
    assert_eq!(fixture.works_at(60), Some(Ping::Success));
    fixture.input.is_draining = true;
    for minute in 2..=10 {
        assert_eq!(fixture.at(60 * minute), Some(Ping::Success), "{minute}");
    }
}

#[test]
fn a_ping_that_waits_for_the_first_verdict_is_polled_for_now_and_then() {
    let mut fixture = Fixture::new(cadence());
    let (mut now, mut polls) = (fixture.start, 0);
    while now < fixture.start + 2 * MINUTE && polls < 100 {
        fixture.heartbeat.poll(now, &fixture.input);
        now = fixture.heartbeat.next_poll(now);
        polls += 1;
    }
    assert_eq!(polls, 2 * POLLS_PER_INTERVAL);
}

#[test]
fn a_start_that_is_not_wanted_is_not_sent() {
    let mut fixture = Fixture::new(Cadence {
        start: false,
        ..cadence()
    });
    assert_eq!(fixture.works_at(30), None);
    assert_eq!(fixture.works_at(60), Some(Ping::Success));
}

#[test]
fn runs_that_stand_still_end_the_success_within_three_intervals_and_are_reported_once() {
    let mut fixture = Fixture::new(cadence());
    fixture.works_at(1);
    let reported: Vec<(u64, Ping)> = (2..600)
        .filter_map(|second| Some((second, fixture.at(second)?)))
        .collect();
    assert_eq!(
        reported,
        [
            (60, Ping::Success),
            (120, failure("no run has reached a verdict for 119s").unwrap())
        ]
    );
    assert_eq!(fixture.works_at(600), Some(Ping::Success));
    assert_eq!(fixture.works_at(660), Some(Ping::Success));
    assert_eq!(fixture.at(720), Some(Ping::Success), "there is some grace");
    assert_eq!(fixture.at(780), failure("no run has reached a verdict for 2m"));
}

#[test]
fn a_failure_that_did_not_arrive_is_sent_again() {
    let mut fixture = Fixture::new(cadence());
    assert_eq!(fixture.works_at(60), Some(Ping::Success));
    assert_eq!(fixture.at(120), Some(Ping::Success));
    let ping = fixture.at(180).unwrap();
    fixture.heartbeat.delivery_failed(&ping);
    assert_eq!(fixture.at(240), failure("no run has reached a verdict for 3m"));
    assert_eq!(fixture.at(300), None);
}

#[test]
fn where_failures_are_not_wanted_pings_just_stop() {
    let mut fixture = Fixture::new(Cadence {
        fail: false,
        ..cadence()
    });
    assert_eq!(fixture.works_at(60), Some(Ping::Success));
    assert_eq!(fixture.at(180), None);
    assert_eq!(fixture.works_at(240), Some(Ping::Success));
}

#[test]
fn exports_must_get_through_where_something_is_exported() {
    let mut fixture = Fixture::new(cadence());
    fixture.input.exports = Some(ExportState::default());
    assert_eq!(fixture.works_at(60), Some(Ping::Success));
    fixture.input.verdicts += 1;
    assert_eq!(fixture.at(120), Some(Ping::Success));
    fixture.input.verdicts += 1;
    assert_eq!(fixture.at(180), failure("no export has succeeded for 2m"));
    assert_eq!(fixture.works_at(240), Some(Ping::Success));
}

#[test]
fn one_signal_that_gets_through_does_not_speak_for_another_that_fails() {
    let mut fixture = Fixture::new(cadence());
    let fails = |for_seconds| {
        Some(ExportState {
            accepted: 0,
            failing_for: Some(Duration::from_secs(for_seconds)),
        })
    };
    fixture.input.exports = fails(30);
    assert_eq!(fixture.works_at(60), Some(Ping::Success), "one attempt may fail");
    fixture.input.exports = fails(90);
    assert_eq!(fixture.works_at(120), failure("exports have failed for 90s"));
}

#[test]
fn exports_of_all_signals_count_together_and_the_worst_off_speaks_for_them() {
    assert_eq!(ExportState::from_report(&DeliveryReport::default()), None);
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
    let state = ExportState::from_report(&report).unwrap();
    assert_eq!((state.accepted, state.failing_for), (7, Some(MINUTE)));
}

#[test]
fn exports_that_begin_later_have_time_until_their_first() {
    let mut fixture = Fixture::new(cadence());
    for minute in 1..=10 {
        assert_eq!(fixture.works_at(minute * 60), Some(Ping::Success));
    }
    fixture.input.exports = Some(ExportState::default());
    fixture.input.verdicts += 1;
    assert_eq!(fixture.at(660), Some(Ping::Success));
}

#[test]
fn a_health_issue_ends_the_success_at_once() {
    let mut fixture = Fixture::new(cadence());
    assert_eq!(fixture.works_at(60), Some(Ping::Success));
    fixture.input.unhealthy_reason = Some("2 descriptors\r\nare unaccounted for".to_owned());
    assert_eq!(fixture.works_at(120), failure("2 descriptorsare unaccounted for"));
    assert_eq!(fixture.works_at(180), None);
    fixture.input.unhealthy_reason = None;
    assert_eq!(fixture.works_at(240), Some(Ping::Success));
}

#[test]
fn a_suite_whose_checks_are_rare_may_be_silent_for_longer() {
    let mut fixture = Fixture::new(cadence());
    fixture.input.expected_interval = Duration::from_mins(10);
    for minute in 1..=60 {
        let ping = match minute % 10 {
            0 => fixture.works_at(minute * 60),
            _ => fixture.at(minute * 60),
        };
        assert_eq!(ping, Some(Ping::Success), "{minute}");
    }
    assert_eq!(
        fixture.at(71 * 60),
        failure("no run has reached a verdict for 11m")
    );
}

#[test]
fn a_process_that_was_suspended_catches_up_with_no_burst() {
    let mut fixture = Fixture::new(cadence());
    assert_eq!(fixture.works_at(60), Some(Ping::Success));
    assert_eq!(fixture.works_at(60 + 3_600), Some(Ping::Success));
    assert_eq!(fixture.works_at(60 + 3_601), None);
    assert_eq!(fixture.works_at(60 + 3_630), Some(Ping::Success));
    assert_eq!(fixture.works_at(60 + 3_689), None);
    assert_eq!(fixture.works_at(60 + 3_690), Some(Ping::Success));
}

#[test]
fn a_reason_has_a_bound_and_is_cut_between_characters() {
    let mut fixture = Fixture::new(cadence());
    fixture.input.unhealthy_reason = Some(format!("x{}", "ü".repeat(MAX_REASON)));
    let Some(Ping::Fail { reason }) = fixture.at(60) else {
        panic!("expected a fail ping");
    };
    assert_eq!(reason.len(), MAX_REASON - 1);
}
