//! The trees of all files, within the memory for a suite.

use std::sync::Arc;

use crate::budget::Budget;
use crate::parse;
use crate::problem::Position;
use crate::report::Report;
use crate::source::Source;
use crate::tree::{Kind, Node};

/// Bytes that a check takes besides the values of its entry, until the suite is validated.
const CHECK_BYTES: usize = 512;
/// Bytes that each of its targets takes.
const TARGET_BYTES: usize = 1_408;

/// The parsed trees of all files that are not empty or broken. Stops where they take too much memory.
pub(super) fn trees(sources: Vec<Arc<Source>>, report: &mut Report) -> Vec<(Arc<Source>, Node)> {
    let mut budget = Budget::of_suite();
    let mut trees = Vec::with_capacity(sources.len());
    for source in sources {
        let before = report.count();
        match parse::parse(&source, &mut budget, report) {
            Some(root) => match spend_on_checks(&root, &mut budget) {
                Ok(()) => trees.push((source, root)),
                Err(at) => report.add(budget.problem(&source, Some(at))),
            },
            None if report.count() == before => report.add(source.file_problem("the file is empty")),
            None => {}
        }
        // Every further file would exceed it as well.
        if budget.is_exceeded() {
            break;
        }
    }
    trees
}

/// Spends on what the checks of a file become; fails with the position of the first that is too many.
fn spend_on_checks(root: &Node, budget: &mut Budget) -> Result<(), Position> {
    let checks = root.entry("checks").map(|entry| &entry.value.kind);
    let Some(Kind::List(checks)) = checks else {
        return Ok(());
    };
    for check in &**checks {
        let targets = match check.entry("targets").map(|entry| &entry.value.kind) {
            Some(Kind::List(targets)) => targets.len().max(1),
            _ => 1,
        };
        budget.keep(CHECK_BYTES.saturating_add(targets.saturating_mul(TARGET_BYTES)));
        if budget.is_exceeded() {
            return Err(check.at);
        }
    }
    Ok(())
}
