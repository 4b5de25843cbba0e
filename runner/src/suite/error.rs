//! Problems: what is wrong with a suite, where, and what to do about it.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::secret_places::DeclaredSecrets;
use super::source::Source;
use super::variables::Failed;

/// Problems that are kept; the rest is counted.
const MAX_PROBLEMS: usize = 1_000;

/// A place in a file of a suite, counted from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
    /// Which file of the suite, by its place among them.
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

    /// Whether it is behind another place of the same file, no further than a check can be long.
    pub(super) fn is_below(self, other: Self) -> bool {
        self.file == other.file && self >= other
    }

    /// The same place of another file.
    pub(super) fn of_file(self, order: usize) -> Self {
        Self {
            file: u32::try_from(order).unwrap_or(u32::MAX),
            ..self
        }
    }
}

/// A file, and a place in it where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// As the user named it.
    pub file: Arc<Path>,
    /// Absent when the file as a whole is meant.
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

/// A line of a suite, with what to underline in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// Without control characters, shortened when long.
    pub text: String,
    /// Characters before the underlined part.
    pub indent: usize,
    /// Characters to underline; at least 1.
    pub width: usize,
}

/// One thing that is wrong with a suite. Never shows an interpolated value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub location: Location,
    /// What, in one line.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The line that `location` points at.
    pub source_line: Option<Box<SourceLine>>,
    /// Whether it may pass by itself: the disk or the host was short of something, and nothing is wrong with the suite.
    pub is_transient: bool,
    /// Place of the file among all files of the suite.
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

/// Every problem of every file, by file and place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    listed: Vec<Problem>,
    omitted: usize,
    is_transient: bool,
}

impl Problems {
    /// The one problem of a file as a whole, which may pass by itself or not.
    #[must_use]
    pub fn of_file(file: &Path, message: impl Into<String>, is_transient: bool) -> Self {
        let mut report = Report::default();
        report.add(Problem::of_file(file, message).transient(is_transient));
        report.into_problems()
    }

    /// Whether one of them may pass by itself, so that it makes sense to read the suite again as it is.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.is_transient
    }

    /// In the order of the files, then of the lines.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.listed.iter()
    }

    /// The same, each as `change` has it.
    #[must_use]
    pub fn map(mut self, change: impl FnMut(Problem) -> Problem) -> Self {
        self.listed = self.listed.into_iter().map(change).collect();
        self
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
            1 => f.write_str("1 problem"),
            count => write!(f, "{count} problems"),
        }
    }
}

/// Problems while they are being collected.
#[derive(Default)]
pub(super) struct Report {
    /// The files of the suite, in their order.
    sources: Vec<Arc<Source>>,
    /// What was found in configurations, which checks may inherit from one place.
    found: HashSet<(Position, String)>,
    /// Places of which all is said, keys that lead to such values, and how much else there was to say.
    hushed: HashSet<Position>,
    hushed_keys: HashSet<Position>,
    silent: usize,
    problems: Vec<Problem>,
    omitted: usize,
    is_transient: bool,
}

impl Report {
    /// From now on problems may be about any of these files.
    pub(super) fn know(&mut self, sources: &[Arc<Source>]) {
        self.sources = sources.to_vec();
    }

    /// The file that a place is in, where the files are known.
    pub(super) fn source_of(&self, at: Position) -> Option<Arc<Source>> {
        let order = usize::try_from(at.file).ok()?;
        let is_it = |source: &&Arc<Source>| source.order() == order;
        let source = self.sources.get(order).filter(is_it);
        source.or_else(|| self.sources.iter().find(is_it)).cloned()
    }

    /// Whether this is found at a place for the first time, whichever check it is found for.
    pub(super) fn is_first(&mut self, at: Position, message: &str) -> bool {
        self.found.insert((at, message.to_owned()))
    }

    pub(super) fn omit(&mut self) {
        self.omitted += 1;
    }

    /// Says nothing more of what is written there: what is wrong was said, and all else follows from that. Of the keys it is
    /// the values that nothing more is said of.
    pub(super) fn hush(&mut self, failed: Failed) {
        self.hushed.extend(failed.places);
        self.hushed_keys.extend(failed.keys);
    }

    /// Whether all is said of a place.
    pub(super) fn is_hushed(&self, at: Position) -> bool {
        self.hushed.contains(&at)
    }

    /// Adds a problem of a value, which may be found at its key.
    pub(super) fn add(&mut self, problem: Problem) {
        let is_hushed = |at| self.hushed.contains(&at) || self.hushed_keys.contains(&at);
        match problem.location.at.is_some_and(is_hushed) {
            true => self.silent += 1,
            false => self.add_cause(problem),
        }
    }

    /// Adds a problem of a key, whatever its value is.
    pub(super) fn add_of_key(&mut self, problem: Problem) {
        match problem.location.at.is_some_and(|at| self.hushed.contains(&at)) {
            true => self.silent += 1,
            false => self.add_cause(problem),
        }
    }

    /// Adds a problem that follows from nothing else.
    pub(super) fn add_cause(&mut self, problem: Problem) {
        self.is_transient |= problem.is_transient;
        if self.is_full() {
            self.omitted += 1;
        } else {
            self.problems.push(problem);
        }
    }

    /// Masks what plugins declare to be secret, wherever it is quoted.
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

    /// Whether further problems are counted only, so that nobody need word them.
    pub(super) fn is_full(&self) -> bool {
        self.problems.len() >= MAX_PROBLEMS
    }

    pub(super) fn count(&self) -> usize {
        self.problems.len() + self.omitted + self.silent
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
