//! Resolves YAML scalars by the core schema of YAML 1.2.

mod decimal;

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Number, Value};
use serde_yaml::granit_parser::{ScalarStyle, Tag};

use super::Kind;

const CORE: &str = "tag:yaml.org,2002:";

/// A number or a boolean.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plain {
    /// A number or boolean. A number that fits neither 64 bits nor a double is the nearest one that does.
    pub(crate) value: Value,
    /// As written: `1.10` is the same number as `1.1`, but another version.
    pub(crate) written: Arc<str>,
    /// Whether it was quoted, so that it is a text where a text is allowed.
    pub(crate) is_quoted: bool,
}

impl Plain {
    /// Whether it is a number or boolean even where a text is allowed: its canonical form is identical to what is
    /// written.
    pub(crate) fn is_exact(&self) -> bool {
        // `7e12345` is more likely a commit hash than a number.
        let is_beyond = self.written.contains(['e', 'E']) && self.is_rounded();
        !self.is_quoted && !is_beyond && self.json() == *self.written
    }

    /// As JSON, without loss of digits.
    pub(crate) fn json(&self) -> String {
        if self.is_rounded() {
            decimal::json(&self.written)
        } else {
            self.value.to_string()
        }
    }

    /// Whether it is a number that 64 bits cannot represent, so that the value was rounded or is no longer an integer.
    fn is_rounded(&self) -> bool {
        let Value::Number(number) = &self.value else {
            return false;
        };
        let is_whole = !self.written.contains(['.', 'e', 'E']);
        // An integer is exact, regardless of the digits it is written with.
        number.is_f64() && (is_whole || decimal::parse(&self.written) != decimal::parse(&number.to_string()))
    }

    fn is_whole_number(&self) -> bool {
        let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+');
        self.value.is_u64()
            || self.value.is_i64()
            || self.value.is_number() && self.written.bytes().all(is_digit)
    }

    /// As the end of `expected .., found ..`.
    pub(crate) fn found(&self) -> String {
        let what = match self.value {
            Value::Bool(_) => "the boolean",
            _ => "the number",
        };
        format!("{what} {}", super::quoted(&self.written))
    }
}

/// The meaning of a YAML tag.
pub(crate) enum TagMeaning {
    /// No tag, or one that does not change the value.
    Plain,
    /// `!!str` or `!`.
    Text,
    /// A tag of the core schema that names the type of the value.
    Type(CoreType),
    /// A tag that suites do not support.
    Unsupported,
}

/// A type of the core schema other than a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CoreType {
    Null,
    Bool,
    Int,
    Float,
    List,
    Map,
}

impl CoreType {
    fn from_suffix(suffix: &str) -> Option<Self> {
        Some(match suffix {
            "null" => Self::Null,
            "bool" => Self::Bool,
            "int" => Self::Int,
            "float" => Self::Float,
            "seq" => Self::List,
            "map" => Self::Map,
            _ => return None,
        })
    }

    /// The tag as it is usually written.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool => "!!bool",
            Self::Int => "!!int",
            Self::Float => "!!float",
            Self::List => "!!seq",
            Self::Map => "!!map",
        }
    }

    /// Whether a value has the type. A whole number is also a `!!float`: JSON does not tell them apart.
    pub(crate) fn allows(self, kind: &Kind) -> bool {
        match (self, kind) {
            (Self::Null, Kind::Null) | (Self::List, Kind::List(_)) | (Self::Map, Kind::Map(_)) => true,
            (Self::Bool, Kind::Plain(plain)) => plain.value.is_boolean(),
            (Self::Float, Kind::Plain(plain)) => plain.value.is_number(),
            (Self::Int, Kind::Plain(plain)) => plain.is_whole_number(),
            _ => false,
        }
    }
}

pub(crate) fn meaning(tag: Option<&Cow<'_, Tag>>) -> TagMeaning {
    let Some(tag) = tag else { return TagMeaning::Plain };
    match (tag.handle(), tag.suffix()) {
        (CORE, "str") | ("" | "!", "" | "!") => TagMeaning::Text,
        (CORE, suffix) => CoreType::from_suffix(suffix).map_or(TagMeaning::Unsupported, TagMeaning::Type),
        _ => TagMeaning::Unsupported,
    }
}

/// The value of a scalar, unless it is a text. A tag decides instead of quotes (YAML 1.2.2, section 6.9.1).
pub(crate) fn resolve(text: &str, style: ScalarStyle, meaning: &TagMeaning) -> Option<Kind> {
    let is_text = match meaning {
        TagMeaning::Text => true,
        TagMeaning::Type(_) => false,
        TagMeaning::Plain | TagMeaning::Unsupported => style != ScalarStyle::Plain,
    };
    if is_text {
        return None;
    }
    if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Some(Kind::Null);
    }
    plain(text).map(|plain| Kind::Plain(Arc::new(plain)))
}

/// The number or boolean of an unquoted text.
pub(crate) fn plain(text: &str) -> Option<Plain> {
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

/// The number or boolean of a quoted text.
pub(crate) fn quoted(text: &str) -> Option<Plain> {
    let plain = plain(text)?;
    Some(Plain {
        is_quoted: true,
        ..plain
    })
}

/// JSON has no infinity and no NaN: they stay texts, and so fail where a number is required.
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
