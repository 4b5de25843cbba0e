//! A configuration as JSON, by what its schema makes of values that could be several things.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::tree::{Kind, Node};

/// The values of a configuration that are not what they look like, by JSON pointer.
///
/// A variable that stands alone is the number or boolean that its text is, if that written back is the same text: the other
/// way round here. A key with `null` is there: here it is not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readings(BTreeSet<String>);

impl Readings {
    pub(super) fn add(&mut self, pointer: &str) -> bool {
        self.0.insert(pointer.to_owned())
    }
}

/// The configuration; absent: an empty one. References in it were replaced.
pub(super) fn of(config: Option<&Node>, readings: &Readings) -> Value {
    let mut writer = Writer {
        readings,
        pointer: String::new(),
    };
    let is_there = |node: &&Node| !node.is_null();
    match config.filter(is_there) {
        Some(node) => writer.value(node),
        None => Value::Object(Map::new()),
    }
}

/// Whether the value that a JSON pointer leads to could be several things.
pub(super) fn is_open(config: &Node, pointer: &str) -> bool {
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

struct Writer<'a> {
    readings: &'a Readings,
    pointer: String,
}

impl Writer<'_> {
    fn value(&mut self, node: &Node) -> Value {
        match &node.kind {
            Kind::Null | Kind::Removed => Value::Null,
            Kind::Plain(plain) => plain.value.clone(),
            Kind::Variable(plain) if plain.is_exact() != self.is_other() => plain.value.clone(),
            Kind::Variable(plain) => Value::String(plain.written.to_string()),
            Kind::Text(text) => Value::String(text.to_string()),
            Kind::List(nodes) => {
                let nodes = nodes.iter().enumerate();
                let values = nodes.map(|(index, node)| self.below(&index.to_string(), |own| own.value(node)));
                values.collect()
            }
            Kind::Map(entries) => {
                let values = entries.iter().filter_map(|entry| {
                    let value = self.below(&entry.key, |own| own.member(&entry.value))?;
                    Some((entry.key.to_string(), value))
                });
                Value::Object(values.collect())
            }
        }
    }

    /// The value of a key, unless the key is not there.
    fn member(&mut self, node: &Node) -> Option<Value> {
        let is_absent = match node.kind {
            Kind::Removed => true,
            Kind::Null => self.is_other(),
            _ => false,
        };
        (!is_absent).then(|| self.value(node))
    }

    fn below<T>(&mut self, segment: &str, write: impl FnOnce(&mut Self) -> T) -> T {
        if self.readings.0.is_empty() {
            return write(self);
        }
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&escaped(segment));
        let written = write(self);
        self.pointer.truncate(length);
        written
    }

    fn is_other(&self) -> bool {
        self.readings.0.contains(&self.pointer)
    }
}

fn escaped(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

fn unescaped(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}
