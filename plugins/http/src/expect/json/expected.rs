//! JSON values of a suite to compare with.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde_json::Value;
use serde_json::value::RawValue;

use super::document::{Document, Node};
use crate::effort::Effort;
use crate::expect::rule::Plain;
use crate::memory::MemoryBudget;
use crate::text::{MAX_QUOTED, quote};

/// A JSON value in a suite.
#[derive(Default)]
pub(in crate::expect) struct Expected(Document<'static>);

impl Expected {
    fn of(json: &RawValue) -> Option<Self> {
        // It is the suite's own value, so it counts against no budget.
        let (memory, effort) = (MemoryBudget::unbounded(), Effort::unbounded());
        let document = Document::parse(Cow::Owned(json.get().to_owned()), memory, &effort);
        document.ok().map(Self)
    }

    pub(super) fn root(&self) -> Node<'_> {
        self.0.root()
    }
}

impl Plain for Expected {
    const TYPES: &'static [&'static str] = &["string", "number", "boolean", "null", "array"];

    fn from_plain(json: &RawValue) -> Option<Self> {
        Self::of(json)
    }

    fn quoted(&self) -> String {
        quote(&self.root().start(MAX_QUOTED))
    }

    fn empty_values() -> Vec<Self> {
        let values = ["null", "\"\"", "[]", "{}"];
        let values = values.into_iter().map(serde_json::from_str);
        values.filter_map(Result::ok).collect()
    }
}

impl<'de> Deserialize<'de> for Expected {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        Self::of(&json).ok_or_else(|| D::Error::custom("too large to be compared with"))
    }
}

impl JsonSchema for Expected {
    fn schema_name() -> Cow<'static, str> {
        Value::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Value::json_schema(generator)
    }
}
