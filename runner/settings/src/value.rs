//! A configured value, with its origin: an environment variable, or a key of the file.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Origin, Problem, Report};
use canary_suite::mismatch::{self, Mismatch, OutOfRange};
use canary_suite::{quoted, quoted_path, suggest, units};

/// A configured value; never empty. `Debug` shows its origin only.
#[derive(Clone)]
pub struct ConfigValue {
    text: String,
    /// With `***` in place of interpolated values.
    masked: String,
    origin: Origin,
}

impl fmt::Debug for ConfigValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigValue({})", self.origin)
    }
}

impl ConfigValue {
    /// The value of an environment variable; an empty value is treated as unset
    /// (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#empty-value>).
    pub fn variable(name: &str, environment: &dyn canary_suite::Environment) -> Option<Self> {
        let text = environment.variable(name)?;
        let origin = Origin::Variable(name.to_owned());
        (!text.trim().is_empty()).then(|| Self::new(text.trim().to_owned(), origin))
    }

    pub(super) fn new(text: String, origin: Origin) -> Self {
        Self {
            masked: text.clone(),
            text,
            origin,
        }
    }

    pub(super) fn redacted(text: String, masked: String, origin: Origin) -> Self {
        Self { text, masked, origin }
    }

    /// A part of this value, with the same origin.
    pub fn part(&self, text: String) -> Self {
        Self::new(text, self.origin.clone())
    }

    /// The value, with secrets in the clear.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The value for a message: interpolated values are masked, and a long value is truncated. Not for headers.
    pub fn quoted(&self) -> String {
        quoted(&self.masked)
    }

    /// A path for a message: not truncated, since its end identifies the file.
    pub fn quoted_path(&self) -> String {
        quoted_path(Path::new(&self.masked))
    }

    /// Whether it is from an environment variable or an option, not from the file.
    pub fn is_variable(&self) -> bool {
        matches!(self.origin, Origin::Variable(_))
    }

    /// A problem with this value.
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::new(self.origin.clone(), message)
    }

    /// The value of one of these words, case-insensitively.
    pub fn one_of<T: Copy>(&self, what: &str, words: &[(&str, T)], report: &mut Report) -> Option<T> {
        let is_meant = |(word, _): &&(&str, T)| word.eq_ignore_ascii_case(&self.text);
        let found = words.iter().find(is_meant).map(|(_, value)| *value);
        if found.is_none() {
            let problem = self.problem(format!("unknown {what} {}", self.quoted()));
            let hint = suggest::hint(&self.text, words.iter().map(|(word, _)| *word));
            report.add(problem.maybe_hint(hint));
        }
        found
    }

    /// `true` or `false`, case-insensitively
    /// (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#boolean>).
    pub fn boolean(&self, report: &mut Report) -> Option<bool> {
        let value = [("true", true), ("false", false)]
            .into_iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(&self.text))
            .map(|(_, value)| value);
        if value.is_none() {
            let problem = self.problem(format!("invalid boolean {}", self.quoted()));
            report.add(problem.hint("write `true` or `false`"));
        }
        value
    }

    /// Milliseconds in a variable
    /// (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#duration>), a number with
    /// a unit in the file.
    pub fn duration(&self, range: RangeInclusive<Duration>, report: &mut Report) -> Option<Duration> {
        let parsed = if self.is_variable() {
            self.millis()
        } else {
            mismatch::duration(&self.text, &self.quoted())
        };
        self.parsed(parsed, range, |limit| units::show(*limit), report)
    }

    /// Bytes, or a number with a unit.
    pub fn size(&self, range: RangeInclusive<u64>, report: &mut Report) -> Option<u64> {
        let parsed = mismatch::size(&self.text, &self.quoted());
        self.parsed(
            parsed,
            range,
            |limit| canary_record::quota::format_bytes(*limit),
            report,
        )
    }

    /// A whole number.
    pub fn count(&self, range: RangeInclusive<u64>, report: &mut Report) -> Option<u64> {
        let parsed = self.text.parse();
        let parsed = parsed.map_err(|_| Mismatch {
            message: format!("invalid number {}", self.quoted()),
            hint: Some("write digits only".to_owned()),
        });
        self.parsed(parsed, range, u64::to_string, report)
    }

    /// A file or folder of the runner, which is recorded in `report`: this is the only way from a setting to a path.
    /// Relative to the file; for a variable, relative to the working directory at start.
    pub fn path(&self, report: &mut Report) -> PathBuf {
        let path = self.resolve_path();
        report.add_path(path.clone());
        path
    }

    /// The same for a path that suites may read, which is not recorded.
    pub(super) fn resolve_path(&self) -> PathBuf {
        let file = match &self.origin {
            Origin::Variable(_) => None,
            Origin::Key { location, .. } | Origin::File(location) => location.file.parent(),
        };
        file.unwrap_or(Path::new("")).join(&self.text)
    }

    fn parsed<T: PartialOrd>(
        &self,
        parsed: Result<T, Mismatch>,
        range: RangeInclusive<T>,
        show: impl Fn(&T) -> String,
        report: &mut Report,
    ) -> Option<T> {
        let mismatch = match parsed.map(|value| mismatch::in_range(value, &range, show)) {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(OutOfRange { value, allowed })) => Mismatch {
                message: format!("{value} is out of range; allowed: {allowed}"),
                hint: None,
            },
            Err(mismatch) => mismatch,
        };
        report.add(self.problem(mismatch.message).maybe_hint(mismatch.hint));
        None
    }

    fn millis(&self) -> Result<Duration, Mismatch> {
        let millis = self.text.parse().map(Duration::from_millis);
        millis.map_err(|_| Mismatch {
            message: format!("invalid number of milliseconds {}", self.quoted()),
            hint: Some("write a whole number without a unit, such as `10000` for ten seconds".to_owned()),
        })
    }
}
