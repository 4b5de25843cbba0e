//! Names that a suite declares where nobody can read them: in a file that is broken, or with a variable in them that has no
//! value. What may be one of them is not said to be unknown.

use std::collections::HashSet;

use super::error::Position;
use super::references::is_match;
use super::tree::{Entry, Kind, Node};
use super::variables::{Failed, as_pattern};

/// Patterns that names are held against; beyond that, each name may be declared.
const MAX_PATTERNS: usize = 64;

/// Names of one kind.
#[derive(Debug, Default)]
pub(super) struct OpenNames {
    /// With `*` for what is not known.
    patterns: Vec<String>,
    is_any: bool,
}

impl OpenNames {
    /// Whether a name may be declared after all.
    pub(super) fn may_hold(&self, name: &str) -> bool {
        self.is_any || self.patterns.iter().any(|pattern| is_match(pattern, name))
    }

    /// Adds a name as it is written.
    pub(super) fn add(&mut self, written: &str) {
        self.is_any |= self.patterns.len() >= MAX_PATTERNS;
        if !self.is_any {
            self.patterns.push(as_pattern(written));
        }
    }
}

/// The names of everything that a suite declares and refers to.
#[derive(Debug, Default)]
pub(super) struct Open {
    pub(super) checks: OpenNames,
    pub(super) profiles: OpenNames,
    pub(super) groups: OpenNames,
    pub(super) plugins: OpenNames,
}

impl Open {
    /// There is a file that nobody can read. That it may declare plugins is not thought of: few files do.
    pub(super) fn add_file(&mut self) {
        for names in [&mut self.checks, &mut self.profiles, &mut self.groups] {
            names.is_any = true;
        }
    }

    /// Adds what cannot be read of a file, whose variables are replaced but those that failed.
    pub(super) fn add(&mut self, root: &Node, failed: &Failed) {
        if failed.places.is_empty() {
            return;
        }
        let failed: HashSet<Position> = failed.places.iter().copied().collect();
        // A mapping may be where its first key is.
        let is_open = |node: &Node| node.text().is_some() && failed.contains(&node.at);
        for (section, names) in [
            ("profiles", &mut self.profiles),
            ("groups", &mut self.groups),
            ("plugins", &mut self.plugins),
        ] {
            let Some(entry) = root.entry(section) else {
                continue;
            };
            names.is_any |= is_open(&entry.value);
            for key in keys(&entry.value).iter().filter(|key| failed.contains(&key.at)) {
                names.add(&key.key);
            }
        }
        let Some(checks) = root.entry("checks") else {
            return;
        };
        self.checks.is_any |= is_open(&checks.value);
        let Kind::List(nodes) = &checks.value.kind else {
            return;
        };
        for node in &**nodes {
            self.checks.is_any |= is_open(node);
            let name = node.entry("name").map(|name| &name.value);
            if let Some(name) = name.filter(|name| is_open(name)).and_then(Node::text) {
                self.checks.add(name);
            }
        }
    }
}

fn keys(node: &Node) -> &[Entry] {
    match &node.kind {
        Kind::Map(entries) => entries,
        _ => &[],
    }
}
