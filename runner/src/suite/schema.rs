//! The JSON Schema of a suite, for editors.

use serde_json::{Map, Value, json};

use super::PluginFacts;
use super::check::{MAX_GRANTS, MAX_NAME, MAX_TARGET};
use super::raw::{MAX_LABEL_VALUE, MAX_LABELS};
use super::settings::{RETRIES, THRESHOLDS};
use crate::quota::QuotaKind;

const DURATION: &str = r"^\s*([0-9][0-9.]*\s*[A-Za-zµ]+\s*)+$";
const SIZE: &str = r"^\s*[0-9]+\s*([KkMmGg][Ii]?)?[Bb]?$";

/// JSON Schema (2020-12) of a suite file. `config:` of a check is described for the plugins that are given.
#[must_use]
pub fn schema(plugins: &[(&str, &PluginFacts)]) -> Value {
    let mut definitions = Map::new();
    let mut configs = Vec::new();
    for (name, facts) in plugins {
        let key = format!("config-{name}");
        let mut config = facts.config_schema.clone();
        relocate(&mut config, &key);
        configs.push(json!({
            "if": { "properties": { "plugin": { "const": name } }, "required": ["plugin"] },
            "then": { "properties": { "config": { "$ref": format!("#/$defs/{key}") } } },
        }));
        definitions.insert(key, config);
    }
    definitions.insert("duration".to_owned(), duration());
    definitions.insert("size".to_owned(), size());
    definitions.insert("settings".to_owned(), closed(settings(), &[]).into());
    definitions.insert("plugin".to_owned(), closed(plugin(), &["path"]).into());
    definitions.insert("check".to_owned(), check(configs));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Canary suite",
        "type": "object",
        "additionalProperties": false,
        "patternProperties": { "^x-": {} },
        "properties": {
            "defaults": { "$ref": "#/$defs/settings" },
            "plugins": { "type": "object", "additionalProperties": { "$ref": "#/$defs/plugin" } },
            "checks": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/check" } },
        },
        "$defs": definitions,
    })
}

/// A mapping without other keys than these.
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
    properties.append(&mut settings());
    let mut schema = closed(properties, &["name", "plugin"]);
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
            "plugin",
            text(64, "`http`, `tls`, `tcp`, or a name under `plugins`."),
        ),
        (
            "target",
            text(MAX_TARGET, "What is examined, in the plugin's own syntax."),
        ),
        (
            "targets",
            json!({
                "description": "One check for each.",
                "type": "array", "minItems": 1, "uniqueItems": true, "items": text(MAX_TARGET, "A target."),
            }),
        ),
        (
            "config",
            json!({ "description": "Settings of the plugin.", "type": ["object", "null"] }),
        ),
        (
            "allow",
            json!({
                "description": "Where the check may go besides its target, such as `tcp://*.example.com:5432`.",
                "type": "array", "maxItems": MAX_GRANTS, "items": { "type": "string" },
            }),
        ),
        (
            "labels",
            json!({
                "description": "Dimensions on every metric of the check.",
                "type": "object", "maxProperties": MAX_LABELS, "additionalProperties": text(MAX_LABEL_VALUE, "A value."),
                "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_.-]{0,63}$" },
            }),
        ),
    ])
}

fn settings() -> Map<String, Value> {
    let quota = QuotaKind::ALL.map(|kind| (kind.key(), quota(kind)));
    let refer = |to, description: &str| json!({ "$ref": to, "description": description });
    properties([
        (
            "interval",
            refer("#/$defs/duration", "From one due time to the next; 30s."),
        ),
        (
            "timeout",
            refer("#/$defs/duration", "The one deadline of an attempt; 5s."),
        ),
        ("retries", count(RETRIES, "Attempts after the first; 1.")),
        (
            "failure_threshold",
            count(THRESHOLDS, "Consecutive outcomes that turn up into down; 2."),
        ),
        (
            "success_threshold",
            count(THRESHOLDS, "Consecutive outcomes that turn down into up; 1."),
        ),
        ("quota", closed(properties(quota), &[]).into()),
    ])
}

fn plugin() -> Map<String, Value> {
    properties([
        (
            "path",
            json!({ "type": "string", "description": "A component; relative to the suite file." }),
        ),
        (
            "digest",
            json!({ "type": "string", "pattern": "^sha256:[0-9a-fA-F]{64}$" }),
        ),
    ])
}

fn quota(kind: QuotaKind) -> Value {
    match kind {
        QuotaKind::Cpu => json!({ "$ref": "#/$defs/duration" }),
        QuotaKind::Memory | QuotaKind::BytesIn | QuotaKind::BytesOut => json!({ "$ref": "#/$defs/size" }),
        _ => json!({ "type": "integer", "minimum": 0 }),
    }
}

fn duration() -> Value {
    json!({ "type": "string", "pattern": DURATION, "description": "Such as `500ms`, `30s` or `1h 30m`." })
}

fn size() -> Value {
    json!({ "type": ["integer", "string"], "minimum": 0, "pattern": SIZE, "description": "Bytes, or such as `8MiB`." })
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

/// Makes the local references of a schema work below `#/$defs/key`.
fn relocate(schema: &mut Value, key: &str) {
    match schema {
        Value::Object(entries) => {
            // A document of its own would resolve its references by itself, where editors support that at all.
            entries.remove("$schema");
            entries.remove("$id");
            if let Some(Value::String(target)) = entries.get_mut("$ref")
                && let Some(pointer) = target.strip_prefix('#')
            {
                *target = format!("#/$defs/{key}{pointer}");
            }
            entries.values_mut().for_each(|value| relocate(value, key));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| relocate(value, key)),
        _ => {}
    }
}
