//! Rules that have a short form: a plain value in place of an object means `equals`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde_json::Value;

use crate::config::add_type;

/// Rules written as an object, or as the value that they compare with.
pub(super) struct Rule<R>(pub(super) R);

/// Rules that a plain value can stand for.
pub(super) trait Shorthand: DeserializeOwned + JsonSchema {
    /// JSON types of the plain value.
    const PLAIN: &'static [&'static str];

    /// The rules that this value stands for, if it is of such a type.
    fn equals(value: Value) -> Option<Self>;
}

impl<'de, R: Shorthand> Deserialize<'de> for Rule<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            object @ Value::Object(_) => R::deserialize(object).map_err(D::Error::custom).map(Self),
            plain => match R::equals(plain) {
                Some(rules) => Ok(Self(rules)),
                None => Err(D::Error::custom(format!(
                    "expected one of: object, {}",
                    R::PLAIN.join(", ")
                ))),
            },
        }
    }
}

impl<R: Shorthand> JsonSchema for Rule<R> {
    fn schema_name() -> Cow<'static, str> {
        R::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = R::json_schema(generator);
        for plain in R::PLAIN {
            add_type(&mut schema, plain);
        }
        schema
    }
}
