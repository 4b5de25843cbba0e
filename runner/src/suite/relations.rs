//! What checks and windows of maintenance say of checks: each name must be that of one, and no check may depend
//! on itself, not even by way of others.

use std::collections::HashMap;
use std::slice::Iter;
use std::sync::Arc;

use super::check::RawCheck;
use super::error::{Location, Position, Report};
use super::fields::Located;
use super::maintenance::written::MAX_WINDOWS;
use super::open_names::OpenNames;
use super::raw::RawFile;
use super::source::Source;
use super::suggest;
use super::tree::quoted;

/// Names that are compared with unknown ones to find what was meant, over all of a suite: each takes about a
/// microsecond.
const MAX_COMPARISONS: usize = 1_000_000;
/// Checks of a circle that a problem names.
const MAX_NAMED: usize = 8;

/// Judges the files together. Names in `open` may be those of checks, though no file is seen to have them.
pub(super) fn judge(files: &[RawFile], open: &OpenNames, report: &mut Report) {
    let mut relations = Relations::of(files, open);
    unique_windows(files, report);
    for check in files.iter().flat_map(|file| &file.checks) {
        relations.dependencies(check, report);
    }
    for window in files.iter().flat_map(|file| &file.maintenance) {
        for name in window.checks.iter().flatten() {
            relations.known(&window.source, &window.subject, "checks", name, report);
        }
    }
    relations.circles(report);
}

/// The checks of a suite by name.
struct Relations<'a> {
    files: &'a [RawFile],
    open: &'a OpenNames,
    checks: HashMap<&'a str, &'a RawCheck>,
    comparisons: usize,
}

impl<'a> Relations<'a> {
    fn of(files: &'a [RawFile], open: &'a OpenNames) -> Self {
        let mut checks = HashMap::new();
        for check in files.iter().flat_map(|file| &file.checks) {
            if let Some(name) = &check.name {
                checks.entry(&*name.value).or_insert(check);
            }
        }
        Self {
            files,
            open,
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
                self.known(&check.source, &check.subject(), "depends_on", name, report);
            }
        }
    }

    /// Reports a name under `key` that no check has.
    fn known(
        &mut self,
        source: &Source,
        subject: &str,
        key: &str,
        name: &Located<Arc<str>>,
        report: &mut Report,
    ) {
        if self.checks.contains_key(&*name.value) || self.open.may_hold(&name.value) {
            return;
        }
        if report.is_full() {
            return report.omit();
        }
        let message = format!("{subject}`{key}`: there is no check {}", quoted(&name.value));
        let hint = self.meant(&name.value);
        report.add(source.problem(name.at, message).maybe_hint(hint));
    }

    fn meant(&mut self, name: &str) -> Option<String> {
        // Every output shows `name@target`, so that is what gets copied.
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

    /// Reports each dependency that leads back to its own check, once.
    fn circles(&self, report: &mut Report) {
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

    /// Goes down every way from `first`. Not by recursion: a way may be as long as a suite.
    fn walk(&self, first: Step<'a>, visits: &mut HashMap<&'a str, Visit>, report: &mut Report) {
        visits.insert(first.name, Visit::Open { depth: 0 });
        let mut way = vec![first];
        while let Some(step) = way.last_mut() {
            let Some(next) = step.rest.next() else {
                visits.insert(step.name, Visit::Done);
                way.pop();
                continue;
            };
            let check = step.check;
            match visits.get(&*next.value) {
                _ if check.is_named(&next.value) => {}
                Some(Visit::Done) => {}
                Some(Visit::Open { depth }) if !report.is_full() => {
                    let circle = way.get(*depth..).unwrap_or_default();
                    report.add(check.source.problem(next.at, told(check, circle)));
                }
                Some(Visit::Open { .. }) => report.omit(),
                None => {
                    let Some(found) = self.checks.get(&*next.value) else {
                        continue;
                    };
                    visits.insert(&next.value, Visit::Open { depth: way.len() });
                    way.push(Step::new(found, &next.value));
                }
            }
        }
    }
}

/// Whether all ways on from a check were gone.
enum Visit {
    /// It is this far down the way.
    Open {
        depth: usize,
    },
    Done,
}

/// A check on the way, and its dependencies that are left.
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

fn told(check: &RawCheck, circle: &[Step<'_>]) -> String {
    let mut names: Vec<String> = circle.iter().map(|step| quoted(step.name)).collect();
    names.extend(names.first().cloned());
    if names.len() > MAX_NAMED {
        let last = names.split_off(names.len() - 2);
        names.truncate(MAX_NAMED - 2);
        names.push("…".to_owned());
        names.extend(last);
    }
    format!(
        "{}`depends_on` goes round in a circle: {}",
        check.subject(),
        names.join(" -> ")
    )
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
                format!("the name is taken by the window at {first}"),
            ));
        } else {
            seen.insert(&name.value, window.source.location(name.at));
        }
    }
}
