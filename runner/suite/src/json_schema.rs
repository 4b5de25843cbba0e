//! A plugin's JSON Schema, compiled, and the problems it finds in a check's configuration.

mod coercion;
mod messages;
mod network;
mod partial_config;
mod yaml_path;

use jsonschema::error::{ValidationError, ValidationErrorKind as Kind};
use jsonschema::paths::Location;
use jsonschema::{PatternOptions, Validator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) use self::partial_config::PartialConfig;
pub(super) use self::yaml_path::ConfigNode;
use self::yaml_path::YamlPath;
use super::suggest;
use super::tree::quoted;
use super::units;
use crate::problem::Position;

/// Maximum number of findings for one configuration.
const MAX_FINDINGS: usize = 50;
/// Maximum number of examples in a hint.
const MAX_EXAMPLES: usize = 4;
/// Maximum number of subschemas that are searched for the known keys of a mapping.
const MAX_SCHEMAS: usize = 64;

/// A plugin's JSON Schema, compiled once for all checks of the plugin.
pub(super) struct SchemaValidator {
    schema: Value,
    validator: Validator,
}

/// One violation of the schema.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Finding {
    pub(super) at: Position,
    pub(super) about: FindingKind,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum FindingKind {
    /// A value.
    Value,
    /// A mapping or a list as a whole that matches none of the schema's alternatives.
    Choice,
    /// A key, regardless of its value.
    Key,
    /// Something that is missing.
    Missing,
}

/// The position that keys and indices lead to in a configuration, as deep as it is written, and the path for messages.
pub(super) fn locate(written: ConfigNode<'_>, keys: &[String]) -> (Position, String) {
    let path = YamlPath::from_keys(written, keys);
    (path.key, path.path)
}

impl SchemaValidator {
    /// Compiles a schema. Patterns run in linear time: a plugin is not trusted.
    ///
    /// # Errors
    /// With the reason as text.
    pub(super) fn new(schema: &Value) -> Result<Self, String> {
        jsonschema::options()
            .with_pattern_options(PatternOptions::regex())
            .should_validate_formats(true)
            .with_format("regex", |text| messages::regex_error(text).is_none())
            .with_format(network::FORMAT, network::is_network)
            .with_format(units::DURATION_FORMAT, |text| units::duration(text).is_ok())
            .with_format(units::SIZE_FORMAT, |text| units::size(text).is_ok())
            .build(schema)
            .map(|validator| Self {
                schema: schema.clone(),
                validator,
            })
            .map_err(|error| error.masked().to_string())
    }

    fn is_valid(&self, config: &Value) -> bool {
        self.validator.is_valid(config)
    }

    /// Every violation of the schema in `config`.
    pub(super) fn findings(&self, config: &Value, written: ConfigNode<'_>) -> Vec<Finding> {
        let mut collector = FindingCollector {
            validator: self,
            written,
            findings: Vec::new(),
        };
        for error in self.validator.iter_errors(config).take(MAX_FINDINGS) {
            collector.add(&error, None);
        }
        collector.findings
    }

    /// The schema's description of its pattern for people, the `patternErrorMessage` of editors.
    fn pattern_message(&self, error: &ValidationError<'_>) -> Option<String> {
        let words = self
            .parent_schema(error.schema_path())?
            .get("patternErrorMessage")?;
        words.as_str().map(str::to_owned)
    }

    /// The keys of which a `oneOf` requires one.
    fn one_of_keys(&self, error: &ValidationError<'_>) -> impl Iterator<Item = &str> {
        let schema = self.parent_schema(error.schema_path());
        let branches = schema.and_then(|schema| schema.get("oneOf")?.as_array());
        let required = branches.into_iter().flatten();
        required.filter_map(|branch| branch.get("required")?.get(0)?.as_str())
    }

    /// The schema that contains the keyword at `path`.
    fn parent_schema(&self, path: &Location) -> Option<&Value> {
        let parent = path.as_str().rsplit_once('/').map_or("", |(parent, _)| parent);
        self.schema.pointer(parent)
    }

