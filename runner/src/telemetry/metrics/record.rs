//! From a run to points.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_semantic_conventions::attribute as semconv;

use super::chosen::{Chosen, bounded};
use super::series::{Exemplar, Extra, Scope, Value, text, word};
use super::{Last, Metrics, told};
use crate::account::MissReason;
use crate::clock;
use crate::outcome::{Outcome, Run, VerdictStatus};
use crate::quota::QuotaKind;
use crate::schedule::reach;
use crate::status::{Standing, Status};
use crate::suite::Check;
use crate::telemetry::name;
use crate::trace::{Handshake, Phase, PhaseTime, Step, StepKind};

const STATUSES: [Status; 4] = [Status::Up, Status::Degraded, Status::Down, Status::Unknown];
/// Outcomes, with the most usual error of those that have one.
const OUTCOMES: [(&str, Option<&str>); 5] = [
    ("pass", None),
    ("warn", None),
    ("fail", Some("assertion")),
    ("stopped", Some("deadline")),
    ("faulted", Some("trap")),
];
/// Counters are there from the first moment, so that the first increase is one.
pub(super) fn prepare(scope: &mut Scope, check: &Check) {
    interval(scope, check, clock::wall());
    scope.set_count(told::RUN_ACTIVE, Vec::new(), 0);
    scope.set_count(told::ACTIVE, Vec::new(), 0);
    scope.add(told::RECLAIMED, Vec::new(), 0);
    scope.add(told::FAULTS, Vec::new(), 0);
    scope.add(told::RECORD_CUT, Vec::new(), 0);
    scope.add(told::RECORD_CUT_BYTES, Vec::new(), 0);
    scope.add(told::RECORD_DROPPED, Vec::new(), 0);
    scope.add(told::OPENED, transport(None), 0);
    scope.add_seconds(told::CPU_TIME, Vec::new(), 0.0);
    for (outcome, error) in OUTCOMES {
        let mut extra = vec![word(name::OUTCOME, outcome)];
        extra.extend(error.map(|error| word(semconv::ERROR_TYPE, error)));
        scope.add(told::RUNS, extra, 0);
    }
    for status in STATUSES {
        scope.add(told::TRANSITIONS, vec![word(name::STATUS, status.word())], 0);
    }
    for reason in MissReason::ALL {
        scope.add(told::MISSED, vec![word(name::MISS_REASON, reason.word())], 0);
    }
    for kind in QuotaKind::ALL {
        scope.add(told::QUOTA_DENIALS, vec![word(name::QUOTA, kind.key())], 0);
    }
    for direction in ["receive", "transmit"] {
        scope.add(
            told::NETWORK_IO,
            vec![word(semconv::NETWORK_IO_DIRECTION, direction)],
            0,
        );
    }
}

impl Metrics {
    /// A run was recorded. A check that is no longer in the suite leaves nothing.
    pub fn finished(&mut self, run: &Arc<Run>, standing: &Standing, now: SystemTime) {
        let Some(told_of) = self.checks.get_mut(&run.check.id) else {
            return;
        };
        let scope = &mut told_of.scope;
        self.runner
            .observe(told::LAG, Vec::new(), run.lag.as_secs_f64(), None);
        outcome(scope, run, exemplar(run, now).filter(|_| self.exemplars));
        if let Some(transition) = &standing.transition {
            let extra = vec![word(name::STATUS, transition.to.word())];
            scope.add(told::TRANSITIONS, extra, 1);
        }
        phases(scope, run);
        connections(scope, run);
        denials(scope, run);
        record(scope, run);
        plugin(scope, run);
        let mut chosen = Chosen::begin(scope, run, self.max_series);
        exchanges(&mut chosen, run);
        asserted(&mut chosen, run);
        let mut overflow = chosen.overflow();
        let mut chosen = Chosen::measuring(scope, self.max_series);
        measured(&mut chosen, run);
        overflow += chosen.overflow();
        self.runner.add(told::SERIES_OVERFLOW, Vec::new(), overflow);
        told_of.last = Some(Last::of(run, standing, now));
    }

    /// Sets the gauges that show the last run of each check. Call it before the metrics are told: what only the last
    /// run can say is not worth its while for each of them.
    pub fn settle(&mut self) {
        for told_of in self.checks.values_mut() {
            let Some(last) = told_of.last.take() else {
                continue;
            };
            stands(&mut told_of.scope, &last);
            interval(&mut told_of.scope, &last.check, last.started_at);
            utilization(&mut told_of.scope, &last);
        }
    }
}

