//! What is wrong with settings: where it was written, and what to do about it.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use super::Origin;

/// Problems that are kept; the rest is counted.
const MAX_PROBLEMS: usize = 100;

/// One thing that is wrong. Never shows a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable, or the key of the file.
    pub origin: Origin,
    /// What, in one line.
    pub message: String,
    /// The way out.
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

/// Everything that is wrong with the settings of a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    listed: Vec<Problem>,
    omitted: usize,
}

impl Problems {
    /// Those of variables as they were found, then those of the file by their place.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.listed.iter()
    }

    /// How many there are, those that are not listed included.
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

/// Problems while they are being collected.
#[derive(Debug, Default)]
#[must_use = "what is wrong must be told"]
pub struct Report {
    problems: Vec<Problem>,
    omitted: usize,
    own_paths: BTreeSet<PathBuf>,
}

impl Report {
    /// Notes a file or folder that the settings name.
    pub(crate) fn add_path(&mut self, path: PathBuf) {
        self.own_paths.insert(path);
    }

    /// Every file and folder that the settings name: they are the runner's own, and suites may read none of them.
    #[must_use]
    pub fn own_paths(&self) -> &BTreeSet<PathBuf> {
        &self.own_paths
    }

    /// Adds a problem, unless it is known: what holds for all signals is judged for each.
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

    /// Takes in what is wrong with a file as such.
    pub(super) fn take(&mut self, problems: Vec<crate::suite::Problem>) {
        for problem in problems {
            self.add(Problem {
                origin: Origin::File(problem.location),
                message: problem.message,
                hint: problem.hint,
            });
        }
    }

    /// `value`, when nothing is wrong.
    ///
    /// # Errors
    /// Every problem that was found.
    pub fn finish<T>(mut self, value: T) -> Result<T, Problems> {
        if self.problems.is_empty() {
            return Ok(value);
        }
        self.problems.sort_by_key(|problem| problem.origin.place());
        Err(Problems {
            listed: self.problems,
            omitted: self.omitted,
        })
    }
}
