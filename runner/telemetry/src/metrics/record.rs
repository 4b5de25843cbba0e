//! Records runs as metrics.

mod utilization;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_semantic_conventions::attribute as semconv;

use super::cardinality::{CardinalityLimiter, truncate};
use super::series::{Exemplar, PointAttributes, SeriesSet, Value, static_attribute, string_attribute};
use super::{LastRun, Metrics, instrument};
use crate::name;
use canary_record::quota::QuotaKind;
use canary_record::trace::{Handshake, Phase, PhaseTime, Step, StepKind};
use canary_run::account::MissReason;
use canary_run::outcome::{Outcome, Run, VerdictStatus};
use canary_run::schedule::time_to_due;
use canary_run::status::{CheckStatus, Status};
use canary_suite::Check;
use canary_system::clock;
use utilization::set_utilization;

const STATUSES: [Status; 4] = [Status::Up, Status::Degraded, Status::Down, Status::Unknown];
/// Outcomes, with the most common error of those that have one.
const OUTCOMES: [(&str, Option<&str>); 5] = [
    ("pass", None),
    ("warn", None),
    ("fail", Some("assertion")),
    ("stopped", Some("deadline")),
    ("faulted", Some("trap")),
];
/// Creates the counters of a check with 0, so that the first increase is visible to `increase()`.
pub(super) fn init_series(series: &mut SeriesSet, check: &Check) {
    set_interval(series, check, clock::wall());
    series.set_count(instrument::RUN_ACTIVE, Vec::new(), 0);
    series.set_count(instrument::ACTIVE, Vec::new(), 0);
    series.add(instrument::RECLAIMED, Vec::new(), 0);
    series.add(instrument::FAULTS, Vec::new(), 0);
    series.add(instrument::RECORD_CUT, Vec::new(), 0);
    series.add(instrument::RECORD_CUT_BYTES, Vec::new(), 0);
    series.add(instrument::RECORD_DROPPED, Vec::new(), 0);
    series.add(instrument::OPENED, transport_attributes(None), 0);
    series.add_seconds(instrument::CPU_TIME, Vec::new(), 0.0);
    for (outcome, error) in OUTCOMES {
        let mut attributes = vec![static_attribute(name::OUTCOME, outcome)];
        attributes.extend(error.map(|error| static_attribute(semconv::ERROR_TYPE, error)));
        series.add(instrument::RUNS, attributes, 0);
    }
    for status in STATUSES {
        series.add(
            instrument::TRANSITIONS,
            vec![static_attribute(name::STATUS, status.as_str())],
            0,
        );
    }
    for reason in MissReason::ALL {
        series.add(
            instrument::MISSED,
            vec![static_attribute(name::MISS_REASON, reason.as_str())],
            0,
        );
    }
    for kind in QuotaKind::ALL {
        series.add(
            instrument::QUOTA_DENIALS,
            vec![static_attribute(name::QUOTA, kind.as_str())],
            0,
        );
    }
    for direction in ["receive", "transmit"] {
        series.add(
            instrument::NETWORK_IO,
            vec![static_attribute(semconv::NETWORK_IO_DIRECTION, direction)],
            0,
        );
    }
}

impl Metrics {
    /// Records a finished run. Ignored if its check is no longer in the suite.
    pub fn record_run(&mut self, run: &Arc<Run>, standing: &CheckStatus, now: SystemTime) {
        let Some(check_metrics) = self.checks.get_mut(&run.check.id) else {
            return;
        };
        let series = &mut check_metrics.series;
        self.runner
            .observe(instrument::LAG, Vec::new(), run.lag.as_secs_f64(), None);
        record_outcome(series, run, exemplar_of(run, now).filter(|_| self.exemplars));
        if let Some(transition) = &standing.transition {
            let attributes = vec![static_attribute(name::STATUS, transition.to.as_str())];
            series.add(instrument::TRANSITIONS, attributes, 1);
        }
        record_phases(series, run);
        record_connections(series, run);
        record_denials(series, run);
        record_cuts(series, run);
        record_plugin(series, run);
        let mut limiter = CardinalityLimiter::for_run(series, run, self.max_series);
        record_exchanges(&mut limiter, run);
        record_assertions(&mut limiter, run);
        let mut overflow = limiter.overflow();
        let mut limiter = CardinalityLimiter::for_measurements(series, self.max_series);
        set_measurements(&mut limiter, run);
        overflow += limiter.overflow();
        self.runner.add(instrument::SERIES_OVERFLOW, Vec::new(), overflow);
        check_metrics.last = Some(LastRun::new(run, standing, now));
    }

    /// Sets the gauges that show the last run of each check. Call it before reading the metrics: setting them for every
    /// run would be wasted work.
    pub(crate) fn update_gauges(&mut self) {
        for check_metrics in self.checks.values_mut() {
            let Some(last) = check_metrics.last.take() else {
                continue;
            };
            set_status(&mut check_metrics.series, &last);
            set_interval(&mut check_metrics.series, &last.check, last.started_at);
            set_utilization(&mut check_metrics.series, &last);
        }
    }
}

