//! Points as OTLP requests.

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

use super::Metrics;
use super::instrument::{ALL, Instrument, Kind};
use super::series::{Distribution, Exemplar, Extra, Point, Scope, Value};
use crate::telemetry::attribute::{any, unix_nanos};

/// Bytes of the data points of one request: half of what a request has at most. Labels and names have bounds, so that
/// what else is in a request never fills the other half.
const MOST_BYTES: usize = 512 << 10;

impl Metrics {
    /// Hands everything that is known at `now` to `take`, in as many requests as it takes. Each metric is whole, or
    /// goes on in the next request.
    pub fn requests(
        &self,
        resource: &Resource,
        scope: &InstrumentationScope,
        now: SystemTime,
        mut take: impl FnMut(ExportMetricsServiceRequest),
    ) {
        let mut metrics = Vec::new();
        let mut bytes = 0;
        for instrument in ALL {
            let mut points = Points::default();
            for (source, extra, point) in self.points(instrument) {
                if bytes >= MOST_BYTES {
                    metrics.extend(std::mem::take(&mut points).metric(instrument));
                    take(request(std::mem::take(&mut metrics), resource, scope));
                    bytes = 0;
                }
                bytes += points.add(source, extra, point, now);
            }
            metrics.extend(points.metric(instrument));
        }
        if !metrics.is_empty() {
            take(request(metrics, resource, scope));
        }
    }

    fn points(&self, instrument: &'static Instrument) -> impl Iterator<Item = (&Scope, &Extra, &Point)> {
        self.scopes().flat_map(move |scope| {
            scope
                .of(instrument)
                .map(move |(extra, point)| (scope, extra, point))
        })
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

/// Points of one instrument.
#[derive(Default)]
struct Points {
    numbers: Vec<NumberDataPoint>,
    histograms: Vec<HistogramDataPoint>,
}

impl Points {
    /// Returns how many bytes it adds to a request.
    fn add(&mut self, scope: &Scope, extra: &Extra, point: &Point, now: SystemTime) -> usize {
        let attributes = attributes(scope, extra);
        let (start, now) = (unix_nanos(scope.since), unix_nanos(now));
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

fn attributes(scope: &Scope, extra: &Extra) -> Vec<KeyValue> {
    let attribute = |(key, value): &(std::borrow::Cow<'static, str>, Value)| KeyValue {
        key: key.clone().into_owned(),
        value: Some(any(match value {
            Value::Number(number) => Any::IntValue(*number),
            Value::Flag(flag) => Any::BoolValue(*flag),
            text => Any::StringValue(text.show().into_owned()),
        })),
        ..KeyValue::default()
    };
    scope.base.iter().chain(extra).map(attribute).collect()
}

fn histogram(distribution: &Distribution) -> HistogramDataPoint {
    let exemplars = distribution.exemplars.iter().flatten();
    HistogramDataPoint {
        count: distribution.count(),
        sum: Some(distribution.sum),
        bucket_counts: distribution.counts.clone(),
        explicit_bounds: distribution.bounds.to_vec(),
        exemplars: exemplars.map(stands_for).collect(),
        ..HistogramDataPoint::default()
    }
}

fn stands_for(exemplar: &Exemplar) -> OtlpExemplar {
    OtlpExemplar {
        time_unix_nano: unix_nanos(exemplar.at),
        span_id: exemplar.trace.span_id.to_vec(),
        trace_id: exemplar.trace.trace_id.to_vec(),
        value: Some(exemplar::Value::AsDouble(exemplar.value)),
        ..OtlpExemplar::default()
    }
}
