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
            text(MAX_GROUP, "One of `groups`, whose concurrency limit the check shares."),
        ),
        ("alert", alert()),
        (
            "description",
            text(
                MAX_DESCRIPTION,
                "Description of the check, shown in notifications.",
            ),
        ),
        (
            "runbook_url",
            json!({
                "description": "Link shown in notifications, such as `https://wiki.example.com/runbooks/website`.",
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
            refer("#/$defs/duration", "Interval between runs [default: 30s]."),
        ),
        ("schedule", schedule()),
        (
            "retry_interval",
            refer(
                "#/$defs/duration",
                "Interval while a status change is not confirmed [default: the next due time].",
            ),
        ),
        (
            "timeout",
            refer("#/$defs/duration", "Timeout of one attempt [default: 5s]."),
        ),
        (
            "retries",
            count(RETRIES, "Maximum retries after the first attempt [default: 1]."),
        ),
        (
            "failure_threshold",
            count(
                THRESHOLDS,
                "Consecutive failures until a check is down [default: 2].",
            ),
        ),
        (
            "success_threshold",
            count(
                THRESHOLDS,
                "Consecutive successes until a check is up [default: 1].",
            ),
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
        (
            "timezone",
            text(
                MAX_ZONE,
                "IANA time zone, such as `Europe/Berlin` [default: UTC].",
            ),
        ),
    ]);
    json!({
        "description": "Due times as a cron expression, instead of `interval`.",
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
