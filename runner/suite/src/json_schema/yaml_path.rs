//! Maps JSON paths to positions in YAML.

use jsonschema::paths::{Location, LocationSegment};

use crate::interpolate::has_reference;
use crate::problem::Position;
use crate::tree::{Entry, Kind, Node, quoted};

/// Length in bytes at which plugins truncate a key in their messages.
const CUT_KEY: usize = 256;

/// A configuration as written; without a `node`, `key` is the position of the whole.
#[derive(Clone, Copy)]
pub(crate) struct ConfigNode<'a> {
    pub(crate) key: Position,
    pub(crate) node: Option<&'a Node>,
}

impl ConfigNode<'_> {
    /// Whether a position is in the check's own `config`, not inherited, as far as positions can show.
    pub(super) fn is_own(&self, at: Position) -> bool {
        at.is_at_or_after(self.key)
    }
}

/// A position in the configuration, or that of its deepest ancestor that is written.
pub(super) struct YamlPath<'a> {
    /// Position of the key.
    pub(super) key: Position,
    /// Position of the value.
    pub(super) at: Position,
    pub(super) node: Option<&'a Node>,
    /// Such as `config.expect.status[1]`.
    pub(super) path: String,
}

impl<'a> YamlPath<'a> {
    pub(super) fn from_pointer(written: ConfigNode<'a>, location: &Location) -> Self {
        let mut yaml_path = Self::root(written);
        for segment in location {
            yaml_path.descend(&segment);
        }
        yaml_path
    }

    /// Resolves keys, which are indices for lists.
    pub(super) fn from_keys(written: ConfigNode<'a>, keys: &[String]) -> Self {
        let mut yaml_path = Self::root(written);
        for key in keys {
            let is_list = matches!(yaml_path.node.map(|node| &node.kind), Some(Kind::List(_)));
            let index = key.parse().ok().filter(|_| is_list);
            yaml_path.descend(
                &index.map_or_else(|| LocationSegment::Property(key.into()), LocationSegment::Index),
            );
        }
        yaml_path
    }

    fn root(written: ConfigNode<'a>) -> Self {
        let node = written.node.filter(|node| !node.is_null());
        Self {
            key: written.key,
            at: node.map_or(written.key, |node| node.at),
            node,
            path: "config".to_owned(),
        }
    }

    fn descend(&mut self, segment: &LocationSegment<'_>) {
        let next = match (segment, self.node.map(|node| &node.kind)) {
            (LocationSegment::Property(name), Some(Kind::Map(entries))) => {
                let entry = entries.iter().find(|entry| *entry.key == **name);
                // A plugin truncates a long key in its messages.
                let is_begun = |entry: &&Entry| name.len() >= CUT_KEY && entry.key.starts_with(&**name);
                let entry = entry.or_else(|| entries.iter().find(is_begun));
                entry.map(|entry| (entry.at, &entry.value))
            }
            (LocationSegment::Index(index), Some(Kind::List(nodes))) => {
                nodes.get(*index).map(|node| (node.at, node))
            }
            _ => None,
        };
        match segment {
            LocationSegment::Property(name) => {
                self.path.push('.');
                self.path.push_str(quoted(name).trim_matches('`'));
            }
            LocationSegment::Index(index) => self.path.push_str(&format!("[{index}]")),
        }
        if let Some((key, node)) = next {
            (self.key, self.at, self.node) = (key, node.at, Some(node));
        }
    }

    pub(super) fn at_key(&self, key: &str) -> Position {
        match self.node.map(|node| &node.kind) {
            Some(Kind::Map(entries)) => entries
                .iter()
                .find(|entry| &*entry.key == key)
                .map_or(self.at, |entry| entry.at),
            _ => self.at,
        }
    }

    /// The message for an unexpected value, which is not shown if it is secret.
    pub(super) fn expected(&self, expected: &str) -> String {
        let found = match self.node {
            Some(_) if self.is_secret() => "an interpolated string".to_owned(),
            Some(node) => node.found(),
            None => "nothing".to_owned(),
        };
        format!("`{}`: expected {expected}, found {found}", self.path)
    }

    pub(super) fn is_secret(&self) -> bool {
        self.any_text().is_some_and(has_reference)
    }

    /// The text at this position, unless it is secret.
    pub(super) fn text(&self) -> Option<&str> {
        self.any_text().filter(|text| !has_reference(text))
    }

    fn any_text(&self) -> Option<&str> {
        match self.node.map(|node| &node.kind) {
            Some(Kind::Text(text)) => Some(text),
            _ => None,
        }
    }
}
