//! References between checks, and from maintenance windows to checks: each name must exist, and dependencies must not
//! form a cycle.

use std::collections::HashMap;
use std::slice::Iter;
use std::sync::Arc;

use super::check::RawCheck;
use super::fields::Located;
use super::maintenance::syntax::MAX_WINDOWS;
use super::possible_names::PossibleNames;
use super::report::Report;
use super::source::Source;
use super::suggest;
use super::syntax::RawFile;
use super::tree::quoted;
use crate::problem::{Location, Position};

/// Maximum number of comparisons to find similar names for unknown ones, over all of a suite: each takes about a
/// microsecond.
const MAX_COMPARISONS: usize = 1_000_000;
/// Maximum number of checks of a cycle that a problem names.
const MAX_NAMED_IN_CYCLE: usize = 8;

/// Validates the references of all files. Names in `possible` may be those of checks, though no file is known to
/// declare them.
pub(super) fn validate(files: &[RawFile], possible: &PossibleNames, report: &mut Report) {
    let mut relations = Relations::new(files, possible);
    unique_windows(files, report);
    for check in files.iter().flat_map(|file| &file.checks) {
        relations.dependencies(check, report);
    }
    for window in files.iter().flat_map(|file| &file.maintenance) {
        for name in window.checks.iter().flatten() {
            relations.require_check(&window.source, &window.subject, "checks", name, report);
        }
    }
    relations.cycles(report);
}

/// The checks of a suite by name.
struct Relations<'a> {
    files: &'a [RawFile],
    possible: &'a PossibleNames,
    checks: HashMap<&'a str, &'a RawCheck>,
    comparisons: usize,
}

impl<'a> Relations<'a> {
    fn new(files: &'a [RawFile], possible: &'a PossibleNames) -> Self {
        let mut checks = HashMap::new();
        for check in files.iter().flat_map(|file| &file.checks) {
            if let Some(name) = &check.name {
                checks.entry(&*name.value).or_insert(check);
            }
        }
        Self {
            files,
            possible,
            checks,
            comparisons: MAX_COMPARISONS,
        }
    }

    fn dependencies(&mut self, check: &RawCheck, report: &mut Report) {
        for name in &check.depends_on {
            if check.is_named(&name.value) {
                let message = format!("{}`depends_on`: the check depends on itself", check.subject());
                report.add(check.source.problem(name.at, message));
            } else {
                self.require_check(&check.source, &check.subject(), "depends_on", name, report);
            }
        }
    }

    /// Reports a name under `key` that no check has.
    fn require_check(
        &mut self,
        source: &Source,
        subject: &str,
        key: &str,
        name: &Located<Arc<str>>,
        report: &mut Report,
    ) {
        if self.checks.contains_key(&*name.value) || self.possible.may_contain(&name.value) {
            return;
        }
        if report.is_full() {
            return report.omit();
        }
        let message = format!("{subject}`{key}`: unknown check {}", quoted(&name.value));
        let hint = self.meant(&name.value);
        report.add(source.problem(name.at, message).maybe_hint(hint));
    }

    fn meant(&mut self, name: &str) -> Option<String> {
        // Every output shows `name@target`, so that is what users copy.
        let of_target = name.split_once('@').map(|(name, _)| name);
        if let Some(name) = of_target.filter(|name| self.checks.contains_key(name)) {
            return Some(format!("write the name of the check alone: {}", quoted(name)));
        }
        self.comparisons = self.comparisons.checked_sub(self.checks.len())?;
        let checks = self.files.iter().flat_map(|file| &file.checks);
        let names = checks.filter_map(|check| check.name.as_ref());
        let meant = suggest::closest(name, names.map(|name| &*name.value))?;
        Some(format!("did you mean {}?", quoted(meant)))
    }

    /// Reports each dependency that closes a cycle, once.
    fn cycles(&self, report: &mut Report) {
        let mut visits = HashMap::new();
        for check in self.files.iter().flat_map(|file| &file.checks) {
            let Some(name) = check.name.as_ref().filter(|_| !check.depends_on.is_empty()) else {
                continue;
            };
            if !visits.contains_key(&*name.value) {
                self.walk(Step::new(check, &name.value), &mut visits, report);
            }
        }
    }

    /// Depth-first search from `first`. Iterative, because a path may be as long as the suite.
    fn walk(&self, first: Step<'a>, visits: &mut HashMap<&'a str, Visit>, report: &mut Report) {
        visits.insert(first.name, Visit::OnPath { depth: 0 });
        let mut path = vec![first];
        while let Some(step) = path.last_mut() {
            let Some(next) = step.rest.next() else {
                visits.insert(step.name, Visit::Done);
                path.pop();
                continue;
            };
            let check = step.check;
            match visits.get(&*next.value) {
                _ if check.is_named(&next.value) => {}
                Some(Visit::Done) => {}
                Some(Visit::OnPath { depth }) if !report.is_full() => {
                    let cycle = path.get(*depth..).unwrap_or_default();
                    report.add(check.source.problem(next.at, cycle_message(check, cycle)));
                }
                Some(Visit::OnPath { .. }) => report.omit(),
                None => {
                    let Some(found) = self.checks.get(&*next.value) else {
                        continue;
                    };
                    visits.insert(&next.value, Visit::OnPath { depth: path.len() });
                    path.push(Step::new(found, &next.value));
                }
            }
        }
    }
}

/// The state of a check in the search.
enum Visit {
    /// On the current path, at this depth.
    OnPath {
        depth: usize,
    },
    Done,
}

/// A check on the current path, and its dependencies that are not visited yet.
struct Step<'a> {
    name: &'a str,
    check: &'a RawCheck,
    rest: Iter<'a, Located<Arc<str>>>,
}

impl<'a> Step<'a> {
    fn new(check: &'a RawCheck, name: &'a str) -> Self {
        Self {
            name,
            check,
            rest: check.depends_on.iter(),
        }
    }
}

fn cycle_message(check: &RawCheck, cycle: &[Step<'_>]) -> String {
    let mut names: Vec<String> = cycle.iter().map(|step| quoted(step.name)).collect();
    names.extend(names.first().cloned());
    if names.len() > MAX_NAMED_IN_CYCLE {
        let last = names.split_off(names.len() - 2);
        names.truncate(MAX_NAMED_IN_CYCLE - 2);
        names.push("…".to_owned());
        names.extend(last);
    }
    format!("{}circular `depends_on`: {}", check.subject(), names.join(" -> "))
}

fn unique_windows(files: &[RawFile], report: &mut Report) {
    let mut seen: HashMap<&str, Location> = HashMap::new();
    for (number, window) in files.iter().flat_map(|file| &file.maintenance).enumerate() {
        let problem =
            |at: Position, message: String| window.source.problem(at, format!("{}{message}", window.subject));
        if number == MAX_WINDOWS {
            let message = format!("a suite holds at most {MAX_WINDOWS} windows");
            return report.add(problem(window.at, message));
        }
        let Some(name) = &window.name else { continue };
        if let Some(first) = seen.get(&*name.value) {
            report.add(problem(
                name.at,
                format!("the name is already used by the window at {first}"),
            ));
        } else {
            seen.insert(&name.value, window.source.location(name.at));
        }
    }
}
