//! JSON without loss of digits. `serde_json::Value` has no numbers longer than 64 bits; its feature
//! `arbitrary_precision` applies to every crate of a build, and turns numbers into objects for generic deserializers.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Maximum nesting, the same as that of `serde_json`.
const MAX_DEPTH: usize = 128;

/// A JSON value. Its text form has no whitespace, and its keys are sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExactJson {
    /// `null`, a boolean, or a number.
    Plain(String),
    /// A text, without quotes and escapes.
    Text(String),
    /// An array.
    List(Vec<Self>),
    /// An object, by key.
    Object(BTreeMap<String, Self>),
}

impl ExactJson {
    /// `null`.
    pub fn null() -> Self {
        Self::Plain("null".to_owned())
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Plain(json) if json == "null")
    }

    /// Parses JSON; nothing if it is invalid, or nested too deeply.
    pub fn parse(json: &str) -> Option<Self> {
        Self::within(json.trim_ascii(), MAX_DEPTH).ok().flatten()
    }

    fn within(json: &str, depth: usize) -> Result<Option<Self>, serde_json::Error> {
        let Some(depth) = depth.checked_sub(1) else {
            return Ok(None);
        };
        Ok(match json.as_bytes().first() {
            Some(b'{') => {
                let members = read::<BTreeMap<String, &RawValue>>(json)?.into_iter();
                let below = |(key, value): (String, &RawValue)| {
                    Self::within(value.get(), depth).map(|value| Some((key, value?)))
                };
                let members: Result<Option<_>, _> = members.map(below).collect();
                members?.map(Self::Object)
            }
            Some(b'[') => {
                let values = read::<Vec<&RawValue>>(json)?.into_iter();
                let values: Result<Option<_>, _> =
                    values.map(|value| Self::within(value.get(), depth)).collect();
                values?.map(Self::List)
            }
            Some(b'"') => Some(Self::Text(read(json)?)),
            _ => Some(Self::Plain(read::<&RawValue>(json)?.get().to_owned())),
        })
    }
}

fn read<'j, T: Deserialize<'j>>(json: &'j str) -> Result<T, serde_json::Error> {
    serde_json::from_str(json)
}

impl fmt::Display for ExactJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(json) => f.write_str(json),
            Self::Text(text) => write_text(text, f),
            Self::List(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    f.write_str(if index > 0 { "," } else { "" })?;
                    value.fmt(f)?;
                }
                f.write_str("]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                for (index, (key, value)) in members.iter().enumerate() {
                    f.write_str(if index > 0 { "," } else { "" })?;
                    write_text(key, f)?;
                    f.write_str(":")?;
                    value.fmt(f)?;
                }
                f.write_str("}")
            }
        }
    }
}

fn write_text(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(&serde_json::to_string(text).map_err(|_| fmt::Error)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_with_every_digit_and_no_blanks() {
        for (json, written) in [
            ("12345678901234567890123", "12345678901234567890123"),
            (" 1.10 ", "1.10"),
            ("-1e400", "-1e400"),
            (
                r#"{ "b": [ true, null, 0.1234567890123456789 ], "a\n": "\u00e9\/\ud83d\ude00" }"#,
                r#"{"a\n":"é/😀","b":[true,null,0.1234567890123456789]}"#,
            ),
            ("[]", "[]"),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        ] {
            assert_eq!(ExactJson::parse(json).unwrap().to_string(), written, "{json}");
        }
    }

    #[test]
    fn it_is_written_as_serde_json_writes_what_fits_it() {
        let json = r#"{"z":{"y":[1,-2,0.5,[],{}],"x":"\u0000\u001f\u007f\"\\"},"a":18446744073709551615}"#;
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(ExactJson::parse(json).unwrap().to_string(), value.to_string());
    }

    #[test]
    fn what_is_not_json_or_nests_too_deep_is_nothing() {
        for text in ["", "08", "1 2", "{a:1}", "[1", "\"a", "nul", "NaN"] {
            assert_eq!(ExactJson::parse(text), None, "{text}");
        }
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(ExactJson::parse(&nested(MAX_DEPTH)).is_some());
        assert_eq!(ExactJson::parse(&nested(100_000)), None);
    }
}
