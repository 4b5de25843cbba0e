//! A plugin's JSON Schema, and what it says of a check's configuration.

use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind};
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{JsonType, PatternOptions, Validator};
use serde_json::Value;

use super::error::Position;
use super::interpolate::has_reference;
use super::suggest;
use super::tree::{Entry, Kind, Node, quoted};

/// What is wrong with one configuration, at most.
const MAX_FINDINGS: usize = 50;
/// Schemas that are looked through for the keys of one mapping.
const MAX_SCHEMAS: usize = 64;
/// Words that a message lists.
const MAX_WORDS: usize = 20;

/// A schema, compiled once for all checks of a plugin.
pub(super) struct Contract {
    schema: Value,
    validator: Validator,
}

/// One thing that the schema does not allow.
pub(super) struct Finding {
    pub(super) at: Position,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// The configuration as it is written; `key` stands for the whole where nothing is.
#[derive(Clone, Copy)]
pub(super) struct Written<'a> {
    pub(super) key: Position,
    pub(super) node: Option<&'a Node>,
}

impl Contract {
    /// Compiles a schema. Patterns run in linear time: a plugin is not trusted.
    ///
    /// # Errors
    /// With the reason in words.
    pub(super) fn new(schema: &Value) -> Result<Self, String> {
        jsonschema::options()
            .with_pattern_options(PatternOptions::regex())
            .build(schema)
            .map(|validator| Self {
                schema: schema.clone(),
                validator,
            })
            .map_err(|error| error.masked().to_string())
    }

    pub(super) fn allows(&self, config: &Value) -> bool {
        self.validator.is_valid(config)
    }

    /// Everything that `config` has against itself.
    pub(super) fn judge(&self, config: &Value, written: Written<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for error in self.validator.iter_errors(config).take(MAX_FINDINGS) {
            self.explain(&error, written, None, &mut findings);
        }
        findings
    }

    /// `choice` is the `anyOf` or `oneOf` that the error is from.
    fn explain(
        &self,
        error: &ValidationError<'_>,
        written: Written<'_>,
        choice: Option<&ValidationError<'_>>,
        findings: &mut Vec<Finding>,
    ) {
        let place = locate(written, error.instance_path());
        let choice = choice.filter(|choice| choice.instance_path() == error.instance_path());
        let mut found = |at, message, hint| findings.push(Finding { at, message, hint });
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                let known = self.properties_beside(choice.unwrap_or(error).schema_path());
                for key in unexpected {
                    let (message, hint) = if known.contains(key) {
                        (
                            format!(
                                "`{}`: the key {} does not go with the others",
                                place.path,
                                quoted(key)
                            ),
                            None,
                        )
                    } else {
                        let hint = suggest::hint(key, known.iter().map(String::as_str));
                        (format!("`{}`: unknown key {}", place.path, quoted(key)), hint)
                    };
                    found(place.at_key(key), message, hint);
                }
            }
            ValidationErrorKind::Required { property } => {
                let key = property.as_str().unwrap_or_default();
                found(place.key, format!("`{}`: `{key}` is missing", place.path), None);
            }
            ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
                match best_branch(error, context) {
                    Some(branch) => {
                        // A key that is wrong explains why another one is missing.
                        let strays = branch.iter().any(is_stray);
                        let told = |inner: &&ValidationError<'_>| !strays || !is_missing(inner);
                        for inner in branch.iter().filter(told).take(MAX_FINDINGS) {
                            self.explain(inner, written, Some(error), findings);
                        }
                    }
                    None => found(
                        place.at,
                        place.expected(&alternatives(context)),
                        place.hint(error),
                    ),
                }
            }
            _ => found(place.at, place.expected(&expectation(error)), place.hint(error)),
        }
    }

    /// The keys that a schema knows at the place of the keyword at `path`.
    fn properties_beside(&self, path: &Location) -> Vec<String> {
        let parent = path.as_str().rsplit_once('/').map_or("", |(parent, _)| parent);
        let mut names = Vec::new();
        let mut waiting: Vec<&Value> = self.schema.pointer(parent).into_iter().collect();
        for _ in 0..MAX_SCHEMAS {
            let Some(schema) = waiting.pop() else { break };
            if let Some(Value::Object(properties)) = schema.get("properties") {
                names.extend(properties.keys().cloned());
            }
            for keyword in ["allOf", "anyOf", "oneOf"] {
                waiting.extend(
                    schema
                        .get(keyword)
                        .and_then(Value::as_array)
                        .into_iter()
                        .flatten(),
                );
            }
            let target = schema
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|to| to.strip_prefix('#'));
            waiting.extend(target.and_then(|pointer| self.schema.pointer(pointer)));
        }
        names
    }
}

