//! The JSON Schema of a suite, for editors.

mod variables;

use serde_json::{Map, Value, json};

use super::group::{CONCURRENCY, MAX_GROUPS};
use super::maintenance::syntax::{DAYS, MAX_NAMED_CHECKS, MAX_WINDOWS, MAX_ZONE};
use super::names::MAX_NAME;
use super::profile::MAX_PROFILES;
use super::schema_parts::{closed, count, described, names, of_keys, properties, text};
use super::variables::{MAX_VALUE, MAX_VARIABLES};
use super::{PluginFacts, check, labels, layer, settings, units};

/// JSON Schema (2020-12) of a suite file. The `config:` of a check is described for the given plugins.
#[must_use]
pub fn schema(plugins: &[(&str, &PluginFacts)]) -> Value {
    let mut definitions = Map::new();
    let mut configs = Vec::new();
    for (name, facts) in plugins {
        let key = format!("config-{name}");
        let mut config = facts.config_schema.as_ref().clone();
        relocate(&mut config, &key);
        configs.push(json!({
            "if": { "properties": { "plugin": { "const": name } }, "required": ["plugin"] },
            "then": { "properties": { "config": { "anyOf": [{ "$ref": format!("#/$defs/{key}") }, { "type": "null" }] } } },
        }));
        definitions.insert(key, config);
    }
    define(&mut definitions, configs);
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Canary suite",
        "type": "object",
        "additionalProperties": false,
        "patternProperties": { "^x-": {} },
        "properties": file(),
        "$defs": definitions,
    });
    variables::allow_references(&mut schema);
    schema
}

/// The keys of a file.
fn file() -> Value {
    let mut keys = keys_of_file();
    let keys_but_checks = keys.iter_mut().filter(|(key, _)| *key != "checks");
    keys_but_checks.for_each(|(_, schema)| nullable(schema));
    keys.into()
}

fn keys_of_file() -> Map<String, Value> {
    let keys = json!({
        "vars": {
            "description": "Non-secret variables: `${var:NAME}` is replaced by the value in any text.",
            "type": "object", "maxProperties": MAX_VARIABLES, "additionalProperties": { "$ref": "#/$defs/variable" },
            "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_-]{0,63}$" },
        },
        "defaults": { "description": "Defaults for all checks and profiles.", "$ref": "#/$defs/layer" },
        "profiles": {
            "description": "Settings shared by the checks that name one in `profile`.",
            "type": "object", "maxProperties": MAX_PROFILES, "additionalProperties": { "$ref": "#/$defs/layer" },
        },
        "plugins": { "type": "object", "additionalProperties": { "$ref": "#/$defs/plugin" } },
        "groups": {
            "description": "Groups of checks that share a concurrency limit.",
            "type": "object", "maxProperties": MAX_GROUPS, "additionalProperties": { "$ref": "#/$defs/group" },
        },
        "maintenance": {
            "description": "Maintenance windows: alerts are suppressed, checks keep running.",
            "type": "array", "maxItems": MAX_WINDOWS, "items": { "$ref": "#/$defs/window" },
        },
        "checks": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/check" } },
    });
    match keys {
        Value::Object(keys) => keys,
        _ => Map::new(),
    }
}

/// Defines the schemas of the parts of a suite.
fn define(definitions: &mut Map<String, Value>, configs: Vec<Value>) {
    definitions.insert("variable".to_owned(), variable());
    definitions.insert("duration".to_owned(), duration());
    definitions.insert("size".to_owned(), size());
    definitions.insert("layer".to_owned(), closed(layer(), &[]).into());
    definitions.insert("plugin".to_owned(), closed(plugin(), &["path"]).into());
    definitions.insert("group".to_owned(), closed(group(), &["concurrency"]).into());
    definitions.insert("window".to_owned(), window());
    definitions.insert("check".to_owned(), check(configs));
}

fn variable() -> Value {
    json!({
        "description": "A value; null if it must be set on the command line.",
        "type": ["string", "number", "boolean", "null"], "maxLength": MAX_VALUE,
    })
}

fn check(configs: Vec<Value>) -> Value {
    let mut properties = of_keys(&check::OWN_KEYS);
    for key in ["profile", "depends_on", "expect_failure"] {
        properties.get_mut(key).into_iter().for_each(nullable);
    }
    properties.append(&mut layer());
    let mut schema = closed(properties, &["name"]);
    schema.insert(
        "oneOf".to_owned(),
        json!([{ "required": ["target"] }, { "required": ["targets"] }]),
    );
    if !configs.is_empty() {
        schema.insert("allOf".to_owned(), configs.into());
    }
    schema.into()
}

