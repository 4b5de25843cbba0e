//! The body as text.

use std::borrow::Cow;

use canary_sdk::http::Response;
use canary_sdk::{Assertion, ByteSize, Error, Status, Verdict};
use schemars::JsonSchema;
use serde::Deserialize;

use super::pattern::Pattern;
use crate::body;
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
    /// Whether to compare bytes as they came, whatever charset they are in.
    raw: bool,
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
pub(super) fn judge(
    rules: &Rules,
    response: &Response,
    is_decompressed: bool,
    verdict: &mut Verdict,
) -> Result<(), Error> {
    if let Some(max) = rules.max_size() {
        verdict.extend([judge_size(max, response)]);
    }
    let decoded = match rules.raw {
        true => Cow::Borrowed(response.body.as_slice()),
        false => body::text(response),
    };
    let seen = Seen {
        extent: extent(response, is_decompressed),
        is_whole: !response.truncated,
    };
    let find = |text: &str| body::holds(response, &decoded, text).then(|| text.as_bytes().to_vec());
    for text in rules.contains.as_slice() {
        verdict.extend([seen.present("contains", text, find(text).as_deref())]);
    }
    for text in rules.not_contains.as_slice() {
        verdict.extend([seen.missing("not_contains", text, find(text).as_deref())]);
    }
    let compile = |pattern: &Pattern, key: &str| match rules.raw {
        true => pattern.compile_for_bytes(key),
        false => pattern.compile(key),
    };
    for pattern in rules.matches.as_slice() {
        let regex = compile(pattern, "expect.body.matches")?;
        let found = regex.find(&decoded).map(|found| found.as_bytes());
        verdict.extend([seen.present("matches", pattern.as_str(), found)]);
    }
    for pattern in rules.not_matches.as_slice() {
        let regex = compile(pattern, "expect.body.not_matches")?;
        let found = regex.find(&decoded).map(|found| found.as_bytes());
        verdict.extend([seen.missing("not_matches", pattern.as_str(), found)]);
    }
    Ok(())
}

fn judge_size(max: u64, response: &Response) -> Assertion {
    let length = response.body_length;
    let message = match length <= max {
        true => size(length),
        false => format!("{} is more than {}", size(length), size(max)),
    };
    Assertion::new("body max_size", length <= max, message)
}

/// What was looked through.
struct Seen {
    extent: String,
    is_whole: bool,
}

impl Seen {
    fn present(&self, rule: &str, text: &str, found: Option<&[u8]>) -> Assertion {
        let message = match found {
            Some(found) => format!("found {}", quote(found)),
            None => format!("not found in {}", self.extent),
        };
        Assertion::new(label(rule, text), found.is_some(), message)
    }

    /// What was not found in the part that was kept may be in the rest.
    fn missing(&self, rule: &str, text: &str, found: Option<&[u8]>) -> Assertion {
        let (status, message) = match found {
            Some(found) => (Status::Fail, format!("found {}", quote(found))),
            None if self.is_whole => (Status::Pass, format!("not found in {}", self.extent)),
            None => (Status::Warn, format!("not found in {}", self.extent)),
        };
        Assertion::new(label(rule, text), status, message)
    }
}

fn label(rule: &str, text: &str) -> String {
    format!("body {rule} {}", quote(text.as_bytes()))
}

/// How much of the body was looked at, and whether that was compressed.
pub(super) fn extent(response: &Response, is_decompressed: bool) -> String {
    let mut text = match response.truncated {
        true => format!("the first {} of the body, which was cut", size_of(&response.body)),
        false => format!("{} of body", size_of(&response.body)),
    };
    if let Some(hint) = body::compression_hint(response).filter(|_| !is_decompressed) {
        text.push_str(", ");
        text.push_str(&hint);
    }
    text
}
