//! Response headers.

use canary_sdk::http::Response;
use canary_sdk::{Assertion, Error};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::pattern::Pattern;
use super::rule::Shorthand;
use crate::text::quote;

/// What a header must be. Where it was sent more than once, one of its values has to meet all rules.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "HeaderRules")]
pub(super) struct Rules {
    /// The whole value.
    equals: Option<String>,
    /// A regular expression that matches somewhere in the value.
    matches: Option<Pattern>,
    /// A text somewhere in the value.
    contains: Option<String>,
    /// True: the header must not be there. False: it must, whatever its value.
    absent: Option<bool>,
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

/// Whether the header is as the rules want it.
///
/// # Errors
/// The pattern does not compile.
pub(super) fn judge(name: &str, rules: &Rules, response: &Response) -> Result<Assertion, Error> {
    let label = format!("header {}", name.to_ascii_lowercase());
    let values = || {
        let named = response
            .headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_slice())
    };
    let Some(first) = values().next() else {
        return Ok(Assertion::new(label, rules.absent == Some(true), "absent"));
    };
    if rules.absent == Some(true) {
        return Ok(Assertion::new(
            label,
            false,
            format!("is there: {}", quote(first)),
        ));
    }
    let regex = match &rules.matches {
        Some(pattern) => Some(pattern.compile(format_args!("expect.headers.{name}.matches"))?),
        None => None,
    };
    let complaint = |value: &[u8]| {
        if let Some(equals) = rules.equals.as_deref().filter(|text| text.as_bytes() != value) {
            return Some(format!("is not {}", quote(equals.as_bytes())));
        }
        if let Some(contains) = rules.contains.as_deref().filter(|text| !holds(value, text)) {
            return Some(format!("does not contain {}", quote(contains.as_bytes())));
        }
        let regex = regex.as_ref().filter(|regex| !regex.is_match(value))?;
        Some(format!("does not match {}", quote(regex.as_str().as_bytes())))
    };
    if let Some(good) = values().find(|value| complaint(value).is_none()) {
        return Ok(Assertion::new(label, true, quote(good)));
    }
    let reason = complaint(first).unwrap_or_default();
    Ok(Assertion::new(label, false, format!("{} {reason}", quote(first))))
}

fn holds(value: &[u8], text: &str) -> bool {
    memchr::memmem::find(value, text.as_bytes()).is_some()
}
