//! Replaces the variables in the tree of a file.

use std::collections::HashMap;
use std::sync::Arc;

use super::name::{is_name, name_hint};
use super::pieces::{Piece, has_variable, only_variable, pieces};
use super::{Declaration, MAX_DEPTH, MAX_TOTAL_BYTES, MAX_VALUE, Variable, Variables};
use crate::failed_references::FailedReferences;
use crate::merge;
use crate::problem::Position;
use crate::report::Report;
use crate::source::Source;
use crate::suggest;
use crate::tree::{Entry, Kind, Node, quoted, scalar};

/// A value with its references replaced.
#[derive(Clone)]
struct Resolved {
    /// With its type.
    value: Kind,
    text: Arc<str>,
}

impl Resolved {
    /// The value of a variable that stands alone in a configuration: possibly a number or boolean, if it is or looks
    /// like one.
    fn typed(self) -> Kind {
        let plain = match &self.value {
            Kind::Plain(plain) => Some(Arc::clone(plain)),
            _ => scalar::quoted(&self.text).map(Arc::new),
        };
        plain.map_or(Kind::Text(self.text), Kind::Variable)
    }
}

/// Why a reference has no value.
enum Fault {
    /// For a definite reason, with a hint.
    Invalid(String, Option<String>),
    /// No value yet, which another file may still set.
    NoValue(String, Option<String>),
    /// The cause was reported at the declaration of the variable.
    Reported,
}

/// Replaces the variables of one file.
pub(super) struct Replacer<'a> {
    variables: &'a mut Variables,
    source: &'a Source,
    report: &'a mut Report,
    resolved: HashMap<Arc<str>, Option<Resolved>>,
    /// Variables that are being resolved, outermost first.
    path: Vec<Arc<str>>,
    /// Whether variables may be without a value, because another file may set it.
    may_lack_value: bool,
    failed: FailedReferences,
}

impl<'a> Replacer<'a> {
    pub(super) fn new(variables: &'a mut Variables, source: &'a Source, report: &'a mut Report) -> Self {
        Self {
            variables,
            source,
            report,
            resolved: HashMap::new(),
            path: Vec::new(),
            may_lack_value: false,
            failed: FailedReferences::default(),
        }
    }

    /// Resolves every variable that the file declares, so that problems are found even if nothing refers to it.
    pub(super) fn resolve_declared(&mut self, has_checks: bool) {
        let order = self.source.order();
        let declared = if has_checks {
            self.variables.own.get(&order)
        } else {
            Some(&self.variables.shared)
        };
        // Values of the command line contain no references.
        let is_here = |declaration: &Declaration| {
            let source = declaration.source.as_ref();
            source.is_some_and(|source| source.order() == order)
        };
        let declared = declared.into_iter().flatten();
        let here = declared.filter(|(_, declaration)| is_here(declaration));
        let here: Vec<_> = here
            .map(|(name, found)| (Arc::clone(name), found.location()))
            .collect();
        self.may_lack_value = !has_checks;
        for (name, location) in here {
            if let Ok(Resolved { text: value, .. }) = self.resolve(&name) {
                let variable = Variable {
                    name,
                    value,
                    location,
                };
                self.variables.effective.push(variable);
            }
        }
        self.may_lack_value = false;
    }

    /// The tree with variables replaced, and the positions of references that have no value.
    pub(super) fn root(&mut self, root: Node) -> (Node, FailedReferences) {
        let root = match &root.kind {
            Kind::Map(entries) => {
                let entries = entries.iter().map(|entry| match &*entry.key {
                    "vars" => entry.clone(),
                    _ => self.entry(entry, false).unwrap_or_else(|| entry.clone()),
                });
                let kind = Kind::Map(entries.collect());
                Node { kind, ..root }
            }
            _ => root,
        };
        self.with_failures(root)
    }

    pub(super) fn with_failures(&mut self, root: Node) -> (Node, FailedReferences) {
        (root, std::mem::take(&mut self.failed))
    }

    /// The node with variables replaced; nothing if it has none. Values keep their types if `typed`, and are texts
    /// otherwise.
    fn node(&mut self, node: &Node, typed: bool) -> Option<Node> {
        let kind = match &node.kind {
            Kind::Text(text) if has_variable(text) => self.text(text, node.at, typed),
            Kind::List(nodes) => Kind::List(self.list(nodes, typed)?.into()),
            Kind::Map(entries) => Kind::Map(self.map(entries, typed)?.into()),
            _ => return None,
        };
        Some(Node { at: node.at, kind })
    }

