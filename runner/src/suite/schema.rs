//! The JSON Schema of a suite, for editors.

use serde_json::{Map, Value, json};

use super::PluginFacts;
use super::alert::{MAX_NOTIFIER, MAX_NOTIFIERS};
use super::allow::MAX_GRANTS;
use super::check::{MAX_DEPENDENCIES, MAX_NAME, MAX_TARGET};
use super::group::{CONCURRENCY, MAX_GROUPS};
use super::maintenance::written::{DAYS, MAX_NAMED_CHECKS, MAX_WINDOWS, MAX_ZONE};
use super::raw::{MAX_LABEL_VALUE, MAX_LABELS};
use super::settings::{MAX_GROUP, RETRIES, THRESHOLDS};
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
        let mut config = facts.config_schema.as_ref().clone();
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
    definitions.insert("group".to_owned(), closed(group(), &["concurrency"]).into());
    definitions.insert("window".to_owned(), window());
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
            "groups": {
                "description": "Checks that share a number of runs at once.",
                "type": "object", "maxProperties": MAX_GROUPS, "additionalProperties": { "$ref": "#/$defs/group" },
            },
            "maintenance": {
                "description": "When alerts are held back while checks go on.",
                "type": "array", "maxItems": MAX_WINDOWS, "items": { "$ref": "#/$defs/window" },
            },
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
                "description": "Where the check may go besides its target, such as `tcp://*.example.com:5432`, and what it may \
                look up, such as `dns://*.example.com`.",
                "type": "array", "maxItems": MAX_GRANTS,
                "items": { "type": "string", "pattern": "^[A-Za-z]+://" },
            }),
        ),
        (
            "redirect_secrets_to",
            json!({
                "description": "Origins that a redirect may take secrets of the check to, such as `https://login.example.com`; \
                    none but the target's.",
                "type": "array", "maxItems": MAX_GRANTS,
                "items": { "type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://" },
            }),
        ),
        ("labels", labels("Dimensions on every metric of the check.")),
        (
            "depends_on",
            names(
                MAX_DEPENDENCIES,
                text(MAX_NAME, "The name of a check."),
                "While one of these checks is down, this one alerts nobody.",
            ),
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
    properties([("concurrency", count(CONCURRENCY, "Runs at once of its checks."))])
}

fn alert() -> Value {
    let notify = names(
        MAX_NOTIFIERS,
        text(MAX_NOTIFIER, "The name of a notifier."),
        "Who is told; everyone.",
    );
    let remind = json!({
        "description": "From one reminder to the next, or `none`; as the runner's settings say.",
        "anyOf": [{ "$ref": "#/$defs/duration" }, { "const": "none" }],
    });
    let rules = closed(properties([("notify", notify), ("remind", remind)]), &[]);
    json!({ "description": "Who is told of a change, or `none`.", "anyOf": [{ "const": "none" }, rules] })
}

/// A window that opens once, or one that opens again and again.
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
                "Which checks; all.",
            ),
        ),
        (
            "labels",
            labels("Which checks: those that have all of these; all."),
        ),
        ("from", moment("When it begins.")),
        ("to", moment("When it is over.")),
        (
            "for",
            json!({ "$ref": "#/$defs/duration", "description": "How long it lasts." }),
        ),
        ("days", names(DAYS.len(), days, "When it begins; every day.")),
        (
            "at",
            json!({ "type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$", "description": "Local time, such as `02:00`." }),
        ),
        ("timezone", text(MAX_ZONE, "Such as `Europe/Berlin`; UTC.")),
    ])
}

/// A list that is not empty, of things that are there once.
fn names(most: usize, each: Value, description: &str) -> Value {
    json!({
        "description": description,
        "type": "array", "minItems": 1, "maxItems": most, "uniqueItems": true, "items": each,
    })
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
        (
            "group",
            text(MAX_GROUP, "One of `groups`, whose limit the check shares."),
        ),
        ("alert", alert()),
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
        QuotaKind::Memory | QuotaKind::BytesIn | QuotaKind::BytesOut | QuotaKind::Record => {
            json!({ "$ref": "#/$defs/size" })
        }
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
