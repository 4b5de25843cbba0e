//! A value, or a list of such values, which is not empty.

use std::borrow::Cow;
use std::slice;

use canary_sdk::Problems;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _};
use serde_json::{Value, json};

/// A value, or a list of such values.
pub(crate) enum OneOrMany<T> {
    /// Written as it is.
    One(T),
    /// Written as a list.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// Whether it is written as a list.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self, Self::Many(_))
    }

    /// All of them; one is a list of one.
    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Self::One(value) => slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

impl<T> OneOrMany<T> {
    /// Looks at each of them, where it stands.
    pub(crate) fn check(&self, problems: &mut Problems, mut look: impl FnMut(&T, &mut Problems)) {
        match self {
            Self::One(value) => look(value, problems),
            Self::Many(values) => {
                for (index, value) in values.iter().enumerate() {
                    problems.at_index(index, |problems| look(value, problems));
                }
            }
        }
    }
}

/// By hand: the error of a derived one says that nothing fits, and not what is wrong with what nearly does.
impl<'de, T: DeserializeOwned> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parse = |value| T::deserialize(value).map_err(D::Error::custom);
        match Value::deserialize(deserializer)? {
            // Nothing is one of them, and none of them is something: it would fail, or hold, whatever comes.
            Value::Array(values) if values.is_empty() => Err(D::Error::custom(
                "an empty list; put something into it, or leave the key out",
            )),
            Value::Array(values) => values
                .into_iter()
                .map(parse)
                .collect::<Result<_, _>>()
                .map(Self::Many),
            value => parse(value).map(Self::One),
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

    /// One schema with both types: a validator says more about what does not fit it than about an `anyOf`. Where the values
    /// are listed, which is all that may be there then, a list is one more branch.
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
