//! `--set KEY=VALUE`.

use std::str::FromStr;

use canary_suite::ExactJson;

/// `KEY=VALUE`, where a key may be a path into mappings: `expect.status`.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct Setting {
    /// As given.
    pub(super) key: String,
    pub(super) path: Vec<String>,
    /// JSON, or else text.
    pub(super) value: ExactJson,
    /// The value as given.
    pub(super) written: String,
}

/// Why an argument is not a setting.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::cli) enum InvalidSetting {
    #[error("missing value; write `KEY=VALUE`")]
    NoValue,
    #[error("empty key; write `KEY=VALUE` or `KEY.KEY=VALUE`")]
    NoKey,
    #[error("unterminated quote in the key; write `\"KEY\"=VALUE` or `\"KEY\".KEY=VALUE`")]
    OpenQuote,
}

impl FromStr for Setting {
    type Err = InvalidSetting;

    fn from_str(text: &str) -> Result<Self, InvalidSetting> {
        let mut path = Vec::new();
        let mut rest = text;
        loop {
            let (part, rest_of_text) = part(rest)?;
            if part.is_empty() {
                return Err(InvalidSetting::NoKey);
            }
            path.push(part);
            if let Some(written) = rest_of_text.strip_prefix('=') {
                let key = text.get(..text.len() - rest_of_text.len()).unwrap_or_default();
                return Ok(Self::new(key, path, written));
            }
            rest = rest_of_text.strip_prefix('.').ok_or(InvalidSetting::NoValue)?;
        }
    }
}

impl Setting {
    fn new(key: &str, path: Vec<String>, written: &str) -> Self {
        Self {
            key: key.to_owned(),
            path,
            value: ExactJson::parse(written).unwrap_or_else(|| ExactJson::Text(written.to_owned())),
            written: written.to_owned(),
        }
    }

    /// Whether the value could be meant as text: `1` may be the text `1`.
    pub(super) fn may_be_text(&self) -> bool {
        matches!(self.value, ExactJson::Plain(_)) && !self.value.is_null()
    }
}

/// The first part of a key, and the rest. A quoted part may have any character; a JSONPath is one part.
fn part(text: &str) -> Result<(String, &str), InvalidSetting> {
    if text.starts_with('"') {
        let mut parts = serde_json::Deserializer::from_str(text).into_iter::<String>();
        let Some(Ok(part)) = parts.next() else {
            return Err(InvalidSetting::OpenQuote);
        };
        let rest_of_text = text.get(parts.byte_offset()..).unwrap_or_default();
        return if rest_of_text.starts_with(['.', '=']) {
            Ok((part, rest_of_text))
        } else {
            Err(InvalidSetting::NoValue)
        };
    }
    let end = if text.starts_with('$') {
        json_path(text)
    } else {
        text.find(['.', '='])
    };
    let (part, rest_of_text) = text.split_at(end.ok_or(InvalidSetting::NoValue)?);
    Ok((part.to_owned(), rest_of_text))
}

/// Where a JSONPath ends: at the first `=` outside of brackets and quotes.
fn json_path(text: &str) -> Option<usize> {
    let (mut depth, mut quote, mut is_escaped) = (0_usize, None, false);
    for (index, char) in text.char_indices() {
        match (quote, char) {
            (Some(_), _) if is_escaped => is_escaped = false,
            (Some(_), '\\') => is_escaped = true,
            (Some(open), _) if open == char => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(char),
            (None, '[' | '(') => depth += 1,
            (None, ']' | ')') => depth = depth.saturating_sub(1),
            (None, '=') if depth == 0 => return Some(index),
            (None, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(text: &str) -> (Vec<String>, Value) {
        let setting: Setting = text.parse().unwrap();
        (setting.path, setting.value.to_string().parse().unwrap())
    }

    #[test]
    fn a_number_keeps_its_digits_wherever_it_stands() {
        for (text, json) in [
            ("a=12345678901234567890123", "12345678901234567890123"),
            (r#"a={"equals": [1e400]}"#, r#"{"equals":[1e400]}"#),
        ] {
            let setting: Setting = text.parse().unwrap();
            assert_eq!(setting.value.to_string(), json);
        }
    }

    #[test]
    fn keys_lead_into_mappings_and_values_are_json_or_texts() {
        let path = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        for (text, keys, value) in [
            ("method=HEAD", &["method"][..], json!("HEAD")),
            (
                "expect.status=[200,204]",
                &["expect", "status"],
                json!([200, 204]),
            ),
            ("body=a=b", &["body"], json!("a=b")),
            ("headers.x-zip=08", &["headers", "x-zip"], json!("08")),
            ("expect.json.$.a.b=5", &["expect", "json", "$.a.b"], json!(5)),
            (
                "expect.json.$[?@.a=='x=y' && (@.b==\"]\")].c={\">\": 1}",
                &["expect", "json", "$[?@.a=='x=y' && (@.b==\"]\")].c"],
                json!({ ">": 1 }),
            ),
            (
                r#"expect."json"."$.a.\"b\"=c".exists=true"#,
                &["expect", "json", "$.a.\"b\"=c", "exists"],
                json!(true),
            ),
        ] {
            assert_eq!(read(text), (path(keys), value), "{text}");
        }
    }

    #[test]
    fn what_is_no_setting_says_what_is_missing() {
        for (text, wrong) in [
            ("a", InvalidSetting::NoValue),
            ("a.b", InvalidSetting::NoValue),
            ("$.a", InvalidSetting::NoValue),
            ("\"a\"b=1", InvalidSetting::NoValue),
            ("=1", InvalidSetting::NoKey),
            ("a.=1", InvalidSetting::NoKey),
            (".a=1", InvalidSetting::NoKey),
            ("\"\"=1", InvalidSetting::NoKey),
            ("\"a=1", InvalidSetting::OpenQuote),
        ] {
            assert_eq!(text.parse::<Setting>(), Err(wrong), "{text}");
        }
    }
}
