//! PagerDuty, by its Events API v2 (<https://developer.pagerduty.com/docs/send-alert-event>).

use std::fmt;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::endpoint::{Body, Endpoint};
use super::notification::{Event, Notification, bounded};
use crate::status::Status;

/// Where events go, unless told otherwise; accounts in Europe have another place.
pub(super) const ADDRESS: &str = "https://events.pagerduty.com/v2/enqueue";
/// Characters of a summary.
const MAX_SUMMARY: usize = 1_024;
/// Characters of a key.
const MAX_KEY: usize = 255;

/// A service.
#[derive(Clone)]
pub(super) struct PagerDuty {
    pub(super) endpoint: Endpoint,
    pub(super) routing_key: String,
}

impl fmt::Debug for PagerDuty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PagerDuty")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// An event. The key of the alert makes a repeated one harmless, and ties the end to the begin.
pub(super) fn body(routing_key: &str, notification: &Notification, link: Option<&Url>) -> Body {
    let check = &notification.check;
    let key = key(&notification.alert);
    if notification.event == Event::Resolved {
        return Body::json(&json!({
            "routing_key": routing_key, "event_action": "resolve", "dedup_key": key,
        }));
    }
    let runbook = check.runbook_url.as_deref().map(|url| (url, "Runbook"));
    let links = runbook
        .into_iter()
        .chain(link.map(|link| (link.as_str(), "Canary")));
    let links: Vec<_> = links
        .map(|(href, text)| json!({"href": href, "text": text}))
        .collect();
    Body::json(&json!({
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": key,
        "client": "Canary",
        "links": links,
        "payload": {
            "summary": bounded(&format!("{}: {}", notification.title(), notification.summary), MAX_SUMMARY),
            "source": if check.target.is_empty() { &check.id } else { &check.target },
            "severity": severity(notification.status),
            "timestamp": humantime::format_rfc3339_millis(notification.at).to_string(),
            "component": check.name,
            "class": check.plugin,
            "custom_details": {
                "check": check.id,
                "status": notification.status.word(),
                "since": humantime::format_rfc3339_seconds(notification.since).to_string(),
                "consecutive_failures": notification.consecutive_failures,
                "labels": check.labels,
                "description": check.description,
            },
        },
    }))
}

fn severity(status: Status) -> &'static str {
    match status {
        Status::Down => "critical",
        Status::Unknown => "error",
        Status::Up | Status::Degraded => "warning",
    }
}

/// The alert's own key where it fits.
fn key(alert: &str) -> String {
    match alert.chars().nth(MAX_KEY) {
        None => alert.to_owned(),
        Some(_) => hex::encode(Sha256::digest(alert)),
    }
}
