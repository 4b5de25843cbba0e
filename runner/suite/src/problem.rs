//! Problems of a suite or of the settings: what is wrong, where, and how to fix it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A position in a file, counted from 1, in characters.
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
    pub(crate) fn new(line: usize, column: usize) -> Self {
        Self {
            line: saturate(line),
            column: saturate(column),
            file: 0,
        }
    }

    /// The same position in another file.
    pub(crate) fn in_file(self, order: usize) -> Self {
        Self {
            file: saturate(order),
            ..self
        }
    }

    /// The index of the file in the suite.
    pub(crate) fn file_order(self) -> Option<usize> {
        usize::try_from(self.file).ok()
    }

    /// Whether this is at or after `other` in the same file. The end of the block is not known.
    pub(crate) fn is_at_or_after(self, other: Self) -> bool {
        self.file == other.file && self >= other
    }
}

fn saturate(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
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

/// Where a value is set, or what a problem is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An environment variable.
    Variable(String),
    /// A key of the settings file.
    Key {
        /// Such as `telemetry.timeout`.
        path: String,
        /// Location of the value.
        location: Location,
    },
    /// A file, or a position in it.
    File(Location),
}

impl Origin {
    /// The position in the file; none for a variable.
    fn position(&self) -> Option<Option<Position>> {
        match self {
            Self::Variable(_) => None,
            Self::Key { location, .. } | Self::File(location) => Some(location.at),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "`{name}`"),
            Self::Key { path, location } => write!(f, "{location}: `{path}`"),
            Self::File(location) => write!(f, "{location}"),
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

/// A problem of a suite or of the settings. Never shows a secret or an interpolated value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// What is wrong, in one line.
    pub message: String,
    /// How to fix it.
    pub hint: Option<String>,
    /// The line that `origin` points at.
    pub source_line: Option<Box<SourceLine>>,
    /// Whether the cause may be temporary: the disk or the host ran short of something, and the suite itself is fine.
    pub is_transient: bool,
    /// The index of the file among all files of the suite.
    file_order: u32,
}

impl Problem {
    /// A problem at `origin`, without a hint.
    pub fn new(origin: Origin, message: impl Into<String>) -> Self {
        Self {
            origin,
            message: message.into(),
            hint: None,
            source_line: None,
            is_transient: false,
            file_order: 0,
        }
    }

    /// A problem of a file as a whole.
    pub(crate) fn of_file(file: &Path, message: impl Into<String>) -> Self {
        let location = Location {
            file: file.into(),
            at: None,
        };
        Self::new(Origin::File(location), message)
    }

    /// The position in the file, if it has one.
    #[must_use]
    pub fn at(&self) -> Option<Position> {
        self.origin.position().flatten()
    }

    /// Whether it is about the file with this path and index.
    pub(crate) fn is_in(&self, path: &Path, order: usize) -> bool {
        let is_path = matches!(&self.origin, Origin::File(location) if &*location.file == path);
        is_path && self.file_order == saturate(order)
    }

    /// The same problem, of the file with this index among all files of the suite.
    pub(crate) fn in_file(mut self, order: usize) -> Self {
        self.file_order = saturate(order);
        self
    }

    /// The same problem, of another file as a whole.
    pub fn moved_to(mut self, file: &Path) -> Self {
        self.origin = Self::of_file(file, String::new()).origin;
        self.source_line = None;
        self
    }

    pub(crate) fn transient(mut self, is_transient: bool) -> Self {
        self.is_transient = is_transient;
        self
    }

    /// Adds the way out.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        self.maybe_hint(Some(hint.into()))
    }

    /// Adds the way out, if there is one.
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)?;
        if let (Some(at), Some(line)) = (self.at(), &self.source_line) {
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

/// What has the problems.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Subject {
    /// The files of a suite.
    #[default]
    Suite,
    /// The settings of the runner: its file, and the environment.
    Settings,
}

impl Subject {
    /// Maximum number of problems that are listed; further ones are counted only.
    const fn max_listed(self) -> usize {
        match self {
            Self::Suite => 1_000,
            Self::Settings => 100,
        }
    }
}

/// Every problem of a suite or of the settings, up to a maximum that is listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    subject: Subject,
    listed: Vec<Problem>,
    omitted: usize,
    is_transient: bool,
}

impl Problems {
    /// No problems yet.
    pub fn new(subject: Subject) -> Self {
        Self {
            subject,
            ..Self::default()
        }
    }

    /// A single problem of a file of a suite as a whole, temporary or not.
    #[must_use]
    pub fn of_file(file: &Path, message: impl Into<String>, is_transient: bool) -> Self {
        let mut problems = Self::new(Subject::Suite);
        problems.add(Problem::of_file(file, message).transient(is_transient));
        problems
    }

    /// What has the problems.
    #[must_use]
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// Whether one of them may be temporary, so that it makes sense to read the same suite again.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.is_transient
    }

    /// Those of variables in the order of discovery, then those of the files by file and position.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.listed.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Problem> {
        self.listed.iter_mut()
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

    /// Adds a problem, or counts it if the list is full.
    pub fn add(&mut self, problem: Problem) {
        self.is_transient |= problem.is_transient;
        if self.is_full() {
            self.omit();
        } else {
            self.listed.push(problem);
        }
    }

    /// Whether further problems are only counted, so that wording them is not necessary.
    pub(crate) fn is_full(&self) -> bool {
        self.listed.len() >= self.subject.max_listed()
    }

    /// Counts a problem that is not listed.
    pub(crate) fn omit(&mut self) {
        self.omitted += 1;
    }

    /// In the order of the files, and of their lines.
    pub fn sorted(mut self) -> Self {
        self.listed
            .sort_by_key(|problem| (problem.file_order, problem.origin.position()));
        self
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
            1 => f.write_str("1 problem")?,
            count => write!(f, "{count} problems")?,
        }
        match self.subject {
            Subject::Suite => Ok(()),
            Subject::Settings => f.write_str(" with the settings"),
        }
    }
}
