//! Messages for schema violations, in the style of all other problems. Never show a value of the suite.

use jsonschema::JsonType;
use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind as Kind};
use serde_json::Value;

use super::SchemaValidator;
use super::yaml_path::YamlPath;
use crate::suggest;
use crate::tree::{Kind as NodeKind, quoted};
use crate::units;

/// Maximum number of alternatives in a message.
const MAX_ALTERNATIVES: usize = 20;
/// Maximum length in characters of a message of the library, which is used where there is no own one.
const MAX_LIBRARY_MESSAGE_CHARS: usize = 120;
const NOTHING: &str = "nothing";

/// What was expected, as the end of `expected ..`.
pub(super) fn expectation(error: &ValidationError<'_>, validator: &SchemaValidator) -> String {
    match error.kind() {
        Kind::Type {
            kind: TypeKind::Single(kind),
        } => type_word(*kind).to_owned(),
        Kind::Type {
            kind: TypeKind::Multiple(kinds),
        } => {
            let kinds = kinds.iter().filter(|kind| *kind != JsonType::Null);
            kinds.map(type_word).collect::<Vec<_>>().join(" or ")
        }
        Kind::Enum { .. } | Kind::Constant { .. } => match options(error).as_slice() {
            [only] => word(only),
            several => format!(
                "one of {}",
                several
                    .iter()
                    .map(|value| word(value))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        },
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => alternatives(context, validator),
        Kind::Pattern { pattern } => validator
            .pattern_message(error)
            .unwrap_or_else(|| format!("a string that matches {}", quoted(pattern))),
        Kind::Format { format } if format == "regex" => "a regular expression".to_owned(),
        Kind::Format { format } => validator
            .pattern_message(error)
            .unwrap_or_else(|| format!("a string in the form {}", quoted(format))),
        Kind::UniqueItems => "no element twice".to_owned(),
        Kind::OneOfMultipleValid { .. } => "only one of several forms".to_owned(),
        Kind::FalseSchema => NOTHING.to_owned(),
        kind => limit(kind).unwrap_or_else(|| library_message(error)),
    }
}

/// The message and the hint for an invalid duration or size, as outside of configurations.
pub(super) fn unit_error(error: &ValidationError<'_>, yaml_path: &YamlPath<'_>) -> Option<(String, String)> {
    let Kind::Format { format } = error.kind() else {
        return None;
    };
    let text = error.instance().as_str()?;
    let wrong = match format.as_str() {
        units::DURATION_FORMAT => units::duration(text).err()?,
        units::SIZE_FORMAT => units::size(text).err()?,
        _ => return None,
    };
    let message = if yaml_path.is_secret() {
        format!("an interpolated string is {wrong}")
    } else {
        wrong.message(&quoted(text))
    };
    Some((
        format!("`{}`: {message}", yaml_path.path),
        wrong.hint().to_owned(),
    ))
}

fn limit(kind: &Kind) -> Option<String> {
    Some(match kind {
        Kind::Minimum { limit } => format!("at least {limit}"),
        Kind::Maximum { limit } => format!("at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("less than {limit}"),
        Kind::MinLength { limit: 1 } => "a non-empty string".to_owned(),
        Kind::MinLength { limit } => format!("at least {limit} characters"),
        Kind::MaxLength { limit } => format!("at most {limit} characters"),
        Kind::MinItems { limit: 1 } => "a non-empty list".to_owned(),
        Kind::MinItems { limit } => format!("at least {limit} elements"),
        Kind::MaxItems { limit } => format!("at most {limit} elements"),
        Kind::MinProperties { limit: 1 } => "a non-empty mapping".to_owned(),
        Kind::MinProperties { limit } => format!("at least {limit} keys"),
        Kind::MaxProperties { limit } => format!("at most {limit} keys"),
        _ => return None,
    })
}

/// Keys that exclude each other.
pub(super) fn exclusive_keys(schema: &Value) -> Option<Vec<&str>> {
    let keys = schema.get("required")?.as_array()?;
    let keys: Vec<&str> = keys
        .iter()
        .take(MAX_ALTERNATIVES)
        .filter_map(Value::as_str)
        .collect();
    (keys.len() > 1).then_some(keys)
}

fn library_message(error: &ValidationError<'_>) -> String {
    let text = error.masked_with("it").to_string();
    if text.chars().count() <= MAX_LIBRARY_MESSAGE_CHARS {
        format!("something else ({text})")
    } else {
        "something else".to_owned()
    }
}

/// What each branch of an `anyOf` or `oneOf` expects.
fn alternatives(context: &[Vec<ValidationError<'static>>], validator: &SchemaValidator) -> String {
    let mut words: Vec<String> = Vec::new();
    for error in context.iter().filter_map(|branch| branch.first()) {
        let word = expectation(error, validator);
        if !words.contains(&word) && words.len() < MAX_ALTERNATIVES {
            words.push(word);
        }
    }
    if words.len() > 1 {
        words.retain(|word| word != NOTHING);
    }
    words.join(" or ")
}

/// The hint for a violation, depending on the value.
pub(super) fn hint(error: &ValidationError<'_>, yaml_path: &YamlPath<'_>) -> Option<String> {
    if yaml_path.is_secret() {
        let is_type = matches!(error.kind(), Kind::Type { .. });
        return is_type.then(|| "a reference always yields a string".to_owned());
    }
    if matches!(error.kind(), Kind::MinItems { limit: 1 }) {
        return Some("add an element, or omit the key".to_owned());
    }
    let text = yaml_path.text()?;
    if matches!(
        error.kind(),
        Kind::Type {
            kind: TypeKind::Single(JsonType::Boolean)
        }
    ) {
        let old = ["yes", "no", "on", "off"]
            .iter()
            .any(|word| word.eq_ignore_ascii_case(text));
        return old.then(|| "write `true` or `false`: this is a string in YAML 1.2".to_owned());
    }
    if matches!(error.kind(), Kind::Format { format } if format == "regex") {
        return regex_error(text);
    }
    let options = options(error);
    let meant = suggest::closest(text, options.iter().filter_map(|option| option.as_str()))?;
    Some(format!("did you mean `{meant}`?"))
}

/// The hint for `1.2` where a text was meant: YAML reads a number.
pub(super) fn quotes_hint(error: &ValidationError<'_>, yaml_path: &YamlPath<'_>) -> Option<String> {
    let wants_text = matches!(
        error.kind(),
        Kind::Type {
            kind: TypeKind::Single(JsonType::String)
        }
    );
    let node = yaml_path.node.filter(|_| wants_text)?;
    matches!(node.kind, NodeKind::Plain(_)).then(|| "put it in quotes".to_owned())
}

/// The allowed values.
fn options<'e>(error: &'e ValidationError<'_>) -> Vec<&'e Value> {
    match error.kind() {
        Kind::Enum { options } => options
            .as_array()
            .into_iter()
            .flatten()
            .take(MAX_ALTERNATIVES)
            .collect(),
        Kind::Constant { expected_value } => vec![&**expected_value],
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => context
            .iter()
            .flatten()
            .flat_map(options)
            .take(MAX_ALTERNATIVES)
            .collect(),
        _ => Vec::new(),
    }
}

/// Why a text is not a regular expression.
pub(super) fn regex_error(text: &str) -> Option<String> {
    let error = regex::Regex::new(text).err()?.to_string();
    Some(units::pattern_reason(&error).to_owned())
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Null => NOTHING.to_owned(),
        other => quoted(&other.to_string()),
    }
}

fn type_word(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Null => NOTHING,
        JsonType::Boolean => "`true` or `false`",
        JsonType::Integer => "a whole number",
        JsonType::Number => "a number",
        JsonType::String => "a string",
        JsonType::Array => "a list",
        JsonType::Object => "a mapping",
    }
}
