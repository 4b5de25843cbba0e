//! The data points of a metric, grouped by check.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum,
};
use prost::Message;

use super::share::Owner;
use crate::name;

/// The check, if this attribute names it.
pub(super) fn check(attribute: &KeyValue) -> Option<&str> {
    let value = attribute.value.as_ref()?.value.as_ref()?;
    match value {
        Value::StringValue(check) if attribute.key == name::CHECK => Some(check),
        _ => None,
    }
}

trait Point {
    fn attributes(&self) -> &[KeyValue];
}

impl Point for NumberDataPoint {
    fn attributes(&self) -> &[KeyValue] {
        &self.attributes
    }
}

impl Point for HistogramDataPoint {
    fn attributes(&self) -> &[KeyValue] {
        &self.attributes
    }
}

/// Splits a metric into one for each owner of its data points. A metric of a kind that we never create stays whole.
pub(super) fn by_owner(mut metric: Metric) -> Vec<(Owner, Metric)> {
    let data: Vec<(Owner, Data)> = match metric.data.take() {
        Some(Data::Gauge(gauge)) => grouped(gauge.data_points)
            .map(|(owner, data_points)| (owner, Data::Gauge(Gauge { data_points })))
            .collect(),
        Some(Data::Sum(Sum {
            data_points,
            aggregation_temporality,
            is_monotonic,
        })) => grouped(data_points)
            .map(|(owner, data_points)| {
                let sum = Sum {
                    data_points,
                    aggregation_temporality,
                    is_monotonic,
                };
                (owner, Data::Sum(sum))
            })
            .collect(),
        Some(Data::Histogram(histogram)) => {
            let aggregation_temporality = histogram.aggregation_temporality;
            grouped(histogram.data_points)
                .map(|(owner, data_points)| {
                    let histogram = Histogram {
                        data_points,
                        aggregation_temporality,
                    };
                    (owner, Data::Histogram(histogram))
                })
                .collect()
        }
        other => {
            metric.data = other;
            return vec![(Owner::RUNNER, metric)];
        }
    };
    let with = |(owner, data)| {
        let data = Some(data);
        (
            owner,
            Metric {
                data,
                ..metric.clone()
            },
        )
    };
    data.into_iter().map(with).collect()
}

/// Bytes of the data points of each owner.
pub(super) fn bytes_by_owner(metric: &Metric) -> Vec<(Owner, usize)> {
    match &metric.data {
        Some(Data::Gauge(gauge)) => lengths(&gauge.data_points),
        Some(Data::Sum(sum)) => lengths(&sum.data_points),
        Some(Data::Histogram(histogram)) => lengths(&histogram.data_points),
        Some(_) | None => vec![(Owner::RUNNER, metric.encoded_len())],
    }
}

fn lengths<P: Point + Message>(points: &[P]) -> Vec<(Owner, usize)> {
    let length = |point: &P| (owner(point), point.encoded_len());
    points.iter().map(length).collect()
}

/// The metric without the data points of some owners, or `None` if nothing is left; and the number of removed points.
pub(super) fn without_owners(metric: Metric, is_removed: impl Fn(Owner) -> bool) -> (Option<Metric>, u64) {
    let (removed, stays): (Vec<_>, Vec<_>) = by_owner(metric)
        .into_iter()
        .partition(|(owner, _)| is_removed(*owner));
    let removed = removed.iter().map(|(_, metric)| count(metric)).sum();
    let stays = stays.into_iter().map(|(_, metric)| metric);
    (stays.reduce(merge), removed)
}

/// The number of data points.
pub(super) fn count(metric: &Metric) -> u64 {
    let count = match &metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(_) | None => 1,
    };
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The check named by the first data point.
pub(super) fn check_of(metric: &Metric) -> Option<String> {
    let attributes = match metric.data.as_ref()? {
        Data::Gauge(gauge) => gauge.data_points.first()?.attributes(),
        Data::Sum(sum) => sum.data_points.first()?.attributes(),
        Data::Histogram(histogram) => histogram.data_points.first()?.attributes(),
        _ => return None,
    };
    attributes.iter().find_map(check).map(str::to_owned)
}

fn grouped<P: Point>(points: Vec<P>) -> impl Iterator<Item = (Owner, Vec<P>)> {
    let mut groups: BTreeMap<Owner, Vec<P>> = BTreeMap::new();
    for point in points {
        groups.entry(owner(&point)).or_default().push(point);
    }
    groups.into_iter()
}

fn owner(point: &impl Point) -> Owner {
    let named = point.attributes().iter().find_map(check);
    named.map_or(Owner::RUNNER, Owner::of_check)
}

/// Merges two parts of a metric.
pub(super) fn merge(mut metric: Metric, other: Metric) -> Metric {
    match (&mut metric.data, other.data) {
        (Some(Data::Gauge(gauge)), Some(Data::Gauge(more))) => gauge.data_points.extend(more.data_points),
        (Some(Data::Sum(sum)), Some(Data::Sum(more))) => sum.data_points.extend(more.data_points),
        (Some(Data::Histogram(histogram)), Some(Data::Histogram(more))) => {
            histogram.data_points.extend(more.data_points);
        }
        _ => {}
    }
    metric
}
