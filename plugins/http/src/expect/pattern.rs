//! Regular expressions, compiled on first use.

mod budget;
mod coverage;
mod search;
mod word_dfa;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;
use std::ops::RangeInclusive;

use canary_sdk::{Error, Problems, pattern_reason};
use regex_automata::util::syntax;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

pub(super) use budget::{Budget, SEARCH};
pub(super) use coverage::Coverage;
pub(super) use search::Regex;

/// Maximum memory of one compiled pattern, in bytes.
const MAX_COMPILED: usize = 1 << 20;

/// What `.` and classes match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Characters.
    Text,
    /// Any byte.
    Bytes,
}

/// A regular expression of a suite.
#[derive(Deserialize)]
#[serde(from = "String")]
pub(super) struct Pattern {
    written: String,
    /// Compiled on first use. Boxed: it is large, and rules are moved on the stack.
    compiled: OnceCell<Box<Regex>>,
}

impl From<String> for Pattern {
    fn from(written: String) -> Self {
        Self {
            written,
            compiled: OnceCell::new(),
        }
    }
}

impl Pattern {
    /// The pattern as the suite writes it.
    pub(super) fn as_str(&self) -> &str {
        &self.written
    }

    /// Compiles it on first use; `key` is its location in the configuration, and `many` the number of patterns of the
    /// check.
    ///
    /// # Errors
    /// It does not compile, or is too large when compiled.
    pub(super) fn compile(&self, key: impl fmt::Display, mode: Mode, many: usize) -> Result<&Regex, Error> {
        if let Some(compiled) = self.compiled.get() {
            return Ok(compiled);
        }
        let regex = self.regex(mode, many);
        let regex = regex.map_err(|reason| Error::plugin(format!("`{key}`: {reason}")))?;
        Ok(self.compiled.get_or_init(|| Box::new(regex)))
    }

    /// Reports what [`Pattern::compile`] would refuse.
    pub(super) fn check(&self, mode: Mode, budget: &Budget, problems: &mut Problems) {
        if let Err(reason) = self.parse(mode) {
            problems.report(reason);
            return;
        }
        // Compiling takes time, so a pattern that exceeds the budget together with those before it is not compiled.
        if budget.is_used_up() {
            return;
        }
        match self.regex(mode, 1) {
            Ok(regex) if !budget.take(regex.memory()) => problems.report(format_args!(
                "the compiled patterns up to this one exceed the {} MiB that a check has for them",
                budget::ALL >> 20
            )),
            Ok(_) => {}
            Err(reason) => {
                budget.take(MAX_COMPILED);
                problems.report(reason);
            }
        }
    }

    /// Which texts it matches. One that does not compile is reported by [`Pattern::check`].
    pub(super) fn coverage(&self, mode: Mode) -> Coverage {
        self.parse(mode)
            .map_or(Coverage::Partial, |parsed| Coverage::of(&parsed))
    }

    /// Whether every match has one of these characters. Of a pattern that matches nothing at all it says no.
    pub(super) fn needs_any(&self, mode: Mode, characters: &[RangeInclusive<char>]) -> bool {
        let is_needed = |parsed: &Hir| coverage::needs(parsed, characters) && !coverage::needs(parsed, &[]);
        self.parse(mode).is_ok_and(|parsed| is_needed(&parsed))
    }

    fn parse(&self, mode: Mode) -> Result<Hir, String> {
        let mut parser = ParserBuilder::new();
        let mut parser = parser.unicode(mode == Mode::Text).utf8(false).build();
        parser.parse(&self.written).map_err(|error| cause(&error))
    }

    fn regex(&self, mode: Mode, many: usize) -> Result<Regex, String> {
        // The compiler parses it again, but with less clear errors.
        self.parse(mode)?;
        let syntax = syntax::Config::new().unicode(mode == Mode::Text).utf8(false);
        Regex::new(&self.written, syntax, MAX_COMPILED, many)
            .ok_or_else(|| "the compiled pattern exceeds the size limit of 1 MiB".to_owned())
    }
}

impl JsonSchema for Pattern {
    fn schema_name() -> Cow<'static, str> {
        "Pattern".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // For `regex` the host reports errors by its own syntax; only the plugin knows why this pattern is invalid.
        json_schema!({ "type": "string", "format": "rust-regex" })
    }
}

fn cause(error: &regex_syntax::Error) -> String {
    let error = error.to_string();
    format!("not a regular expression: {}", pattern_reason(&error))
}

#[cfg(test)]
mod tests;