/// A place in the configuration.
struct Found<'a> {
    /// Of the key that leads here.
    key: Position,
    /// Of the value.
    at: Position,
    node: Option<&'a Node>,
    /// Such as `config.expect.status[1]`.
    path: String,
}

fn locate<'a>(written: Written<'a>, location: &Location) -> Found<'a> {
    let mut found = Found {
        key: written.key,
        at: written
            .node
            .filter(|node| !node.is_null())
            .map_or(written.key, |node| node.at),
        node: written.node,
        path: "config".to_owned(),
    };
    for segment in location {
        let next = match (&segment, found.node.map(|node| &node.kind)) {
            (LocationSegment::Property(name), Some(Kind::Map(entries))) => {
                let entry: Option<&Entry> = entries.iter().find(|entry| *entry.key == **name);
                entry.map(|entry| (entry.at, &entry.value))
            }
            (LocationSegment::Index(index), Some(Kind::List(nodes))) => {
                nodes.get(*index).map(|node| (node.at, node))
            }
            _ => None,
        };
        match segment {
            LocationSegment::Property(name) => found.path.push_str(&format!(".{name}")),
            LocationSegment::Index(index) => found.path.push_str(&format!("[{index}]")),
        }
        if let Some((key, node)) = next {
            found = Found {
                key,
                at: node.at,
                node: Some(node),
                path: found.path,
            };
        }
    }
    found
}

impl Found<'_> {
    fn at_key(&self, key: &str) -> Position {
        match self.node.map(|node| &node.kind) {
            Some(Kind::Map(entries)) => entries
                .iter()
                .find(|entry| &*entry.key == key)
                .map_or(self.at, |entry| entry.at),
            _ => self.at,
        }
    }

    /// What was expected, and what is written, unless that is a secret.
    fn expected(&self, expected: &str) -> String {
        let found = match self.node {
            Some(node) if self.is_secret() => match node.kind {
                Kind::Text(_) => "an interpolated text".to_owned(),
                _ => node.found(),
            },
            Some(node) => node.found(),
            None => "nothing".to_owned(),
        };
        format!("`{}`: expected {expected}, found {found}", self.path)
    }

    fn is_secret(&self) -> bool {
        matches!(self.node.map(|node| &node.kind), Some(Kind::Text(text)) if has_reference(text))
    }

    fn hint(&self, error: &ValidationError<'_>) -> Option<String> {
        let Some(Kind::Text(text)) = self.node.map(|node| &node.kind) else {
            return None;
        };
        match error.kind() {
            ValidationErrorKind::Type { .. } if self.is_secret() => {
                Some("a reference always gives a text".to_owned())
            }
            ValidationErrorKind::Type {
                kind: TypeKind::Single(JsonType::Boolean),
            } if is_old_boolean(text) => {
                Some("write `true` or `false`: this is a text in YAML 1.2".to_owned())
            }
            ValidationErrorKind::Enum { options } if !self.is_secret() => {
                let options = options.as_array()?.iter().filter_map(Value::as_str);
                let meant = suggest::closest(text, options)?;
                Some(format!("did you mean `{meant}`?"))
            }
            _ => None,
        }
    }
}

fn is_old_boolean(text: &str) -> bool {
    ["yes", "no", "on", "off"]
        .iter()
        .any(|word| word.eq_ignore_ascii_case(text))
}

