//! YAML as a tree that knows where everything stands. Subtrees are shared, so that an alias costs nothing.

use std::path::Path;
use std::sync::Arc;

use super::error::Position;
use super::scalar::Plain;
use super::source::printable;

/// Characters of a value that a problem quotes.
const MAX_QUOTED_CHARS: usize = 60;
/// What the operating system takes.
const MAX_PATH_CHARS: usize = 4_096;

#[derive(Clone)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) kind: Kind,
}

#[derive(Clone)]
pub(super) enum Kind {
    Null,
    /// In a mapping that is laid over another one: what is there is taken back.
    Removed,
    Plain(Arc<Plain>),
    /// What a variable stands for where it stands alone in a configuration: a text, or what it looks like.
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

    /// The text that stands here, also where it may be something else.
    pub(super) fn text(&self) -> Option<&Arc<str>> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            Kind::Variable(plain) => Some(&plain.written),
            _ => None,
        }
    }

    /// The entry with this key, when this is a mapping that has it.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|entry| &*entry.key == key),
            _ => None,
        }
    }

    /// The same without keys that are `null`, which are as if nobody had written them.
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

    /// The node at a place: this, or one below it.
    pub(super) fn at_position(&self, at: Position) -> Option<&Self> {
        match &self.kind {
            _ if self.at == at => Some(self),
            Kind::List(nodes) => nodes.iter().find_map(|node| node.at_position(at)),
            Kind::Map(entries) => entries.iter().find_map(|entry| entry.value.at_position(at)),
            _ => None,
        }
    }

    /// Whether something holds for this node or one below it.
    pub(super) fn any(&self, holds: &mut impl FnMut(&Self) -> bool) -> bool {
        holds(self)
            || match &self.kind {
                Kind::List(nodes) => nodes.iter().any(|node| node.any(holds)),
                Kind::Map(entries) => entries.iter().any(|entry| entry.value.any(holds)),
                _ => false,
            }
    }

    /// What stands here, as the end of `expected .., found ..`.
    pub(super) fn found(&self) -> String {
        match &self.kind {
            Kind::Null | Kind::Removed => "nothing".to_owned(),
            Kind::Plain(plain) => plain.found(),
            Kind::Variable(plain) if plain.is_exact() => plain.found(),
            Kind::Variable(plain) => format!("the text {}", quoted(&plain.written)),
            Kind::Text(text) => format!("the text {}", quoted(text)),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a mapping".to_owned(),
        }
    }
}

/// A text of the suite in backticks: one line, printable, shortened.
pub(crate) fn quoted(text: &str) -> String {
    within(text, MAX_QUOTED_CHARS)
}

/// A path in backticks: whole, since its end says which file it is.
pub(crate) fn quoted_path(path: &Path) -> String {
    within(&path.to_string_lossy(), MAX_PATH_CHARS)
}

fn within(text: &str, most: usize) -> String {
    let mut shown: String = text.chars().take(most).map(printable).collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}
