//! The body as JSON, looked into by JSONPath (RFC 9535).

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
use crate::text::quote;

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
    verdict: &mut Verdict,
) -> Result<(), Error> {
    let document = parse(response);
    for (path, Rule(rules)) in rules {
        let compiled = JsonPath::parse(path)
            .map_err(|error| Error::plugin(format!("`expect.json`: `{path}` is not a JSONPath: {error}")))?;
        let result = match &document {
            Ok(document) => check(path, rules, &compiled.query(document).all())?,
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

fn parse(response: &Response) -> Result<Value, String> {
    if response.truncated {
        return Err(format!("cannot be read as JSON: {}", extent(response)));
    }
    serde_json::from_slice(&response.body).map_err(|error| format!("the body is not JSON: {error}"))
}

/// What was seen, as `Ok` when it is as it should be.
type Seen = Result<String, String>;

fn check(path: &str, rules: &Rules, found: &[&Value]) -> Result<Seen, Error> {
    let Some(first) = found.first() else {
        let message = "leads to nothing".to_owned();
        return Ok(match rules.exists {
            Some(false) => Ok(message),
            _ => Err(message),
        });
    };
    if rules.exists == Some(false) {
        return Ok(Err(format!("leads to {}", shown(first))));
    }
    if let Some(expected) = &rules.equals
        && let Some(other) = found.iter().find(|value| !same(value, expected))
    {
        return Ok(Err(format!("{} is not {}", shown(other), shown(expected))));
    }
    if let Some(pattern) = &rules.matches {
        let regex = pattern.compile(format_args!("expect.json.{path}.matches"))?;
        if let Some(other) = found
            .iter()
            .find(|value| !regex.is_match(plain(value).as_bytes()))
        {
            return Ok(Err(format!(
                "{} does not match {}",
                shown(other),
                quote(pattern.as_str().as_bytes())
            )));
        }
    }
    Ok(Ok(match found.len() {
        1 => shown(first),
        count => format!("{} and {} more", shown(first), count - 1),
    }))
}

/// `1` and `1.0` are the same number.
fn same(value: &Value, expected: &Value) -> bool {
    match (value, expected) {
        (Value::Number(value), Value::Number(expected)) => {
            value == expected
                || value
                    .as_f64()
                    .is_some_and(|number| Some(number) == expected.as_f64())
        }
        _ => value == expected,
    }
}

/// A text without its quotes, anything else as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn shown(value: &Value) -> String {
    quote(value.to_string().as_bytes())
}
