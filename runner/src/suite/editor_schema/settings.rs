//! The editor schema of a check's settings.

use serde_json::{Map, Value, json};

use super::{alert, closed, count, properties, text};
use crate::quota::QuotaKind;
use crate::suite::annotations::{MAX_DESCRIPTION, MAX_RUNBOOK_URL};
use crate::suite::cron::fields::MAX_EXPRESSION_CHARS;
use crate::suite::maintenance::syntax::MAX_ZONE;
use crate::suite::settings::{MAX_GROUP, RETRIES, THRESHOLDS};

pub(super) fn settings() -> Map<String, Value> {
    let quota = QuotaKind::ALL.map(|kind| (kind.as_str(), quota(kind)));
    let mut settings = timing();
    settings.append(&mut properties([
        ("quota", closed(properties(quota), &[]).into()),
        (
            "group",
            text(MAX_GROUP, "One of `groups`, whose limit the check shares."),
        ),
        ("alert", alert()),
        (
            "description",
            text(
                MAX_DESCRIPTION,
                "What alerts say of the check, besides what it found.",
            ),
        ),
        (
            "runbook_url",
            json!({
                "description": "Where alerts say that more is to be read, such as `https://wiki.example.com/runbooks/website`.",
                "type": "string", "maxLength": MAX_RUNBOOK_URL, "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://",
            }),
        ),
    ]));
    settings
}

/// Timing and thresholds.
fn timing() -> Map<String, Value> {
    let refer = |to, description: &str| json!({ "$ref": to, "description": description });
    properties([
        (
            "interval",
            refer("#/$defs/duration", "From one due time to the next; 30s."),
        ),
        ("schedule", schedule()),
        (
            "retry_interval",
            refer(
                "#/$defs/duration",
                "How soon a check runs once more while its status is not confirmed; when it is due.",
            ),
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
    ])
}

fn schedule() -> Value {
    let cron = || {
        text(
            MAX_EXPRESSION_CHARS,
            "Minute, hour, day of month, month, day of week, such as `*/5 8-18 * * mon-fri`.",
        )
    };
    let keys = properties([
        ("cron", cron()),
        ("timezone", text(MAX_ZONE, "Such as `Europe/Berlin`; UTC.")),
    ]);
    json!({
        "description": "When the check is due, by the time of day, in place of `interval`.",
        "anyOf": [cron(), closed(keys, &["cron"])],
    })
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
