//! An encoded request taken apart, as far as needed to send some of it: its envelope and its items.
//!
//! Requests of all three signals have one shape (see [`super::envelope`]): an item is a span, a metric or a log record.

use std::collections::HashMap;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use prost::encoding::{WireType, decode_key, decode_varint};

use super::envelope::Envelope;
use super::share::Owner;
use crate::telemetry::name;
use crate::telemetry::settings::Signal;

/// `resource` of a `ResourceSpans`, `scope` of a `ScopeSpans`: the first field of each.
const FIRST: u32 = 1;
/// `scope_spans` of a `ResourceSpans`, `spans` of a `ScopeSpans`.
pub(super) const SECOND: u32 = 2;

/// A request of one resource and one scope.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) envelope: Envelope,
    /// Each with its key and its length.
    items: Vec<Field<'a>>,
}

/// A field that has a length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    number: u32,
    /// With key and length.
    pub(super) whole: &'a [u8],
    pub(super) payload: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Takes a request apart; none if it has another shape than ours have.
    pub(super) fn of(request: &'a [u8]) -> Option<Self> {
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
        let encoded = |field: Option<Field<'_>>| field.map(|field| field.whole.to_vec()).unwrap_or_default();
        is_ours.then(|| Self {
            envelope: Envelope {
                resource: encoded(resource),
                scope: encoded(scope),
            },
            items,
        })
    }

    /// The items, and whose each is; of metrics, that is known of their data points only.
    pub(super) fn items(&self, signal: Signal) -> impl Iterator<Item = (Owner, Field<'a>)> {
        self.owners(signal).into_iter().zip(self.items.iter().copied())
    }

    /// A request without the items of some owners; none if nothing is left. And how many items went.
    pub(super) fn without(&self, signal: Signal, goes: impl Fn(Owner) -> bool) -> (Option<Vec<u8>>, usize) {
        let owners = self.owners(signal);
        let stays = self.items.iter().zip(&owners).filter(|(_, owner)| !goes(**owner));
        let stays: Vec<_> = stays.map(|(item, _)| item).collect();
        let gone = self.items.len() - stays.len();
        let request = (!stays.is_empty()).then(|| self.request(stays.into_iter()));
        (request, gone)
    }

    /// The bytes of each owner.
    pub(super) fn bytes(&self, signal: Signal) -> HashMap<Owner, u32> {
        let mut bytes = HashMap::new();
        for (item, owner) in self.items.iter().zip(self.owners(signal)) {
            let length = u32::try_from(item.whole.len()).unwrap_or(u32::MAX);
            let sum: &mut u32 = bytes.entry(owner).or_default();
            *sum = sum.saturating_add(length);
        }
        bytes
    }

    /// Whose each item is. A root span names its check, and the children come right behind it.
    fn owners(&self, signal: Signal) -> Vec<Owner> {
        let mut last = Owner::RUNNER;
        let owners = self.items.iter().map(|item| {
            let named = check_of(signal, item.payload).map(|check| Owner::of(&check));
            last = match (named, signal) {
                (Some(owner), _) => owner,
                (None, Signal::Traces) => last,
                (None, _) => Owner::RUNNER,
            };
            last
        });
        owners.collect()
    }

    fn request<'b>(&self, items: impl Iterator<Item = &'b Field<'b>>) -> Vec<u8> {
        let frames = items.map(|item| item.whole).collect::<Vec<_>>().concat();
        self.envelope.request(&frames)
    }
}

/// The check that a span or a log record names.
pub(super) fn check_of(signal: Signal, payload: &[u8]) -> Option<String> {
    let attributes = match signal {
        Signal::Metrics => Vec::new(),
        Signal::Traces => Span::decode(payload).ok()?.attributes,
        Signal::Logs => LogRecord::decode(payload).ok()?.attributes,
    };
    attributes.iter().find_map(check).map(str::to_owned)
}

/// The check, if this attribute is the one that names it.
pub(super) fn check(attribute: &KeyValue) -> Option<&str> {
    let value = attribute.value.as_ref()?.value.as_ref()?;
    match value {
        Value::StringValue(check) if attribute.key == name::CHECK => Some(check),
        _ => None,
    }
}

/// All fields of a message, if each of them has a length.
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
        let whole = message.get(..message.len() - after.len())?;
        fields.push(Field {
            number,
            whole,
            payload,
        });
        message = after;
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::AnyValue;
    use opentelemetry_proto::tonic::trace::v1::ScopeSpans;

    use super::*;

    fn envelope() -> Envelope {
        Envelope::new(&Default::default(), &Default::default())
    }

    /// The spans of one run: a root that names its check, and a child.
    fn frame(check: &str) -> Vec<u8> {
        let value = Some(AnyValue {
            value: Some(Value::StringValue(check.to_owned())),
        });
        let root = Span {
            name: format!("check {check}"),
            attributes: vec![KeyValue {
                key: name::CHECK.to_owned(),
                value,
                ..Default::default()
            }],
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
        let parts = Parts::of(&request).unwrap();
        let loud = Owner::of("loud");
        let (left, gone) = parts.without(Signal::Traces, |owner| owner == loud);
        assert_eq!(gone, 2);
        assert_eq!(left.unwrap(), envelope().request(&["a", "b"].map(frame).concat()));
        assert_eq!(parts.without(Signal::Traces, |_| true), (None, 6));
        let bytes = parts.bytes(Signal::Traces);
        assert_eq!(bytes.len(), 3);
        assert_eq!(bytes[&loud], u32::try_from(frame("loud").len()).unwrap());
    }

    #[test]
    fn what_has_another_shape_is_not_taken_apart_whatever_it_is() {
        let request = envelope().request(&frame("a"));
        for length in 0..request.len() {
            drop(Parts::of(&request[..length]));
        }
        for place in 0..request.len() {
            for bit in 0..8 {
                let mut damaged = request.clone();
                damaged[place] ^= 1 << bit;
                if let Some(parts) = Parts::of(&damaged) {
                    drop(parts.bytes(Signal::Traces));
                }
            }
        }
        assert!(Parts::of(b"as it is").is_none());
        assert!(Parts::of(&[request.clone(), request].concat()).is_none());
    }
}
