//! What a YAML scalar means, by the core schema of YAML 1.2.

use std::borrow::Cow;

use serde_json::Number;
use serde_yaml::granit_parser::{ScalarStyle, Tag};

use super::tree::Kind;

const CORE: &str = "tag:yaml.org,2002:";

/// What a tag asks of a value.
pub(super) enum Meaning {
    /// Nothing, or what the value is anyway.
    Plain,
    /// `!!str` or `!`.
    Text,
    /// A tag that a suite has no use for.
    Unsupported,
}

pub(super) fn meaning(tag: Option<&Cow<'_, Tag>>) -> Meaning {
    let Some(tag) = tag else { return Meaning::Plain };
    match (tag.handle(), tag.suffix()) {
        (CORE, "str") | ("" | "!", "" | "!") => Meaning::Text,
        (CORE, "null" | "bool" | "int" | "float" | "seq" | "map") => Meaning::Plain,
        _ => Meaning::Unsupported,
    }
}

/// The value of a scalar, unless it is a text.
pub(super) fn resolve(text: &str, style: ScalarStyle, meaning: &Meaning) -> Option<Kind> {
    if style != ScalarStyle::Plain || matches!(meaning, Meaning::Text) {
        return None;
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Some(Kind::Null),
        "true" | "True" | "TRUE" => Some(Kind::Bool(true)),
        "false" | "False" | "FALSE" => Some(Kind::Bool(false)),
        _ => number(text).map(Kind::Number),
    }
}

/// JSON has no infinity and no NaN: they stay texts, and so fail where a number is asked for.
fn number(text: &str) -> Option<Number> {
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '-' | '+' | '.')) {
        return None;
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    if let Ok(value) = text.parse::<u64>() {
        return Some(value.into());
    }
    if let Ok(value) = text.parse::<i64>() {
        return Some(value.into());
    }
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E'))
    {
        return None;
    }
    text.parse().ok().and_then(Number::from_f64)
}

fn radix(digits: &str, radix: u32) -> Option<Number> {
    let unsigned = digits.starts_with(|first: char| first.is_ascii_hexdigit());
    u64::from_str_radix(digits, radix)
        .ok()
        .filter(|_| unsigned)
        .map(Number::from)
}
