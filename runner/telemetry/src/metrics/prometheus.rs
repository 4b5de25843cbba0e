//! The Prometheus text formats, for a scrape.
//!
//! Names and labels are those that OTLP metrics get when converted to Prometheus
//! (<https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/>), so that one dashboard works
//! for both. Formats: Prometheus text 0.0.4 and OpenMetrics 1.0.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Bound;
use std::time::UNIX_EPOCH;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::Metrics;
use super::instrument::{ALL, Instrument, Kind};
use super::series::{Distribution, Exemplar, Point, PointAttributes, SeriesSet};
use canary_suite::CheckId;

/// Size of a chunk of the text, in bytes.
const CHUNK_BYTES: usize = 128 << 10;

/// A text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`
    Prometheus,
    /// `application/openmetrics-text; version=1.0.0`, with exemplars.
    OpenMetrics,
}

impl Format {
    /// The value of `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A scrape in progress. The lock on the metrics is released between chunks, and memory is needed for one chunk at a
/// time only; the whole text has some 30 kB for each check.
pub struct Scrape {
    writer: TextWriter,
    resource: BTreeMap<String, String>,
    /// Index of the current instrument.
    instrument_index: usize,
    cursor: SeriesCursor,
    has_metadata: bool,
    is_done: bool,
}

/// The last series written of the current instrument.
pub(super) enum SeriesCursor {
    Nothing,
    Runner,
    Check(CheckId),
}

impl Scrape {
    /// Begins a scrape, with the resource as `target_info` and its service name on every series.
    #[must_use]
    pub fn new(format: Format, resource: &Resource) -> Self {
        let resource = resource_labels(resource);
        let service = resource.get("service_name").map_or("", String::as_str);
        let writer = TextWriter {
            text: String::new(),
            format,
            service: format_label("service_name", service),
        };
        let mut scrape = Self {
            writer,
            resource,
            instrument_index: 0,
            cursor: SeriesCursor::Nothing,
            has_metadata: false,
            is_done: false,
        };
        scrape.writer.write_target_info(&scrape.resource);
        scrape
    }

    /// The next chunk of 128 KiB or slightly more; `None` at the end. A check added meanwhile may be in some metrics
    /// and not in others, and each point is written at most once.
    pub fn next_chunk(&mut self, metrics: &Metrics) -> Option<String> {
        if self.is_done {
            return None;
        }
        while let Some(instrument) = ALL.get(self.instrument_index) {
            let name = metric_name(instrument);
            let cursor = std::mem::replace(&mut self.cursor, SeriesCursor::Nothing);
            for (check, series) in metrics.series_after(&cursor) {
                for (attributes, point) in series.points_of(instrument) {
                    if !std::mem::replace(&mut self.has_metadata, true) {
                        self.writer.write_metadata(&name, instrument);
                    }
                    let labels = self.writer.labels(series, attributes);
                    self.writer.write_samples(&name, instrument, &labels, point);
                }
                if self.writer.text.len() >= CHUNK_BYTES {
                    self.cursor = check.map_or(SeriesCursor::Runner, |id| SeriesCursor::Check(id.clone()));
                    return Some(std::mem::take(&mut self.writer.text));
                }
            }
            self.instrument_index += 1;
            self.has_metadata = false;
        }
        if self.writer.format == Format::OpenMetrics {
            self.writer.text.push_str("# EOF\n");
        }
        self.is_done = true;
        Some(std::mem::take(&mut self.writer.text))
    }
}

impl Metrics {
    /// The remaining series: the runner's own first, then those of each check.
    pub(super) fn series_after(
        &self,
        cursor: &SeriesCursor,
    ) -> impl Iterator<Item = (Option<&CheckId>, &SeriesSet)> + use<'_> {
        let runner = matches!(cursor, SeriesCursor::Nothing).then_some((None, &self.runner));
        let after = match cursor {
            SeriesCursor::Nothing | SeriesCursor::Runner => Bound::Unbounded,
            SeriesCursor::Check(id) => Bound::Excluded(id),
        };
        let checks = self.checks.range::<CheckId, _>((after, Bound::Unbounded));
        let checks = checks.map(|(id, metrics)| (Some(id), &metrics.series));
        runner.into_iter().chain(checks)
    }

    /// The whole text.
    #[cfg(test)]
    pub(super) fn exposition(&self, format: Format, resource: &Resource) -> String {
        let mut scrape = Scrape::new(format, resource);
        std::iter::from_fn(|| scrape.next_chunk(self)).collect()
    }
}

struct TextWriter {
    text: String,
    format: Format,
    /// A label of every sample.
    service: String,
}

impl TextWriter {
    fn write_target_info(&mut self, resource: &BTreeMap<String, String>) {
        let labels: Vec<String> = resource
            .iter()
            .map(|(key, value)| format_label(key, value))
            .collect();
        let (kind, family) = match self.format {
            Format::OpenMetrics => ("info", "target"),
            Format::Prometheus => ("gauge", "target_info"),
        };
        self.write_line(format_args!("# HELP {family} Target metadata"));
        self.write_line(format_args!("# TYPE {family} {kind}"));
        self.write_line(format_args!("target_info{{{}}} 1", labels.join(",")));
    }