/// The keys of checks, profiles and defaults.
fn layer() -> Map<String, Value> {
    let mut layer = of_keys(&layer::OWN_KEYS);
    layer.append(&mut settings::schema());
    layer.values_mut().for_each(nullable);
    layer
}

/// Allows `null`, which removes the inherited value; an editor still shows the description.
fn nullable(schema: &mut Value) {
    let null = json!({ "type": "null" });
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        return choices.push(null);
    }
    let description = schema.get("description").cloned();
    let mut choice = Map::new();
    choice.insert("anyOf".to_owned(), vec![schema.take(), null].into());
    choice.extend(description.map(|text| ("description".to_owned(), text)));
    *schema = choice.into();
}

fn group() -> Map<String, Value> {
    properties([(
        "concurrency",
        described(count(CONCURRENCY), "Maximum concurrent runs of its checks."),
    )])
}

/// A window that is active once, or repeatedly.
fn window() -> Value {
    let mut schema = closed(window_properties(), &["name"]);
    let without = |key: &str| json!({ "not": { "required": [key] } });
    let once = [without("at"), without("days"), without("timezone")];
    let end = json!([{ "required": ["to"] }, { "required": ["for"] }]);
    schema.insert(
        "oneOf".to_owned(),
        json!([
            { "required": ["from"], "oneOf": end, "allOf": once },
            { "required": ["at", "for"], "allOf": [without("from"), without("to")] },
        ]),
    );
    schema.into()
}

fn window_properties() -> Map<String, Value> {
    let moment =
        |description: &str| json!({ "type": "string", "format": "date-time", "description": description });
    let days = json!({ "enum": DAYS.map(|(day, _)| day) });
    properties([
        ("name", described(text(MAX_NAME), "Unique in the suite.")),
        (
            "checks",
            described(
                names(
                    MAX_NAMED_CHECKS,
                    described(text(MAX_NAME), "The name of a check."),
                ),
                "Names of the checks [default: all].",
            ),
        ),
        (
            "labels",
            described(
                labels::schema(),
                "Labels that a check must have, all of them [default: all checks].",
            ),
        ),
        ("from", moment("Start of the window.")),
        ("to", moment("End of the window.")),
        (
            "for",
            json!({ "$ref": "#/$defs/duration", "description": "Duration of the window." }),
        ),
        (
            "days",
            described(
                names(DAYS.len(), days),
                "Days on which it starts [default: every day].",
            ),
        ),
        (
            "at",
            json!({ "type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$", "description": "Local start time, such as `02:00`." }),
        ),
        (
            "timezone",
            described(
                text(MAX_ZONE),
                "IANA time zone, such as `Europe/Berlin` [default: UTC].",
            ),
        ),
    ])
}

fn plugin() -> Map<String, Value> {
    properties([
        (
            "path",
            json!({ "type": "string", "description": "Path of a WebAssembly component, relative to the suite file." }),
        ),
        (
            "digest",
            json!({ "type": "string", "pattern": "^sha256:[0-9a-fA-F]{64}$" }),
        ),
    ])
}

fn duration() -> Value {
    json!({ "type": "string", "pattern": units::DURATION_PATTERN, "description": "Such as `500ms`, `30s` or `1h 30m`." })
}

fn size() -> Value {
    json!({ "type": ["integer", "string"], "minimum": 0, "pattern": units::SIZE_PATTERN, "description": "Bytes, or such as `8MiB`." })
}

/// Adjusts the local references of a schema to `#/$defs/key`, and replaces its custom formats by patterns.
fn relocate(schema: &mut Value, key: &str) {
    match schema {
        Value::Object(entries) => {
            // With an `$id`, it would be a document of its own with its own references, which not all editors support.
            entries.remove("$schema");
            entries.remove("$id");
            if let Some(Value::String(target)) = entries.get_mut("$ref")
                && let Some(pointer) = target.strip_prefix('#')
            {
                *target = format!("#/$defs/{key}{pointer}");
            }
            // Editors do not know these formats.
            let pattern = match entries.get("format").and_then(Value::as_str) {
                Some(units::DURATION_FORMAT) => Some(units::DURATION_PATTERN),
                Some(units::SIZE_FORMAT) => Some(units::SIZE_PATTERN),
                _ => None,
            };
            if let Some(pattern) = pattern {
                entries.remove("format");
                entries.insert("pattern".to_owned(), pattern.into());
            }
            entries.values_mut().for_each(|value| relocate(value, key));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| relocate(value, key)),
        _ => {}
    }
}
