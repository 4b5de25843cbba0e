//! The body as text.

use canary_sdk::http::Response;
use canary_sdk::{Assertion, ByteSize, Error, Status, Verdict};
use schemars::JsonSchema;
use serde::Deserialize;

use super::pattern::Pattern;
use crate::config::OneOrMany;
use crate::text::{quote, size, size_of};

/// What the body must and must not hold.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "BodyRules")]
pub(super) struct Rules {
    /// A text that must be there, or a list of them.
    contains: OneOrMany<String>,
    /// A text that must not be there, or a list of them.
    not_contains: OneOrMany<String>,
    /// A regular expression that must match somewhere, or a list of them.
    matches: OneOrMany<Pattern>,
    /// A regular expression that must not match anywhere, or a list of them.
    not_matches: OneOrMany<Pattern>,
    /// Most bytes that the body may have.
    max_size: Option<ByteSize>,
}

impl Rules {
    /// Most bytes that the body may have.
    pub(super) fn max_size(&self) -> Option<u64> {
        self.max_size.map(ByteSize::get)
    }

    /// Whether the body itself is needed, and not just its length.
    pub(super) fn looks_inside(&self) -> bool {
        let texts = [&self.contains, &self.not_contains];
        let patterns = [&self.matches, &self.not_matches];
        texts.iter().any(|texts| !texts.as_slice().is_empty())
            || patterns.iter().any(|patterns| !patterns.as_slice().is_empty())
    }
}

/// One assertion a text, a pattern and a limit.
///
/// # Errors
/// A pattern does not compile.
pub(super) fn judge(rules: &Rules, response: &Response, verdict: &mut Verdict) -> Result<(), Error> {
    if let Some(max) = rules.max_size() {
        verdict.extend([judge_size(max, response)]);
    }
    for text in rules.contains.as_slice() {
        let found = find(&response.body, text.as_bytes()).map(|_| text.as_bytes());
        verdict.extend([present("contains", text, found, response)]);
    }
    for text in rules.not_contains.as_slice() {
        let found = find(&response.body, text.as_bytes()).map(|_| text.as_bytes());
        verdict.extend([missing("not_contains", text, found, response)]);
    }
    for pattern in rules.matches.as_slice() {
        let regex = pattern.compile("expect.body.matches")?;
        let found = regex.find(&response.body).map(|found| found.as_bytes());
        verdict.extend([present("matches", pattern.as_str(), found, response)]);
    }
    for pattern in rules.not_matches.as_slice() {
        let regex = pattern.compile("expect.body.not_matches")?;
        let found = regex.find(&response.body).map(|found| found.as_bytes());
        verdict.extend([missing("not_matches", pattern.as_str(), found, response)]);
    }
    Ok(())
}

/// Where the text begins. Text and body are compared byte by byte.
pub(super) fn find(body: &[u8], text: &[u8]) -> Option<usize> {
    let Some(first) = text.first() else { return Some(0) };
    let mut start = 0;
    while let Some(rest) = body.get(start..) {
        start += rest.iter().position(|byte| byte == first)?;
        if body.get(start..)?.starts_with(text) {
            return Some(start);
        }
        start += 1;
    }
    None
}

fn judge_size(max: u64, response: &Response) -> Assertion {
    let length = response.body_length;
    let message = match length <= max {
        true => size(length),
        false => format!("{} is more than {}", size(length), size(max)),
    };
    Assertion::new("body max_size", length <= max, message)
}

fn present(rule: &str, text: &str, found: Option<&[u8]>, response: &Response) -> Assertion {
    let message = match found {
        Some(found) => format!("found {}", quote(found)),
        None => format!("not found in {}", extent(response)),
    };
    Assertion::new(label(rule, text), found.is_some(), message)
}

/// What was not found in the part that was kept may be in the rest.
fn missing(rule: &str, text: &str, found: Option<&[u8]>, response: &Response) -> Assertion {
    let (status, message) = match found {
        Some(found) => (Status::Fail, format!("found {}", quote(found))),
        None if response.truncated => (Status::Warn, format!("not found in {}", extent(response))),
        None => (Status::Pass, format!("not found in {}", extent(response))),
    };
    Assertion::new(label(rule, text), status, message)
}

fn label(rule: &str, text: &str) -> String {
    format!("body {rule} {}", quote(text.as_bytes()))
}

/// How much of the body was looked at.
pub(super) fn extent(response: &Response) -> String {
    match response.truncated {
        true => format!("the first {} of the body, which was cut", size_of(&response.body)),
        false => format!("{} of body", size_of(&response.body)),
    }
}
