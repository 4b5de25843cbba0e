//! Builder for OTLP attributes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};

/// The attributes of one span or log record, in insertion order.
#[derive(Debug, Default)]
pub(super) struct Attributes(Vec<KeyValue>);

impl Attributes {
    pub(super) fn text(&mut self, key: impl Into<String>, value: impl Into<String>) -> &mut Self {
        self.add(key, Value::StringValue(value.into()))
    }

    pub(super) fn count(&mut self, key: &str, value: u64) -> &mut Self {
        self.add(key, Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    pub(super) fn flag(&mut self, key: &str, value: bool) -> &mut Self {
        self.add(key, Value::BoolValue(value))
    }

    pub(super) fn seconds(&mut self, key: &str, value: Duration) -> &mut Self {
        self.add(key, Value::DoubleValue(value.as_secs_f64()))
    }

    pub(super) fn texts(&mut self, key: &str, values: impl Iterator<Item = String>) -> &mut Self {
        let values = values.map(|value| any(Value::StringValue(value))).collect();
        self.add(key, Value::ArrayValue(ArrayValue { values }))
    }

    /// Adds an attribute only if there is a value.
    pub(super) fn when_some<T>(
        &mut self,
        value: Option<T>,
        add: impl FnOnce(&mut Self, T) -> &mut Self,
    ) -> &mut Self {
        match value {
            Some(value) => add(self, value),
            None => self,
        }
    }

    pub(super) fn take(&mut self) -> Vec<KeyValue> {
        std::mem::take(&mut self.0)
    }

    /// Attribute keys are unique (OTLP, `KeyValue`): a key set by a suite or a plugin never replaces one of ours.
    fn add(&mut self, key: impl Into<String>, value: Value) -> &mut Self {
        let key = key.into();
        if self.0.iter().any(|known| known.key == key) {
            return self;
        }
        self.0.push(KeyValue {
            key,
            value: Some(any(value)),
            ..KeyValue::default()
        });
        self
    }
}

pub(super) fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

/// Nanoseconds since the Unix epoch; 0 for a time before it.
pub(super) fn unix_nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
