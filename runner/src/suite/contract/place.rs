//! From a path in JSON to the place in YAML.

use jsonschema::paths::{Location, LocationSegment};

use crate::suite::error::Position;
use crate::suite::interpolate::has_reference;
use crate::suite::tree::{Entry, Kind, Node, quoted};

/// Bytes of a key that may be the beginning of a longer one.
const CUT_KEY: usize = 256;

/// The configuration as it is written; `key` stands for the whole where nothing is.
#[derive(Clone, Copy)]
pub(in crate::suite) struct Written<'a> {
    pub(in crate::suite) key: Position,
    pub(in crate::suite) node: Option<&'a Node>,
}

impl Written<'_> {
    /// Whether a place is below the check's own `config`, and not inherited: as far as one can tell by places.
    pub(super) fn is_own(&self, at: Position) -> bool {
        at.is_below(self.key)
    }
}

/// A place in the configuration, or the deepest one above it that is written.
pub(super) struct Place<'a> {
    /// Of the key that leads here.
    pub(super) key: Position,
    /// Of the value.
    pub(super) at: Position,
    pub(super) node: Option<&'a Node>,
    /// Such as `config.expect.status[1]`.
    pub(super) path: String,
}

impl<'a> Place<'a> {
    pub(super) fn locate(written: Written<'a>, location: &Location) -> Self {
        let mut place = Self::root(written);
        for segment in location {
            place.descend(&segment);
        }
        place
    }

    /// The place that keys lead to, of which those of lists are indices.
    pub(super) fn follow(written: Written<'a>, keys: &[String]) -> Self {
        let mut place = Self::root(written);
        for key in keys {
            let is_list = matches!(place.node.map(|node| &node.kind), Some(Kind::List(_)));
            let index = key.parse().ok().filter(|_| is_list);
            place.descend(
                &index.map_or_else(|| LocationSegment::Property(key.into()), LocationSegment::Index),
            );
        }
        place
    }

    fn root(written: Written<'a>) -> Self {
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
                // What a plugin says of a long key has its beginning.
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

    /// What was expected, and what is written, unless that is a secret.
    pub(super) fn expected(&self, expected: &str) -> String {
        let found = match self.node {
            Some(_) if self.is_secret() => "an interpolated text".to_owned(),
            Some(node) => node.found(),
            None => "nothing".to_owned(),
        };
        format!("`{}`: expected {expected}, found {found}", self.path)
    }

    pub(super) fn is_secret(&self) -> bool {
        self.any_text().is_some_and(has_reference)
    }

    /// The text that is written here, unless it is a secret.
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
