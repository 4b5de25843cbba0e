//! Parsing of a JSON configuration into the probe's type.

mod points;

use serde::de::DeserializeOwned;

use crate::problem::Pointer;

/// Maximum number of integers written with a decimal point.
const MAX_POINTS: usize = 64;

/// Why a configuration does not fit the probe's type.
pub(crate) struct ConfigError {
    pub(crate) at: Pointer,
    /// Dotted, such as `expect.status[1]`; `.` is the whole configuration.
    path: String,
    pub(crate) message: String,
}

impl From<ConfigError> for String {
    fn from(error: ConfigError) -> Self {
        match error.path {
            path if path == "." => format!("config: {}", error.message),
            path => format!("config: `{path}`: {}", error.message),
        }
    }
}

/// Parses a configuration. JSON Schema accepts `1.0` as an integer, and so does this.
///
/// # Errors
/// It does not fit the type.
pub(crate) fn parse<C: DeserializeOwned>(json: &str) -> Result<C, ConfigError> {
    // Keeping track of paths costs more than the parsing, and is of use only if this fails.
    if let Ok(config) = serde_json::from_str(json) {
        return Ok(config);
    }
    let mut error = match read(json) {
        Ok(config) => return Ok(config),
        Err(error) => error,
    };
    let mut json = json.to_owned();
    // Only at values that do not fit: elsewhere the point may be significant, as in a text that is sent.
    for _ in 0..MAX_POINTS {
        let Some(changed) = points::removed_at(&json, &error.at) else {
            break;
        };
        json = changed;
        error = match read(&json) {
            Ok(config) => return Ok(config),
            Err(next) => next,
        };
    }
    Err(error)
}

/// Parses with errors that name the field, which those of `serde_json` alone do not.
fn read<C: DeserializeOwned>(json: &str) -> Result<C, ConfigError> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let message = error.inner().to_string();
        ConfigError {
            at: Pointer::of(error.path()),
            path: error.path().to_string(),
            message: without_rust_terms(message.split(" at line ").next().unwrap_or_default()),
        }
    })
}

/// Rust terms at the end of a serde error, and their replacements in terms of a suite.
const EXPECTED: [(&str, &str); 13] = [
    ("u8", "a whole number from 0 to 255"),
    ("u16", "a whole number from 0 to 65535"),
    ("u32", "a whole number from 0 to 4294967295"),
    ("u64", "a whole number from 0"),
    ("usize", "a whole number from 0"),
    ("i8", "a whole number from -128 to 127"),
    ("i16", "a whole number from -32768 to 32767"),
    ("i32", "a whole number from -2147483648 to 2147483647"),
    ("i64", "a whole number"),
    ("f32", "a number"),
    ("f64", "a number"),
    ("a sequence", "a list"),
    ("a map", "an object"),
];

/// An error of serde without Rust terms.
fn without_rust_terms(message: &str) -> String {
    let Some((seen, expected)) = message.rsplit_once(", expected ") else {
        return message.to_owned();
    };
    let known = EXPECTED.iter().find(|(word, _)| *word == expected);
    let expected = match known {
        Some((_, words)) => words,
        None if expected.starts_with("struct ") => "an object",
        None => expected,
    };
    let seen = seen
        .replace("type: floating point ", "type: number ")
        .replace("type: sequence", "type: list")
        .replace("type: map", "type: object");
    format!("{seen}, expected {expected}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;
    use serde_json::value::RawValue;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        #[serde(default)]
        limit: u32,
        #[serde(default)]
        list: Vec<u8>,
        #[serde(default)]
        map: BTreeMap<String, i64>,
        #[serde(default)]
        sent: Value,
    }

    fn parse(json: &str) -> Result<Config, String> {
        super::parse(json).map_err(String::from)
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        let config = parse(r#"{"limit":2048.0,"list":[1.0,2e0,3],"map":{"a/b":-5.0},"sent":[1.0]}"#).unwrap();
        assert_eq!((config.limit, config.list), (2048, vec![1, 2, 3]));
        assert_eq!(config.map.get("a/b"), Some(&-5));
        assert_eq!(config.sent.to_string(), "[1.0]", "what fits stays as it is");
    }

    #[test]
    fn numbers_beside_one_with_a_point_keep_their_digits() {
        #[derive(serde::Deserialize)]
        struct Exact {
            limit: u32,
            id: Box<RawValue>,
        }
        let json = r#"{"id":12345678901234567890123,"limit":5.0}"#;
        let Ok(config) = super::parse::<Exact>(json) else {
            panic!("a whole number may be written with a point")
        };
        assert_eq!((config.limit, config.id.get()), (5, "12345678901234567890123"));
    }

    #[test]
    fn what_does_not_fit_is_said_without_words_of_rust() {
        for (json, expected) in [
            (
                r#"{"limit":2048.5}"#,
                "config: `limit`: invalid type: number `2048.5`, expected a whole number from 0 to 4294967295",
            ),
            (
                r#"{"limit":1099511627776}"#,
                "config: `limit`: invalid value: integer `1099511627776`, expected a whole number from 0 to 4294967295",
            ),
            (
                r#"{"list":[256.0]}"#,
                "config: `list[0]`: invalid value: integer `256`, expected a whole number from 0 to 255",
            ),
            (
                r#"{"list":{}}"#,
                "config: `list`: invalid type: object, expected a list",
            ),
            (
                r#"{"map":[]}"#,
                "config: `map`: invalid type: list, expected an object",
            ),
        ] {
            let refused = parse(json).unwrap_err();
            assert_eq!(refused, expected);
        }
    }
}
