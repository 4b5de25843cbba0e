//! A plugin's JSON Schema, and what it says of a check's configuration.

mod place;
mod wording;

use jsonschema::error::{ValidationError, ValidationErrorKind as Kind};
use jsonschema::paths::Location;
use jsonschema::{PatternOptions, Validator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::place::Place;
pub(super) use self::place::Written;
use super::error::Position;
use super::suggest;
use super::tree::quoted;

/// What is wrong with one configuration, at most.
const MAX_FINDINGS: usize = 50;
/// Examples that a hint shows.
const MAX_EXAMPLES: usize = 4;
/// Schemas that are looked through for the keys of one mapping.
const MAX_SCHEMAS: usize = 64;

/// A schema, compiled once for all checks of a plugin.
pub(super) struct Contract {
    schema: Value,
    validator: Validator,
}

/// One thing that the schema does not allow.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding {
    pub(super) at: Position,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Contract {
    /// Compiles a schema. Patterns run in linear time: a plugin is not trusted.
    ///
    /// # Errors
    /// With the reason in words.
    pub(super) fn new(schema: &Value) -> Result<Self, String> {
        jsonschema::options()
            .with_pattern_options(PatternOptions::regex())
            .should_validate_formats(true)
            .with_format("regex", |text| wording::regex_error(text).is_none())
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
        let mut explanation = Explanation {
            contract: self,
            written,
            findings: Vec::new(),
        };
        for error in self.validator.iter_errors(config).take(MAX_FINDINGS) {
            explanation.add(&error, None);
        }
        explanation.findings
    }

    /// The schema that the keyword at `path` is part of.
    fn beside(&self, path: &Location) -> Option<&Value> {
        let parent = path.as_str().rsplit_once('/').map_or("", |(parent, _)| parent);
        self.schema.pointer(parent)
    }

    /// The keys that a schema knows at the place of the keyword at `path`, in any of its alternatives.
    fn keys_beside(&self, path: &Location) -> Vec<&str> {
        let mut keys = Vec::new();
        let mut waiting: Vec<&Value> = self.beside(path).into_iter().collect();
        for _ in 0..MAX_SCHEMAS {
            let Some(schema) = waiting.pop() else { break };
            let properties = schema.get("properties").and_then(Value::as_object);
            keys.extend(
                properties
                    .into_iter()
                    .flat_map(|properties| properties.keys().map(String::as_str)),
            );
            for keyword in ["allOf", "anyOf", "oneOf"] {
                waiting.extend(
                    schema
                        .get(keyword)
                        .and_then(Value::as_array)
                        .into_iter()
                        .flatten(),
                );
            }
            let target = schema.get("$ref").and_then(Value::as_str);
            let pointer = target.and_then(|target| target.strip_prefix('#'));
            waiting.extend(pointer.and_then(|pointer| self.schema.pointer(pointer)));
        }
        keys
    }
}

/// Findings while they are being made.
struct Explanation<'a> {
    contract: &'a Contract,
    written: Written<'a>,
    findings: Vec<Finding>,
}

impl Explanation<'_> {
    /// `choice` is the `anyOf` or `oneOf` that the error is from.
    fn add(&mut self, error: &ValidationError<'_>, choice: Option<&ValidationError<'_>>) {
        let place = Place::locate(self.written, error.instance_path());
        match error.kind() {
            Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
                let here = choice.filter(|choice| choice.instance_path() == error.instance_path());
                let known = self.contract.keys_beside(here.unwrap_or(error).schema_path());
                for key in unexpected {
                    self.unexpected(&place, key, &known);
                }
            }
            Kind::Required { property } => {
                let key = property.as_str().unwrap_or_default();
                self.found(
                    place.key,
                    format!("`{}`: {} is missing", place.path, quoted(key)),
                    None,
                );
            }
            Kind::PropertyNames { error: inner } => {
                let key = inner.instance().as_str().unwrap_or_default();
                let message = format!(
                    "`{}`: expected {} as a key, found {}",
                    place.path,
                    wording::expectation(inner),
                    quoted(key)
                );
                self.found(place.at_key(key), message, None);
            }
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => match best_branch(error, context) {
                Some(branch) => self.branch(branch, error),
                None => self.expected(&place, error),
            },
            _ => self.expected(&place, error),
        }
    }

    fn found(&mut self, at: Position, message: String, hint: Option<String>) {
        self.findings.push(Finding { at, message, hint });
    }

    fn expected(&mut self, place: &Place<'_>, error: &ValidationError<'_>) {
        let message = place.expected(&wording::expectation(error));
        let hint = wording::hint(error, place)
            .or_else(|| self.examples(error))
            .or_else(|| wording::quotes(error, place));
        self.found(place.at, message, hint);
    }

    /// What a schema gives as examples: easier to read than its pattern.
    fn examples(&self, error: &ValidationError<'_>) -> Option<String> {
        let schema = self.contract.beside(error.schema_path())?;
        let examples = schema
            .get("examples")?
            .as_array()?
            .iter()
            .filter_map(Value::as_str);
        let examples: Vec<String> = examples.take(MAX_EXAMPLES).map(quoted).collect();
        (!examples.is_empty()).then(|| format!("such as {}", examples.join(", ")))
    }

    fn unexpected(&mut self, place: &Place<'_>, key: &str, known: &[&str]) {
        let (path, shown) = (&place.path, quoted(key));
        if known.contains(&key) {
            let message = format!("`{path}`: the key {shown} does not go with the others");
            self.found(place.at_key(key), message, None);
        } else {
            let hint = suggest::hint(key, known.iter().copied());
            self.found(place.at_key(key), format!("`{path}`: unknown key {shown}"), hint);
        }
    }

    fn branch(&mut self, branch: &[ValidationError<'static>], choice: &ValidationError<'_>) {
        // A key that is wrong explains why another one is missing.
        let is_missing = |error: &ValidationError<'_>| matches!(error.kind(), Kind::Required { .. });
        let strays = branch.iter().any(is_stray);
        for error in branch
            .iter()
            .filter(|error| !strays || !is_missing(error))
            .take(MAX_FINDINGS)
        {
            self.add(error, Some(choice));
        }
    }
}

fn is_stray(error: &ValidationError<'_>) -> bool {
    matches!(
        error.kind(),
        Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. }
    )
}

/// The branch of an `anyOf` or `oneOf` that was most likely meant: it got further than the value's type.
fn best_branch<'e>(
    error: &ValidationError<'_>,
    context: &'e [Vec<ValidationError<'static>>],
) -> Option<&'e [ValidationError<'static>]> {
    let excludes = |inner: &ValidationError<'_>| {
        inner.instance_path() == error.instance_path()
            && matches!(
                inner.kind(),
                Kind::Type { .. } | Kind::Enum { .. } | Kind::Constant { .. } | Kind::FalseSchema
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
