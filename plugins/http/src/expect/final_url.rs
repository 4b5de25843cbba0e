//! Where the redirects ended.

use canary_sdk::{Assertion, Error};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::pattern::Pattern;
use super::rule::Shorthand;
use crate::text::{public_url, quote};

const NAME: &str = "final_url";

/// What the URL must be.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "UrlRules")]
pub(super) struct Rules {
    /// The whole URL, query included.
    equals: Option<String>,
    /// A regular expression that matches somewhere in the URL.
    matches: Option<Pattern>,
}

impl Shorthand for Rules {
    const PLAIN: &'static [&'static str] = &["string"];

    fn equals(value: Value) -> Option<Self> {
        let Value::String(text) = value else { return None };
        Some(Self {
            equals: Some(text),
            ..Self::default()
        })
    }
}

/// Whether the URL is as the rules want it. The message leaves out the query, which often holds a token.
///
/// # Errors
/// The pattern does not compile.
pub(super) fn judge(rules: &Rules, url: &str) -> Result<Assertion, Error> {
    let shown = quote(public_url(url).as_bytes());
    if let Some(expected) = rules.equals.as_deref().filter(|expected| *expected != url) {
        let expected = quote(public_url(expected).as_bytes());
        return Ok(Assertion::new(NAME, false, format!("{shown} is not {expected}")));
    }
    if let Some(pattern) = &rules.matches
        && !pattern
            .compile("expect.final_url.matches")?
            .is_match(url.as_bytes())
    {
        let message = format!("{shown} does not match {}", quote(pattern.as_str().as_bytes()));
        return Ok(Assertion::new(NAME, false, message));
    }
    Ok(Assertion::new(NAME, true, shown))
}