impl Last {
    fn of(run: &Run, standing: &Standing, at: SystemTime) -> Self {
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

/// How long the check is silent from a moment on: until its next due time, by a cron expression.
fn interval(scope: &mut Scope, check: &Check, from: SystemTime) {
    let silent = reach(check, from, 1);
    scope.set(told::INTERVAL, Vec::new(), silent.as_secs_f64());
}

fn exemplar(run: &Run, at: SystemTime) -> Option<Exemplar> {
    run.trace.sampled.then_some(Exemplar {
        value: run.duration.as_secs_f64(),
        at,
        trace: run.trace,
    })
}

fn outcome(scope: &mut Scope, run: &Run, exemplar: Option<Exemplar>) {
    let outcome = word(name::OUTCOME, run.outcome.word());
    let mut extra = vec![outcome.clone()];
    extra.extend(run.error_type().map(|error| word(semconv::ERROR_TYPE, error)));
    scope.add(told::RUNS, extra, 1);
    let seconds = run.duration.as_secs_f64();
    scope.observe(told::RUN_DURATION, vec![outcome], seconds, exemplar);
}

fn stands(scope: &mut Scope, last: &Last) {
    let is_up = matches!(last.status, Status::Up | Status::Degraded);
    scope.set_count(told::UP, Vec::new(), u64::from(is_up));
    for status in STATUSES {
        let extra = vec![word(name::STATUS, status.word())];
        scope.set_count(told::STATUS, extra, u64::from(status == last.status));
    }
    scope.set_count(told::CONSECUTIVE_FAILURES, Vec::new(), last.consecutive_failures);
    scope.set(told::LAST_RUN, Vec::new(), unix_seconds(last.at));
    if let Some(at) = last.last_success {
        scope.set(told::LAST_SUCCESS, Vec::new(), unix_seconds(at));
    }
}

pub(super) fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn phases(scope: &mut Scope, run: &Run) {
    let queue = PhaseTime {
        attempt: 1,
        phase: Phase::Queue,
        took: run.queued,
        error: None,
    };
    for time in std::iter::once(&queue).chain(&run.trail.phases) {
        let mut extra = vec![word(name::PHASE, time.phase.word())];
        extra.extend(time.error.map(|error| word(semconv::ERROR_TYPE, error)));
        scope.observe(told::PHASE_DURATION, extra, time.took.as_secs_f64(), None);
    }
}

fn transport(error: Option<&'static str>) -> Extra {
    let mut extra = vec![word(semconv::NETWORK_TRANSPORT, "tcp")];
    extra.extend(error.map(|error| word(semconv::ERROR_TYPE, error)));
    extra
}

fn connections(scope: &mut Scope, run: &Run) {
    let usage = &run.usage;
    for (error, count) in &usage.opened {
        scope.add(told::OPENED, transport(*error), *count);
    }
    for (by, count) in &usage.closed {
        let extra = vec![
            word(name::CLOSED_BY, by.word()),
            word(name::CLOSE_REASON, by.reason()),
        ];
        scope.add(told::CLOSED, extra, *count);
    }
    scope.add(told::RECLAIMED, Vec::new(), usage.reclaimed);
    let directions = [("receive", usage.bytes_in), ("transmit", usage.bytes_out)];
    for (direction, bytes) in directions {
        scope.add(
            told::NETWORK_IO,
            vec![word(semconv::NETWORK_IO_DIRECTION, direction)],
            bytes,
        );
    }
}

fn denials(scope: &mut Scope, run: &Run) {
    for (kind, count) in &run.usage.denials {
        scope.add(told::QUOTA_DENIALS, vec![word(name::QUOTA, kind.key())], *count);
    }
}

fn record(scope: &mut Scope, run: &Run) {
    let record = &run.usage.record;
    scope.add(told::RECORD_CUT, Vec::new(), record.cut);
    scope.add(told::RECORD_CUT_BYTES, Vec::new(), record.cut_bytes);
}

fn utilization(scope: &mut Scope, last: &Last) {
    for kind in QuotaKind::ALL {
        let extra = vec![word(name::QUOTA, kind.key())];
        scope.set(told::QUOTA_UTILIZATION, extra, share(last, kind));
    }
}

/// Used by the last run, of what its attempts might have used. A quota of 0 is used up by definition.
#[expect(clippy::cast_precision_loss, reason = "a share of a quota, for a graph")]
fn share(last: &Last, kind: QuotaKind) -> f64 {
    let (usage, quota) = (&last.usage, &last.check.quota);
    let attempts = u64::from(last.attempts.max(1));
    let (used, times) = match kind {
        QuotaKind::Sockets => (usage.sockets_peak, 1),
        QuotaKind::Fds => (usage.fds_peak, 1),
        QuotaKind::Memory => (usage.memory_peak, 1),
        QuotaKind::Connections => (usage.connections, attempts),
        QuotaKind::Lookups => (usage.lookups, attempts),
        QuotaKind::BytesIn => (usage.bytes_in, attempts),
        QuotaKind::BytesOut => (usage.bytes_out, attempts),
        QuotaKind::LogLines => (usage.log_lines, attempts),
        QuotaKind::Record => (usage.record.bytes, 1),
        QuotaKind::Cpu => {
            let limit = quota.cpu.as_secs_f64() * attempts as f64;
            return if limit > 0.0 {
                usage.cpu.as_secs_f64() / limit
            } else {
                1.0
            };
        }
    };
    match quota.limit(kind).saturating_mul(times) {
        0 => 1.0,
        limit => used as f64 / limit as f64,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a histogram's sum is a float")]
fn plugin(scope: &mut Scope, run: &Run) {
    scope.add_seconds(told::CPU_TIME, Vec::new(), run.usage.cpu.as_secs_f64());
    scope.observe(told::MEMORY_PEAK, Vec::new(), run.usage.memory_peak as f64, None);
    if let Outcome::Faulted(fault) = &run.outcome {
        scope.add(told::FAULTS, vec![word(semconv::ERROR_TYPE, fault.word())], 1);
    }
}

/// What the conventions have a name for, and the certificates that were seen. Names of hosts are a plugin's choice
/// where its grants are wide.
fn exchanges(chosen: &mut Chosen<'_>, run: &Run) {
    for step in &run.trail.steps {
        let seconds = step.took.as_secs_f64();
        match &step.kind {
            StepKind::Lookup(lookup) => {
                let mut extra = vec![text(semconv::DNS_QUESTION_NAME, bounded(&lookup.name))];
                extra.extend(error_of(step));
                chosen.observe(told::DNS_DURATION, extra, seconds);
            }
            StepKind::Request(_) => chosen.observe(told::HTTP_DURATION, request(step), seconds),
            StepKind::Handshake(handshake) => certificates(chosen, handshake),
            StepKind::Instantiate | StepKind::Connect { .. } => {}
        }
    }
}

fn error_of(step: &Step) -> Option<(Cow<'static, str>, Value)> {
    step.error
        .as_ref()
        .map(|error| word(semconv::ERROR_TYPE, error.word))
}

/// HTTP conventions, "Metric: http.client.request.duration".
fn request(step: &Step) -> Extra {
    let StepKind::Request(request) = &step.kind else {
        return Vec::new();
    };
    let mut extra = vec![
        text(semconv::HTTP_REQUEST_METHOD, name::http_method(&request.method)),
        text(semconv::SERVER_ADDRESS, bounded(&request.host)),
        word(semconv::URL_SCHEME, request.scheme),
    ];
    if let Some(port) = request.port {
        extra.insert(
            2,
            (Cow::Borrowed(semconv::SERVER_PORT), Value::Number(port.into())),
        );
    }
    if let Some(status) = request.status {
        let key = Cow::Borrowed(semconv::HTTP_RESPONSE_STATUS_CODE);
        extra.push((key, Value::Number(status.into())));
    }
    let bad = request.status.filter(|status| *status >= 400);
    let bad = bad.map(|status| text(semconv::ERROR_TYPE, status.to_string()));
    extra.extend(error_of(step).or(bad));
    extra
}

#[expect(clippy::cast_precision_loss, reason = "seconds until the year 285 million")]
fn certificates(chosen: &mut Chosen<'_>, handshake: &Handshake) {
    let leaf = handshake.leaf.as_ref().map(|leaf| leaf.not_after);
    let ends = [("leaf", leaf), ("chain", handshake.chain_not_after)];
    for (position, not_after) in ends {
        let Some(not_after) = not_after else { continue };
        let port = handshake.peer.and_then(|peer| peer.port()).unwrap_or_default();
        let extra = vec![
            text(semconv::SERVER_ADDRESS, bounded(&handshake.server_name)),
            (Cow::Borrowed(semconv::SERVER_PORT), Value::Number(port.into())),
            word(name::TLS_POSITION, position),
        ];
        chosen.set(told::CERTIFICATE, extra, not_after as f64);
    }
}

fn asserted(chosen: &mut Chosen<'_>, run: &Run) {
    let Outcome::Completed(verdict) = &run.outcome else {
        return;
    };
    for assertion in &verdict.assertions {
        let extra = vec![
            text(name::ASSERTION, bounded(&assertion.name)),
            word(name::ASSERTION_STATUS, VerdictStatus::word(assertion.status)),
        ];
        chosen.add(told::ASSERTIONS, extra, 1);
    }
}

fn measured(chosen: &mut Chosen<'_>, run: &Run) {
    let Outcome::Completed(verdict) = &run.outcome else {
        return;
    };
    for measurement in &verdict.measurements {
        let extra = chosen.measured(measurement);
        chosen.set(told::MEASUREMENT, extra, measurement.value);
    }
}