    fn list(&mut self, nodes: &[Node], typed: bool) -> Option<Vec<Node>> {
        let replaced: Vec<_> = nodes.iter().map(|node| self.node(node, typed)).collect();
        if replaced.iter().all(Option::is_none) {
            return None;
        }
        let all = replaced.into_iter().zip(nodes);
        Some(all.map(|(new, old)| new.unwrap_or_else(|| old.clone())).collect())
    }

    fn map(&mut self, entries: &[Entry], typed: bool) -> Option<Vec<Entry>> {
        let replaced: Vec<_> = entries.iter().map(|entry| self.entry(entry, typed)).collect();
        if replaced.iter().all(Option::is_none) {
            return None;
        }
        let has_new_keys = entries.iter().any(|entry| has_variable(&entry.key));
        let all = replaced.into_iter().zip(entries);
        let all: Vec<Entry> = all.map(|(new, old)| new.unwrap_or_else(|| old.clone())).collect();
        if has_new_keys {
            Some(merge::unique_entries(all.into_iter(), self.source, self.report))
        } else {
            Some(all)
        }
    }

    fn entry(&mut self, entry: &Entry, typed: bool) -> Option<Entry> {
        let key = has_variable(&entry.key).then(|| self.text(&entry.key, entry.at, false));
        let before = self.failed.positions.len();
        let value = self.node(&entry.value, typed || &*entry.key == "config");
        if self.failed.positions.len() > before && entry.value.text().is_some() {
            self.failed.keys.push(entry.at);
        }
        if key.is_none() && value.is_none() {
            return None;
        }
        Some(Entry {
            key: match key {
                Some(Kind::Text(key)) => key,
                _ => Arc::clone(&entry.key),
            },
            at: entry.at,
            value: value.unwrap_or_else(|| entry.value.clone()),
        })
    }

    fn text(&mut self, text: &str, at: Position, typed: bool) -> Kind {
        let expanded = match only_variable(text) {
            Some(name) => self
                .resolve(name)
                .and_then(|value| self.charge(value))
                .map_err(|fault| vec![fault]),
            None => self.expand(text),
        };
        match expanded {
            Ok(resolved) if typed && only_variable(text).is_some() => resolved.typed(),
            Ok(resolved) => Kind::Text(resolved.text),
            Err(faults) => {
                self.failed.positions.push(at);
                for fault in faults {
                    self.report_fault(self.source, at, fault);
                }
                Kind::Text(text.into())
            }
        }
    }

    fn report_fault(&mut self, source: &Source, at: Position, fault: Fault) {
        if let Fault::Invalid(message, hint) | Fault::NoValue(message, hint) = fault {
            self.report_at(source, at, message, hint);
        }
    }

    /// Reports a problem at a position, once.
    fn report_at(&mut self, source: &Source, at: Position, message: String, hint: Option<String>) {
        if self
            .variables
            .reported
            .insert((source.order(), at, message.clone()))
        {
            self.report.add(source.problem(at, message).maybe_hint(hint));
        }
    }

