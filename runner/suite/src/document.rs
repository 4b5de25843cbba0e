//! A YAML file that is not a suite, such as the runner's own settings: the same YAML subset, limits and references as
//! in a suite.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::Environment;
use super::budget::Budget;
use super::interpolate::{InterpolationContext, Interpolator};
use super::problem_secrets::ProblemSecrets;
use super::report::Report;
use super::secret_keys::SecretKeys;
use super::source::{Source, decode};
use super::tree::{Entry, Kind, Node};
use super::{Position, parse};
use crate::problem::{Location, Problem, Problems};
use canary_system::regular_file::{self, Owner};

/// The content of a file, with references replaced.
pub struct Document {
    /// Absent if the file is empty or cannot be read at all.
    pub root: Option<Value>,
    /// Without source lines, which may hold secrets.
    pub problems: Vec<Problem>,
    /// Hides what it writes in plain, in problems that are found in its values.
    pub secrets: PlainSecrets,
}

/// The secrets that a file writes in plain, by the names of their keys.
#[derive(Default)]
pub struct PlainSecrets(Option<Arc<Source>>);

impl PlainSecrets {
    /// The same problems without secrets and without source lines.
    #[must_use]
    pub fn hide(&self, problems: Problems) -> Problems {
        let keys = SecretKeys::of_settings();
        let mut secrets = ProblemSecrets::new(self.0.as_slice(), &keys);
        problems.map(|mut problem| {
            secrets.hide(&mut problem);
            without_line(problem)
        })
    }
}

impl fmt::Debug for PlainSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainSecrets")
    }
}

/// A value and its location.
pub struct Value {
    /// Where it begins.
    pub location: Location,
    /// What it is.
    pub content: Content,
}

/// The content of a value. No `Debug`: a text may be a secret.
pub enum Content {
    /// `null`, or nothing.
    Nothing,
    /// A text.
    Text {
        /// With interpolated values.
        text: String,
        /// The same, with `***` in place of interpolated values.
        masked: String,
    },
    /// A number or a boolean, as JSON writes it.
    Plain(String),
    /// A list.
    List(Vec<Value>),
    /// A mapping, in the order of the file.
    Map(Vec<Member>),
}

/// A key and its value.
pub struct Member {
    /// The key, as text.
    pub key: Arc<str>,
    /// Where the key begins.
    pub location: Location,
    /// Its value.
    pub value: Value,
}

impl Document {
    /// Reads a file of at most `limit` bytes.
    pub fn read(path: &Path, limit: u64, environment: &dyn Environment) -> Self {
        let text = regular_file::read(Owner::Settings, path, limit)
            .map_err(|error| Problem::of_file(path, unreadable(&error, limit)))
            .and_then(|bytes| decode(path, bytes));
        match text {
            Ok(text) => Self::parse(Source::new(path, text, 0), environment),
            Err(problem) => Self {
                root: None,
                problems: vec![without_line(problem)],
                secrets: PlainSecrets::default(),
            },
        }
    }

    fn parse(source: Source, environment: &dyn Environment) -> Self {
        let (source, mut report) = (Arc::new(source), Report::default());
        report.set_sources(std::slice::from_ref(&source));
        let root = parse::parse(&source, &mut Budget::of_settings(), &mut report);
        let mut resolver = ReferenceResolver {
            source: &source,
            interpolator: Interpolator::new(environment),
            report: &mut report,
        };
        let root = root.map(|node| resolver.value(&node));
        let problems = report.into_problems(&SecretKeys::of_settings());
        Self {
            root,
            problems: problems.iter().cloned().map(without_line).collect(),
            secrets: PlainSecrets(Some(source)),
        }
    }
}

impl Content {
    /// The kind of value, as the end of `expected .., found ..`; never its text.
    pub fn found(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Text { .. } => "a string",
            Self::Plain(_) => "a number or a boolean",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

fn unreadable(error: &io::Error, limit: u64) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::FileTooLarge => {
            format!(
                "the file is larger than {}",
                canary_record::quota::format_bytes(limit)
            )
        }
        _ => format!("cannot be read: {error}"),
    }
}

fn without_line(mut problem: Problem) -> Problem {
    problem.source_line = None;
    problem
}

/// Replaces references, and records the location of every value.
struct ReferenceResolver<'a, 'e> {
    source: &'a Source,
    interpolator: Interpolator<'e>,
    report: &'a mut Report,
}

impl ReferenceResolver<'_, '_> {
    fn value(&mut self, node: &Node) -> Value {
        let content = match &node.kind {
            Kind::Null | Kind::Removed => Content::Nothing,
            Kind::Plain(plain) | Kind::Variable(plain) => Content::Plain(plain.json()),
            Kind::Text(text) => self.text(text, node.at),
            Kind::List(nodes) => Content::List(nodes.iter().map(|node| self.value(node)).collect()),
            Kind::Map(entries) => Content::Map(entries.iter().map(|entry| self.member(entry)).collect()),
        };
        Value {
            location: self.source.location(node.at),
            content,
        }
    }

    fn member(&mut self, entry: &Entry) -> Member {
        Member {
            key: Arc::clone(&entry.key),
            location: self.source.location(entry.at),
            value: self.value(&entry.value),
        }
    }

    fn text(&mut self, text: &str, at: Position) -> Content {
        let context = InterpolationContext {
            directory: self.source.directory(),
            captures: false,
            variables: false,
        };
        match self.interpolator.expand(text, context) {
            Ok(expanded) => Content::Text {
                text: expanded.text,
                masked: expanded.masked,
            },
            Err(unresolved) => {
                for reference in unresolved {
                    let problem = self.source.problem(at, reference.message);
                    self.report.add(problem.maybe_hint(reference.hint));
                }
                Content::Nothing
            }
        }
    }
}
