//! Problems of settings: what is wrong, where, and how to fix it.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use super::Origin;

/// Maximum number of problems that are listed; further ones are counted only.
const MAX_PROBLEMS: usize = 100;

/// A problem of the settings. Never shows a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable, or the key of the file.
    pub origin: Origin,
    /// What is wrong, in one line.
    pub message: String,
    /// How to fix it.
    pub hint: Option<String>,
}

impl Problem {
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        self.maybe_hint(Some(hint.into()))
    }

    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Every problem of the runner's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    listed: Vec<Problem>,
    omitted: usize,
}

impl Problems {
    /// Those of variables in the order of discovery, then those of the file by position.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.listed.iter()
    }

    /// The number of problems, including those that are not listed.
    #[must_use]
    pub fn count(&self) -> usize {
        self.listed.len() + self.omitted
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.listed {
            write!(f, "{problem}\n\n")?;
        }
        if self.omitted > 0 {
            write!(f, "... and {} more\n\n", self.omitted)?;
        }
        match self.count() {
            1 => f.write_str("1 problem with the settings"),
            count => write!(f, "{count} problems with the settings"),
        }
    }
}

/// Collects problems, and the paths that the settings refer to.
#[derive(Debug, Default)]
#[must_use = "problems must be reported"]
pub struct Report {
    problems: Vec<Problem>,
    omitted: usize,
    own_paths: BTreeSet<PathBuf>,
}

impl Report {
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
    pub(crate) fn add(&mut self, problem: Problem) {
        if self.problems.contains(&problem) {
            return;
        }
        if self.problems.len() >= MAX_PROBLEMS {
            self.omitted += 1;
        } else {
            self.problems.push(problem);
        }
    }

    /// Adds the problems of a document.
    pub(super) fn add_document_problems(&mut self, problems: Vec<crate::suite::Problem>) {
        for problem in problems {
            self.add(Problem {
                origin: Origin::File(problem.location),
                message: problem.message,
                hint: problem.hint,
            });
        }
    }

    /// `value`, if there are no problems.
    ///
    /// # Errors
    /// Every problem.
    pub fn finish<T>(mut self, value: T) -> Result<T, Problems> {
        if self.problems.is_empty() {
            return Ok(value);
        }
        self.problems.sort_by_key(|problem| problem.origin.position());
        Err(Problems {
            listed: self.problems,
            omitted: self.omitted,
        })
    }
}
