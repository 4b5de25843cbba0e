//! A value, or a non-empty list of values.

use std::borrow::Cow;
use std::slice;

use canary_sdk::Problems;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _};
use serde_json::{Value, json};

/// Maximum values of a list whose errors are reported.
const MAX_ERRORS: usize = 8;

/// A value, or a list of such values.
pub(crate) enum OneOrMany<T> {
    /// A plain value.
    One(T),
    /// A list.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// Whether it was written as a list.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self, Self::Many(_))
    }

    /// All values; a plain value is a list of one.
    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Self::One(value) => slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

impl<T> OneOrMany<T> {
    /// Visits each value at its location.
    pub(crate) fn check(&self, problems: &mut Problems, mut visit: impl FnMut(&T, &mut Problems)) {
        match self {
            Self::One(value) => visit(value, problems),
            Self::Many(values) => {
                for (index, value) in values.iter().enumerate() {
                    problems.at_index(index, |problems| visit(value, problems));
                }
            }
        }
    }
}

/// Implemented by hand: the derived error says that nothing fits, and not what is wrong with what nearly does.
impl<'de, T: DeserializeOwned> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            // An empty list has no clear meaning: it could always fail or always hold.
            Value::Array(values) if values.is_empty() => {
                Err(D::Error::custom("an empty list; add an element, or omit the key"))
            }
            Value::Array(values) => parse_all(values).map(Self::Many).map_err(D::Error::custom),
            value => T::deserialize(value).map(Self::One).map_err(D::Error::custom),
        }
    }
}

/// The values, or what is wrong with each one that does not fit.
fn parse_all<T: DeserializeOwned>(values: Vec<Value>) -> Result<Vec<T>, String> {
    let (mut parsed, mut errors) = (Vec::new(), Vec::new());
    for value in values {
        match T::deserialize(value) {
            Ok(value) => parsed.push(value),
            Err(error) if errors.len() < MAX_ERRORS => errors.push(error.to_string()),
            Err(_) => {}
        }
    }
    if errors.is_empty() {
        return Ok(parsed);
    }
    Err(errors.join("; "))
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

    /// One schema with both types: a validator reports more about it than about an `anyOf`. Where the values are
    /// enumerated, nothing else is allowed, so a list is one more branch.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = T::json_schema(generator);
        let mut either = one.clone();
        if let Some(Value::Array(branches)) = either.get_mut("oneOf") {
            branches.push(json!({ "type": "array", "items": one, "minItems": 1 }));
            return either;
        }
        add_type(&mut either, "array");
        either.insert("items".into(), one.into());
        either.insert("minItems".into(), 1.into());
        either
    }
}

/// Lets a schema accept one more type.
pub(crate) fn add_type(schema: &mut Schema, name: &str) {
    let mut types = match schema.remove("type") {
        Some(Value::Array(types)) => types,
        Some(known) => vec![known],
        None => Vec::new(),
    };
    types.push(name.into());
    schema.insert("type".into(), types.into());
}