    fn write_metadata(&mut self, name: &str, instrument: &Instrument) {
        let kind = match instrument.kind {
            Kind::Counter => "counter",
            Kind::UpDown | Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        // The Prometheus format names a family like its samples.
        let family = match (self.format, instrument.kind) {
            (Format::Prometheus, Kind::Counter) => Cow::Owned(format!("{name}_total")),
            _ => Cow::Borrowed(name),
        };
        let description = instrument.description;
        self.write_line(format_args!("# HELP {family} {description}"));
        self.write_line(format_args!("# TYPE {family} {kind}"));
        let unit = unit_suffix(instrument);
        if self.format == Format::OpenMetrics && !unit.is_empty() {
            self.write_line(format_args!("# UNIT {family} {unit}"));
        }
    }

    fn labels(&self, series: &SeriesSet, attributes: &PointAttributes) -> String {
        let mut labels = self.service.clone();
        let mut seen: Vec<String> = vec!["service_name".to_owned()];
        for (key, value) in series.common.iter().chain(attributes) {
            let key = sanitize_name(key);
            // Two attributes may map to the same label: the first wins.
            if !seen.contains(&key) {
                labels.push(',');
                labels.push_str(&format_label(&key, &value.to_label_value()));
                seen.push(key);
            }
        }
        labels
    }

    fn write_samples(&mut self, name: &str, instrument: &Instrument, labels: &str, point: &Point) {
        let suffix = match instrument.kind {
            Kind::Counter => "_total",
            Kind::UpDown | Kind::Gauge | Kind::Histogram(_) => "",
        };
        match point {
            Point::Count(count) => self.write_line(format_args!("{name}{suffix}{{{labels}}} {count}")),
            Point::Number(value) => {
                let value = format_number(*value);
                self.write_line(format_args!("{name}{suffix}{{{labels}}} {value}"));
            }
            Point::Histogram(distribution) => self.write_histogram(name, labels, distribution),
        }
    }

    fn write_histogram(&mut self, name: &str, labels: &str, distribution: &Distribution) {
        let mut count = 0;
        let bounds = distribution.bounds.iter().copied().chain([f64::INFINITY]);
        for (bucket, (bound, more)) in bounds.zip(&distribution.counts).enumerate() {
            count += more;
            let bound = format_number(bound);
            let exemplar = distribution.exemplars.get(bucket).and_then(Option::as_ref);
            let exemplar = exemplar
                .filter(|_| self.format == Format::OpenMetrics)
                .map(format_exemplar)
                .unwrap_or_default();
            self.write_line(format_args!(
                "{name}_bucket{{{labels},le=\"{bound}\"}} {count}{exemplar}"
            ));
        }
        let sum = format_number(distribution.sum);
        self.write_line(format_args!("{name}_sum{{{labels}}} {sum}"));
        self.write_line(format_args!("{name}_count{{{labels}}} {count}"));
    }

    fn write_line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _infallible = writeln!(self.text, "{line}");
    }
}

fn format_exemplar(exemplar: &Exemplar) -> String {
    let at = exemplar.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!(
        " # {{trace_id=\"{}\",span_id=\"{}\"}} {} {}.{:03}",
        hex::encode(exemplar.trace.trace_id),
        hex::encode(exemplar.trace.span_id),
        format_number(exemplar.value),
        at.as_secs(),
        at.subsec_millis()
    )
}

/// The metric name without `_total`.
pub(super) fn metric_name(instrument: &Instrument) -> String {
    let name = sanitize_name(instrument.name);
    let unit = unit_suffix(instrument);
    if unit.is_empty() || name.ends_with(unit) {
        name
    } else {
        format!("{name}_{unit}")
    }
}

/// The unit in a metric name; only a gauge can be a ratio, and an annotation in braces is not a unit.
fn unit_suffix(instrument: &Instrument) -> &'static str {
    match (instrument.unit, instrument.kind) {
        ("s", _) => "seconds",
        ("By", _) => "bytes",
        ("1", Kind::Gauge) => "ratio",
        _ => "",
    }
}

/// Replaces characters not allowed in a name or label by `_`, and prefixes `key` to names that begin with a digit or a
/// single `_`.
pub(super) fn sanitize_name(name: &str) -> String {
    let mut name: String = name.chars().map(sanitize_char).collect();
    // Names with two underscores are reserved.
    let is_private = name.starts_with('_') && !name.starts_with("__");
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert_str(0, "key_");
    } else if is_private {
        name.insert_str(0, "key");
    }
    name
}

/// Whether two attributes map to the same label.
pub(super) fn is_same_label(one: &str, other: &str) -> bool {
    one.chars()
        .map(sanitize_char)
        .eq(other.chars().map(sanitize_char))
}

fn sanitize_char(character: char) -> char {
    if character.is_ascii_alphanumeric() {
        character
    } else {
        '_'
    }
}

fn format_label(key: &str, value: &str) -> String {
    let value = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("{key}=\"{value}\"")
}

fn format_number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    value.to_string()
}

fn resource_labels(resource: &Resource) -> BTreeMap<String, String> {
    let label = |attribute: &opentelemetry_proto::tonic::common::v1::KeyValue| {
        let value = match attribute.value.as_ref()?.value.as_ref()? {
            Any::StringValue(text) => text.clone(),
            Any::IntValue(number) => number.to_string(),
            Any::BoolValue(flag) => flag.to_string(),
            Any::DoubleValue(value) => format_number(*value),
            _ => return None,
        };
        Some((sanitize_name(&attribute.key), value))
    };
    resource.attributes.iter().filter_map(label).collect()
}
