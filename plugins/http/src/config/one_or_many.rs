//! A value, or a list of such values.

use std::borrow::Cow;
use std::slice;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::Value;

/// A value, or a list of such values.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a value that fits, or a list of them")]
pub(crate) enum OneOrMany<T> {
    /// Written as it is.
    One(T),
    /// Written as a list.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// All of them; one is a list of one.
    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Self::One(value) => slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    /// One schema with both types: a validator says more about what does not fit it than about an `anyOf`.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = T::json_schema(generator);
        let mut either = one.clone();
        add_type(&mut either, "array");
        either.insert("items".into(), one.into());
        either
    }
}

/// Lets a schema accept values of one more type.
pub(crate) fn add_type(schema: &mut Schema, name: &str) {
    let mut types = match schema.remove("type") {
        Some(Value::Array(types)) => types,
        Some(known) => vec![known],
        None => Vec::new(),
    };
    types.push(name.into());
    schema.insert("type".into(), types.into());
}
