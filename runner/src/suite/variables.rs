//! `vars:` of a suite and `${var:NAME}` in its texts: values that are not secret, so every output may show them.
//!
//! They are replaced in the tree of a file before anything else reads it, and so may stand in any text. A file with
//! checks has its own variables, over those of files without, which hold for the whole suite; the command line wins
//! over both.

mod declared;
mod overrides;
mod pieces;
mod replace;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use self::declared::Declaration;
use self::overrides::is_name;
pub use self::overrides::{InvalidVariable, VariableOverride, VariableOverrides};
pub(super) use self::pieces::as_pattern;
pub(super) use self::replace::Failed;
use self::replace::Replacer;
use super::error::{Location, Position, Problem, Report};
use super::source::Source;
use super::suggest;
use super::tree::{Kind, Node, quoted};

/// Variables of one file, or given on the command line.
pub(super) const MAX_VARIABLES: usize = 1_000;
/// Characters of a name.
const MAX_NAME: usize = 64;
/// Characters of a value.
pub(super) const MAX_VALUE: usize = 4_096;
/// Variables that refer to each other, one below another.
const MAX_DEPTH: usize = 16;
/// Bytes that all references of a suite to variables may bring in.
const MAX_TOTAL_BYTES: usize = 64 << 20;

/// A variable that a suite declares or was given, as it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// As references name it.
    pub name: Arc<str>,
    /// What it stands for.
    pub value: Arc<str>,
    /// Where the value was written; absent for the command line.
    pub location: Option<Location>,
}

type Declarations = BTreeMap<Arc<str>, Declaration>;

/// The variables of all files.
pub(super) struct Variables {
    /// Of files without checks, and of the command line.
    shared: Declarations,
    /// Of files with checks, by the order of the file.
    own: HashMap<usize, Declarations>,
    /// Given on the command line, and neither declared nor used so far.
    unknown: HashSet<Arc<str>>,
    total_bytes: usize,
    /// What was said of all variables together: that they are too large, or too deep in each other.
    said: HashSet<&'static str>,
    /// A text that an alias repeats has its problems once.
    reported: HashSet<(usize, Position, String)>,
    /// As they hold.
    shown: Vec<Variable>,
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
            said: HashSet::new(),
            reported: HashSet::new(),
            shown: overrides.shown().collect(),
        };
        for (source, root) in files {
            let declared = declared::of_file(source, root, report);
            for name in declared.keys() {
                variables.unknown.remove(name);
            }
            match has_checks(root) {
                true => drop(variables.own.insert(source.order(), declared)),
                false => variables.share(source, declared, report),
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
                    "the variable {} of the whole suite is given twice, first at {}",
                    quoted(&name),
                    first
                        .location()
                        .map_or_else(String::new, |first| first.to_string()),
                );
                let hint = "`vars` in a file without checks hold for every file";
                report.add(source.problem(declaration.at, message).hint(hint));
            } else {
                self.shared.insert(name, declaration);
            }
        }
    }

    /// The tree of a file with its variables replaced, and the places of those that have no value.
    pub(super) fn replace(&mut self, source: &Source, root: Node, report: &mut Report) -> (Node, Failed) {
        let mut replacer = Replacer::new(self, source, report);
        replacer.resolve_declared(has_checks(&root));
        // Most files have none, and are not looked through.
        match source.text.contains("var:") {
            true => replacer.root(root),
            false => replacer.with_failures(root),
        }
    }

    /// Reports what was given on the command line and is neither declared nor used.
    pub(super) fn report_unknown(&self, origin: &Path, report: &mut Report) {
        let mut unknown: Vec<_> = self.unknown.iter().collect();
        unknown.sort();
        for name in unknown {
            let message = format!("`--var`: the suite has no variable {}", quoted(name));
            let meant = suggest::closest(name, self.names(None).filter(|known| *known != &**name));
            let hint = meant.map(|meant| format!("did you mean `{meant}`?"));
            report.add(Problem::of_file(origin, message).maybe_hint(hint));
        }
    }

    /// Those that are declared or given, as they hold.
    pub(super) fn into_shown(self) -> Vec<Variable> {
        self.shown
    }

    fn find(&self, file: usize, name: &str) -> Option<&Declaration> {
        let own = self.own.get(&file).and_then(|own| own.get(name));
        own.or_else(|| self.shared.get(name))
    }

    /// The names that a file may refer to; those of all files without one.
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
