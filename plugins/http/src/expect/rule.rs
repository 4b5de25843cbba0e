//! One grammar of rules for headers, the body, JSON values and URLs. A plain value instead of an object means
//! `equals`.

mod bounds;
mod check;
mod condition;
mod text_lengths;

use std::borrow::Cow;
use std::collections::BTreeMap;

use canary_sdk::Error;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde_json::Value;
use serde_json::value::RawValue;

use super::pattern::{Mode, Pattern};
use crate::one_or_many::{OneOrMany, add_type};
use crate::text::quote;
use bounds::{Bounds, Length};
pub(super) use check::text_mismatch;
pub(super) use condition::{Condition, Subject};

/// The rules for a value: those shared by all kinds, and those of this kind.
#[derive(Default)]
pub(super) struct Rule<V: Plain, E> {
    common: Common<V>,
    bounds: Bounds,
    /// The rules of this kind only.
    pub(super) extra: E,
}

/// A value of a suite to compare with.
pub(super) trait Plain: Default + DeserializeOwned + JsonSchema {
    /// JSON types of the plain value that stands for `equals`.
    const TYPES: &'static [&'static str];

    /// The value to compare with, if it has such a type.
    fn from_plain(json: &RawValue) -> Option<Self>;

    /// The value as a message shows it.
    fn quoted(&self) -> String;

    /// All values that are empty.
    fn empty_values() -> Vec<Self>;
}

impl Plain for String {
    const TYPES: &'static [&'static str] = &["string"];

    fn from_plain(json: &RawValue) -> Option<Self> {
        serde_json::from_str(json.get()).ok()
    }

    fn quoted(&self) -> String {
        quote(self.as_bytes())
    }

    fn empty_values() -> Vec<Self> {
        vec![Self::new()]
    }
}

/// Rules of one kind only.
pub(super) trait Extra: Default + DeserializeOwned + JsonSchema {
    /// Their keys.
    const KEYS: &'static [&'static str];

    /// Whether a value that is not there meets the rules; `None` if there is always one.
    fn allows_absence(&self) -> Option<bool> {
        None
    }
}

/// No rules of its own.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoExtra {}

impl Extra for NoExtra {
    const KEYS: &'static [&'static str] = &[];
}

/// The rules that all places share.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Common<V: Default> {
    /// The whole value.
    #[serde(deserialize_with = "present")]
    equals: Option<V>,
    /// A value that it must not be.
    #[serde(deserialize_with = "present")]
    not_equals: Option<V>,
    /// Values of which it must be one.
    #[schemars(length(min = 1))]
    one_of: Option<Vec<V>>,
    /// A text that must be somewhere in it, or a list of them.
    contains: OneOrMany<String>,
    /// A text that must not be in it, or a list of them.
    not_contains: OneOrMany<String>,
    /// A regular expression that must match somewhere in it, or a list of them.
    matches: OneOrMany<Pattern>,
    /// A regular expression that must not match anywhere in it, or a list of them.
    not_matches: OneOrMany<Pattern>,
    /// Its length in characters, elements or members: a number, or an object of `<`, `<=`, `>` and `>=`.
    length: Option<Length>,
    /// True: there must be nothing in it. False: there must be something.
    empty: Option<bool>,
}

/// `null` is a value to compare with, not an absent one.
fn present<'de, D: Deserializer<'de>, V: Deserialize<'de>>(deserializer: D) -> Result<Option<V>, D::Error> {
    V::deserialize(deserializer).map(Some)
}

