//! Regular expressions, compiled when they are needed and not before.

use std::borrow::Cow;
use std::fmt;

use canary_sdk::Error;
use regex::bytes::{Regex, RegexBuilder};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// Most memory that one compiled pattern may take.
const MAX_COMPILED: usize = 1 << 20;

/// A regular expression as a suite writes it.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Pattern(String);

impl Pattern {
    /// As it is written.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Compiles it; `key` says where it stands in the configuration.
    ///
    /// # Errors
    /// It does not compile, or it is too large when compiled.
    pub(super) fn compile(&self, key: impl fmt::Display) -> Result<Regex, Error> {
        self.build(key, true)
    }

    /// As [`Pattern::compile`] for what is no UTF-8: `.` and classes match any byte.
    ///
    /// # Errors
    /// As for [`Pattern::compile`].
    pub(super) fn compile_for_bytes(&self, key: impl fmt::Display) -> Result<Regex, Error> {
        self.build(key, false)
    }

    fn build(&self, key: impl fmt::Display, unicode: bool) -> Result<Regex, Error> {
        let mut builder = RegexBuilder::new(&self.0);
        let compiled = builder.unicode(unicode).size_limit(MAX_COMPILED).build();
        compiled.map_err(|error| Error::plugin(format!("`{key}`: {}", cause(&error))))
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
        json_schema!({ "type": "string", "format": "regex" })
    }
}

/// The last line of the explanation: those before it draw the pattern, which may hold what is secret.
fn cause(error: &regex::Error) -> String {
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default();
    let cause = line.strip_prefix("error: ").unwrap_or(line);
    format!("not a regular expression: {cause}")
}
