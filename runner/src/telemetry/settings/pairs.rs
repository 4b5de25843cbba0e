//! Lists in one variable, and bounds of what comes in pairs.

use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::layer::Pairs;
use crate::settings::{Report, Written};
use crate::suite::quoted;

/// Attributes of the resource that an operator may add.
const MAX_ATTRIBUTES: usize = 128;
/// Characters of the name of an attribute, and of its value.
const MAX_ATTRIBUTE_NAME: usize = 255;
const MAX_ATTRIBUTE_VALUE: usize = 4_096;
/// For a text that decodes to what no text is.
const ENCODING_HINT: &str = "write `%25` for a plain `%`, and other bytes as UTF-8";

/// Words between commas, such as `tracecontext,baggage`.
pub(super) fn words(list: &Written) -> Vec<Written> {
    entries(list).map(|word| list.part(word.to_owned())).collect()
}

/// `name=value,name=value`, the values percent-encoded
/// (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specifying-headers-via-environment-variables>).
/// Whatever is wrong, no part of the list is shown.
pub(super) fn headers(list: &Written, report: &mut Report) -> Pairs {
    let mut pairs = Pairs::new();
    for (index, entry) in entries(list).enumerate() {
        let number = index + 1;
        let Some((name, value)) = entry.split_once('=') else {
            let problem = list.problem(format!("header {number} has no `=`"));
            report.add(problem.hint("write `NAME=VALUE,NAME=VALUE`, with `%2C` for a comma in a value"));
            continue;
        };
        match decoded(value) {
            Some(value) => pairs.push((name.trim().into(), list.part(value))),
            None => {
                let problem = list.problem(format!("the value of header {number} is not percent-encoded"));
                report.add(problem.hint(ENCODING_HINT));
            }
        }
    }
    pairs
}

/// `name=value,name=value`, both percent-encoded
/// (<https://opentelemetry.io/docs/specs/otel/resource/sdk/#specifying-resource-information-via-an-environment-variable>).
pub(super) fn attributes(list: &Written, report: &mut Report) -> Pairs {
    let mut pairs = Pairs::new();
    for entry in entries(list) {
        let Some((name, value)) = entry.split_once('=') else {
            let problem = list.problem(format!("{} has no `=`", quoted(entry)));
            report.add(problem.hint("write `NAME=VALUE,NAME=VALUE`, with `%2C` for a comma in a value"));
            continue;
        };
        match (decoded(name), decoded(value)) {
            (Some(name), Some(value)) => pairs.push((name.into(), list.part(value))),
            _ => {
                let problem = list.problem(format!("{} is not percent-encoded", quoted(entry)));
                report.add(problem.hint(ENCODING_HINT));
            }
        }
    }
    bounded_attributes(pairs, report)
}

/// The same, without those that are too long or too many.
pub(super) fn bounded_attributes(mut pairs: Pairs, report: &mut Report) -> Pairs {
    if let Some((_, value)) = pairs.get(MAX_ATTRIBUTES) {
        let message = format!("{} attributes; allowed: up to {MAX_ATTRIBUTES}", pairs.len());
        report.add(value.problem(message));
        pairs.truncate(MAX_ATTRIBUTES);
    }
    pairs.retain(|(name, value)| is_attribute(name, value, report));
    pairs
}

fn is_attribute(name: &Arc<str>, value: &Written, report: &mut Report) -> bool {
    let is_long = |text: &str, limit: usize| text.chars().nth(limit).is_some();
    let message = if name.is_empty() {
        "an attribute has no name".to_owned()
    } else if is_long(name, MAX_ATTRIBUTE_NAME) {
        format!(
            "the name {} is longer than {MAX_ATTRIBUTE_NAME} characters",
            quoted(name)
        )
    } else if is_long(value.expose(), MAX_ATTRIBUTE_VALUE) {
        format!(
            "the value of {} is longer than {MAX_ATTRIBUTE_VALUE} characters",
            quoted(name)
        )
    } else {
        return true;
    };
    report.add(value.problem(message));
    false
}

/// What stands between commas, without blanks around it; nothing between two commas is nothing.
fn entries(list: &Written) -> impl Iterator<Item = &str> {
    let entries = list.expose().split(',').map(str::trim);
    entries.filter(|entry| !entry.is_empty())
}

/// Absent when a `%` is not followed by two hexadecimal digits, or when the bytes are no UTF-8.
fn decoded(text: &str) -> Option<String> {
    let text = text.trim();
    let is_escape = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.split('%').skip(1).all(is_escape) {
        return None;
    }
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    Some(decoded.into_owned())
}
