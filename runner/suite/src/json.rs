//! A configuration as JSON, with coercions for values whose type is ambiguous.

mod exact;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tree::scalar::Plain;
use super::tree::{Kind, Node};
pub use exact::ExactJson;

/// The values of a configuration that are coerced to their other interpretation, by JSON pointer.
///
/// By default, a variable that stands alone is a number or boolean if that is written exactly like its text, and a key
/// with `null` is present. A coerced variable is the other type; a coerced `null` key is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coercions(BTreeSet<String>);

impl Coercions {
    pub(super) fn add(&mut self, pointer: &str) -> bool {
        self.0.insert(pointer.to_owned())
    }

    pub(super) fn remove(&mut self, pointer: &str) -> bool {
        self.0.remove(pointer)
    }
}

/// The configuration for validation against its schema; an empty one if absent. Its references are replaced. A number
/// that fits neither 64 bits nor a double is the nearest one that does.
pub(super) fn to_value(config: Option<&Node>, coercions: &Coercions) -> Value {
    write(config, coercions, &[])
}

/// The configuration for the plugin, without loss of digits. `removed` are pointers to members that are omitted.
pub(super) fn to_exact_json(config: Option<&Node>, coercions: &Coercions, removed: &[String]) -> String {
    write::<ExactJson>(config, coercions, removed).to_string()
}

fn write<J: Json>(config: Option<&Node>, coercions: &Coercions, removed: &[String]) -> J {
    let mut writer = Writer {
        coercions,
        removed,
        pointer: String::new(),
    };
    let is_there = |node: &&Node| !node.is_null();
    match config.filter(is_there) {
        Some(node) => writer.value(node),
        None => J::object(std::iter::empty()),
    }
}

/// Whether the value at a JSON pointer has another interpretation.
pub(super) fn is_ambiguous(config: &Node, pointer: &str) -> bool {
    let mut node = config;
    let mut is_key = false;
    for segment in pointer.split('/').skip(1) {
        let next = match &node.kind {
            Kind::Map(_) => node.entry(&unescaped(segment)).map(|entry| &entry.value),
            Kind::List(nodes) => segment.parse().ok().and_then(|index: usize| nodes.get(index)),
            _ => None,
        };
        let Some(next) = next else { return false };
        is_key = matches!(node.kind, Kind::Map(_));
        node = next;
    }
    match node.kind {
        Kind::Variable(_) => true,
        Kind::Null => is_key,
        _ => false,
    }
}

/// A representation of JSON.
trait Json: Sized {
    fn null() -> Self;
    fn plain(plain: &Plain) -> Self;
    fn text(text: &str) -> Self;
    fn list(values: impl Iterator<Item = Self>) -> Self;
    fn object(members: impl Iterator<Item = (String, Self)>) -> Self;
}

impl Json for Value {
    fn null() -> Self {
        Self::Null
    }

    fn plain(plain: &Plain) -> Self {
        plain.value.clone()
    }

    fn text(text: &str) -> Self {
        Self::String(text.to_owned())
    }

    fn list(values: impl Iterator<Item = Self>) -> Self {
        values.collect()
    }

    fn object(members: impl Iterator<Item = (String, Self)>) -> Self {
        Self::Object(members.collect())
    }
}

impl Json for ExactJson {
    fn null() -> Self {
        Self::null()
    }

    fn plain(plain: &Plain) -> Self {
        Self::Plain(plain.json())
    }

    fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    fn list(values: impl Iterator<Item = Self>) -> Self {
        Self::List(values.collect())
    }

    fn object(members: impl Iterator<Item = (String, Self)>) -> Self {
        Self::Object(members.collect())
    }
}

struct Writer<'a> {
    coercions: &'a Coercions,
    removed: &'a [String],
    /// The current position, maintained only if something depends on it.
    pointer: String,
}

impl Writer<'_> {
    fn value<J: Json>(&mut self, node: &Node) -> J {
        match &node.kind {
            Kind::Null | Kind::Removed => J::null(),
            Kind::Plain(plain) => J::plain(plain),
            Kind::Variable(plain) if plain.is_exact() != self.is_coerced() => J::plain(plain),
            Kind::Variable(plain) => J::text(&plain.written),
            Kind::Text(text) => J::text(text),
            Kind::List(nodes) => {
                let nodes = nodes.iter().enumerate();
                J::list(nodes.map(|(index, node)| self.below(&index.to_string(), |own| own.value(node))))
            }
            Kind::Map(entries) => J::object(entries.iter().filter_map(|entry| {
                let value = self.below(&entry.key, |own| own.member(&entry.value))?;
                Some((entry.key.to_string(), value))
            })),
        }
    }

    /// The value of a key, or nothing if the key is absent.
    fn member<J: Json>(&mut self, node: &Node) -> Option<J> {
        let is_absent = match node.kind {
            Kind::Removed => true,
            Kind::Null => self.is_coerced(),
            _ => false,
        };
        let is_left_out = self.removed.contains(&self.pointer);
        (!is_absent && !is_left_out).then(|| self.value(node))
    }

    fn below<T>(&mut self, segment: &str, write: impl FnOnce(&mut Self) -> T) -> T {
        if self.coercions.0.is_empty() && self.removed.is_empty() {
            return write(self);
        }
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&escaped(segment));
        let written = write(self);
        self.pointer.truncate(length);
        written
    }

    fn is_coerced(&self) -> bool {
        self.coercions.0.contains(&self.pointer)
    }
}

fn escaped(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

fn unescaped(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}
