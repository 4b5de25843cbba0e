//! Lists in environment variables, and limits of attributes.

use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::layer::Pairs;
use canary_settings::{ConfigValue, Report};
use canary_suite::quoted;

/// Maximum number of resource attributes.
const MAX_ATTRIBUTES: usize = 128;
/// Maximum length of an attribute's name and value, in characters.
const MAX_ATTRIBUTE_NAME: usize = 255;
const MAX_ATTRIBUTE_VALUE: usize = 4_096;
/// For a text that does not decode to UTF-8.
const ENCODING_HINT: &str = "write `%25` for a plain `%`, and other bytes as UTF-8";

/// Comma-separated values, such as `tracecontext,baggage`.
pub(super) fn split_list(list: &ConfigValue) -> Vec<ConfigValue> {
    entries(list).map(|word| list.part(word.to_owned())).collect()
}

/// `name=value,name=value`, the values percent-encoded
/// (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specifying-headers-via-environment-variables>). No
/// part of the list is shown in problems.
pub(super) fn headers(list: &ConfigValue, report: &mut Report) -> Pairs {
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
pub(super) fn attributes(list: &ConfigValue, report: &mut Report) -> Pairs {
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

/// Removes and reports attributes that are too long or too many.
pub(super) fn bounded_attributes(mut pairs: Pairs, report: &mut Report) -> Pairs {
    if let Some((_, value)) = pairs.get(MAX_ATTRIBUTES) {
        let message = format!("{} attributes; allowed: up to {MAX_ATTRIBUTES}", pairs.len());
        report.add(value.problem(message));
        pairs.truncate(MAX_ATTRIBUTES);
    }
    pairs.retain(|(name, value)| is_attribute(name, value, report));
    pairs
}

fn is_attribute(name: &Arc<str>, value: &ConfigValue, report: &mut Report) -> bool {
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

/// The non-empty entries of a comma-separated list, trimmed.
fn entries(list: &ConfigValue) -> impl Iterator<Item = &str> {
    let entries = list.expose().split(',').map(str::trim);
    entries.filter(|entry| !entry.is_empty())
}

/// `None` if a `%` is not followed by two hexadecimal digits, or if the bytes are not UTF-8.
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
