//! Problems of a suite: what is wrong, where, and how to fix it.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::declared_secrets::DeclaredSecrets;
use super::source::Source;
use super::variables::FailedReferences;

/// Maximum number of problems that are listed; further ones are counted only.
const MAX_PROBLEMS: usize = 1_000;

/// A position in a file of a suite, counted from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
    /// The index of the file in the suite.
    #[serde(default)]
    file: u32,
}

impl Position {
    pub(super) fn new(line: usize, column: usize) -> Self {
        let narrow = |number| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            line: narrow(line),
            column: narrow(column),
            file: 0,
        }
    }

    /// Whether this is at or after `other` in the same file. The end of the block is not known.
    pub(super) fn is_at_or_after(self, other: Self) -> bool {
        self.file == other.file && self >= other
    }

    /// The same position in another file.
    pub(super) fn in_file(self, order: usize) -> Self {
        Self {
            file: u32::try_from(order).unwrap_or(u32::MAX),
            ..self
        }
    }
}

/// A file, and a position in it if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The path as the user gave it.
    pub file: Arc<Path>,
    /// Absent if the file as a whole is meant.
    pub at: Option<Position>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        match self.at {
            Some(Position { line, column, .. }) => write!(f, ":{line}:{column}"),
            None => Ok(()),
        }
    }
}

/// An excerpt of a line of a suite, and the part of it to underline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// Without control characters; shortened if long.
    pub text: String,
    /// Characters before the underlined part.
    pub indent: usize,
    /// Characters to underline; at least 1.
    pub width: usize,
}

/// A problem of a suite. Never shows an interpolated value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub location: Location,
    /// What is wrong, in one line.
    pub message: String,
    /// How to fix it.
    pub hint: Option<String>,
    /// The line that `location` points at.
    pub source_line: Option<Box<SourceLine>>,
    /// Whether the cause may be temporary: the disk or the host ran short of something, and the suite itself is fine.
    pub is_transient: bool,
    /// The index of the file among all files of the suite.
    pub(super) file_order: usize,
}

impl Problem {
    /// A problem of a file as a whole.
    pub(super) fn of_file(file: &Path, message: impl Into<String>) -> Self {
        Self {
            location: Location {
                file: file.into(),
                at: None,
            },
            message: message.into(),
            hint: None,
            source_line: None,
            is_transient: false,
            file_order: 0,
        }
    }

    pub(super) fn transient(mut self, is_transient: bool) -> Self {
        self.is_transient = is_transient;
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.message)?;
        if let (Some(at), Some(line)) = (self.location.at, &self.source_line) {
            let SourceLine { text, indent, width } = &**line;
            write!(f, "\n{:>5} | {text}", at.line)?;
            write!(f, "\n      | {:indent$}{:^<width$}", "", "")?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Every problem of every file, ordered by file and position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    listed: Vec<Problem>,
    omitted: usize,
    is_transient: bool,
}

impl Problems {
    /// A single problem of a file as a whole, temporary or not.
    #[must_use]
    pub fn of_file(file: &Path, message: impl Into<String>, is_transient: bool) -> Self {
        let mut report = Report::default();
        report.add(Problem::of_file(file, message).transient(is_transient));
        report.into_problems()
    }

    /// Whether one of them may be temporary, so that it makes sense to read the same suite again.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.is_transient
    }

    /// In the order of the files, then of the lines.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.listed.iter()
    }

    /// Applies `change` to each problem.
    #[must_use]
    pub fn map(mut self, change: impl FnMut(Problem) -> Problem) -> Self {
        self.listed = self.listed.into_iter().map(change).collect();
        self
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
            1 => f.write_str("1 problem"),
            count => write!(f, "{count} problems"),
        }
    }
}

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
    problems: Vec<Problem>,
    omitted: usize,
    is_transient: bool,
}

impl Report {
    /// Sets the files that problems may refer to.
    pub(super) fn set_sources(&mut self, sources: &[Arc<Source>]) {
        self.sources = sources.to_vec();
    }

    /// The file of a position, if known.
    pub(super) fn source_of(&self, at: Position) -> Option<Arc<Source>> {
        let order = usize::try_from(at.file).ok()?;
        let is_it = |source: &&Arc<Source>| source.order() == order;
        let source = self.sources.get(order).filter(is_it);
        source.or_else(|| self.sources.iter().find(is_it)).cloned()
    }

    /// Whether this is the first time that `message` is reported at a position, for any check.
    pub(super) fn is_first(&mut self, at: Position, message: &str) -> bool {
        self.found.insert((at, message.to_owned()))
    }

    pub(super) fn omit(&mut self) {
        self.omitted += 1;
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
        if problem.location.at.is_some_and(is_suppressed) {
            self.suppressed_count += 1;
        } else {
            self.add_unsuppressed(problem);
        }
    }

    /// Adds a problem of a key, regardless of its value.
    pub(super) fn add_of_key(&mut self, problem: Problem) {
        if problem
            .location
            .at
            .is_some_and(|at| self.suppressed.contains(&at))
        {
            self.suppressed_count += 1;
        } else {
            self.add_unsuppressed(problem);
        }
    }

    /// Adds a problem that is not suppressed by others.
    pub(super) fn add_unsuppressed(&mut self, problem: Problem) {
        self.is_transient |= problem.is_transient;
        if self.is_full() {
            self.omitted += 1;
        } else {
            self.problems.push(problem);
        }
    }

    /// Masks values that plugins declare as secret, in all texts that may quote them.
    pub(super) fn mask(&mut self, secrets: &DeclaredSecrets) {
        for problem in &mut self.problems {
            secrets.mask_text(&mut problem.message);
            if let Some(hint) = &mut problem.hint {
                secrets.mask_text(hint);
            }
            if let Some(line) = &mut problem.source_line {
                secrets.mask_line(&mut line.text);
            }
        }
    }

    /// Whether further problems are only counted, so that wording them is not necessary.
    pub(super) fn is_full(&self) -> bool {
        self.problems.len() >= MAX_PROBLEMS
    }

    pub(super) fn count(&self) -> usize {
        self.problems.len() + self.omitted + self.suppressed_count
    }

    pub(super) fn into_problems(mut self) -> Problems {
        self.problems
            .sort_by_key(|problem| (problem.file_order, problem.location.at));
        Problems {
            listed: self.problems,
            omitted: self.omitted,
            is_transient: self.is_transient,
        }
    }
}
