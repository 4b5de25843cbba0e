//! `config:` of a check: as JSON with references replaced, held against the plugin's schema.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::error::Position;
use super::interpolate::{Interpolator, Place, Unresolved};
use super::tree::{Kind, Node};
use crate::redact::Secret;

/// A configuration with its references replaced.
pub(super) struct Filled {
    pub(super) value: Value,
    pub(super) secrets: Vec<Arc<Secret>>,
    pub(super) unresolved: Vec<(Position, Unresolved)>,
}

/// Replaces the references in every string below `node`; nothing stands for an empty mapping.
pub(super) fn fill(node: &Node, place: Place<'_>, interpolator: &mut Interpolator<'_>) -> Filled {
    let mut filler = Filler {
        place,
        interpolator,
        secrets: Vec::new(),
        unresolved: Vec::new(),
    };
    let value = match node.kind {
        Kind::Null => Value::Object(Map::new()),
        _ => filler.value(node),
    };
    Filled {
        value,
        secrets: filler.secrets,
        unresolved: filler.unresolved,
    }
}

struct Filler<'a, 'e> {
    place: Place<'a>,
    interpolator: &'a mut Interpolator<'e>,
    secrets: Vec<Arc<Secret>>,
    unresolved: Vec<(Position, Unresolved)>,
}

impl Filler<'_, '_> {
    fn value(&mut self, node: &Node) -> Value {
        match &node.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text) => Value::String(self.text(text, node.at)),
            Kind::List(nodes) => nodes.iter().map(|node| self.value(node)).collect(),
            Kind::Map(entries) => {
                let entries = entries
                    .iter()
                    .map(|entry| (entry.key.to_string(), self.value(&entry.value)));
                Value::Object(entries.collect())
            }
        }
    }

    fn text(&mut self, text: &str, at: Position) -> String {
        if !text.contains("${") {
            return text.to_owned();
        }
        match self.interpolator.expand(text, self.place) {
            Ok(expanded) => {
                self.secrets.extend(expanded.secrets);
                expanded.text
            }
            Err(unresolved) => {
                self.unresolved
                    .extend(unresolved.into_iter().map(|problem| (at, problem)));
                String::new()
            }
        }
    }
}
