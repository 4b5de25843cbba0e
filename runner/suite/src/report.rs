//! The report of one reading of a suite: collects problems, each once.

use std::collections::HashSet;
use std::sync::Arc;

use super::failed_references::FailedReferences;
use super::problem_secrets::ProblemSecrets;
use super::secret_keys::SecretKeys;
use super::source::Source;
use crate::problem::{Position, Problem, Problems};

/// Collects problems.
#[derive(Default)]
pub(super) struct Report {
    /// The files of the suite, in order.
    sources: Vec<Arc<Source>>,
    /// Findings that were reported, so that checks which inherit the same configuration do not repeat them.
    found: HashSet<(Position, String)>,
    /// Positions whose problems are suppressed, keys of such values, and the number of suppressed problems.
    suppressed: HashSet<Position>,
    suppressed_keys: HashSet<Position>,
    suppressed_count: usize,
    problems: Problems,
}

impl Report {
    /// Sets the files that problems may refer to.
    pub(super) fn set_sources(&mut self, sources: &[Arc<Source>]) {
        self.sources = sources.to_vec();
    }

    /// The file of a position, if known.
    pub(super) fn source_of(&self, at: Position) -> Option<Arc<Source>> {
        let order = at.file_order()?;
        let is_it = |source: &&Arc<Source>| source.order() == order;
        let source = self.sources.get(order).filter(is_it);
        source.or_else(|| self.sources.iter().find(is_it)).cloned()
    }

    /// Whether this is the first time that `message` is reported at a position, for any check.
    pub(super) fn is_first(&mut self, at: Position, message: &str) -> bool {
        self.found.insert((at, message.to_owned()))
    }

    pub(super) fn omit(&mut self) {
        self.problems.omit();
    }

    /// Suppresses further problems of values and keys whose references failed: the cause was reported, and the rest are
    /// consequences. At the keys of such values, only problems of the value are suppressed.
    pub(super) fn suppress(&mut self, failed: FailedReferences) {
        self.suppressed.extend(failed.positions);
        self.suppressed_keys.extend(failed.keys);
    }

    /// Whether problems at a position are suppressed.
    pub(super) fn is_suppressed(&self, at: Position) -> bool {
        self.suppressed.contains(&at)
    }

    /// Adds a problem of a value, which may be reported at its key.
    pub(super) fn add(&mut self, problem: Problem) {
        let is_suppressed = |at| self.suppressed.contains(&at) || self.suppressed_keys.contains(&at);
        if problem.at().is_some_and(is_suppressed) {
            self.suppressed_count += 1;
        } else {
            self.add_unsuppressed(problem);
        }
    }

    /// Adds a problem of a key, regardless of its value.
    pub(super) fn add_of_key(&mut self, problem: Problem) {
        if problem.at().is_some_and(|at| self.suppressed.contains(&at)) {
            self.suppressed_count += 1;
        } else {
            self.add_unsuppressed(problem);
        }
    }

    /// Adds a problem that is not suppressed by others.
    pub(super) fn add_unsuppressed(&mut self, problem: Problem) {
        self.problems.add(problem);
    }

    /// Whether further problems are only counted, so that wording them is not necessary.
    pub(super) fn is_full(&self) -> bool {
        self.problems.is_full()
    }

    pub(super) fn count(&self) -> usize {
        self.problems.count() + self.suppressed_count
    }

    /// The problems, in which the values of `keys` are hidden.
    pub(super) fn into_problems(self, keys: &SecretKeys) -> Problems {
        let mut secrets = ProblemSecrets::new(&self.sources, keys);
        let mut problems = self.problems.sorted();
        problems.iter_mut().for_each(|problem| secrets.hide(problem));
        problems
    }
}
