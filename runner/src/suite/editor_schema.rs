//! The JSON Schema of a suite, for editors.

mod settings;
mod variables;

use serde_json::{Map, Value, json};

use super::alert::{MAX_NOTIFIER, MAX_NOTIFIERS};
use super::allow::{MAX_GRANTS, MAX_NAME_SERVERS};
use super::check::{MAX_DEPENDENCIES, MAX_NAME, MAX_TARGET};
use super::group::{CONCURRENCY, MAX_GROUPS};
use super::maintenance::syntax::{DAYS, MAX_NAMED_CHECKS, MAX_WINDOWS, MAX_ZONE};
use super::profile::MAX_PROFILES;
use super::syntax::{MAX_KEY_NAME, MAX_LABEL_VALUE, MAX_LABELS};
use super::variables::{MAX_VALUE, MAX_VARIABLES};
use super::{PluginFacts, units};

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

/// A mapping that allows no other keys.
fn closed(properties: Map<String, Value>, required: &[&str]) -> Map<String, Value> {
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("additionalProperties".to_owned(), false.into());
    schema.insert("patternProperties".to_owned(), json!({ "^x-": {} }));
    schema.insert("required".to_owned(), required.into());
    schema.insert("properties".to_owned(), properties.into());
    schema
}

fn check(configs: Vec<Value>) -> Value {
    let mut properties = check_properties();
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

fn check_properties() -> Map<String, Value> {
    properties([
        ("name", text(MAX_NAME, "Unique in the suite.")),
        (
            "profile",
            text(
                MAX_KEY_NAME,
                "One of `profiles`; provides the settings that the check does not set.",
            ),
        ),
        (
            "target",
            text(MAX_TARGET, "The target, in the plugin's own syntax."),
        ),
        (
            "targets",
            json!({
                "description": "Several targets: one check for each.",
                "type": "array", "minItems": 1, "uniqueItems": true, "items": text(MAX_TARGET, "A target."),
            }),
        ),
        (
            "expect_failure",
            json!({
                "description": "Whether the target is expected to fail: `fail` counts as `pass`, `pass` and `warn` as `fail` [default: false].",
                "type": "boolean",
            }),
        ),
        (
            "depends_on",
            names(
                MAX_DEPENDENCIES,
                text(MAX_NAME, "The name of a check."),
                "Checks that this one depends on: while one of them is down, this one sends no alerts.",
            ),
        ),
    ])
}

/// The keys of checks, profiles and defaults.
fn layer() -> Map<String, Value> {
    let mut layer = properties([
        (
            "plugin",
            text(64, "`http`, `tls`, `tcp`, or a name under `plugins`."),
        ),
        (
            "config",
            json!({ "description": "Settings of the plugin.", "type": ["object", "null"] }),
        ),
        ("labels", labels("Dimensions on every metric of the check.")),
    ]);
    layer.append(&mut reach_properties());
    layer.append(&mut settings::settings());
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

/// Where a check may connect to, and with which secrets.
fn reach_properties() -> Map<String, Value> {
    properties([
        (
            "allow",
            json!({
                "description": "Destinations that the check may reach besides its target, such as \
                    `tcp://*.example.com:5432`, and names that it may look up, such as `dns://*.example.com`.",
                "type": "array", "maxItems": MAX_GRANTS,
                "items": { "type": "string", "pattern": "^[A-Za-z]+://" },
            }),
        ),
        (
            "redirect_secrets_to",
            json!({
                "description": "Origins to which a redirect may carry secrets of the check, such as `https://login.example.com` \
                    [default: none but the target's].",
                "type": "array", "maxItems": MAX_GRANTS,
                "items": { "type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://" },
            }),
        ),
        (
            "name_servers",
            json!({
                "description": "Addresses of the check's DNS servers, such as `192.0.2.53` or \
                    `[2001:db8::53]:5353` [default: those of the machine].",
                "type": "array", "minItems": 1, "maxItems": MAX_NAME_SERVERS,
                "items": { "type": "string", "pattern": "^[0-9A-Fa-f.:\\[\\]]+$" },
            }),
        ),
    ])
}

fn labels(description: &str) -> Value {
    json!({
        "description": description,
        "type": "object", "maxProperties": MAX_LABELS, "additionalProperties": text(MAX_LABEL_VALUE, "A value."),
        "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_.-]{0,63}$" },
    })
}

fn group() -> Map<String, Value> {
    properties([(
        "concurrency",
        count(CONCURRENCY, "Maximum concurrent runs of its checks."),
    )])
}

fn alert() -> Value {
    let notify = names(
        MAX_NOTIFIERS,
        text(MAX_NOTIFIER, "The name of a notifier."),
        "Notifiers to notify [default: all].",
    );
    let remind = json!({
        "description": "Interval between reminders, or `none` [default: the runner's setting].",
        "anyOf": [{ "$ref": "#/$defs/duration" }, { "const": "none" }],
    });
    let rules = closed(properties([("notify", notify), ("remind", remind)]), &[]);
    json!({ "description": "Notifiers and reminders for status changes, or `none`.", "anyOf": [{ "const": "none" }, rules] })
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
        ("name", text(MAX_NAME, "Unique in the suite.")),
        (
            "checks",
            names(
                MAX_NAMED_CHECKS,
                text(MAX_NAME, "The name of a check."),
                "Names of the checks [default: all].",
            ),
        ),
        (
            "labels",
            labels("Labels that a check must have, all of them [default: all checks]."),
        ),
        ("from", moment("Start of the window.")),
        ("to", moment("End of the window.")),
        (
            "for",
            json!({ "$ref": "#/$defs/duration", "description": "Duration of the window." }),
        ),
        (
            "days",
            names(DAYS.len(), days, "Days on which it starts [default: every day]."),
        ),
        (
            "at",
            json!({ "type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$", "description": "Local start time, such as `02:00`." }),
        ),
        (
            "timezone",
            text(
                MAX_ZONE,
                "IANA time zone, such as `Europe/Berlin` [default: UTC].",
            ),
        ),
    ])
}

/// A non-empty list of distinct elements.
fn names(most: usize, each: Value, description: &str) -> Value {
    json!({
        "description": description,
        "type": "array", "minItems": 1, "maxItems": most, "uniqueItems": true, "items": each,
    })
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

fn text(limit: usize, description: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": limit, "description": description })
}

fn count(range: std::ops::RangeInclusive<u64>, description: &str) -> Value {
    json!({ "type": "integer", "minimum": range.start(), "maximum": range.end(), "description": description })
}

fn properties<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    entries
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
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
