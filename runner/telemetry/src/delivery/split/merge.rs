//! Re-assembles metrics from items.

use opentelemetry_proto::tonic::metrics::v1::Metric;
use prost::Message as _;
use prost::encoding::message;

use super::Item;
use crate::delivery::parsed_request::SECOND;
use crate::delivery::points;

/// The encoded metrics of items, ordered by number; data points of the same metric are merged.
pub(super) fn encode_merged(items: &[&Item]) -> Vec<u8> {
    let mut encoded = Vec::new();
    for of_metric in items.chunk_by(|a, b| a.number == b.number) {
        if let [item] = of_metric {
            encoded.extend_from_slice(&item.encoded);
            continue;
        }
        let parts = of_metric
            .iter()
            .filter_map(|item| Metric::decode(item.payload()?).ok());
        if let Some(metric) = parts.reduce(points::merge) {
            message::encode(SECOND, &metric, &mut encoded);
        }
    }
    encoded
}
