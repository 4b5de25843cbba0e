//! A serializable form of a YAML tree for another process. It is flat, because some parsers limit nesting.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::tree::scalar::{self, Plain};
use super::tree::{Entry, Kind, Node};
use crate::problem::Position;

/// The nodes of a tree in pre-order.
#[derive(Serialize, Deserialize)]
pub(super) struct PortableNode(Vec<Flat>);

#[derive(Serialize, Deserialize)]
struct Flat {
    at: Position,
    kind: FlatKind,
}

#[derive(Serialize, Deserialize)]
enum FlatKind {
    Null,
    Removed,
    /// As it is written.
    Plain(String),
    Variable(String),
    /// A variable whose value was quoted.
    QuotedVariable(String),
    Text(String),
    /// The number of nodes that follow as elements.
    List(usize),
    /// The keys; one node follows for each.
    Map(Vec<(String, Position)>),
}

impl PortableNode {
    pub(super) fn from_node(node: &Node) -> Self {
        let mut flat = Vec::new();
        flatten(node, &mut flat);
        Self(flat)
    }

    pub(super) fn to_node(&self) -> Node {
        build(&mut self.0.iter())
    }
}

fn flatten(node: &Node, flat: &mut Vec<Flat>) {
    let kind = match &node.kind {
        Kind::Null => FlatKind::Null,
        Kind::Removed => FlatKind::Removed,
        Kind::Plain(plain) => FlatKind::Plain(plain.written.to_string()),
        Kind::Variable(plain) if plain.is_quoted => FlatKind::QuotedVariable(plain.written.to_string()),
        Kind::Variable(plain) => FlatKind::Variable(plain.written.to_string()),
        Kind::Text(text) => FlatKind::Text(text.to_string()),
        Kind::List(nodes) => FlatKind::List(nodes.len()),
        Kind::Map(entries) => {
            let keys = entries.iter().map(|entry| (entry.key.to_string(), entry.at));
            FlatKind::Map(keys.collect())
        }
    };
    flat.push(Flat { at: node.at, kind });
    match &node.kind {
        Kind::List(nodes) => nodes.iter().for_each(|node| flatten(node, flat)),
        Kind::Map(entries) => entries.iter().for_each(|entry| flatten(&entry.value, flat)),
        _ => {}
    }
}

/// Resolving the written text again gives the same scalar.
fn plain(written: &str, kind: fn(Arc<Plain>) -> Kind) -> Kind {
    let plain = scalar::plain(written);
    plain.map_or_else(|| Kind::Text(written.into()), |plain| kind(Arc::new(plain)))
}

/// Builds the tree that starts with the next node; missing nodes are null.
fn build<'a>(flat: &mut impl Iterator<Item = &'a Flat>) -> Node {
    let Some(Flat { at, kind }) = flat.next() else {
        return Node {
            at: Position::new(1, 1),
            kind: Kind::Null,
        };
    };
    let kind = match kind {
        FlatKind::Null => Kind::Null,
        FlatKind::Removed => Kind::Removed,
        FlatKind::Plain(written) => plain(written, Kind::Plain),
        FlatKind::Variable(written) => plain(written, Kind::Variable),
        FlatKind::QuotedVariable(written) => {
            let plain = scalar::quoted(written).map(Arc::new);
            plain.map_or_else(|| Kind::Text(written.as_str().into()), Kind::Variable)
        }
        FlatKind::Text(text) => Kind::Text(text.as_str().into()),
        FlatKind::List(count) => {
            let nodes: Vec<Node> = (0..*count).map(|_| build(flat)).collect();
            Kind::List(nodes.into())
        }
        FlatKind::Map(keys) => {
            let entries = keys.iter().map(|(key, at)| Entry {
                key: Arc::from(key.as_str()),
                at: *at,
                value: build(flat),
            });
            Kind::Map(entries.collect::<Vec<_>>().into())
        }
    };
    Node { at: *at, kind }
}
