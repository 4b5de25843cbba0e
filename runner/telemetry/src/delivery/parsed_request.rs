//! An encoded request, parsed as far as needed to send a part of it: its envelope and its items.
//!
//! Requests of all three signals have the same structure (see [`super::envelope`]): an item is a span, a metric or a
//! log record.

use std::collections::HashMap;

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use prost::encoding::{WireType, decode_key, decode_varint, message};

use super::envelope::Envelope;
use super::points::{self, check};
use super::share::Owner;
use crate::signal::Signal;

/// `resource` of a `ResourceSpans`, `scope` of a `ScopeSpans`: the first field of each.
const FIRST: u32 = 1;
/// `scope_spans` of a `ResourceSpans`, `spans` of a `ScopeSpans`.
pub(super) const SECOND: u32 = 2;

/// A parsed request with one resource and one scope.
#[derive(Debug)]
pub(super) struct ParsedRequest<'a> {
    pub(super) envelope: Envelope,
    /// Each with its key and length.
    items: Vec<Field<'a>>,
}

/// A length-delimited protobuf field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    number: u32,
    /// Including key and length.
    pub(super) encoded: &'a [u8],
    pub(super) payload: &'a [u8],
}

impl<'a> ParsedRequest<'a> {
    /// Parses a request; `None` if it does not have the structure of our own requests.
    pub(super) fn parse(request: &'a [u8]) -> Option<Self> {
        let [of_resource]: [Field<'_>; 1] = fields(request)?.try_into().ok()?;
        let mut inner = fields(of_resource.payload)?.into_iter().peekable();
        let resource = inner.next_if(|field| field.number == FIRST);
        let [scoped]: [Field<'_>; 1] = inner.collect::<Vec<_>>().try_into().ok()?;
        let mut items = fields(scoped.payload)?.into_iter().peekable();
        let scope = items.next_if(|field| field.number == FIRST);
        let items: Vec<_> = items.collect();
        let is_ours = of_resource.number == FIRST
            && scoped.number == SECOND
            && items.iter().all(|item| item.number == SECOND);
        let encoded =
            |field: Option<Field<'_>>| field.map(|field| field.encoded.to_vec()).unwrap_or_default();
        is_ours.then(|| Self {
            envelope: Envelope {
                resource: encoded(resource),
                scope: encoded(scope),
            },
            items,
        })
    }

    /// The items with their owners; not meaningful for metrics, where only the data points have owners.
    pub(super) fn items(&self, signal: Signal) -> impl Iterator<Item = (Owner, Field<'a>)> {
        self.owners(signal).into_iter().zip(self.items.iter().copied())
    }

    /// The request without the data of some owners, or `None` if nothing is left; and the number of removed spans, data
    /// points or log records.
    pub(super) fn without_owners(
        &self,
        signal: Signal,
        is_removed: impl Fn(Owner) -> bool,
    ) -> (Option<Vec<u8>>, u64) {
        let (frames, removed) = match signal {
            Signal::Metrics => self.metrics_without_owners(is_removed),
            Signal::Traces | Signal::Logs => self.items_without_owners(signal, is_removed),
        };
        let request = (!frames.is_empty()).then(|| self.envelope.request(&frames));
        (request, removed)
    }

    fn items_without_owners(&self, signal: Signal, is_removed: impl Fn(Owner) -> bool) -> (Vec<u8>, u64) {
        let (mut frames, mut removed) = (Vec::new(), 0);
        for (owner, item) in self.items(signal) {
            if is_removed(owner) {
                removed += 1;
            } else {
                frames.extend_from_slice(item.encoded);
            }
        }
        (frames, removed)
    }

    fn metrics_without_owners(&self, is_removed: impl Fn(Owner) -> bool) -> (Vec<u8>, u64) {
        let (mut frames, mut removed) = (Vec::new(), 0);
        for item in &self.items {
            let without = |metric| points::without_owners(metric, &is_removed);
            match Metric::decode(item.payload).ok().map(without) {
                Some((left, count)) if count > 0 => {
                    removed += count;
                    if let Some(metric) = left {
                        message::encode(SECOND, &metric, &mut frames);
                    }
                }
                Some(_) | None => frames.extend_from_slice(item.encoded),
            }
        }
        (frames, removed)
    }

    /// Bytes by owner.
    pub(super) fn bytes_by_owner(&self, signal: Signal) -> HashMap<Owner, u32> {
        let lengths: Vec<(Owner, usize)> = match signal {
            Signal::Metrics => {
                let metrics = self
                    .items
                    .iter()
                    .filter_map(|item| Metric::decode(item.payload).ok());
                metrics
                    .flat_map(|metric| points::bytes_by_owner(&metric))
                    .collect()
            }
            Signal::Traces | Signal::Logs => {
                let items = self.items(signal);
                items.map(|(owner, item)| (owner, item.encoded.len())).collect()
            }
        };
        let mut bytes = HashMap::new();
        for (owner, length) in lengths {
            let sum: &mut u32 = bytes.entry(owner).or_default();
            *sum = sum.saturating_add(u32::try_from(length).unwrap_or(u32::MAX));
        }
        bytes
    }

    /// The owner of each item. A root span names its check, and its children follow it.
    fn owners(&self, signal: Signal) -> Vec<Owner> {
        let mut last = Owner::RUNNER;
        let owners = self.items.iter().map(|item| {
            let named = check_of(signal, item.payload).map(|check| Owner::of_check(&check));
            last = match (named, signal) {
                (Some(owner), _) => owner,
                (None, Signal::Traces) => last,
                (None, _) => Owner::RUNNER,
            };
            last
        });
        owners.collect()
    }
}

/// The check named by a span or a log record.
pub(super) fn check_of(signal: Signal, payload: &[u8]) -> Option<String> {
    let attributes = match signal {
        Signal::Metrics => Vec::new(),
        Signal::Traces => Span::decode(payload).ok()?.attributes,
        Signal::Logs => LogRecord::decode(payload).ok()?.attributes,
    };
    attributes.iter().find_map(check).map(str::to_owned)
}

/// All fields of a message, if all of them are length-delimited.
fn fields(mut message: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let mut rest = message;
        let (number, kind) = decode_key(&mut rest).ok()?;
        if kind != WireType::LengthDelimited {
            return None;
        }
        let length = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
        let (payload, after) = rest.split_at_checked(length)?;
        let encoded = message.get(..message.len() - after.len())?;
        fields.push(Field {
            number,
            encoded,
            payload,
        });
        message = after;
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    use opentelemetry_proto::tonic::metrics::v1::{Gauge, NumberDataPoint, ScopeMetrics};
    use opentelemetry_proto::tonic::trace::v1::ScopeSpans;

    use super::*;
    use crate::name;

    fn envelope() -> Envelope {
        Envelope::new(&Default::default(), &Default::default())
    }

    fn named(check: &str) -> Vec<KeyValue> {
        let value = Some(AnyValue {
            value: Some(Value::StringValue(check.to_owned())),
        });
        vec![KeyValue {
            key: name::CHECK.to_owned(),
            value,
            ..Default::default()
        }]
    }

    /// The spans of one run: a root that names its check, and a child.
    fn frame(check: &str) -> Vec<u8> {
        let root = Span {
            name: format!("check {check}"),
            attributes: named(check),
            ..Default::default()
        };
        let child = Span {
            name: "queue".to_owned(),
            ..Default::default()
        };
        let spans = vec![root, child];
        ScopeSpans {
            spans,
            ..Default::default()
        }
        .encode_to_vec()
    }

    #[test]
    fn the_items_of_one_check_go_with_their_children_and_the_others_stay() {
        let request = envelope().request(&["a", "loud", "b"].map(frame).concat());
        let parts = ParsedRequest::parse(&request).unwrap();
        let loud = Owner::of_check("loud");
        let (left, removed) = parts.without_owners(Signal::Traces, |owner| owner == loud);
        assert_eq!(removed, 2);
        assert_eq!(left.unwrap(), envelope().request(&["a", "b"].map(frame).concat()));
        assert_eq!(parts.without_owners(Signal::Traces, |_| true), (None, 6));
        let bytes = parts.bytes_by_owner(Signal::Traces);
        assert_eq!(bytes.len(), 3);
        assert_eq!(bytes[&loud], u32::try_from(frame("loud").len()).unwrap());
    }

    #[test]
    fn what_has_another_shape_is_not_taken_apart_whatever_it_is() {
        let request = envelope().request(&frame("a"));
        for length in 0..request.len() {
            drop(ParsedRequest::parse(&request[..length]));
        }
        for place in 0..request.len() {
            for bit in 0..8 {
                let mut damaged = request.clone();
                damaged[place] ^= 1 << bit;
                if let Some(parts) = ParsedRequest::parse(&damaged) {
                    drop(parts.bytes_by_owner(Signal::Traces));
                }
            }
        }
        assert!(ParsedRequest::parse(b"as it is").is_none());
        assert!(ParsedRequest::parse(&[request.clone(), request].concat()).is_none());
    }

    #[test]
    fn the_data_points_of_one_check_go_and_those_of_others_stay_in_their_metrics() {
        let point = |check: &str| NumberDataPoint {
            attributes: named(check),
            ..Default::default()
        };
        let gauge = |name: &str, checks: &[&str]| Metric {
            name: name.to_owned(),
            data: Some(Data::Gauge(Gauge {
                data_points: checks.iter().map(|check| point(check)).collect(),
            })),
            ..Default::default()
        };
        let request = |metrics: Vec<Metric>| {
            let scope = ScopeMetrics {
                metrics,
                ..Default::default()
            };
            envelope().request(&scope.encode_to_vec())
        };
        let all = request(vec![
            gauge("up", &["a", "loud"]),
            gauge("measured", &["loud", "loud"]),
            gauge("status", &["a"]),
        ]);
        let parts = ParsedRequest::parse(&all).unwrap();
        let loud = Owner::of_check("loud");
        let (left, removed) = parts.without_owners(Signal::Metrics, |owner| owner == loud);
        assert_eq!(removed, 3);
        assert_eq!(
            left.unwrap(),
            request(vec![gauge("up", &["a"]), gauge("status", &["a"])])
        );
        let bytes = parts.bytes_by_owner(Signal::Metrics);
        let length = u32::try_from(point("loud").encoded_len()).unwrap();
        assert_eq!((bytes.len(), bytes[&loud]), (2, 3 * length));
        let nothing = parts.without_owners(Signal::Metrics, |_| false);
        assert_eq!(nothing, (Some(all.clone()), 0));
    }
}
