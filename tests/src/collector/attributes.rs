//! Attributes as maps that tests can compare with literals.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use serde_json::Value;

/// Attributes by key. A value compares with a literal: `span.attributes["server.port"] == 443`.
pub type Attributes = BTreeMap<String, Value>;

/// Converts attributes to a map; bytes become a list of numbers.
///
/// # Panics
/// A key is there twice, which OpenTelemetry forbids.
#[must_use]
pub fn attributes(all: &[KeyValue]) -> Attributes {
    let mut map = Attributes::new();
    for one in all {
        let before = map.insert(one.key.clone(), value(one.value.as_ref()));
        assert!(before.is_none(), "the attribute `{}` is there twice", one.key);
    }
    map
}

pub(super) fn value(any: Option<&AnyValue>) -> Value {
    match any.and_then(|any| any.value.as_ref()) {
        None => Value::Null,
        Some(Any::StringValue(text)) => text.as_str().into(),
        Some(Any::BoolValue(value)) => (*value).into(),
        Some(Any::IntValue(number)) => (*number).into(),
        Some(Any::DoubleValue(number)) => (*number).into(),
        Some(Any::BytesValue(bytes)) => bytes.as_slice().into(),
        Some(Any::ArrayValue(array)) => array.values.iter().map(|one| value(Some(one))).collect(),
        Some(Any::KvlistValue(list)) => attributes(&list.values).into_iter().collect(),
        // An index into a dictionary that only profiles have.
        Some(other) => format!("{other:?}").into(),
    }
}

/// Whether all of `wanted` are in `attributes`.
pub(super) fn has(attributes: &Attributes, wanted: &[(&str, &str)]) -> bool {
    let is_there = |(key, value): &(&str, &str)| attributes.get(*key).is_some_and(|there| there == value);
    wanted.iter().all(is_there)
}