    /// A text with variables replaced, or the faults of all references that have no value.
    fn expand(&mut self, text: &str) -> Result<Resolved, Vec<Fault>> {
        let mut expanded = String::with_capacity(text.len());
        let mut faults = Vec::new();
        for piece in pieces(text) {
            match piece {
                Piece::Literal(literal) => expanded.push_str(literal),
                Piece::Variable(name) => match self.resolve(name).and_then(|value| self.charge(value)) {
                    Ok(value) => expanded.push_str(&value.text),
                    Err(fault) => faults.push(fault),
                },
                Piece::Unclosed => {
                    let message = "`${var:` has no closing `}`".to_owned();
                    let hint = "write `$${` for a plain `${`".to_owned();
                    faults.push(Fault::Invalid(message, Some(hint)));
                }
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let text: Arc<str> = expanded.into();
        Ok(Resolved {
            value: Kind::Text(Arc::clone(&text)),
            text,
        })
    }

    fn charge(&mut self, value: Resolved) -> Result<Resolved, Fault> {
        let total = &mut self.variables.total_bytes;
        *total = total.saturating_add(value.text.len());
        if *total > MAX_TOTAL_BYTES {
            let limit = MAX_TOTAL_BYTES >> 20;
            let message = format!("the variables of the suite expand to more than {limit} MiB");
            return Err(self.once("bytes", message));
        }
        Ok(value)
    }

    /// The value of a variable in this file.
    fn resolve(&mut self, name: &str) -> Result<Resolved, Fault> {
        if let Some(known) = self.resolved.get(name) {
            return known.clone().ok_or(Fault::Reported);
        }
        let Some(declaration) = self.variables.find(self.source.order(), name).cloned() else {
            return Err(self.unknown(name));
        };
        self.variables.unknown.remove(name);
        if matches!(declaration.value, Kind::Null) {
            let hint = format!("give it one with `--var {name}=VALUE`, or under `vars`");
            return Err(Fault::NoValue(
                format!("the variable `{name}` has no value"),
                Some(hint),
            ));
        }
        let name: Arc<str> = name.into();
        if let Some(fault) = self.cycle(&name) {
            return Err(fault);
        }
        self.path.push(Arc::clone(&name));
        let resolved = self.value(&name, &declaration);
        self.path.pop();
        let is_known = !matches!(resolved, Err(Fault::NoValue(..)));
        if is_known {
            self.resolved.insert(name, resolved.as_ref().ok().cloned());
        }
        resolved
    }

    /// The declared value with its references replaced. Faults are reported at the declaration.
    fn value(&mut self, name: &str, declaration: &Declaration) -> Result<Resolved, Fault> {
        let written = match &declaration.value {
            Kind::Text(text) if has_variable(text) => text,
            value => {
                return Ok(Resolved {
                    value: value.clone(),
                    text: Arc::clone(&declaration.text),
                });
            }
        };
        let expanded = match only_variable(written) {
            Some(name) => self.resolve(name).map_err(|fault| vec![fault]),
            None => self.expand(written),
        };
        let faults = match expanded {
            Ok(expanded) if expanded.text.chars().nth(MAX_VALUE).is_none() => return Ok(expanded),
            Ok(_) => {
                let message = format!("the variable `{name}` is longer than {MAX_VALUE} characters");
                vec![Fault::Invalid(message, None)]
            }
            Err(faults) => faults,
        };
        let may_lack_value = |fault: &Fault| self.may_lack_value && matches!(fault, Fault::NoValue(..));
        let (open, certain): (Vec<Fault>, Vec<Fault>) = faults.into_iter().partition(may_lack_value);
        if let Some(source) = &declaration.source {
            for fault in certain {
                self.report_fault(source, declaration.at, fault);
            }
        }
        Err(open.into_iter().next().unwrap_or(Fault::Reported))
    }

    /// A fault of all variables together, which is reported once.
    fn once(&mut self, what: &'static str, message: String) -> Fault {
        if self.variables.reported_once.insert(what) {
            Fault::Invalid(message, None)
        } else {
            Fault::Reported
        }
    }

    /// Detects cycles, and chains that are too deep.
    fn cycle(&mut self, name: &Arc<str>) -> Option<Fault> {
        if let Some(start) = self.path.iter().position(|outer| outer == name) {
            let circle = self.path.iter().skip(start).chain([name]);
            let circle: Vec<_> = circle.map(|name| format!("`{name}`")).collect();
            return Some(Fault::Invalid(
                format!("circular variables: {}", circle.join(" -> ")),
                None,
            ));
        }
        (self.path.len() >= MAX_DEPTH).then(|| {
            let message = format!("variables refer to each other more than {MAX_DEPTH} deep");
            self.once("depth", message)
        })
    }

    fn unknown(&self, name: &str) -> Fault {
        if !is_name(name) {
            let message = format!("invalid variable name {}", quoted(name));
            return Fault::Invalid(message, Some(name_hint()));
        }
        if self.report.is_full() {
            return Fault::NoValue(format!("unknown variable `{name}`"), None);
        }
        let known = self.variables.names(Some(self.source.order()));
        let known = known.filter(|known| self.path.iter().all(|outer| **outer != **known));
        let hint = match suggest::closest(name, known) {
            Some(meant) => format!("did you mean `${{var:{meant}}}`?"),
            None => format!("declare it under `vars`, or give it with `--var {name}=VALUE`"),
        };
        Fault::NoValue(format!("unknown variable `{name}`"), Some(hint))
    }
}