impl LastRun {
    fn new(run: &Run, standing: &CheckStatus, at: SystemTime) -> Self {
        Self {
            check: Arc::clone(&run.check),
            started_at: run.started_at,
            attempts: run.attempts,
            usage: run.usage.clone(),
            status: standing.status,
            consecutive_failures: standing.consecutive_failures,
            last_success: standing.last_success,
            at,
        }
    }
}

/// The time until the next due time, which varies with a cron expression.
fn set_interval(series: &mut SeriesSet, check: &Check, from: SystemTime) {
    let silent = time_to_due(check, from, 1);
    series.set(instrument::INTERVAL, Vec::new(), silent.as_secs_f64());
}

fn exemplar_of(run: &Run, at: SystemTime) -> Option<Exemplar> {
    run.trace.sampled.then_some(Exemplar {
        value: run.duration.as_secs_f64(),
        at,
        trace: run.trace,
    })
}

fn record_outcome(series: &mut SeriesSet, run: &Run, exemplar: Option<Exemplar>) {
    let outcome = static_attribute(name::OUTCOME, run.outcome.as_str());
    let mut attributes = vec![outcome.clone()];
    attributes.extend(
        run.error_type()
            .map(|error| static_attribute(semconv::ERROR_TYPE, error)),
    );
    series.add(instrument::RUNS, attributes, 1);
    let seconds = run.duration.as_secs_f64();
    series.observe(instrument::RUN_DURATION, vec![outcome], seconds, exemplar);
}

fn set_status(series: &mut SeriesSet, last: &LastRun) {
    let is_up = matches!(last.status, Status::Up | Status::Degraded);
    series.set_count(instrument::UP, Vec::new(), u64::from(is_up));
    for status in STATUSES {
        let attributes = vec![static_attribute(name::STATUS, status.as_str())];
        series.set_count(instrument::STATUS, attributes, u64::from(status == last.status));
    }
    series.set_count(
        instrument::CONSECUTIVE_FAILURES,
        Vec::new(),
        last.consecutive_failures,
    );
    series.set(instrument::LAST_RUN, Vec::new(), unix_seconds(last.at));
    if let Some(at) = last.last_success {
        series.set(instrument::LAST_SUCCESS, Vec::new(), unix_seconds(at));
    }
}

pub(super) fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn record_phases(series: &mut SeriesSet, run: &Run) {
    let queue = PhaseTime {
        attempt: 1,
        phase: Phase::Queue,
        took: run.queued,
        error: None,
    };
    for time in std::iter::once(&queue).chain(&run.trail.phases) {
        let mut attributes = vec![static_attribute(name::PHASE, time.phase.as_str())];
        attributes.extend(
            time.error
                .map(|error| static_attribute(semconv::ERROR_TYPE, error)),
        );
        series.observe(
            instrument::PHASE_DURATION,
            attributes,
            time.took.as_secs_f64(),
            None,
        );
    }
}

fn transport_attributes(error: Option<&'static str>) -> PointAttributes {
    let mut attributes = vec![static_attribute(semconv::NETWORK_TRANSPORT, "tcp")];
    attributes.extend(error.map(|error| static_attribute(semconv::ERROR_TYPE, error)));
    attributes
}

fn record_connections(series: &mut SeriesSet, run: &Run) {
    let usage = &run.usage;
    for (error, count) in &usage.opened {
        series.add(instrument::OPENED, transport_attributes(*error), *count);
    }
    for (by, count) in &usage.closed {
        let attributes = vec![
            static_attribute(name::CLOSED_BY, by.as_str()),
            static_attribute(name::CLOSE_REASON, by.reason()),
        ];
        series.add(instrument::CLOSED, attributes, *count);
    }
    series.add(instrument::RECLAIMED, Vec::new(), usage.reclaimed);
    let directions = [
        ("receive", usage.used.bytes_in),
        ("transmit", usage.used.bytes_out),
    ];
    for (direction, bytes) in directions {
        series.add(
            instrument::NETWORK_IO,
            vec![static_attribute(semconv::NETWORK_IO_DIRECTION, direction)],
            bytes,
        );
    }
}

fn record_denials(series: &mut SeriesSet, run: &Run) {
    for (kind, count) in &run.usage.denials {
        series.add(
            instrument::QUOTA_DENIALS,
            vec![static_attribute(name::QUOTA, kind.as_str())],
            *count,
        );
    }
}

fn record_cuts(series: &mut SeriesSet, run: &Run) {
    let record = &run.usage.record;
    series.add(instrument::RECORD_CUT, Vec::new(), record.cut);
    series.add(instrument::RECORD_CUT_BYTES, Vec::new(), record.cut_bytes);
}

