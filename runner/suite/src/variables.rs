//! `vars:` of a suite and `${var:NAME}` in its texts: public values, which every output may show.
//!
//! They are replaced in the tree of a file before anything else reads it, so they are allowed in any text. The
//! variables of a file with checks take precedence over those of files without, which apply to the whole suite; the
//! command line takes precedence over both.

mod declared;
mod name;
mod overrides;
mod pieces;
mod replace;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use self::declared::Declaration;
pub use self::overrides::{InvalidVariable, VariableOverride, VariableOverrides};
pub(super) use self::pieces::as_pattern;
use self::replace::Replacer;
use super::failed_references::FailedReferences;
use super::report::Report;
use super::secret_keys::{Secrecy, SecretKeys};
use super::source::Source;
use super::suggest;
use super::tree::{Kind, Node, quoted};
use crate::problem::{Location, Position, Problem};

/// Maximum number of variables of one file, or of the command line.
pub(super) const MAX_VARIABLES: usize = 1_000;
/// Maximum length of a name, in characters.
const MAX_NAME: usize = 64;
/// Maximum length of a value, in characters.
pub(super) const MAX_VALUE: usize = 4_096;
/// Maximum depth of variables that refer to each other.
const MAX_DEPTH: usize = 16;
/// Maximum bytes that all references to variables of a suite may insert.
const MAX_TOTAL_BYTES: usize = 32 << 20;

/// A variable of the suite or the command line, with its effective value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// The name in references.
    pub name: Arc<str>,
    /// The value.
    pub value: Arc<str>,
    /// Where the value is set; absent for the command line.
    pub location: Option<Location>,
}

impl Variable {
    /// The value for a list of all variables: `***` if the name says that it is secret, which no variable should be.
    #[must_use]
    pub fn listed_value(&self) -> &str {
        if self.is_secret() { "***" } else { &self.value }
    }

    /// Whether the name says that the value is secret.
    pub(super) fn is_secret(&self) -> bool {
        SecretKeys::default().secrecy(&self.name) == Some(Secrecy::Value)
    }
}

type Declarations = BTreeMap<Arc<str>, Declaration>;

/// The variables of all files.
pub(super) struct Variables {
    /// From files without checks, and from the command line.
    shared: Declarations,
    /// From files with checks, by the index of the file.
    own: HashMap<usize, Declarations>,
    /// Set on the command line, but neither declared nor used so far.
    unknown: HashSet<Arc<str>>,
    total_bytes: usize,
    /// Problems of all variables together that were reported: too much text, or too deeply nested.
    reported_once: HashSet<&'static str>,
    /// Reported problems: a text that is repeated by an alias is reported once.
    reported: HashSet<(usize, Position, String)>,
    /// The effective values.
    effective: Vec<Variable>,
}

impl Variables {
    /// Reads the `vars:` of every file.
    pub(super) fn collect(
        files: &[(Arc<Source>, Node)],
        overrides: &VariableOverrides,
        report: &mut Report,
    ) -> Self {
        let mut variables = Self {
            shared: Declarations::new(),
            own: HashMap::new(),
            unknown: overrides.names().cloned().collect(),
            total_bytes: 0,
            reported_once: HashSet::new(),
            reported: HashSet::new(),
            effective: overrides.variables().collect(),
        };
        for (source, root) in files {
            let declared = declared::of_file(source, root, report);
            for name in declared.keys() {
                variables.unknown.remove(name);
            }
            if has_checks(root) {
                variables.own.insert(source.order(), declared);
            } else {
                variables.share(source, declared, report);
            }
        }
        for declarations in variables.own.values_mut().chain([&mut variables.shared]) {
            overrides.apply(declarations);
        }
        for name in variables.unknown.clone() {
            let given = overrides.declaration(&name, &Kind::Null);
            variables.shared.extend(given.map(|given| (name, given)));
        }
        variables
    }

    fn share(&mut self, source: &Source, declared: Declarations, report: &mut Report) {
        for (name, declaration) in declared {
            if let Some(first) = self.shared.get(&name) {
                let message = format!(
                    "the variable {} is set twice for the whole suite, first at {}",
                    quoted(&name),
                    first
                        .location()
                        .map_or_else(String::new, |first| first.to_string()),
                );
                let hint = "`vars` in a file without checks apply to every file";
                report.add(source.problem(declaration.at, message).hint(hint));
            } else {
                self.shared.insert(name, declaration);
            }
        }
    }

    /// The tree of a file with its variables replaced, and the positions of references that have no value.
    pub(super) fn replace(
        &mut self,
        source: &Source,
        root: Node,
        report: &mut Report,
    ) -> (Node, FailedReferences) {
        let mut replacer = Replacer::new(self, source, report);
        replacer.resolve_declared(has_checks(&root));
        // Most files have no reference, and need no traversal.
        if source.text.contains("var:") {
            replacer.root(root)
        } else {
            replacer.with_failures(root)
        }
    }

    /// Reports variables of the command line that are neither declared nor used.
    pub(super) fn report_unknown(&self, origin: &Path, report: &mut Report) {
        let mut unknown: Vec<_> = self.unknown.iter().collect();
        unknown.sort();
        for name in unknown {
            let message = format!("`--var`: unknown variable {}", quoted(name));
            let meant = suggest::closest(name, self.names(None).filter(|known| *known != &**name));
            let hint = meant.map(|meant| format!("did you mean `{meant}`?"));
            report.add(Problem::of_file(origin, message).maybe_hint(hint));
        }
    }

    /// The effective values of all declared or given variables.
    pub(super) fn into_effective(self) -> Vec<Variable> {
        self.effective
    }

    fn find(&self, file: usize, name: &str) -> Option<&Declaration> {
        let own = self.own.get(&file).and_then(|own| own.get(name));
        own.or_else(|| self.shared.get(name))
    }

    /// The names that a file may refer to; those of all files if `file` is absent.
    fn names(&self, file: Option<usize>) -> impl Iterator<Item = &str> {
        let own = self
            .own
            .iter()
            .filter(move |(order, _)| file.is_none_or(|file| file == **order));
        let declared = own.map(|(_, own)| own).chain([&self.shared]);
        declared.flat_map(|declared| declared.keys().map(|name| &**name))
    }
}

fn has_checks(root: &Node) -> bool {
    root.entry("checks").is_some()
}
