//! A value as an operator wrote it, with its origin: a variable, or a key of the file.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Problem, Report};
use crate::suite::Location;
use crate::suite::Position;
use crate::suite::suggest;
use crate::suite::units;
use crate::suite::{quoted, quoted_path};

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An environment variable.
    Variable(String),
    /// A key of the file.
    Key {
        /// Such as `telemetry.timeout`.
        path: String,
        /// Of its value.
        location: Location,
    },
    /// The file as such.
    File(Location),
}

impl Origin {
    /// In the file; none for a variable.
    pub(super) fn place(&self) -> Option<Option<Position>> {
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

/// A value as it was written; never empty. `Debug` shows its origin only.
#[derive(Clone)]
pub struct Written {
    text: String,
    /// With `***` for what a reference brought in.
    shown: String,
    origin: Origin,
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Written({})", self.origin)
    }
}

impl Written {
    /// What an environment variable holds; an empty value is none
    /// (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#empty-value>).
    pub(crate) fn variable(name: &str, environment: &dyn crate::suite::Environment) -> Option<Self> {
        let text = environment.variable(name)?;
        let origin = Origin::Variable(name.to_owned());
        (!text.trim().is_empty()).then(|| Self::new(text.trim().to_owned(), origin))
    }

    pub(super) fn new(text: String, origin: Origin) -> Self {
        Self {
            shown: text.clone(),
            text,
            origin,
        }
    }

    pub(super) fn redacted(text: String, shown: String, origin: Origin) -> Self {
        Self { text, shown, origin }
    }

    /// A part of this value, with the same origin.
    pub(crate) fn part(&self, text: String) -> Self {
        Self::new(text, self.origin.clone())
    }

    /// The value, with every secret in the clear.
    pub(crate) fn expose(&self) -> &str {
        &self.text
    }

    /// The value for a message: references stay hidden, and a long value is cut. Not for headers.
    pub(crate) fn quoted(&self) -> String {
        quoted(&self.shown)
    }

    /// A path for a message: whole, since its end says which file it is.
    pub(crate) fn quoted_path(&self) -> String {
        quoted_path(Path::new(&self.shown))
    }

    pub(crate) fn is_variable(&self) -> bool {
        matches!(self.origin, Origin::Variable(_))
    }

    /// Says of this value what is wrong.
    pub(crate) fn problem(&self, message: impl Into<String>) -> Problem {
        Problem {
            origin: self.origin.clone(),
            message: message.into(),
            hint: None,
        }
    }

    /// One of these words, in any case, as what it stands for.
    pub(crate) fn word<T: Copy>(&self, what: &str, words: &[(&str, T)], report: &mut Report) -> Option<T> {
        let is_meant = |(word, _): &&(&str, T)| word.eq_ignore_ascii_case(&self.text);
        let found = words.iter().find(is_meant).map(|(_, value)| *value);
        if found.is_none() {
            let problem = self.problem(format!("{} is no {what}", self.quoted()));
            let hint = suggest::hint(&self.text, words.iter().map(|(word, _)| *word));
            report.add(problem.maybe_hint(hint));
        }
        found
    }

    /// `true` or `false`, in any case, and nothing else
    /// (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#boolean>).
    pub(crate) fn boolean(&self, report: &mut Report) -> Option<bool> {
        let value = [("true", true), ("false", false)]
            .into_iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(&self.text))
            .map(|(_, value)| value);
        if value.is_none() {
            let problem = self.problem(format!("{} is no boolean", self.quoted()));
            report.add(problem.hint("write `true` or `false`"));
        }
        value
    }

    /// Milliseconds in a variable
    /// (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#duration>), a number with
    /// a unit in the file.
    pub(crate) fn duration(&self, range: RangeInclusive<Duration>, report: &mut Report) -> Option<Duration> {
        let parsed = match self.is_variable() {
            true => millis(&self.text),
            false => units::duration(&self.text).map_err(|error| (error.to_string(), error.hint())),
        };
        self.parsed(parsed, range, |limit| units::show(*limit), report)
    }

    /// Bytes, or a number with a unit.
    pub(crate) fn size(&self, range: RangeInclusive<u64>, report: &mut Report) -> Option<u64> {
        let parsed = units::size(&self.text).map_err(|error| (error.to_string(), error.hint()));
        self.parsed(parsed, range, |limit| crate::quota::show_bytes(*limit), report)
    }

    /// A whole number.
    pub(crate) fn count(&self, range: RangeInclusive<u64>, report: &mut Report) -> Option<u64> {
        let parsed = self.text.parse();
        let parsed = parsed.map_err(|_| ("is no whole number".to_owned(), "write digits only"));
        self.parsed(parsed, range, u64::to_string, report)
    }

    /// A file or folder of the runner, which `report` notes as such: there is no other way from a setting to a path.
    /// Relative to the file; of a variable, relative to where the runner was started.
    pub(crate) fn path(&self, report: &mut Report) -> PathBuf {
        let path = self.path_for_suites();
        report.add_path(path.clone());
        path
    }

    /// The same of what suites may read.
    pub(super) fn path_for_suites(&self) -> PathBuf {
        let file = match &self.origin {
            Origin::Variable(_) => None,
            Origin::Key { location, .. } | Origin::File(location) => location.file.parent(),
        };
        file.unwrap_or(Path::new("")).join(&self.text)
    }

    fn parsed<T: PartialOrd>(
        &self,
        parsed: Result<T, (String, &'static str)>,
        range: RangeInclusive<T>,
        show: impl Fn(&T) -> String,
        report: &mut Report,
    ) -> Option<T> {
        match parsed {
            Ok(value) if range.contains(&value) => return Some(value),
            Ok(value) => {
                let (low, high) = (show(range.start()), show(range.end()));
                report.add(self.problem(format!("is {}; allowed: {low} to {high}", show(&value))));
            }
            Err((message, hint)) => {
                report.add(self.problem(format!("{} {message}", self.quoted())).hint(hint));
            }
        }
        None
    }
}

fn millis(text: &str) -> Result<Duration, (String, &'static str)> {
    let millis = text.parse().map(Duration::from_millis);
    millis.map_err(|_| {
        (
            "is no number of milliseconds".to_owned(),
            "write a whole number without a unit, such as `10000` for ten seconds",
        )
    })
}
