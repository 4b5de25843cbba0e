//! The body as JSON, looked into by JSONPath (RFC 9535).

mod cost;
mod document;
mod number;

use std::collections::BTreeMap;

use canary_sdk::http::Response;
use canary_sdk::{Assertion, Error, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json_path::JsonPath;

use super::body::extent;
use super::pattern::Pattern;
use super::rule::{Rule, Shorthand};
use crate::body;
use crate::text::quote;
use document::Document;
use number::{Rounded, same};

/// What a path must lead to. Where it leads to several values, every one of them has to meet the rules.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "JsonRules")]
pub(super) struct Rules {
    /// The whole value; an object as well.
    #[serde(deserialize_with = "present")]
    equals: Option<Value>,
    /// A regular expression that matches somewhere in the text, or in the JSON of what is no text.
    matches: Option<Pattern>,
    /// Whether the path leads to anything at all.
    exists: Option<bool>,
}

/// `null` is a value to compare with, not the lack of one.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Shorthand for Rules {
    const PLAIN: &'static [&'static str] = &["string", "number", "boolean", "null", "array"];

    fn equals(value: Value) -> Option<Self> {
        Some(Self {
            equals: Some(value),
            ..Self::default()
        })
    }
}

/// One assertion a path.
///
/// # Errors
/// A path or a pattern does not compile.
pub(super) fn judge(
    rules: &BTreeMap<String, Rule<Rules>>,
    response: &Response,
    is_decompressed: bool,
    verdict: &mut Verdict,
) -> Result<(), Error> {
    let body = Body::parse(response, is_decompressed);
    for (path, Rule(rules)) in rules {
        let compiled = JsonPath::parse(path)
            .map_err(|error| Error::plugin(format!("`expect.json`: `{path}` is not a JSONPath: {error}")))?;
        let result = match &body {
            Ok(body) => body.check(path, rules, &compiled)?,
            Err(reason) => Err(reason.clone()),
        };
        let (holds, message) = match result {
            Ok(message) => (true, message),
            Err(message) => (false, message),
        };
        verdict.extend([Assertion::new(format!("json {path}"), holds, message)]);
    }
    Ok(())
}

/// What was seen, as `Ok` when it is as it should be.
type Seen = Result<String, String>;

/// Most text of values that a pattern is held against, in bytes: a value may be part of others that the path leads to.
const MOST_TEXT: usize = 16 << 20;

/// A body as JSON, and what its numbers were before they became doubles.
struct Body {
    document: Document,
    rounded: Rounded,
}

impl Body {
    fn parse(response: &Response, is_decompressed: bool) -> Result<Self, String> {
        let extent = extent(response, is_decompressed);
        if response.truncated {
            return Err(format!("cannot be read as JSON: {extent}"));
        }
        let text = body::json(response);
        let hint = body::compression_hint(response).filter(|_| !is_decompressed);
        let document = Document::parse(&text).map_err(|error| match hint {
            Some(hint) => format!("the body is not JSON: it is {hint}"),
            None => error,
        })?;
        Ok(Self {
            rounded: Rounded::of(&text),
            document,
        })
    }

    fn check(&self, path: &str, rules: &Rules, compiled: &JsonPath) -> Result<Seen, Error> {
        if let Err(reason) = cost::affordable(path, &self.document) {
            return Ok(Err(reason));
        }
        let found = compiled.query(&self.document.root).all();
        let Some(first) = found.first() else {
            let message = "leads to nothing".to_owned();
            return Ok(match rules.exists {
                Some(false) => Ok(message),
                _ => Err(message),
            });
        };
        if rules.exists == Some(false) {
            return Ok(Err(format!("leads to {}", self.shown(first))));
        }
        if let Some(expected) = &rules.equals
            && let Some(other) = found.iter().find(|value| !same(value, expected, &self.rounded))
        {
            let expected = quote(expected.to_string().as_bytes());
            return Ok(Err(format!("{} is not {expected}", self.shown(other))));
        }
        if let Some(pattern) = &rules.matches
            && let Err(reason) = self.match_all(path, pattern, &found)?
        {
            return Ok(Err(reason));
        }
        Ok(Ok(match found.len() {
            1 => self.shown(first),
            count => format!("{} and {} more", self.shown(first), count - 1),
        }))
    }

    fn match_all(
        &self,
        path: &str,
        pattern: &Pattern,
        found: &[&Value],
    ) -> Result<Result<(), String>, Error> {
        let regex = pattern.compile(format_args!("expect.json.{path}.matches"))?;
        let mut looked_at = 0;
        for value in found {
            let text = self.plain(value);
            looked_at += text.len();
            if looked_at > MOST_TEXT {
                return Ok(Err("leads to more text than a pattern is held against".to_owned()));
            }
            if !regex.is_match(text.as_bytes()) {
                let pattern = quote(pattern.as_str().as_bytes());
                return Ok(Err(format!("{} does not match {pattern}", self.shown(value))));
            }
        }
        Ok(Ok(()))
    }

    /// A text without its quotes, a number as it was written, anything else as JSON.
    fn plain(&self, value: &Value) -> String {
        match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => match self.rounded.literal(number) {
                Some(literal) => literal.to_owned(),
                None => number.to_string(),
            },
            other => other.to_string(),
        }
    }

    fn shown(&self, value: &Value) -> String {
        match value {
            Value::String(_) => quote(value.to_string().as_bytes()),
            other => quote(self.plain(other).as_bytes()),
        }
    }
}
