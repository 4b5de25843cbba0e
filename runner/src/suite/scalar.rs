//! What a YAML scalar means, by the core schema of YAML 1.2.

mod decimal;

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Number, Value};
use serde_yaml::granit_parser::{ScalarStyle, Tag};

use super::tree::{self, Kind};

const CORE: &str = "tag:yaml.org,2002:";

/// A number or a boolean.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plain {
    /// Neither a text nor anything that holds other values. Of a number that neither 64 bits nor a double hold, the one of
    /// these that is nearest.
    pub(super) value: Value,
    /// As it is written: `1.10` is the same number as `1.1`, and another version.
    pub(super) written: Arc<str>,
    /// Whether it was put in quotes, so that it is a text where one will do.
    pub(super) is_quoted: bool,
}

impl Plain {
    /// Whether it is what it looks like where a text would do as well: the value written back is what is written.
    pub(super) fn is_exact(&self) -> bool {
        // `7e12345` is the name of a commit sooner than a number.
        let is_beyond = self.written.contains(['e', 'E']) && self.is_rounded();
        !self.is_quoted && !is_beyond && self.json() == *self.written
    }

    /// As JSON. Nothing of a number is lost, however long it is.
    pub(super) fn json(&self) -> String {
        match self.is_rounded() {
            true => decimal::json(&self.written),
            false => self.value.to_string(),
        }
    }

    /// Whether it is a number that 64 bits do not hold: the value is another one, or whole no more.
    fn is_rounded(&self) -> bool {
        let Value::Number(number) = &self.value else {
            return false;
        };
        let is_whole = !self.written.contains(['.', 'e', 'E']);
        match number.is_f64() {
            true => is_whole || decimal::of(&self.written) != decimal::of(&number.to_string()),
            // In whatever digits it is written.
            false => false,
        }
    }

    /// As the end of `expected .., found ..`.
    pub(super) fn found(&self) -> String {
        let what = match self.value {
            Value::Bool(_) => "the boolean",
            _ => "the number",
        };
        format!("{what} {}", tree::quoted(&self.written))
    }
}

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
    if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Some(Kind::Null);
    }
    plain(text).map(|plain| Kind::Plain(Arc::new(plain)))
}

/// The number or the boolean that a text without quotes is, or would be.
pub(super) fn plain(text: &str) -> Option<Plain> {
    let value = match text {
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => Value::Number(number(text)?),
    };
    Some(Plain {
        value,
        written: text.into(),
        is_quoted: false,
    })
}

/// The same of a text that was put in quotes.
pub(super) fn quoted(text: &str) -> Option<Plain> {
    let plain = plain(text)?;
    Some(Plain {
        is_quoted: true,
        ..plain
    })
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
    let double: f64 = text.parse().ok()?;
    Number::from_f64(double.clamp(f64::MIN, f64::MAX))
}

fn radix(digits: &str, radix: u32) -> Option<Number> {
    let unsigned = digits.starts_with(|first: char| first.is_ascii_hexdigit());
    u64::from_str_radix(digits, radix)
        .ok()
        .filter(|_| unsigned)
        .map(Number::from)
}