impl<V: Plain, E: Extra> Rule<V, E> {
    /// The conditions, ready to be evaluated; `key` is their location in the configuration.
    ///
    /// # Errors
    /// A pattern does not compile.
    pub(super) fn conditions(&self, key: &str, mode: Mode) -> Result<Vec<Condition<'_, V>>, Error> {
        let mut conditions = self.of_values();
        conditions.extend(self.of_patterns(key, mode)?);
        conditions.extend(self.of_numbers());
        Ok(conditions)
    }

    fn of_values(&self) -> Vec<Condition<'_, V>> {
        let Common {
            equals,
            not_equals,
            one_of,
            contains,
            not_contains,
            ..
        } = &self.common;
        let mut conditions = Vec::new();
        conditions.extend(equals.as_ref().map(Condition::Equals));
        conditions.extend(not_equals.as_ref().map(Condition::NotEquals));
        conditions.extend(one_of.as_deref().map(Condition::OneOf));
        conditions.extend(contains.as_slice().iter().map(|text| Condition::Contains(text)));
        conditions.extend(
            not_contains
                .as_slice()
                .iter()
                .map(|text| Condition::NotContains(text)),
        );
        conditions
    }

    fn of_patterns(&self, key: &str, mode: Mode) -> Result<Vec<Condition<'_, V>>, Error> {
        let Common {
            matches, not_matches, ..
        } = &self.common;
        let many = self.patterns();
        let mut conditions = Vec::new();
        for pattern in matches.as_slice() {
            let regex = pattern.compile(format_args!("{key}.matches"), mode, many)?;
            conditions.push(Condition::Matches(regex));
        }
        for pattern in not_matches.as_slice() {
            let regex = pattern.compile(format_args!("{key}.not_matches"), mode, many)?;
            conditions.push(Condition::NotMatches(regex));
        }
        Ok(conditions)
    }

    fn of_numbers(&self) -> Vec<Condition<'_, V>> {
        let Common { length, empty, .. } = &self.common;
        let mut conditions = Vec::new();
        conditions.extend(
            self.bounds
                .each()
                .map(|(relation, number)| Condition::Bound(relation, number)),
        );
        conditions.extend(
            length
                .iter()
                .flat_map(Length::each)
                .map(|(relation, number)| Condition::Length(relation, number)),
        );
        conditions.extend(empty.map(Condition::Empty));
        conditions
    }

    /// Compiles the patterns permanently, and returns the memory that they take in bytes; `key` is their location in
    /// the configuration, and `many` the number of patterns of the check.
    ///
    /// # Errors
    /// One does not compile.
    pub(super) fn compile(&self, key: &str, mode: Mode, many: usize) -> Result<usize, Error> {
        let Common {
            matches, not_matches, ..
        } = &self.common;
        let mut memory = 0;
        for (rule, patterns) in [("matches", matches), ("not_matches", not_matches)] {
            for pattern in patterns.as_slice() {
                memory += pattern
                    .compile(format_args!("{key}.{rule}"), mode, many)?
                    .memory();
            }
        }
        Ok(memory)
    }

    /// The number of patterns.
    pub(super) fn patterns(&self) -> usize {
        self.common.matches.as_slice().len() + self.common.not_matches.as_slice().len()
    }

    /// Whether there are no shared rules.
    pub(super) fn is_empty(&self) -> bool {
        let Common {
            equals,
            not_equals,
            one_of,
            contains,
            not_contains,
            matches,
            not_matches,
            length,
            empty,
        } = &self.common;
        let lists = [contains.as_slice(), not_contains.as_slice()];
        let patterns = [matches.as_slice(), not_matches.as_slice()];
        equals.is_none()
            && not_equals.is_none()
            && one_of.is_none()
            && lists.iter().all(|list| list.is_empty())
            && patterns.iter().all(|list| list.is_empty())
            && self.bounds.each().next().is_none()
            && length.is_none()
            && empty.is_none()
    }
}

impl<E> Rule<String, E> {
    /// Bytes of the longest text that the whole value is compared with.
    pub(super) fn longest_text(&self) -> usize {
        let Common {
            equals,
            not_equals,
            one_of,
            ..
        } = &self.common;
        let texts = equals.iter().chain(not_equals).chain(one_of.iter().flatten());
        texts.map(String::len).max().unwrap_or(0)
    }
}

impl<'de, V: Plain, E: Extra> Deserialize<'de> for Rule<V, E> {
    /// Deserialised from the raw text, since numbers of `serde_json` have 64 bits.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        if !json.get().starts_with('{') {
            let types = || D::Error::custom(format!("expected one of: object, {}", V::TYPES.join(", ")));
            let equals = Some(V::from_plain(&json).ok_or_else(types)?);
            let common = Common {
                equals,
                ..Common::default()
            };
            return Ok(Self {
                common,
                bounds: Bounds::default(),
                extra: E::default(),
            });
        }
        let mut members: Members = serde_json::from_str(json.get()).map_err(D::Error::custom)?;
        let bounds = take(&mut members, Bounds::KEYS);
        let extra = take(&mut members, E::KEYS);
        Ok(Self {
            bounds: parse(&bounds)?,
            extra: parse(&extra)?,
            common: parse(&members)?,
        })
    }
}

/// Marks the values to compare with that may be `null` or an object: a suite must not take that for the removal of an
/// inherited value, or merge it with one.
fn mark_atomic(schema: &mut Schema) {
    for key in ["equals", "not_equals"] {
        let value = schema.pointer_mut(&format!("/properties/{key}"));
        if let Some(value) = value.and_then(Value::as_object_mut) {
            value.insert("x-canary-atomic".to_owned(), true.into());
        }
    }
}

/// The members of an object, as they are written.
type Members<'j> = BTreeMap<String, &'j RawValue>;

/// Removes the members with these keys from the object and returns them.
fn take<'j>(members: &mut Members<'j>, keys: &[&str]) -> Members<'j> {
    let taken = keys.iter().filter_map(|key| members.remove_entry(*key));
    taken.collect()
}

fn parse<T: DeserializeOwned, E: serde::de::Error>(members: &Members<'_>) -> Result<T, E> {
    let members = members.iter().map(|(key, value)| (key.as_str(), *value));
    T::deserialize(MapDeserializer::new(members)).map_err(|error: serde_json::Error| E::custom(error))
}

impl<V: Plain, E: Extra> JsonSchema for Rule<V, E> {
    fn schema_name() -> Cow<'static, str> {
        format!("Rules_{}_{}", V::schema_name(), E::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Common::<V>::json_schema(generator);
        for part in [Bounds::json_schema(generator), E::json_schema(generator)] {
            let more = part.get("properties").and_then(Value::as_object).cloned();
            let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
            if let (Some(properties), Some(more)) = (properties, more) {
                properties.extend(more);
            }
        }
        for plain in V::TYPES {
            add_type(&mut schema, plain);
        }
        if V::TYPES.contains(&"null") {
            mark_atomic(&mut schema);
        }
        schema
    }
}
