//! What a plugin or a suite could blow up.

use prost::Message as _;

use super::*;
use crate::outcome::{Assertion, Measurement};

fn measurement(name: &str) -> Measurement {
    Measurement {
        name: name.to_owned(),
        value: 1.0,
        unit: "s".to_owned(),
        attributes: Vec::new(),
    }
}

#[test]
fn names_that_a_plugin_makes_up_are_capped_and_counted() {
    let mut metrics = metrics_with(Settings {
        max_series_per_check: 10,
        ..settings()
    });
    for number in 0..50 {
        let mut verdict = sample::verdict(VerdictStatus::Pass);
        verdict.measurements = vec![measurement(&format!("m{number}")); 1];
        verdict.assertions = vec![Assertion {
            name: format!("a{number}"),
            status: VerdictStatus::Pass,
            message: String::new(),
        }];
        let outcome = Outcome::Completed(verdict);
        finish(
            &mut metrics,
            &Run {
                outcome,
                ..sample::run()
            },
        );
    }
    let assertions = samples(&metrics, "canary_check_assertions_total");
    assert!(assertions.len() <= 11, "{assertions:?}");
    assert!(
        assertions
            .iter()
            .any(|line| line.contains("otel_metric_overflow=\"true\"")),
        "{assertions:?}"
    );
    let overflow = samples(&metrics, "canary_telemetry_series_overflow_total");
    assert!(!overflow[0].ends_with(" 0"), "{overflow:?}");
}

#[test]
fn what_a_plugin_says_is_cut_and_escaped() {
    let mut verdict = sample::verdict(VerdictStatus::Pass);
    let mut hostile = measurement(&"\"\n\\é".repeat(100));
    hostile.value = f64::NAN;
    hostile.attributes = (0..20)
        .map(|number| (format!("1 k{number}"), "v\n".repeat(200)))
        .collect();
    hostile
        .attributes
        .push(("canary.check.name".to_owned(), "another".to_owned()));
    verdict.measurements = vec![hostile];
    let mut metrics = metrics();
    let outcome = Outcome::Completed(verdict);
    finish(
        &mut metrics,
        &Run {
            outcome,
            ..sample::run()
        },
    );
    let [line] = &samples(&metrics, "canary_check_measurement")[..] else {
        panic!("not one line")
    };
    assert!(line.ends_with("} NaN") && line.len() < 3_000, "{line}");
    assert!(
        !line.contains("another") && line.contains("key_1_k7") && !line.contains("key_1_k8"),
        "{line}"
    );
}

#[test]
fn a_label_cannot_take_the_place_of_the_checks_name() {
    let mut check = Check::clone(&sample::check());
    check
        .labels
        .insert("canary.check.name".to_owned(), "another".to_owned());
    check
        .labels
        .insert("service.name".to_owned(), "another".to_owned());
    let mut metrics = Metrics::new(&settings(), sample::noon());
    metrics.keep(&[Arc::new(check)], sample::noon());
    assert!(!text(&metrics).contains("another"));
}

#[test]
fn a_large_suite_leaves_in_requests_of_a_bounded_size() {
    let check = |number: usize| {
        let mut check = Check::clone(&sample::check());
        check.id = CheckId::new(&format!("check {number}"));
        Arc::new(check)
    };
    let checks: Vec<Arc<Check>> = (0..1_000).map(check).collect();
    let mut metrics = Metrics::new(&settings(), sample::noon());
    metrics.keep(&checks, sample::noon());
    for check in &checks {
        let run = Run {
            check: Arc::clone(check),
            ..sample::run()
        };
        finish(&mut metrics, &run);
    }
    let requests = metrics.requests(&resource(), &InstrumentationScope::default(), sample::noon());
    assert!(requests.len() > 5);
    for request in &requests {
        assert!(request.encoded_len() < 3 << 20, "{} bytes", request.encoded_len());
    }
}
