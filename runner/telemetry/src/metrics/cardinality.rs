//! Limits for names chosen by a plugin or a suite: reserved names, their length, and the number of series.

use std::borrow::Cow;

use opentelemetry_semantic_conventions::attribute as semconv;

use super::instrument::{self, Instrument};
use super::prometheus::{is_same_label, sanitize_name};
use super::series::{PointAttributes, SeriesSet, Value, string_attribute};
use crate::name;
use canary_record::trace::StepKind;
use canary_run::outcome::{Measurement, Run};

/// Instruments with attribute values chosen by a plugin.
const OPEN_INSTRUMENTS: [&Instrument; 5] = [
    instrument::ASSERTIONS,
    instrument::MEASUREMENT,
    instrument::CERTIFICATE,
    instrument::DNS_DURATION,
    instrument::HTTP_DURATION,
];
/// Attributes set by instruments, and labels of Prometheus. Reusing one would change the meaning of a series, and a
/// duplicate label fails the whole scrape.
const RESERVED_LABELS: [&str; 13] = [
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
/// OpenTelemetry's attribute for values beyond the limit ("Cardinality limits" of the metrics SDK specification).
const OVERFLOW: &str = "otel.metric.overflow";
/// Maximum number of attributes of a measurement; further ones are dropped.
const MAX_ATTRIBUTES: usize = 8;
/// Maximum length of a plugin-chosen name or value, in bytes.
const MAX_LENGTH: usize = 128;

/// Limits the number of plugin-chosen series of a check while one run is recorded.
pub(super) struct CardinalityLimiter<'a> {
    series: &'a mut SeriesSet,
    room: usize,
    overflow: u64,
}

impl<'a> CardinalityLimiter<'a> {
    /// Drops certificates only if a handshake shows others: an unreachable target does not change when they expire.
    pub(super) fn for_run(series: &'a mut SeriesSet, run: &Run, max_series: usize) -> Self {
        let mut steps = run.trail.steps.iter();
        if steps.any(|step| matches!(&step.kind, StepKind::Handshake(handshake) if !handshake.is_proxy)) {
            series.clear(instrument::CERTIFICATE);
        }
        Self::new(series, max_series)
    }

    /// Drops the measurements of the last run to make room for those of this one.
    pub(super) fn for_measurements(series: &'a mut SeriesSet, max_series: usize) -> Self {
        series.clear(instrument::MEASUREMENT);
        Self::new(series, max_series)
    }

    fn new(series: &'a mut SeriesSet, max_series: usize) -> Self {
        let used: usize = OPEN_INSTRUMENTS
            .iter()
            .map(|instrument| series.series_count(instrument))
            .sum();
        Self {
            series,
            room: max_series.saturating_sub(used),
            overflow: 0,
        }
    }

    /// The number of values beyond the limit.
    pub(super) fn overflow(&self) -> u64 {
        self.overflow
    }

    pub(super) fn add(&mut self, instrument: &'static Instrument, attributes: PointAttributes, by: u64) {
        let attributes = self.limit(instrument, attributes);
        self.series.add(instrument, attributes, by);
    }

    pub(super) fn observe(
        &mut self,
        instrument: &'static Instrument,
        attributes: PointAttributes,
        value: f64,
    ) {
        let attributes = self.limit(instrument, attributes);
        self.series.observe(instrument, attributes, value, None);
    }

    /// Sets a gauge. A value beyond the limit is dropped: gauges cannot be aggregated into an overflow series.
    pub(super) fn set(&mut self, instrument: &'static Instrument, attributes: PointAttributes, value: f64) {
        if self.has_room(instrument, &attributes) {
            // Prometheus gives some NaN bit patterns a meaning: the end of a series (stale marker).
            let value = if value.is_nan() { f64::NAN } else { value };
            self.series.set(instrument, attributes, value);
        }
    }

    /// The identifying attributes of a measurement.
    pub(super) fn measurement_attributes(&self, measurement: &Measurement) -> PointAttributes {
        let mut attributes = vec![
            string_attribute(name::MEASUREMENT, truncate(&measurement.name)),
            string_attribute(name::MEASUREMENT_UNIT, truncate(&measurement.unit)),
        ];
        for (key, value) in measurement.attributes.iter().take(MAX_ATTRIBUTES) {
            let key = truncate(key);
            if is_allowed_name(&key, &self.series.common) && is_allowed_name(&key, &attributes) {
                attributes.push((Cow::Owned(key), Value::Text(Cow::Owned(truncate(value)))));
            }
        }
        attributes
    }

    fn limit(&mut self, instrument: &'static Instrument, attributes: PointAttributes) -> PointAttributes {
        if self.has_room(instrument, &attributes) {
            attributes
        } else {
            vec![(Cow::Borrowed(OVERFLOW), Value::Flag(true))]
        }
    }

    fn has_room(&mut self, instrument: &'static Instrument, attributes: &PointAttributes) -> bool {
        if self.series.contains(instrument, attributes) {
            return true;
        }
        let has_room = self.room > 0;
        self.room = self.room.saturating_sub(1);
        self.overflow += u64::from(!has_room);
        has_room
    }
}

/// Whether an attribute may have this name beside the others, both in OTLP and as a Prometheus label.
pub(super) fn is_allowed_name(key: &str, others: &PointAttributes) -> bool {
    let label = sanitize_name(key);
    let is = |known: &str| is_same_label(known, key);
    // Labels that begin with `__` are reserved by Prometheus, `__name__` among them.
    let is_reserved =
        label.starts_with("__") || label.starts_with("canary_") || RESERVED_LABELS.into_iter().any(is);
    let is_name = key.bytes().any(|byte| byte.is_ascii_alphanumeric());
    is_name && !is_reserved && !others.iter().any(|(known, _)| is(known))
}

/// Truncates to 128 bytes at a character boundary.
pub(super) fn truncate(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_LENGTH);
    text.get(..end).unwrap_or_default().to_owned()
}
