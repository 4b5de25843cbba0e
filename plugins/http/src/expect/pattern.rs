//! Regular expressions, compiled when they are needed and not before.

mod budget;
mod search;
mod words;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;

use canary_sdk::{Error, Problems, pattern_reason};
use regex_automata::util::syntax;
use regex_syntax::ParserBuilder;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

pub(super) use budget::{Budget, SEARCH};
pub(super) use search::Regex;

/// Most memory that one compiled pattern may take, in bytes.
const MAX_COMPILED: usize = 1 << 20;

/// What `.` and classes match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Characters.
    Text,
    /// Any byte.
    Bytes,
}

/// A regular expression as a suite writes it.
#[derive(Deserialize)]
#[serde(from = "String")]
pub(super) struct Pattern {
    written: String,
    /// Once a run needs it. It is large, and rules are moved on the stack.
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
    /// As the suite has it.
    pub(super) fn as_str(&self) -> &str {
        &self.written
    }

    /// Compiles it, the first time that it is needed; `key` says where it stands in the configuration, and `many` how many a
    /// check has.
    ///
    /// # Errors
    /// It does not compile, or it is too large when compiled.
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
        // Compiling takes time, so what cannot be run with those before it is not compiled.
        if budget.is_used_up() {
            return;
        }
        match self.regex(mode, 1) {
            Ok(regex) if !budget.take(regex.memory()) => problems.report(format_args!(
                "compiled, all patterns up to this one are beyond the {} MiB that a check has for them",
                budget::ALL >> 20
            )),
            Ok(_) => {}
            Err(reason) => {
                budget.take(MAX_COMPILED);
                problems.report(reason);
            }
        }
    }

    fn parse(&self, mode: Mode) -> Result<(), String> {
        let mut parser = ParserBuilder::new();
        let mut parser = parser.unicode(mode == Mode::Text).utf8(false).build();
        parser
            .parse(&self.written)
            .map(drop)
            .map_err(|error| cause(&error))
    }

    fn regex(&self, mode: Mode, many: usize) -> Result<Regex, String> {
        // The compiler parses it once more, and is not as clear about what is wrong.
        self.parse(mode)?;
        let syntax = syntax::Config::new().unicode(mode == Mode::Text).utf8(false);
        Regex::new(&self.written, syntax, MAX_COMPILED, many)
            .ok_or_else(|| "compiled, it is beyond the size limit of 1 MiB".to_owned())
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
        // Of a `regex` the host says what it knows of those of others, and the plugin knows why this one is none.
        json_schema!({ "type": "string", "format": "rust-regex" })
    }
}

fn cause(error: &regex_syntax::Error) -> String {
    let error = error.to_string();
    format!("not a regular expression: {}", pattern_reason(&error))
}

#[cfg(test)]
mod tests;
