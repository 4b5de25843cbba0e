//! YAML as a tree with positions. Subtrees are shared, so that an alias costs nothing.

pub(super) mod scalar;

use std::path::Path;
use std::sync::Arc;

use self::scalar::Plain;
use super::source::printable;
use crate::problem::Position;

/// Maximum length of a value in a problem, in characters.
const MAX_QUOTED_CHARS: usize = 60;
/// Maximum length of a path of the operating system, in characters.
const MAX_PATH_CHARS: usize = 4_096;

#[derive(Clone)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) kind: Kind,
}

#[derive(Clone)]
pub(super) enum Kind {
    Null,
    /// In a merged mapping: `null` removed the inherited value.
    Removed,
    Plain(Arc<Plain>),
    /// A variable that stands alone in a configuration: a text, or the number or boolean that it looks like.
    Variable(Arc<Plain>),
    Text(Arc<str>),
    List(Arc<[Node]>),
    Map(Arc<[Entry]>),
}

/// A key and its value.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) key: Arc<str>,
    pub(super) at: Position,
    pub(super) value: Node,
}

impl Node {
    pub(super) fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null | Kind::Removed)
    }

    /// The text of the node, including that of a variable.
    pub(super) fn text(&self) -> Option<&Arc<str>> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            Kind::Variable(plain) => Some(&plain.written),
            _ => None,
        }
    }

    /// The entry with this key, if this is a mapping that has it.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|entry| &*entry.key == key),
            _ => None,
        }
    }

    /// The same without keys that are `null`, which are treated as absent.
    pub(super) fn without_nulls(&self) -> Self {
        let kind = match &self.kind {
            Kind::Map(entries) => {
                let there = entries.iter().filter(|entry| !entry.value.is_null());
                Kind::Map(there.cloned().collect())
            }
            kind => kind.clone(),
        };
        Self { at: self.at, kind }
    }

    /// The node at a position: this, or one below it.
    pub(super) fn at_position(&self, at: Position) -> Option<&Self> {
        match &self.kind {
            _ if self.at == at => Some(self),
            Kind::List(nodes) => nodes.iter().find_map(|node| node.at_position(at)),
            Kind::Map(entries) => entries.iter().find_map(|entry| entry.value.at_position(at)),
            _ => None,
        }
    }

    /// Whether a predicate is true for this node or one below it.
    pub(super) fn any(&self, holds: &mut impl FnMut(&Self) -> bool) -> bool {
        holds(self)
            || match &self.kind {
                Kind::List(nodes) => nodes.iter().any(|node| node.any(holds)),
                Kind::Map(entries) => entries.iter().any(|entry| entry.value.any(holds)),
                _ => false,
            }
    }

    /// What the node is, as the end of `expected .., found ..`.
    pub(super) fn found(&self) -> String {
        match &self.kind {
            Kind::Null | Kind::Removed => "nothing".to_owned(),
            Kind::Plain(plain) => plain.found(),
            Kind::Variable(plain) if plain.is_exact() => plain.found(),
            Kind::Variable(plain) => format!("the string {}", quoted(&plain.written)),
            Kind::Text(text) => format!("the string {}", quoted(text)),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a mapping".to_owned(),
        }
    }
}

/// A text of the suite in backticks: one line, printable, truncated.
pub fn quoted(text: &str) -> String {
    in_backticks(text, MAX_QUOTED_CHARS)
}

/// A path in backticks: not truncated, since its end identifies the file.
pub fn quoted_path(path: &Path) -> String {
    in_backticks(&path.to_string_lossy(), MAX_PATH_CHARS)
}

fn in_backticks(text: &str, max_chars: usize) -> String {
    let mut shown: String = text.chars().take(max_chars).map(printable).collect();
    if text.chars().nth(max_chars).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}
