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
    /// The whole URL, query included, without a fragment.
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

/// A URL in the form that it has on the wire: scheme and host in lower case, without a default port and a fragment, and
/// with a path.
fn normal(url: &str) -> String {
    let url = url.trim();
    let url = url.split('#').next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let scheme = scheme.to_ascii_lowercase();
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let authority = authority.to_ascii_lowercase();
    let port = match scheme.as_str() {
        "http" => ":80",
        _ => ":443",
    };
    let authority = authority.strip_suffix(port).unwrap_or(&authority);
    let authority = authority.strip_suffix(':').unwrap_or(authority);
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{scheme}://{authority}{slash}{}", path.replace(' ', "%20"))
}

/// Whether the URL is as the rules want it, its fragment left aside. The message leaves out the query, which often holds a
/// token.
///
/// # Errors
/// The pattern does not compile.
pub(super) fn judge(rules: &Rules, url: &str) -> Result<Assertion, Error> {
    let url = &normal(url);
    let shown = quote(public_url(url).as_bytes());
    let expected = rules.equals.as_deref().map(normal);
    if let Some(expected) = expected.filter(|expected| expected != url) {
        let expected = quote(public_url(&expected).as_bytes());
        let message = match shown == expected {
            true => format!("{shown} has another query"),
            false => format!("{shown} is not {expected}"),
        };
        return Ok(Assertion::new(NAME, false, message));
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
