//! `config:` of a check, with references replaced.

use std::sync::Arc;

use super::check::RawCheck;
use super::error::Position;
use super::interpolate::{Interpolator, Place, Unresolved};
use super::merge;
use super::tree::{Entry, Kind, Node};
use super::variables::Failed;
use crate::redact::Secret;

/// Bytes that a value counts for, whatever it is, besides those of its text.
const VALUE_BYTES: usize = 32;
const OPEN: &str = "${";

/// `config:` as it is written, and with references replaced.
#[derive(Clone)]
pub(super) struct RawConfig {
    pub(super) key: Position,
    pub(super) node: Node,
    pub(super) filled: Filled,
    /// Bytes, roughly, that every configuration takes that has all of this in it.
    pub(super) weight: usize,
}

impl RawConfig {
    pub(super) fn new(key: Position, node: Node, filled: Filled) -> Self {
        Self {
            key,
            weight: weight(&filled.value),
            node,
            filled,
        }
    }

    /// This over `base`: mappings are merged, everything else is replaced, and `null` takes back what is there.
    pub(super) fn over(&self, base: &Self) -> Self {
        let (own, below) = (&self.filled, &base.filled);
        Self {
            key: self.key,
            node: merge::over(&self.node, &base.node),
            filled: Filled {
                value: merge::over(&own.value, &below.value),
                secrets: [own.secrets.as_slice(), &below.secrets].concat(),
            },
            weight: self.weight.saturating_add(base.weight),
        }
    }
}

fn weight(node: &Node) -> usize {
    let below = match &node.kind {
        Kind::Text(text) => text.len(),
        Kind::List(nodes) => nodes.iter().map(weight).sum(),
        Kind::Map(entries) => {
            let each = entries.iter().map(|entry| entry.key.len() + weight(&entry.value));
            each.sum()
        }
        _ => 0,
    };
    VALUE_BYTES.saturating_add(below)
}

/// A configuration with its references replaced, but for those that have no value.
#[derive(Clone)]
pub(super) struct Filled {
    pub(super) value: Node,
    pub(super) secrets: Vec<Arc<Secret>>,
}

/// References of a configuration that have no value. The texts that they are in stay as they are written.
#[derive(Default)]
pub(super) struct Unfilled {
    pub(super) references: Vec<(Position, Unresolved)>,
    pub(super) failed: Failed,
}

/// Replaces the references in every text below `node`.
pub(super) fn fill(node: &Node, place: Place<'_>, interpolator: &mut Interpolator<'_>) -> (Filled, Unfilled) {
    let mut filler = Filler {
        place,
        interpolator,
        secrets: Vec::new(),
        unfilled: Unfilled::default(),
    };
    let value = filler.value(node);
    let secrets = filler.secrets;
    (Filled { value, secrets }, filler.unfilled)
}

struct Filler<'a, 'e> {
    place: Place<'a>,
    interpolator: &'a mut Interpolator<'e>,
    secrets: Vec<Arc<Secret>>,
    unfilled: Unfilled,
}

impl Filler<'_, '_> {
    /// What holds no reference is shared.
    fn value(&mut self, node: &Node) -> Node {
        let kind = match &node.kind {
            Kind::Text(text) => Kind::Text(self.text(text, node.at)),
            Kind::List(nodes) if nodes.iter().any(has_reference) => {
                Kind::List(nodes.iter().map(|node| self.value(node)).collect())
            }
            Kind::Map(entries) if entries.iter().any(|entry| has_reference(&entry.value)) => {
                Kind::Map(entries.iter().map(|entry| self.entry(entry)).collect())
            }
            kind => kind.clone(),
        };
        Node { at: node.at, kind }
    }

    fn entry(&mut self, entry: &Entry) -> Entry {
        let before = self.unfilled.references.len();
        let value = self.value(&entry.value);
        if self.unfilled.references.len() > before && value.text().is_some() {
            self.unfilled.failed.keys.push(entry.at);
        }
        Entry {
            value,
            ..entry.clone()
        }
    }

    fn text(&mut self, text: &Arc<str>, at: Position) -> Arc<str> {
        if !text.contains(OPEN) {
            return Arc::clone(text);
        }
        match self.interpolator.expand(text, self.place) {
            Ok(expanded) => {
                self.secrets.extend(expanded.secrets);
                expanded.text.into()
            }
            Err(unresolved) => {
                let references = unresolved.into_iter().map(|reference| (at, reference));
                self.unfilled.references.extend(references);
                self.unfilled.failed.places.push(at);
                Arc::clone(text)
            }
        }
    }
}

fn has_reference(node: &Node) -> bool {
    match &node.kind {
        Kind::Text(text) => text.contains(OPEN),
        Kind::List(nodes) => nodes.iter().any(has_reference),
        Kind::Map(entries) => entries.iter().any(|entry| has_reference(&entry.value)),
        _ => false,
    }
}

/// Which configuration of the suite it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ConfigKey {
    /// One that checks may share, by its address.
    Written(usize),
    /// None is written: of this check.
    Absent(usize, Position),
}

/// Which configuration a check has, as long as the draft is there.
pub(super) fn key(raw: &RawCheck) -> ConfigKey {
    match &raw.layer.config {
        Some(config) => ConfigKey::Written(Arc::as_ptr(config).addr()),
        None => ConfigKey::Absent(raw.source.order(), raw.at),
    }
}