/// The branch of an `anyOf` or `oneOf` that was most likely meant: it got further than the value's type.
fn best_branch<'e>(
    error: &ValidationError<'_>,
    context: &'e [Vec<ValidationError<'static>>],
) -> Option<&'e [ValidationError<'static>]> {
    let here = error.instance_path();
    let excludes = |inner: &ValidationError<'_>| {
        inner.instance_path() == here
            && matches!(
                inner.kind(),
                ValidationErrorKind::Type { .. }
                    | ValidationErrorKind::Enum { .. }
                    | ValidationErrorKind::Constant { .. }
                    | ValidationErrorKind::FalseSchema
            )
    };
    let fits = |branch: &&Vec<ValidationError<'static>>| !branch.is_empty() && !branch.iter().any(excludes);
    // Of several, the one with the least to complain about.
    context
        .iter()
        .filter(fits)
        .min_by_key(|branch| branch.len())
        .map(Vec::as_slice)
}

fn is_stray(error: &ValidationError<'_>) -> bool {
    matches!(
        error.kind(),
        ValidationErrorKind::AdditionalProperties { .. } | ValidationErrorKind::UnevaluatedProperties { .. }
    )
}

fn is_missing(error: &ValidationError<'_>) -> bool {
    matches!(error.kind(), ValidationErrorKind::Required { .. })
}

/// What each branch of an `anyOf` or `oneOf` expects.
fn alternatives(context: &[Vec<ValidationError<'static>>]) -> String {
    let mut words: Vec<String> = Vec::new();
    for error in context.iter().filter_map(|branch| branch.first()) {
        let word = expectation(error);
        if !words.contains(&word) && words.len() < MAX_WORDS {
            words.push(word);
        }
    }
    if words.len() > 1 {
        words.retain(|word| word != NOTHING);
    }
    words.join(" or ")
}

const NOTHING: &str = "nothing";

/// What a schema asks for, as the end of `expected ..`. Never shows the value.
fn expectation(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::Type {
            kind: TypeKind::Single(kind),
        } => type_word(*kind).to_owned(),
        ValidationErrorKind::Type {
            kind: TypeKind::Multiple(kinds),
        } => {
            let null = kinds.len() > 1;
            let kinds = kinds.iter().filter(|kind| !null || *kind != JsonType::Null);
            kinds.map(type_word).collect::<Vec<_>>().join(" or ")
        }
        ValidationErrorKind::Enum { options } => {
            let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
            let words: Vec<String> = options.iter().take(MAX_WORDS).map(word).collect();
            match words.as_slice() {
                [only] => only.clone(),
                _ => format!("one of {}", words.join(", ")),
            }
        }
        ValidationErrorKind::Constant { expected_value } => word(expected_value),
        ValidationErrorKind::Minimum { limit } => format!("at least {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("at most {limit}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("more than {limit}"),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("less than {limit}"),
        ValidationErrorKind::MinLength { limit: 1 } => "a text that is not empty".to_owned(),
        ValidationErrorKind::MinLength { limit } => format!("at least {limit} characters"),
        ValidationErrorKind::MaxLength { limit } => format!("at most {limit} characters"),
        ValidationErrorKind::MinItems { limit: 1 } => "a list that is not empty".to_owned(),
        ValidationErrorKind::MinItems { limit } => format!("at least {limit} elements"),
        ValidationErrorKind::MaxItems { limit } => format!("at most {limit} elements"),
        ValidationErrorKind::MinProperties { limit } => format!("at least {limit} keys"),
        ValidationErrorKind::MaxProperties { limit } => format!("at most {limit} keys"),
        ValidationErrorKind::Pattern { pattern } => format!("a text that matches {}", quoted(pattern)),
        ValidationErrorKind::Format { format } => format!("a text in the form {}", quoted(format)),
        ValidationErrorKind::UniqueItems => "no element twice".to_owned(),
        ValidationErrorKind::OneOfMultipleValid { .. } => "only one of several forms".to_owned(),
        _ => match error.masked_with("it").to_string() {
            // The library's own words, where ours have none.
            text if text.chars().count() <= 120 => format!("something else ({text})"),
            _ => "something else".to_owned(),
        },
    }
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