#[expect(clippy::cast_precision_loss, reason = "a histogram's sum is a float")]
fn record_plugin(series: &mut SeriesSet, run: &Run) {
    series.add_seconds(instrument::CPU_TIME, Vec::new(), run.usage.used.cpu.as_secs_f64());
    series.observe(
        instrument::MEMORY_PEAK,
        Vec::new(),
        run.usage.used.memory_peak as f64,
        None,
    );
    if let Outcome::Faulted(fault) = &run.outcome {
        series.add(
            instrument::FAULTS,
            vec![static_attribute(semconv::ERROR_TYPE, fault.as_str())],
            1,
        );
    }
}

/// Records what the semantic conventions define, and certificates. Host names are chosen by the plugin if its grants
/// are wide.
fn record_exchanges(limiter: &mut CardinalityLimiter<'_>, run: &Run) {
    for step in &run.trail.steps {
        let seconds = step.took.as_secs_f64();
        match &step.kind {
            StepKind::Lookup(lookup) => {
                let mut attributes = vec![string_attribute(
                    semconv::DNS_QUESTION_NAME,
                    truncate(&lookup.name),
                )];
                attributes.extend(error_attribute(step));
                limiter.observe(instrument::DNS_DURATION, attributes, seconds);
            }
            StepKind::Request(_) => {
                limiter.observe(instrument::HTTP_DURATION, request_attributes(step), seconds)
            }
            // A proxy's certificate is not the target's.
            StepKind::Handshake(handshake) if handshake.is_proxy => {}
            StepKind::Handshake(handshake) => set_certificates(limiter, handshake),
            StepKind::Instantiate | StepKind::Connect { .. } => {}
        }
    }
}

fn error_attribute(step: &Step) -> Option<(Cow<'static, str>, Value)> {
    step.error
        .as_ref()
        .map(|error| static_attribute(semconv::ERROR_TYPE, error.code))
}

/// HTTP conventions, "Metric: http.client.request.duration".
fn request_attributes(step: &Step) -> PointAttributes {
    let StepKind::Request(request) = &step.kind else {
        return Vec::new();
    };
    let mut attributes = vec![
        string_attribute(semconv::HTTP_REQUEST_METHOD, name::http_method(&request.method)),
        string_attribute(semconv::SERVER_ADDRESS, truncate(&request.host)),
        static_attribute(semconv::URL_SCHEME, request.scheme),
    ];
    if let Some(port) = request.port {
        attributes.insert(
            2,
            (Cow::Borrowed(semconv::SERVER_PORT), Value::Number(port.into())),
        );
    }
    if let Some(status) = request.status {
        let key = Cow::Borrowed(semconv::HTTP_RESPONSE_STATUS_CODE);
        attributes.push((key, Value::Number(status.into())));
    }
    let bad = request.status.filter(|status| *status >= 400);
    let bad = bad.map(|status| string_attribute(semconv::ERROR_TYPE, status.to_string()));
    attributes.extend(error_attribute(step).or(bad));
    attributes
}

#[expect(clippy::cast_precision_loss, reason = "seconds until the year 285 million")]
fn set_certificates(limiter: &mut CardinalityLimiter<'_>, handshake: &Handshake) {
    let leaf = handshake.leaf.as_ref().map(|leaf| leaf.not_after);
    let ends = [("leaf", leaf), ("chain", handshake.chain_not_after)];
    for (position, not_after) in ends {
        let Some(not_after) = not_after else { continue };
        let port = handshake.peer.and_then(|peer| peer.port()).unwrap_or_default();
        let attributes = vec![
            string_attribute(semconv::SERVER_ADDRESS, truncate(&handshake.server_name)),
            (Cow::Borrowed(semconv::SERVER_PORT), Value::Number(port.into())),
            static_attribute(name::TLS_POSITION, position),
        ];
        limiter.set(instrument::CERTIFICATE, attributes, not_after as f64);
    }
}

fn record_assertions(limiter: &mut CardinalityLimiter<'_>, run: &Run) {
    let Outcome::Completed(verdict) = &run.outcome else {
        return;
    };
    for assertion in &verdict.assertions {
        let attributes = vec![
            string_attribute(name::ASSERTION, truncate(&assertion.name)),
            static_attribute(name::ASSERTION_STATUS, VerdictStatus::as_str(assertion.status)),
        ];
        limiter.add(instrument::ASSERTIONS, attributes, 1);
    }
}

fn set_measurements(limiter: &mut CardinalityLimiter<'_>, run: &Run) {
    let Outcome::Completed(verdict) = &run.outcome else {
        return;
    };
    for measurement in &verdict.measurements {
        let attributes = limiter.measurement_attributes(measurement);
        limiter.set(instrument::MEASUREMENT, attributes, measurement.value);
    }
}
