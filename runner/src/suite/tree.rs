//! YAML as a tree that knows where everything stands. Subtrees are shared, so that an alias costs nothing.

use std::path::Path;
use std::sync::Arc;

use serde_json::Number;

use super::error::Position;
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
    Bool(bool),
    Number(Number),
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
        matches!(self.kind, Kind::Null)
    }

    /// The entry with this key, when this is a mapping that has it.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|entry| &*entry.key == key),
            _ => None,
        }
    }

    /// What stands here, as the end of `expected .., found ..`.
    pub(super) fn found(&self) -> String {
        match &self.kind {
            Kind::Null => "nothing".to_owned(),
            Kind::Bool(value) => format!("the boolean `{value}`"),
            Kind::Number(value) => format!("the number `{value}`"),
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
