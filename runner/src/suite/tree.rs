//! YAML as a tree that knows where everything stands. Subtrees are shared, so that an alias costs nothing.

use std::sync::Arc;

use serde_json::Number;

use super::error::Position;
use super::source::printable;

/// Characters of a value that a problem quotes.
const MAX_QUOTED_CHARS: usize = 60;

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
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_QUOTED_CHARS).map(printable).collect();
    if text.chars().nth(MAX_QUOTED_CHARS).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}