    /// The keys that are known where the keyword at `path` applies, in any of its alternatives.
    fn known_keys(&self, path: &Location) -> Vec<&str> {
        let mut keys = Vec::new();
        let mut waiting: Vec<&Value> = self.parent_schema(path).into_iter().collect();
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

/// Collects findings, and words them.
struct FindingCollector<'a> {
    validator: &'a SchemaValidator,
    written: ConfigNode<'a>,
    findings: Vec<Finding>,
}

impl FindingCollector<'_> {
    /// `choice` is the `anyOf` or `oneOf` that the error comes from.
    fn add(&mut self, error: &ValidationError<'_>, choice: Option<&ValidationError<'_>>) {
        let yaml_path = YamlPath::from_pointer(self.written, error.instance_path());
        match error.kind() {
            Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
                let here = choice.filter(|choice| choice.instance_path() == error.instance_path());
                let known = self.validator.known_keys(here.unwrap_or(error).schema_path());
                for key in unexpected {
                    self.unexpected(&yaml_path, key, &known);
                }
            }
            Kind::Required { property } => {
                let key = property.as_str().unwrap_or_default();
                let message = format!("`{}`: {} is missing", yaml_path.path, quoted(key));
                self.add_finding(yaml_path.key, FindingKind::Missing, (message, None));
            }
            Kind::PropertyNames { error: inner } => {
                let key = inner.instance().as_str().unwrap_or_default();
                let message = format!(
                    "`{}`: expected {} as a key, found {}",
                    yaml_path.path,
                    messages::expectation(inner, self.validator),
                    quoted(key)
                );
                self.add_finding(yaml_path.at_key(key), FindingKind::Key, (message, None));
            }
            Kind::MinProperties { .. } => {
                self.expected(&yaml_path, error, FindingKind::Missing);
            }
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                match (missing_keys(error, context), best_branch(error, context)) {
                    (Some(keys), _) => self.missing(&yaml_path, &keys),
                    (None, Some(branch)) => self.branch(branch, error),
                    (None, None) => self.expected(&yaml_path, error, FindingKind::Choice),
                }
            }
            Kind::OneOfMultipleValid { .. } => {
                let written = |key: &&str| yaml_path.node.is_some_and(|node| node.entry(key).is_some());
                let keys: Vec<&str> = self.validator.one_of_keys(error).filter(written).collect();
                match keys.len() {
                    0 | 1 => self.expected(&yaml_path, error, FindingKind::Choice),
                    _ => self.exclusive(&yaml_path, keys),
                }
            }
            Kind::Not { schema } if messages::exclusive_keys(schema).is_some() => {
                self.exclusive(&yaml_path, messages::exclusive_keys(schema).unwrap_or_default());
            }
            _ => self.expected(&yaml_path, error, FindingKind::Value),
        }
    }

    /// Reports that one of several keys is required.
    fn missing(&mut self, yaml_path: &YamlPath<'_>, keys: &[&str]) {
        let keys: Vec<String> = keys.iter().map(|key| quoted(key)).collect();
        let message = format!("`{}`: one of {} is missing", yaml_path.path, keys.join(", "));
        self.add_finding(yaml_path.key, FindingKind::Missing, (message, None));
    }

    /// Reports mutually exclusive keys, some of which may be inherited: at a key that the check itself sets.
    fn exclusive(&mut self, yaml_path: &YamlPath<'_>, keys: Vec<&str>) {
        let own = keys
            .iter()
            .filter(|key| self.written.is_own(yaml_path.at_key(key)));
        let at = own.min_by_key(|key| yaml_path.at_key(key));
        let at = at.map_or(yaml_path.key, |key| yaml_path.at_key(key));
        let shown: Vec<String> = keys.iter().map(|key| quoted(key)).collect();
        let message = format!("`{}`: {} cannot be combined", yaml_path.path, shown.join(" and "));
        let inherited = keys
            .iter()
            .find(|key| !self.written.is_own(yaml_path.at_key(key)));
        let hint = inherited.map(|key| format!("`{key}: null` removes the inherited one"));
        self.add_finding(at, FindingKind::Key, (message, hint));
    }

    fn add_finding(&mut self, at: Position, about: FindingKind, (message, hint): (String, Option<String>)) {
        self.findings.push(Finding {
            at,
            about,
            message,
            hint,
        });
    }

    fn expected(&mut self, yaml_path: &YamlPath<'_>, error: &ValidationError<'_>, about: FindingKind) {
        if let Some((message, hint)) = messages::unit_error(error, yaml_path) {
            return self.add_finding(yaml_path.at, about, (message, Some(hint)));
        }
        let message = yaml_path.expected(&messages::expectation(error, self.validator));
        let hint = messages::hint(error, yaml_path)
            .or_else(|| self.examples(error))
            .or_else(|| messages::quotes_hint(error, yaml_path));
        self.add_finding(yaml_path.at, about, (message, hint));
    }

    /// The schema's examples, which are easier to read than its pattern.
    fn examples(&self, error: &ValidationError<'_>) -> Option<String> {
        let schema = self.validator.parent_schema(error.schema_path())?;
        let examples = schema
            .get("examples")?
            .as_array()?
            .iter()
            .filter_map(Value::as_str);
        let examples: Vec<String> = examples.take(MAX_EXAMPLES).map(quoted).collect();
        (!examples.is_empty()).then(|| format!("for example {}", examples.join(", ")))
    }

    fn unexpected(&mut self, yaml_path: &YamlPath<'_>, key: &str, known: &[&str]) {
        let (path, shown) = (&yaml_path.path, quoted(key));
        if known.contains(&key) {
            let message = format!("`{path}`: the key {shown} cannot be combined with the others");
            self.add_finding(yaml_path.at_key(key), FindingKind::Key, (message, None));
        } else {
            let hint = suggest::hint(key, known.iter().copied());
            let message = format!("`{path}`: unknown key {shown}");
            self.add_finding(yaml_path.at_key(key), FindingKind::Key, (message, hint));
        }
    }

    fn branch(&mut self, branch: &[ValidationError<'static>], choice: &ValidationError<'_>) {
        // A misspelled key explains why another one is missing.
        let is_missing = |error: &ValidationError<'_>| matches!(error.kind(), Kind::Required { .. });
        let has_unexpected_key = branch.iter().any(is_unexpected_key);
        for error in branch
            .iter()
            .filter(|error| !has_unexpected_key || !is_missing(error))
            .take(MAX_FINDINGS)
        {
            self.add(error, Some(choice));
        }
    }
}

fn is_unexpected_key(error: &ValidationError<'_>) -> bool {
    matches!(
        error.kind(),
        Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. }
    )
}

/// The keys of which any one would be enough, if every branch of an `anyOf` or `oneOf` fails for a missing key only.
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

/// The branch of an `anyOf` or `oneOf` that was most likely meant: one whose type matches.
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
    // Of several branches, the one with the fewest errors.
    context
        .iter()
        .filter(fits)
        .min_by_key(|branch| branch.len())
        .map(Vec::as_slice)
}
