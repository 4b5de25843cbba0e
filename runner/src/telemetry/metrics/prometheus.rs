//! Points as text, for a scrape.
//!
//! Names and labels are those that OTLP metrics get on their way into Prometheus
//! (<https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/>), so that one dashboard fits
//! both ways. Formats: Prometheus text 0.0.4 and OpenMetrics 1.0.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Bound;
use std::time::UNIX_EPOCH;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::Metrics;
use super::instrument::{ALL, Instrument, Kind};
use super::series::{Distribution, Exemplar, Extra, Point, Scope};
use crate::suite::CheckId;

/// Bytes of one part of a text.
const PART: usize = 128 << 10;

/// A text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`
    Prometheus,
    /// `application/openmetrics-text; version=1.0.0`, with exemplars.
    OpenMetrics,
}

impl Format {
    /// The `Content-Type` of a text.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A text on its way, in parts: whoever feeds the metrics has his turn between any two of them, and nobody needs memory
/// for the whole, which has some 30 kB for each check.
pub struct Scrape {
    page: Page,
    resource: BTreeMap<String, String>,
    /// Of the instrument that it is at.
    place: usize,
    reached: Reached,
    is_headed: bool,
    is_over: bool,
}

/// How far the points of an instrument are told.
pub(super) enum Reached {
    Nothing,
    Runner,
    Check(CheckId),
}

impl Scrape {
    /// A text with the resource as `target_info` and its service's name on every series.
    #[must_use]
    pub fn new(format: Format, resource: &Resource) -> Self {
        let resource = labels_of(resource);
        let service = resource.get("service_name").map_or("", String::as_str);
        let page = Page {
            text: String::new(),
            format,
            service: label("service_name", service),
        };
        let mut scrape = Self {
            page,
            resource,
            place: 0,
            reached: Reached::Nothing,
            is_headed: false,
            is_over: false,
        };
        scrape.page.target(&scrape.resource);
        scrape
    }

    /// The next part, of 128 KiB or a little more; nothing when the text is whole. A check that came meanwhile
    /// may be in some metrics and not in others, and each point is told once at most.
    pub fn next_part(&mut self, metrics: &Metrics) -> Option<String> {
        if self.is_over {
            return None;
        }
        while let Some(instrument) = ALL.get(self.place) {
            let name = name(instrument);
            let reached = std::mem::replace(&mut self.reached, Reached::Nothing);
            for (check, scope) in metrics.scopes_after(&reached) {
                for (extra, point) in scope.of(instrument) {
                    if !std::mem::replace(&mut self.is_headed, true) {
                        self.page.head(&name, instrument);
                    }
                    let labels = self.page.labels(scope, extra);
                    self.page.samples(&name, instrument, &labels, point);
                }
                if self.page.text.len() >= PART {
                    self.reached = check.map_or(Reached::Runner, |id| Reached::Check(id.clone()));
                    return Some(std::mem::take(&mut self.page.text));
                }
            }
            self.place += 1;
            self.is_headed = false;
        }
        if self.page.format == Format::OpenMetrics {
            self.page.text.push_str("# EOF\n");
        }
        self.is_over = true;
        Some(std::mem::take(&mut self.page.text))
    }
}

impl Metrics {
    /// The runner's own points first, then those of each check.
    pub(super) fn scopes_after(
        &self,
        reached: &Reached,
    ) -> impl Iterator<Item = (Option<&CheckId>, &Scope)> + use<'_> {
        let runner = matches!(reached, Reached::Nothing).then_some((None, &self.runner));
        let after = match reached {
            Reached::Nothing | Reached::Runner => Bound::Unbounded,
            Reached::Check(id) => Bound::Excluded(id),
        };
        let checks = self.checks.range::<CheckId, _>((after, Bound::Unbounded));
        let checks = checks.map(|(id, told)| (Some(id), &told.scope));
        runner.into_iter().chain(checks)
    }

    /// The whole text.
    #[cfg(test)]
    pub(super) fn exposition(&self, format: Format, resource: &Resource) -> String {
        let mut scrape = Scrape::new(format, resource);
        std::iter::from_fn(|| scrape.next_part(self)).collect()
    }
}

struct Page {
    text: String,
    format: Format,
    /// A label of every sample.
    service: String,
}

impl Page {
    fn target(&mut self, resource: &BTreeMap<String, String>) {
        let labels: Vec<String> = resource.iter().map(|(key, value)| label(key, value)).collect();
        let (kind, family) = match self.format {
            Format::OpenMetrics => ("info", "target"),
            Format::Prometheus => ("gauge", "target_info"),
        };
        self.line(format_args!("# HELP {family} Target metadata"));
        self.line(format_args!("# TYPE {family} {kind}"));
        self.line(format_args!("target_info{{{}}} 1", labels.join(",")));
    }

