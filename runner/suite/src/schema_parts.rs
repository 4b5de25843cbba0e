//! Parts of the JSON Schema of a suite, for the modules that read the keys.

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

/// A key that a module reads itself: what the schema says of it.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// A sentence.
    pub(super) description: &'static str,
    /// The schema of its values, without the description.
    pub(super) schema: fn() -> Value,
}

/// The schemas of keys, with their descriptions.
pub(super) fn of_keys(keys: &[Key]) -> Map<String, Value> {
    let schemas = keys.iter().map(|key| {
        let schema = described((key.schema)(), key.description);
        (key.name.to_owned(), schema)
    });
    schemas.collect()
}

/// A schema with a description.
pub(super) fn described(mut schema: Value, description: &str) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), description.into());
    }
    schema
}

/// A mapping that allows no other keys.
pub(super) fn closed(properties: Map<String, Value>, required: &[&str]) -> Map<String, Value> {
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("additionalProperties".to_owned(), false.into());
    schema.insert("patternProperties".to_owned(), json!({ "^x-": {} }));
    schema.insert("required".to_owned(), required.into());
    schema.insert("properties".to_owned(), properties.into());
    schema
}

pub(super) fn properties<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    entries
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// A non-empty list of distinct elements.
pub(super) fn names(most: usize, each: Value) -> Value {
    json!({ "type": "array", "minItems": 1, "maxItems": most, "uniqueItems": true, "items": each })
}

/// A text that is not empty, of at most so many characters.
pub(super) fn text(limit: usize) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": limit })
}

pub(super) fn count(range: RangeInclusive<u64>) -> Value {
    json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() })
}

pub(super) fn duration() -> Value {
    json!({ "$ref": "#/$defs/duration" })
}

pub(super) fn size() -> Value {
    json!({ "$ref": "#/$defs/size" })
}
