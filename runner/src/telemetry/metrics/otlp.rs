//! Points as OTLP requests, made one at a time.

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
use super::series::{Distribution, Exemplar, Extra, Point, Scope, Value};
use super::{Metrics, prometheus};
use crate::suite::CheckId;
use crate::telemetry::attribute::{any, unix_nanos};
use crate::telemetry::delivery::Owner;

/// Bytes of the data points of one request: half of what a request has at most. Labels and names have bounds, so that
/// what else is in a request never fills the other half.
const MOST_BYTES: usize = 512 << 10;

/// An export on its way, in requests: whoever feeds the metrics has its turn between any two of them, and nobody needs
/// memory for all of them, which have some 12 kB for each check.
#[derive(Debug)]
pub struct Export {
    resource: Resource,
    scope: InstrumentationScope,
    /// Of the instrument that it is at.
    place: usize,
    /// The point of it that was exported last.
    reached: Option<Reached>,
}

#[derive(Debug)]
struct Reached {
    /// None of the runner's own.
    check: Option<CheckId>,
    extra: Extra,
}

/// A request, and the bytes of its data points by whose they are.
#[derive(Debug)]
pub struct Exported {
    /// Not encoded yet.
    pub request: ExportMetricsServiceRequest,
    /// Of each that has any.
    pub owners: HashMap<Owner, u32>,
}

impl Export {
    /// An export that begins.
    #[must_use]
    pub fn new(resource: Resource, scope: InstrumentationScope) -> Self {
        Self {
            resource,
            scope,
            place: 0,
            reached: None,
        }
    }

    /// The next request, with points as they are `now`; nothing when all were exported. Each metric is whole, or goes on in
    /// the next request. A check that came meanwhile may be in some metrics and not in others, and each point is
    /// exported once at most.
    pub fn next_request(&mut self, metrics: &Metrics, now: SystemTime) -> Option<Exported> {
        let (mut whole, mut bytes, mut owners) = (Vec::new(), 0, HashMap::new());
        while let Some(instrument) = ALL.get(self.place) {
            let mut points = Points::default();
            for (check, scope, extra, point) in metrics.points_after(instrument, self.reached.take()) {
                let length = points.add(scope, extra, point, now);
                let sum: &mut u32 = owners.entry(scope.owner).or_default();
                *sum = sum.saturating_add(u32::try_from(length).unwrap_or(u32::MAX));
                bytes += length;
                if bytes >= MOST_BYTES {
                    self.reached = Some(Reached {
                        check: check.cloned(),
                        extra: extra.clone(),
                    });
                    break;
                }
            }
            whole.extend(points.metric(instrument));
            if self.reached.is_some() {
                break;
            }
            self.place += 1;
        }
        (!whole.is_empty()).then(|| Exported {
            request: request(whole, &self.resource, &self.scope),
            owners,
        })
    }
}

/// A data point with where it is.
type Placed<'a> = (Option<&'a CheckId>, &'a Scope, &'a Extra, &'a Point);

impl Metrics {
    /// The runner's own points first, then those of each check.
    fn points_after(
        &self,
        instrument: &'static Instrument,
        reached: Option<Reached>,
    ) -> impl Iterator<Item = Placed<'_>> {
        let (begun, after) = match reached {
            None => (None, prometheus::Reached::Nothing),
            Some(Reached { check: None, extra }) => {
                (Some((None, &self.runner, extra)), prometheus::Reached::Runner)
            }
            Some(Reached {
                check: Some(id),
                extra,
            }) => {
                let known = self.checks.get_key_value(&id);
                let begun = known.map(|(id, told)| (Some(id), &told.scope, extra));
                (begun, prometheus::Reached::Check(id))
            }
        };
        let rest = begun.into_iter().flat_map(move |(check, scope, extra)| {
            let points = scope.after(instrument, extra);
            points.map(move |(extra, point)| (check, scope, extra, point))
        });
        let others = self.scopes_after(&after).flat_map(move |(check, scope)| {
            let points = scope.of(instrument);
            points.map(move |(extra, point)| (check, scope, extra, point))
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