    fn head(&mut self, name: &str, instrument: &Instrument) {
        let kind = match instrument.kind {
            Kind::Counter => "counter",
            Kind::UpDown | Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        // The format before OpenMetrics names a family as its samples.
        let family = match (self.format, instrument.kind) {
            (Format::Prometheus, Kind::Counter) => Cow::Owned(format!("{name}_total")),
            _ => Cow::Borrowed(name),
        };
        let description = instrument.description;
        self.line(format_args!("# HELP {family} {description}"));
        self.line(format_args!("# TYPE {family} {kind}"));
        let unit = unit(instrument);
        if self.format == Format::OpenMetrics && !unit.is_empty() {
            self.line(format_args!("# UNIT {family} {unit}"));
        }
    }

    fn labels(&self, scope: &Scope, extra: &Extra) -> String {
        let mut labels = self.service.clone();
        let mut seen: Vec<String> = vec!["service_name".to_owned()];
        for (key, value) in scope.base.iter().chain(extra) {
            let key = sanitized(key);
            // Two attributes may be one label: the first stays.
            if !seen.contains(&key) {
                labels.push(',');
                labels.push_str(&label(&key, &value.show()));
                seen.push(key);
            }
        }
        labels
    }

    fn samples(&mut self, name: &str, instrument: &Instrument, labels: &str, point: &Point) {
        let suffix = match instrument.kind {
            Kind::Counter => "_total",
            Kind::UpDown | Kind::Gauge | Kind::Histogram(_) => "",
        };
        match point {
            Point::Count(count) => self.line(format_args!("{name}{suffix}{{{labels}}} {count}")),
            Point::Number(value) => {
                let value = number(*value);
                self.line(format_args!("{name}{suffix}{{{labels}}} {value}"));
            }
            Point::Histogram(distribution) => self.histogram(name, labels, distribution),
        }
    }

    fn histogram(&mut self, name: &str, labels: &str, distribution: &Distribution) {
        let mut count = 0;
        let bounds = distribution.bounds.iter().copied().chain([f64::INFINITY]);
        for (bucket, (bound, more)) in bounds.zip(&distribution.counts).enumerate() {
            count += more;
            let bound = number(bound);
            let exemplar = distribution.exemplars.get(bucket).and_then(Option::as_ref);
            let exemplar = exemplar
                .filter(|_| self.format == Format::OpenMetrics)
                .map(stands_for)
                .unwrap_or_default();
            self.line(format_args!(
                "{name}_bucket{{{labels},le=\"{bound}\"}} {count}{exemplar}"
            ));
        }
        let sum = number(distribution.sum);
        self.line(format_args!("{name}_sum{{{labels}}} {sum}"));
        self.line(format_args!("{name}_count{{{labels}}} {count}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _infallible = writeln!(self.text, "{line}");
    }
}

fn stands_for(exemplar: &Exemplar) -> String {
    let at = exemplar.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!(
        " # {{trace_id=\"{}\",span_id=\"{}\"}} {} {}.{:03}",
        hex::encode(exemplar.trace.trace_id),
        hex::encode(exemplar.trace.span_id),
        number(exemplar.value),
        at.as_secs(),
        at.subsec_millis()
    )
}

/// Without `_total`.
fn name(instrument: &Instrument) -> String {
    let name = sanitized(instrument.name);
    let unit = unit(instrument);
    match unit.is_empty() || name.ends_with(unit) {
        true => name,
        false => format!("{name}_{unit}"),
    }
}

/// The word for a unit; a ratio is one only of a gauge, and a unit in braces is none.
fn unit(instrument: &Instrument) -> &'static str {
    match (instrument.unit, instrument.kind) {
        ("s", _) => "seconds",
        ("By", _) => "bytes",
        ("1", Kind::Gauge) => "ratio",
        _ => "",
    }
}

/// What a name or label may not hold becomes `_`, and one that begins with a digit or `_` gets `key` before it.
pub(super) fn sanitized(name: &str) -> String {
    let mut name: String = name.chars().map(fitting).collect();
    // Two of them are for names that are reserved.
    let is_private = name.starts_with('_') && !name.starts_with("__");
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert_str(0, "key_");
    } else if is_private {
        name.insert_str(0, "key");
    }
    name
}

/// Whether two attributes become one label.
pub(super) fn is_same_label(one: &str, other: &str) -> bool {
    one.chars().map(fitting).eq(other.chars().map(fitting))
}

fn fitting(character: char) -> char {
    match character.is_ascii_alphanumeric() {
        true => character,
        false => '_',
    }
}

fn label(key: &str, value: &str) -> String {
    let value = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("{key}=\"{value}\"")
}

fn number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    value.to_string()
}

fn labels_of(resource: &Resource) -> BTreeMap<String, String> {
    let label = |attribute: &opentelemetry_proto::tonic::common::v1::KeyValue| {
        let value = match attribute.value.as_ref()?.value.as_ref()? {
            Any::StringValue(text) => text.clone(),
            Any::IntValue(number) => number.to_string(),
            Any::BoolValue(flag) => flag.to_string(),
            Any::DoubleValue(value) => number(*value),
            _ => return None,
        };
        Some((sanitized(&attribute.key), value))
    };
    resource.attributes.iter().filter_map(label).collect()
}
