//! A plugin's JSON Schema, and what it says of a check's configuration.

mod place;
mod reading;
mod rest;
mod wording;

use jsonschema::error::{ValidationError, ValidationErrorKind as Kind};
use jsonschema::paths::Location;
use jsonschema::{PatternOptions, Validator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::place::Place;
pub(super) use self::place::Written;
pub(super) use self::rest::Rest;
use super::error::Position;
use super::suggest;
use super::tree::quoted;
use super::units;

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
pub(super) struct Finding {
    pub(super) at: Position,
    pub(super) about: About,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum About {
    /// A value.
    Value,
    /// A mapping or a list as a whole, of which no alternative of the schema fits.
    Choice,
    /// A key, whatever its value is.
    Key,
    /// Something that is not there.
    Missing,
}

/// Where keys and indices lead in a configuration, as far as it is written, and the path in words.
pub(super) fn place(written: Written<'_>, keys: &[String]) -> (Position, String) {
    let place = Place::follow(written, keys);
    (place.key, place.path)
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
            .with_format(units::DURATION_FORMAT, |text| units::duration(text).is_ok())
            .with_format(units::SIZE_FORMAT, |text| units::size(text).is_ok())
            .build(schema)
            .map(|validator| Self {
                schema: schema.clone(),
                validator,
            })
            .map_err(|error| error.masked().to_string())
    }

    fn allows(&self, config: &Value) -> bool {
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

    /// What the schema says of its pattern for people, as editors know it: `patternErrorMessage`.
    fn pattern_in_words(&self, error: &ValidationError<'_>) -> Option<String> {
        let words = self.beside(error.schema_path())?.get("patternErrorMessage")?;
        words.as_str().map(str::to_owned)
    }

    /// The keys of which a `oneOf` wants one.
    fn choices(&self, error: &ValidationError<'_>) -> impl Iterator<Item = &str> {
        let schema = self.beside(error.schema_path());
        let branches = schema.and_then(|schema| schema.get("oneOf")?.as_array());
        let required = branches.into_iter().flatten();
        required.filter_map(|branch| branch.get("required")?.get(0)?.as_str())
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
                let message = format!("`{}`: {} is missing", place.path, quoted(key));
                self.found(place.key, About::Missing, (message, None));
            }
            Kind::PropertyNames { error: inner } => {
                let key = inner.instance().as_str().unwrap_or_default();
                let message = format!(
                    "`{}`: expected {} as a key, found {}",
                    place.path,
                    wording::expectation(inner, self.contract),
                    quoted(key)
                );
                self.found(place.at_key(key), About::Key, (message, None));
            }
            Kind::MinProperties { .. } => {
                self.expected(&place, error, About::Missing);
            }
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                match (missing_keys(error, context), best_branch(error, context)) {
                    (Some(keys), _) => self.missing(&place, &keys),
                    (None, Some(branch)) => self.branch(branch, error),
                    (None, None) => self.expected(&place, error, About::Choice),
                }
            }
            Kind::OneOfMultipleValid { .. } => {
                let written = |key: &&str| place.node.is_some_and(|node| node.entry(key).is_some());
                let keys: Vec<&str> = self.contract.choices(error).filter(written).collect();
                match keys.len() {
                    0 | 1 => self.expected(&place, error, About::Choice),
                    _ => self.exclusive(&place, keys),
                }
            }
            Kind::Not { schema } if wording::excluded(schema).is_some() => {
                self.exclusive(&place, wording::excluded(schema).unwrap_or_default());
            }
            _ => self.expected(&place, error, About::Value),
        }
    }

    /// One of several keys has to be there.
    fn missing(&mut self, place: &Place<'_>, keys: &[&str]) {
        let keys: Vec<String> = keys.iter().map(|key| quoted(key)).collect();
        let message = format!("`{}`: one of {} is missing", place.path, keys.join(", "));
        self.found(place.key, About::Missing, (message, None));
    }

    /// Keys that do not go together, of which some may be inherited: said where the check itself writes one.
    fn exclusive(&mut self, place: &Place<'_>, keys: Vec<&str>) {
        let own = keys.iter().filter(|key| self.written.is_own(place.at_key(key)));
        let at = own.min_by_key(|key| place.at_key(key));
        let at = at.map_or(place.key, |key| place.at_key(key));
        let shown: Vec<String> = keys.iter().map(|key| quoted(key)).collect();
        let message = format!("`{}`: {} do not go together", place.path, shown.join(" and "));
        let inherited = keys.iter().find(|key| !self.written.is_own(place.at_key(key)));
        let hint = inherited.map(|key| format!("`{key}: null` takes back the one that is inherited"));
        self.found(at, About::Key, (message, hint));
    }

    fn found(&mut self, at: Position, about: About, (message, hint): (String, Option<String>)) {
        self.findings.push(Finding {
            at,
            about,
            message,
            hint,
        });
    }

    fn expected(&mut self, place: &Place<'_>, error: &ValidationError<'_>, about: About) {
        if let Some((message, hint)) = wording::unit(error, place) {
            return self.found(place.at, about, (message, Some(hint)));
        }
        let message = place.expected(&wording::expectation(error, self.contract));
        let hint = wording::hint(error, place)
            .or_else(|| self.examples(error))
            .or_else(|| wording::quotes(error, place));
        self.found(place.at, about, (message, hint));
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
            self.found(place.at_key(key), About::Key, (message, None));
        } else {
            let hint = suggest::hint(key, known.iter().copied());
            let message = format!("`{path}`: unknown key {shown}");
            self.found(place.at_key(key), About::Key, (message, hint));
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

/// The keys of which one would do, where nothing else is wrong with any branch of an `anyOf` or `oneOf`.
fn missing_keys<'e>(
    error: &ValidationError<'_>,
    context: &'e [Vec<ValidationError<'static>>],
) -> Option<Vec<&'e str>> {
    let key = |branch: &'e Vec<ValidationError<'static>>| match branch.as_slice() {
        [missing] if missing.instance_path() == error.instance_path() => match missing.kind() {
            Kind::Required { property } => property.as_str(),
            _ => None,
        },
        _ => None,
    };
    let keys: Option<Vec<&str>> = context.iter().map(key).collect();
    keys.filter(|keys| keys.len() > 1)
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
