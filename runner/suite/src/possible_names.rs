//! Names that a suite may declare where they could not be read: in a broken file, or with a variable in them that has
//! no value. References to such names are not reported as unknown.

use std::collections::HashSet;

use super::failed_references::FailedReferences;
use super::references::is_match;
use super::tree::{Entry, Kind, Node};
use super::variables::as_pattern;
use crate::problem::Position;

/// Maximum number of patterns; beyond that, every name is possible.
const MAX_PATTERNS: usize = 64;

/// Names of one kind.
#[derive(Debug, Default)]
pub(super) struct PossibleNames {
    /// Names with `*` for the unknown parts.
    patterns: Vec<String>,
    any: bool,
}

impl PossibleNames {
    /// Whether a name may be declared after all.
    pub(super) fn may_contain(&self, name: &str) -> bool {
        self.any || self.patterns.iter().any(|pattern| is_match(pattern, name))
    }

    /// Adds a name with unresolved references.
    pub(super) fn add(&mut self, written: &str) {
        self.any |= self.patterns.len() >= MAX_PATTERNS;
        if !self.any {
            self.patterns.push(as_pattern(written));
        }
    }
}

/// The possible names of all entities that a suite declares and refers to.
#[derive(Debug, Default)]
pub(super) struct PossibleDeclarations {
    pub(super) checks: PossibleNames,
    pub(super) profiles: PossibleNames,
    pub(super) groups: PossibleNames,
    pub(super) plugins: PossibleNames,
}

impl PossibleDeclarations {
    /// Adds a file that could not be read. Plugins are left out on purpose: few files declare them.
    pub(super) fn add_file(&mut self) {
        for names in [&mut self.checks, &mut self.profiles, &mut self.groups] {
            names.any = true;
        }
    }

    /// Adds the names of a file whose variables failed to resolve.
    pub(super) fn add(&mut self, root: &Node, failed: &FailedReferences) {
        if failed.positions.is_empty() {
            return;
        }
        let failed: HashSet<Position> = failed.positions.iter().copied().collect();
        // A mapping has the position of its first key.
        let is_unresolved = |node: &Node| node.text().is_some() && failed.contains(&node.at);
        for (section, names) in [
            ("profiles", &mut self.profiles),
            ("groups", &mut self.groups),
            ("plugins", &mut self.plugins),
        ] {
            let Some(entry) = root.entry(section) else {
                continue;
            };
            names.any |= is_unresolved(&entry.value);
            for key in keys(&entry.value).iter().filter(|key| failed.contains(&key.at)) {
                names.add(&key.key);
            }
        }
        let Some(checks) = root.entry("checks") else {
            return;
        };
        self.checks.any |= is_unresolved(&checks.value);
        let Kind::List(nodes) = &checks.value.kind else {
            return;
        };
        for node in &**nodes {
            self.checks.any |= is_unresolved(node);
            let name = node.entry("name").map(|name| &name.value);
            if let Some(name) = name.filter(|name| is_unresolved(name)).and_then(Node::text) {
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
