//! The `vars:` of a file.

use std::sync::Arc;

use super::name::{is_name, name_hint};
use super::pieces::foreign_reference;
use super::{Declarations, MAX_VALUE, MAX_VARIABLES};
use crate::problem::{Location, Position};
use crate::report::Report;
use crate::source::Source;
use crate::tree::{Entry, Kind, Node, quoted};

/// A declared variable, before references in its value are replaced.
#[derive(Clone)]
pub(super) struct Declaration {
    /// A text, a number or a boolean; null if the command line has to set it.
    pub(super) value: Kind,
    /// The value as text.
    pub(super) text: Arc<str>,
    /// Position of the value.
    pub(super) at: Position,
    /// Absent for the command line.
    pub(super) source: Option<Arc<Source>>,
}

impl Declaration {
    /// Where the value is set.
    pub(super) fn location(&self) -> Option<Location> {
        Some(self.source.as_ref()?.location(self.at))
    }
}

/// Reads `vars:`; invalid variables are reported and left out.
pub(super) fn of_file(source: &Arc<Source>, root: &Node, report: &mut Report) -> Declarations {
    let Some(entry) = root.entry("vars").filter(|entry| !entry.value.is_null()) else {
        return Declarations::new();
    };
    let Kind::Map(entries) = &entry.value.kind else {
        let message = format!("`vars`: expected a mapping, found {}", entry.value.found());
        let problem = source.problem(entry.value.at, message);
        report.add(problem.hint("write `NAME: VALUE` for each variable"));
        return Declarations::new();
    };
    if entries.len() > MAX_VARIABLES {
        let message = format!(
            "`vars`: {} variables; allowed: up to {MAX_VARIABLES}",
            entries.len()
        );
        report.add(source.problem(entry.at, message));
    }
    let declared = entries.iter().take(MAX_VARIABLES);
    declared
        .filter_map(|entry| Some((Arc::clone(&entry.key), declaration(source, entry, report)?)))
        .collect()
}

fn declaration(source: &Arc<Source>, entry: &Entry, report: &mut Report) -> Option<Declaration> {
    let name = &entry.key;
    if !is_name(name) {
        let problem = source.problem(entry.at, format!("invalid variable name {}", quoted(name)));
        report.add(problem.hint(name_hint()));
        return None;
    }
    let at = entry.value.at;
    let text: Arc<str> = match &entry.value.kind {
        Kind::Null => "".into(),
        Kind::Plain(plain) => Arc::clone(&plain.written),
        Kind::Text(text) => Arc::clone(text),
        _ => {
            let found = entry.value.found();
            let message =
                format!("the variable `{name}`: expected a string, a number or a boolean, found {found}");
            report.add(source.problem(at, message));
            return None;
        }
    };
    if text.chars().nth(MAX_VALUE).is_some() {
        let message = format!("the variable `{name}` is longer than {MAX_VALUE} characters");
        report.add(source.problem(at, message));
        return None;
    }
    if let Some(reference) = foreign_reference(&text) {
        let message = format!("the variable `{name}` holds {}", quoted(reference));
        let hint = "any output may show variables: use secrets only in `target`, `targets` and `config` only";
        report.add(source.problem(at, message).hint(hint));
        return None;
    }
    Some(Declaration {
        value: entry.value.kind.clone(),
        text,
        at,
        source: Some(Arc::clone(source)),
    })
}
