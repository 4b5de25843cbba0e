//! What a schema asks for, in the words of the rest of the messages. Never shows a value of the suite.

use jsonschema::JsonType;
use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind as Kind};
use serde_json::Value;

use super::Contract;
use super::place::Place;
use crate::suite::suggest;
use crate::suite::tree::{Kind as NodeKind, quoted};
use crate::suite::units;

/// Words that a message lists.
const MAX_WORDS: usize = 20;
/// Characters of the library's own words, where ours have none.
const MAX_FOREIGN_CHARS: usize = 120;
const NOTHING: &str = "nothing";

/// What was expected, as the end of `expected ..`.
pub(super) fn expectation(error: &ValidationError<'_>, contract: &Contract) -> String {
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
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => alternatives(context, contract),
        Kind::Pattern { pattern } => contract
            .pattern_in_words(error)
            .unwrap_or_else(|| format!("a text that matches {}", quoted(pattern))),
        Kind::Format { format } if format == "regex" => "a regular expression".to_owned(),
        Kind::Format { format } => format!("a text in the form {}", quoted(format)),
        Kind::UniqueItems => "no element twice".to_owned(),
        Kind::OneOfMultipleValid { .. } => "only one of several forms".to_owned(),
        Kind::FalseSchema => NOTHING.to_owned(),
        kind => limit(kind).unwrap_or_else(|| foreign(error)),
    }
}

/// What is wrong with a duration or a size, in the words of those outside of configurations, and what to write.
pub(super) fn unit(error: &ValidationError<'_>, place: &Place<'_>) -> Option<(String, String)> {
    let Kind::Format { format } = error.kind() else {
        return None;
    };
    let text = error.instance().as_str()?;
    let wrong = match format.as_str() {
        units::DURATION_FORMAT => units::duration(text).err()?,
        units::SIZE_FORMAT => units::size(text).err()?,
        _ => return None,
    };
    let shown = match place.is_secret() {
        true => "an interpolated text".to_owned(),
        false => quoted(text),
    };
    Some((
        format!("`{}`: {shown} {wrong}", place.path),
        wrong.hint().to_owned(),
    ))
}

fn limit(kind: &Kind) -> Option<String> {
    Some(match kind {
        Kind::Minimum { limit } => format!("at least {limit}"),
        Kind::Maximum { limit } => format!("at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("less than {limit}"),
        Kind::MinLength { limit: 1 } => "a text that is not empty".to_owned(),
        Kind::MinLength { limit } => format!("at least {limit} characters"),
        Kind::MaxLength { limit } => format!("at most {limit} characters"),
        Kind::MinItems { limit: 1 } => "a list that is not empty".to_owned(),
        Kind::MinItems { limit } => format!("at least {limit} elements"),
        Kind::MaxItems { limit } => format!("at most {limit} elements"),
        Kind::MinProperties { limit: 1 } => "a mapping that is not empty".to_owned(),
        Kind::MinProperties { limit } => format!("at least {limit} keys"),
        Kind::MaxProperties { limit } => format!("at most {limit} keys"),
        _ => return None,
    })
}

/// Keys that must not be there together.
pub(super) fn excluded(schema: &Value) -> Option<Vec<&str>> {
    let keys = schema.get("required")?.as_array()?;
    let keys: Vec<&str> = keys.iter().take(MAX_WORDS).filter_map(Value::as_str).collect();
    (keys.len() > 1).then_some(keys)
}

fn foreign(error: &ValidationError<'_>) -> String {
    let text = error.masked_with("it").to_string();
    if text.chars().count() <= MAX_FOREIGN_CHARS {
        format!("something else ({text})")
    } else {
        "something else".to_owned()
    }
}

/// What each branch of an `anyOf` or `oneOf` expects.
fn alternatives(context: &[Vec<ValidationError<'static>>], contract: &Contract) -> String {
    let mut words: Vec<String> = Vec::new();
    for error in context.iter().filter_map(|branch| branch.first()) {
        let word = expectation(error, contract);
        if !words.contains(&word) && words.len() < MAX_WORDS {
            words.push(word);
        }
    }
    if words.len() > 1 {
        words.retain(|word| word != NOTHING);
    }
    words.join(" or ")
}

/// What to do about it, judged by what is written.
pub(super) fn hint(error: &ValidationError<'_>, place: &Place<'_>) -> Option<String> {
    if place.is_secret() {
        let is_type = matches!(error.kind(), Kind::Type { .. });
        return is_type.then(|| "a reference always gives a text".to_owned());
    }
    if matches!(error.kind(), Kind::MinItems { limit: 1 }) {
        return Some("put something into it, or leave the key out".to_owned());
    }
    let text = place.text()?;
    if matches!(
        error.kind(),
        Kind::Type {
            kind: TypeKind::Single(JsonType::Boolean)
        }
    ) {
        let old = ["yes", "no", "on", "off"]
            .iter()
            .any(|word| word.eq_ignore_ascii_case(text));
        return old.then(|| "write `true` or `false`: this is a text in YAML 1.2".to_owned());
    }
    if matches!(error.kind(), Kind::Format { format } if format == "regex") {
        return regex_error(text);
    }
    let options = options(error);
    let meant = suggest::closest(text, options.iter().filter_map(|option| option.as_str()))?;
    Some(format!("did you mean `{meant}`?"))
}

/// For `1.2` where a text was meant: YAML reads a number.
pub(super) fn quotes(error: &ValidationError<'_>, place: &Place<'_>) -> Option<String> {
    let wants_text = matches!(
        error.kind(),
        Kind::Type {
            kind: TypeKind::Single(JsonType::String)
        }
    );
    let node = place.node.filter(|_| wants_text)?;
    matches!(node.kind, NodeKind::Plain(_)).then(|| "put it in quotes".to_owned())
}

/// The values that would do.
fn options<'e>(error: &'e ValidationError<'_>) -> Vec<&'e Value> {
    match error.kind() {
        Kind::Enum { options } => options.as_array().into_iter().flatten().take(MAX_WORDS).collect(),
        Kind::Constant { expected_value } => vec![&**expected_value],
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => context
            .iter()
            .flatten()
            .flat_map(options)
            .take(MAX_WORDS)
            .collect(),
        _ => Vec::new(),
    }
}

/// Why a text is no regular expression.
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
        JsonType::String => "a text",
        JsonType::Array => "a list",
        JsonType::Object => "a mapping",
    }
}
