//! Names that a plugin or a suite chooses: what they may not take, how long they may be, and how many there may be.

use std::borrow::Cow;

use opentelemetry_semantic_conventions::attribute as semconv;

use super::instrument::Instrument;
use super::prometheus::{is_same_label, sanitized};
use super::series::{Extra, Scope, Value, text};
use super::told;
use crate::outcome::{Measurement, Run};
use crate::telemetry::name;
use crate::trace::StepKind;

/// Instruments whose attributes hold names that a plugin chooses.
const OPEN: [&Instrument; 5] = [
    told::ASSERTIONS,
    told::MEASUREMENT,
    told::CERTIFICATE,
    told::DNS_DURATION,
    told::HTTP_DURATION,
];
/// Attributes that instruments add of themselves, and the labels of Prometheus' own. Whoever took one of them would
/// change what a series says, and a label that is there twice costs the whole scrape.
const TAKEN: [&str; 13] = [
    semconv::DNS_QUESTION_NAME,
    semconv::ERROR_TYPE,
    semconv::HTTP_REQUEST_METHOD,
    semconv::HTTP_RESPONSE_STATUS_CODE,
    semconv::NETWORK_IO_DIRECTION,
    semconv::NETWORK_TRANSPORT,
    semconv::SERVER_ADDRESS,
    semconv::SERVER_PORT,
    semconv::SERVICE_NAME,
    semconv::URL_SCHEME,
    OVERFLOW,
    "le",
    "quantile",
];
/// OpenTelemetry's name for what had no series of its own ("Cardinality limits" of the metrics SDK specification).
const OVERFLOW: &str = "otel.metric.overflow";
/// Of a measurement; what a plugin adds beyond that is left out.
const MOST_ATTRIBUTES: usize = 8;
/// Bytes of a name or value that a plugin chooses.
const LONGEST: usize = 128;

/// The part of a scope in which a plugin chooses names, while one run is told.
pub(super) struct Chosen<'a> {
    scope: &'a mut Scope,
    room: usize,
    overflow: u64,
}

impl<'a> Chosen<'a> {
    /// Certificates stay until a handshake shows others: that a target cannot be
    /// reached changes nothing about when they end.
    pub(super) fn begin(scope: &'a mut Scope, run: &Run, max_series: usize) -> Self {
        let mut steps = run.trail.steps.iter();
        if steps.any(|step| matches!(step.kind, StepKind::Handshake(_))) {
            scope.forget(told::CERTIFICATE);
        }
        Self::within(scope, max_series)
    }

    /// Forgets what the last run measured, to make room for what this one did.
    pub(super) fn measuring(scope: &'a mut Scope, max_series: usize) -> Self {
        scope.forget(told::MEASUREMENT);
        Self::within(scope, max_series)
    }

    fn within(scope: &'a mut Scope, max_series: usize) -> Self {
        let used: usize = OPEN.iter().map(|instrument| scope.count_of(instrument)).sum();
        Self {
            scope,
            room: max_series.saturating_sub(used),
            overflow: 0,
        }
    }

    /// How many values found no series of their own.
    pub(super) fn overflow(&self) -> u64 {
        self.overflow
    }

    pub(super) fn add(&mut self, instrument: &'static Instrument, extra: Extra, by: u64) {
        let extra = self.admit(instrument, extra);
        self.scope.add(instrument, extra, by);
    }

    pub(super) fn observe(&mut self, instrument: &'static Instrument, extra: Extra, value: f64) {
        let extra = self.admit(instrument, extra);
        self.scope.observe(instrument, extra, value, None);
    }

    /// A value without room is left out: there is no sum of what is true now.
    pub(super) fn set(&mut self, instrument: &'static Instrument, extra: Extra, value: f64) {
        if self.has_room(instrument, &extra) {
            // Some of the many kinds of NaN mean more to Prometheus: the end of a series.
            let value = if value.is_nan() { f64::NAN } else { value };
            self.scope.set(instrument, extra, value);
        }
    }

    /// What tells a measurement from others.
    pub(super) fn measured(&self, measurement: &Measurement) -> Extra {
        let mut extra = vec![
            text(name::MEASUREMENT, bounded(&measurement.name)),
            text(name::MEASUREMENT_UNIT, bounded(&measurement.unit)),
        ];
        for (key, value) in measurement.attributes.iter().take(MOST_ATTRIBUTES) {
            let key = bounded(key);
            if is_free(&key, &self.scope.base) && is_free(&key, &extra) {
                extra.push((Cow::Owned(key), Value::Text(Cow::Owned(bounded(value)))));
            }
        }
        extra
    }

    fn admit(&mut self, instrument: &'static Instrument, extra: Extra) -> Extra {
        match self.has_room(instrument, &extra) {
            true => extra,
            false => vec![(Cow::Borrowed(OVERFLOW), Value::Flag(true))],
        }
    }

    fn has_room(&mut self, instrument: &'static Instrument, extra: &Extra) -> bool {
        if self.scope.has(instrument, extra) {
            return true;
        }
        let has_room = self.room > 0;
        self.room = self.room.saturating_sub(1);
        self.overflow += u64::from(!has_room);
        has_room
    }
}

/// Whether an attribute may have this name beside those that are there, both as it is and as a label of Prometheus.
pub(super) fn is_free(key: &str, beside: &Extra) -> bool {
    let label = sanitized(key);
    let is = |known: &str| is_same_label(known, key);
    // Labels that begin with `__` are Prometheus' own, `__name__` among them.
    let is_reserved = label.starts_with("__") || label.starts_with("canary_") || TAKEN.into_iter().any(is);
    let is_name = key.bytes().any(|byte| byte.is_ascii_alphanumeric());
    is_name && !is_reserved && !beside.iter().any(|(known, _)| is(known))
}

/// At most 128 bytes, cut at a character.
pub(super) fn bounded(text: &str) -> String {
    let end = (0..=LONGEST.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default().to_owned()
}
