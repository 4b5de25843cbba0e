//! PagerDuty, by its Events API v2 (<https://developer.pagerduty.com/docs/send-alert-event>).

use std::fmt;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::keys::{Keys, UrlPath};
use crate::http_sender::{Body, HttpSender};
use crate::notification::{Event, Notification, truncate};
use crate::notify::{Attempt, Notify, Sending};
use canary_run::status::Status;

/// Default address of the Events API; accounts in Europe have another one.
const DEFAULT_URL: &str = "https://events.pagerduty.com/v2/enqueue";
/// Maximum characters of a summary.
const MAX_SUMMARY: usize = 1_024;
/// Maximum characters of a `dedup_key`.
const MAX_KEY: usize = 255;

/// A PagerDuty service.
#[derive(Clone)]
pub(super) struct PagerDuty {
    sender: HttpSender,
    routing_key: String,
}

impl PagerDuty {
    pub(super) fn read(keys: &mut Keys<'_>) -> Option<Self> {
        let routing_key = keys.section.text("routing_key", keys.report);
        let sender = keys.http_sender(UrlPath::Default(DEFAULT_URL));
        let Some(routing_key) = routing_key else {
            return keys.missing("routing_key");
        };
        keys.add_secret(routing_key.expose());
        Some(Self {
            sender: sender?,
            routing_key: routing_key.expose().to_owned(),
        })
    }
}

impl Notify for PagerDuty {
    fn send<'a>(&'a self, notification: &'a Notification, attempt: Attempt<'a>) -> Sending<'a> {
        let body = body(&self.routing_key, notification, attempt.link);
        Box::pin(self.sender.send(body, attempt))
    }
}

impl fmt::Debug for PagerDuty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PagerDuty")
            .field("endpoint", &self.sender)
            .finish_non_exhaustive()
    }
}

/// The body of an event. The `dedup_key` makes repeated events harmless, and links the resolution to the trigger.
pub(crate) fn body(routing_key: &str, notification: &Notification, link: Option<&Url>) -> Body {
    let check = &notification.check;
    let dedup_key = dedup_key(&notification.alert);
    if notification.event == Event::Resolved {
        return Body::json(&json!({
            "routing_key": routing_key, "event_action": "resolve", "dedup_key": dedup_key,
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
        "dedup_key": dedup_key,
        "client": "Canary",
        "links": links,
        "payload": {
            "summary": truncate(&format!("{}: {}", notification.title(), notification.summary), MAX_SUMMARY),
            "source": if check.target.is_empty() { &check.id } else { &check.target },
            "severity": severity(notification.status),
            "timestamp": humantime::format_rfc3339_millis(notification.at).to_string(),
            "component": check.name,
            "class": check.plugin,
            "custom_details": {
                "check": check.id,
                "status": notification.status.as_str(),
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

/// The alert's own key, or its hash if it is too long.
fn dedup_key(alert: &str) -> String {
    match alert.chars().nth(MAX_KEY) {
        None => alert.to_owned(),
        Some(_) => hex::encode(Sha256::digest(alert)),
    }
}
