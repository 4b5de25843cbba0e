//! Metrics, flattened to points.
#![expect(clippy::panic, reason = "a point that is missing must fail its test")]

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, HistogramDataPoint, Metric, NumberDataPoint,
};

use super::arrivals::Message;
use super::attributes::{Attributes, attributes, has};

/// What a point measured.
#[derive(Clone, Debug, PartialEq)]
pub enum Measured {
    /// The value of a gauge or a sum; whole numbers are widened.
    Number(f64),
    /// A histogram with explicit bounds.
    Histogram(HistogramDataPoint),
    /// A point with the flag that it has no value any more.
    Gone,
}

impl Measured {
    /// The value of a number, or how many values a histogram has.
    ///
    /// # Panics
    /// It is gone.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "tests count to less than 2^52")]
    pub fn number(&self) -> f64 {
        match self {
            Self::Number(number) => *number,
            Self::Histogram(histogram) => histogram.count as f64,
            Self::Gone => panic!("the point has no value any more"),
        }
    }
}

/// A data point with everything that it came under.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The attributes of its resource.
    pub resource: Attributes,
    /// The name of its scope.
    pub scope: String,
    /// The name of its metric.
    pub metric: String,
    /// The unit of its metric.
    pub unit: String,
    /// `gauge`, `sum` (monotonic), `up-down` (a sum that is not) or `histogram`; with ` (delta)` where it is.
    pub kind: &'static str,
    /// Its own attributes.
    pub attributes: Attributes,
    /// Its start, in nanoseconds since 1970; 0 where it has none.
    pub start: u64,
    /// Its time, in nanoseconds since 1970.
    pub time: u64,
    /// What it measured.
    pub measured: Measured,
}

/// Points in order of arrival.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// The points; those of one request have the same number.
    pub points: Vec<(usize, Point)>,
}

impl Metrics {
    /// Every metric's name once, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .points
            .iter()
            .map(|(_, point)| point.metric.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The points of a metric, in order of arrival.
    #[must_use]
    pub fn named(&self, metric: &str) -> Vec<&Point> {
        let points = self.points.iter().map(|(_, point)| point);
        points.filter(|point| point.metric == metric).collect()
    }

    /// The points of a metric in the last request that has any: attributes and values.
    #[must_use]
    pub fn latest(&self, metric: &str) -> Vec<(&Attributes, &Measured)> {
        let named = self.points.iter().filter(|(_, point)| point.metric == metric);
        let last = named.clone().map(|(request, _)| *request).next_back();
        named
            .filter(|(request, _)| Some(*request) == last)
            .map(|(_, point)| (&point.attributes, &point.measured))
            .collect()
    }

    /// The sum over [`Self::latest`] of those points that have all of `wanted`, values compared as texts; of
    /// histograms the counts. `None` where there is no such point.
    #[must_use]
    pub fn sum(&self, metric: &str, wanted: &[(&str, &str)]) -> Option<f64> {
        let latest = self.latest(metric);
        let found = latest
            .iter()
            .filter(|(attributes, _)| has(attributes, wanted))
            .map(|(_, measured)| measured.number());
        found.fold(None, |sum: Option<f64>, number| {
            Some(sum.unwrap_or_default() + number)
        })
    }
}

impl<'a> FromIterator<&'a Message> for Metrics {
    fn from_iter<I: IntoIterator<Item = &'a Message>>(messages: I) -> Self {
        let mut points = Vec::new();
        for (number, message) in messages.into_iter().enumerate() {
            let Message::Metrics(request) = message else {
                continue;
            };
            for of_resource in &request.resource_metrics {
                let resource = of_resource.resource.as_ref();
                let resource = resource.map_or_else(Attributes::new, |it| attributes(&it.attributes));
                for of_scope in &of_resource.scope_metrics {
                    let scope = of_scope.scope.as_ref().map(|scope| scope.name.clone());
                    let place = (resource.clone(), scope.unwrap_or_default());
                    let found = of_scope.metrics.iter().flat_map(|metric| flatten(&place, metric));
                    points.extend(found.map(|point| (number, point)));
                }
            }
        }
        Self { points }
    }
}

fn flatten(place: &(Attributes, String), metric: &Metric) -> Vec<Point> {
    let numbers = |kind, points: &[NumberDataPoint]| {
        let point = |point: &NumberDataPoint| Point {
            start: point.start_time_unix_nano,
            time: point.time_unix_nano,
            measured: number(point),
            ..blank(place, metric, kind, attributes(&point.attributes))
        };
        points.iter().map(point).collect()
    };
    match &metric.data {
        Some(Data::Gauge(gauge)) => numbers("gauge", &gauge.data_points),
        Some(Data::Sum(sum)) => {
            let kind = match (sum.is_monotonic, is_delta(sum.aggregation_temporality)) {
                (true, false) => "sum",
                (true, true) => "sum (delta)",
                (false, false) => "up-down",
                (false, true) => "up-down (delta)",
            };
            numbers(kind, &sum.data_points)
        }
        Some(Data::Histogram(histogram)) => {
            let is_delta = is_delta(histogram.aggregation_temporality);
            let kind = if is_delta {
                "histogram (delta)"
            } else {
                "histogram"
            };
            let point = |point: &HistogramDataPoint| Point {
                start: point.start_time_unix_nano,
                time: point.time_unix_nano,
                measured: gone(point.flags).unwrap_or_else(|| Measured::Histogram(point.clone())),
                ..blank(place, metric, kind, attributes(&point.attributes))
            };
            histogram.data_points.iter().map(point).collect()
        }
        other => panic!("`{}` is of a kind that nobody here sends: {other:?}", metric.name),
    }
}

fn blank(
    (resource, scope): &(Attributes, String),
    metric: &Metric,
    kind: &'static str,
    own: Attributes,
) -> Point {
    Point {
        resource: resource.clone(),
        scope: scope.clone(),
        metric: metric.name.clone(),
        unit: metric.unit.clone(),
        kind,
        attributes: own,
        start: 0,
        time: 0,
        measured: Measured::Gone,
    }
}

#[expect(clippy::cast_precision_loss, reason = "tests count to less than 2^52")]
fn number(point: &NumberDataPoint) -> Measured {
    gone(point.flags).unwrap_or_else(|| match point.value {
        Some(Value::AsDouble(number)) => Measured::Number(number),
        Some(Value::AsInt(number)) => Measured::Number(number as f64),
        None => panic!("a point has neither a value nor the flag that it has none: {point:?}"),
    })
}

/// The flag `NO_RECORDED_VALUE` is the lowest bit.
fn gone(flags: u32) -> Option<Measured> {
    (flags & 1 == 1).then_some(Measured::Gone)
}

const fn is_delta(temporality: i32) -> bool {
    temporality == AggregationTemporality::Delta as i32
}
