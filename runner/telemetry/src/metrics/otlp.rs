//! Conversion of points to OTLP requests, one at a time.

use std::collections::HashMap;
use std::time::SystemTime;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar as OtlpExemplar, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, exemplar, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;

use super::instrument::{ALL, Instrument, Kind};
use super::series::{Distribution, Exemplar, Point, PointAttributes, SeriesSet, Value};
use super::{Metrics, prometheus};
use crate::attribute::{any, unix_nanos};
use crate::delivery::Owner;
use canary_suite::CheckId;

/// Maximum size of the data points of one request in bytes: half of the maximum of a request. Labels and names are
/// bounded, so that everything else never exceeds the other half.
const MAX_POINT_BYTES: usize = 512 << 10;

/// An export in progress. The lock on the metrics is released between requests, and memory is needed for one request at
/// a time only; all of them have some 12 kB for each check.
#[derive(Debug)]
pub struct Export {
    resource: Resource,
    scope: InstrumentationScope,
    /// Index of the current instrument.
    instrument_index: usize,
    /// The last exported point of it.
    cursor: Option<PointCursor>,
}

#[derive(Debug)]
struct PointCursor {
    /// `None` for the runner's own points.
    check: Option<CheckId>,
    attributes: PointAttributes,
}

/// A request, and the bytes of its data points by owner.
#[derive(Debug)]
pub struct ExportRequest {
    /// Not encoded yet.
    pub request: ExportMetricsServiceRequest,
    /// Bytes by owner.
    pub owners: HashMap<Owner, u32>,
}

impl Export {
    /// Begins an export.
    #[must_use]
    pub fn new(resource: Resource, scope: InstrumentationScope) -> Self {
        Self {
            resource,
            scope,
            instrument_index: 0,
            cursor: None,
        }
    }

    /// The next request, with the points as of `now`; `None` when all were exported. A metric may continue in the next
    /// request. A check added meanwhile may be in some metrics and not in others, and each point is exported at most
    /// once.
    pub(crate) fn next_request(&mut self, metrics: &Metrics, now: SystemTime) -> Option<ExportRequest> {
        let (mut metrics_data, mut bytes, mut owners) = (Vec::new(), 0, HashMap::new());
        while let Some(instrument) = ALL.get(self.instrument_index) {
            let mut points = Points::default();
            for (check, series, attributes, point) in metrics.points_after(instrument, self.cursor.take()) {
                let length = points.add(series, attributes, point, now);
                let sum: &mut u32 = owners.entry(series.owner).or_default();
                *sum = sum.saturating_add(u32::try_from(length).unwrap_or(u32::MAX));
                bytes += length;
                if bytes >= MAX_POINT_BYTES {
                    self.cursor = Some(PointCursor {
                        check: check.cloned(),
                        attributes: attributes.clone(),
                    });
                    break;
                }
            }
            metrics_data.extend(points.metric(instrument));
            if self.cursor.is_some() {
                break;
            }
            self.instrument_index += 1;
        }
        (!metrics_data.is_empty()).then(|| ExportRequest {
            request: request(metrics_data, &self.resource, &self.scope),
            owners,
        })
    }
}

/// A point with its check, series and attributes.
type PointRef<'a> = (Option<&'a CheckId>, &'a SeriesSet, &'a PointAttributes, &'a Point);

impl Metrics {
    /// The remaining points of an instrument: the runner's own first, then those of each check.
    fn points_after(
        &self,
        instrument: &'static Instrument,
        cursor: Option<PointCursor>,
    ) -> impl Iterator<Item = PointRef<'_>> {
        let (begun, after) = match cursor {
            None => (None, prometheus::SeriesCursor::Nothing),
            Some(PointCursor {
                check: None,
                attributes,
            }) => (
                Some((None, &self.runner, attributes)),
                prometheus::SeriesCursor::Runner,
            ),
            Some(PointCursor {
                check: Some(id),
                attributes,
            }) => {
                let known = self.checks.get_key_value(&id);
                let begun = known.map(|(id, metrics)| (Some(id), &metrics.series, attributes));
                (begun, prometheus::SeriesCursor::Check(id))
            }
        };
        let rest = begun.into_iter().flat_map(move |(check, series, attributes)| {
            let points = series.points_after(instrument, attributes);
            points.map(move |(attributes, point)| (check, series, attributes, point))
        });
        let others = self.series_after(&after).flat_map(move |(check, series)| {
            let points = series.points_of(instrument);
            points.map(move |(attributes, point)| (check, series, attributes, point))
        });
        rest.chain(others)
    }
}

