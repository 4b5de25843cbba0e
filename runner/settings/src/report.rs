//! The report of one reading of the settings: problems, and the paths that the settings refer to.

use std::collections::BTreeSet;
use std::path::PathBuf;

use canary_suite::PlainSecrets;
use canary_suite::problem::{Problem, Problems, Subject};

/// Collects problems, and the paths that the settings refer to.
#[derive(Debug)]
#[must_use = "problems must be reported"]
pub struct Report {
    problems: Problems,
    secrets: PlainSecrets,
    own_paths: BTreeSet<PathBuf>,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            problems: Problems::new(Subject::Settings),
            secrets: PlainSecrets::default(),
            own_paths: BTreeSet::new(),
        }
    }
}

impl Report {
    /// An empty report on a file, which shows none of its secrets.
    pub(crate) fn without(secrets: PlainSecrets) -> Self {
        Self {
            secrets,
            ..Self::default()
        }
    }

    /// Records a file or folder that the settings refer to.
    pub(crate) fn add_path(&mut self, path: PathBuf) {
        self.own_paths.insert(path);
    }

    /// Every file and folder that the settings refer to: they belong to the runner, and suites may not read them.
    #[must_use]
    pub fn own_paths(&self) -> &BTreeSet<PathBuf> {
        &self.own_paths
    }

    /// Adds a problem, unless it is a duplicate: what applies to all signals is validated for each of them.
    pub fn add(&mut self, problem: Problem) {
        if !self.problems.iter().any(|known| *known == problem) {
            self.problems.add(problem);
        }
    }

    /// `value`, if there are no problems.
    ///
    /// # Errors
    /// Every problem.
    pub fn finish<T>(self, value: T) -> Result<T, Problems> {
        if self.problems.count() == 0 {
            Ok(value)
        } else {
            Err(self.secrets.hide(self.problems.sorted()))
        }
    }
}