fn request(
    metrics: Vec<Metric>,
    resource: &Resource,
    scope: &InstrumentationScope,
) -> ExportMetricsServiceRequest {
    let scope_metrics = vec![ScopeMetrics {
        scope: Some(scope.clone()),
        metrics,
        ..ScopeMetrics::default()
    }];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource.clone()),
            scope_metrics,
            ..ResourceMetrics::default()
        }],
    }
}

/// The encoded points of one instrument.
#[derive(Default)]
struct Points {
    numbers: Vec<NumberDataPoint>,
    histograms: Vec<HistogramDataPoint>,
}

impl Points {
    /// Adds a point; returns its encoded size in bytes.
    fn add(
        &mut self,
        series: &SeriesSet,
        attributes: &PointAttributes,
        point: &Point,
        now: SystemTime,
    ) -> usize {
        let attributes = encode_attributes(series, attributes);
        let (start, now) = (unix_nanos(series.start_time), unix_nanos(now));
        let value = match point {
            Point::Histogram(distribution) => {
                let point = HistogramDataPoint {
                    attributes,
                    start_time_unix_nano: start,
                    time_unix_nano: now,
                    ..histogram(distribution)
                };
                let bytes = point.encoded_len();
                self.histograms.push(point);
                return bytes;
            }
            Point::Count(count) => number_data_point::Value::AsInt(i64::try_from(*count).unwrap_or(i64::MAX)),
            Point::Number(value) => number_data_point::Value::AsDouble(*value),
        };
        let point = NumberDataPoint {
            attributes,
            start_time_unix_nano: start,
            time_unix_nano: now,
            value: Some(value),
            ..NumberDataPoint::default()
        };
        let bytes = point.encoded_len();
        self.numbers.push(point);
        bytes
    }

    fn metric(self, instrument: &Instrument) -> Option<Metric> {
        if self.numbers.is_empty() && self.histograms.is_empty() {
            return None;
        }
        let aggregation_temporality = AggregationTemporality::Cumulative.into();
        let sum = |is_monotonic, data_points| {
            metric::Data::Sum(Sum {
                data_points,
                aggregation_temporality,
                is_monotonic,
            })
        };
        let data = match instrument.kind {
            Kind::Counter => sum(true, self.numbers),
            Kind::UpDown => sum(false, self.numbers),
            Kind::Gauge => metric::Data::Gauge(Gauge {
                data_points: self.numbers,
            }),
            Kind::Histogram(_) => metric::Data::Histogram(Histogram {
                data_points: self.histograms,
                aggregation_temporality,
            }),
        };
        Some(Metric {
            name: instrument.name.to_owned(),
            description: instrument.description.to_owned(),
            unit: instrument.unit.to_owned(),
            data: Some(data),
            ..Metric::default()
        })
    }
}

fn encode_attributes(series: &SeriesSet, attributes: &PointAttributes) -> Vec<KeyValue> {
    let attribute = |(key, value): &(std::borrow::Cow<'static, str>, Value)| KeyValue {
        key: key.clone().into_owned(),
        value: Some(any(match value {
            Value::Number(number) => Any::IntValue(*number),
            Value::Flag(flag) => Any::BoolValue(*flag),
            text => Any::StringValue(text.to_label_value().into_owned()),
        })),
        ..KeyValue::default()
    };
    series.common.iter().chain(attributes).map(attribute).collect()
}

fn histogram(distribution: &Distribution) -> HistogramDataPoint {
    let exemplars = distribution.exemplars.iter().flatten();
    HistogramDataPoint {
        count: distribution.count(),
        sum: Some(distribution.sum),
        bucket_counts: distribution.counts.clone(),
        explicit_bounds: distribution.bounds.to_vec(),
        exemplars: exemplars.map(encode_exemplar).collect(),
        ..HistogramDataPoint::default()
    }
}

fn encode_exemplar(exemplar: &Exemplar) -> OtlpExemplar {
    OtlpExemplar {
        time_unix_nano: unix_nanos(exemplar.at),
        span_id: exemplar.trace.span_id.to_vec(),
        trace_id: exemplar.trace.trace_id.to_vec(),
        value: Some(exemplar::Value::AsDouble(exemplar.value)),
        ..OtlpExemplar::default()
    }
}
