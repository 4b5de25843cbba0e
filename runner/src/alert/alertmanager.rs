//! Alertmanager, by its API v2 (<https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>).
//!
//! It forgets an alert that it does not hear of: what fires is told again every minute, each time to hold for five.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use url::Url;

use super::endpoint::{Body, Endpoint};
use super::notification::{Event, Notification};
use crate::status::Status;

/// From one telling of what fires to the next.
pub(super) const REFRESH: Duration = Duration::from_secs(60);
/// How long an alert holds without a further word, so that some of them may be lost.
const HOLDS: Duration = Duration::from_secs(5 * 60);
/// Where alerts go, below the address of the Alertmanager.
pub(super) const PATH: &str = "/api/v2/alerts";

/// An Alertmanager.
#[derive(Debug, Clone)]
pub(super) struct Alertmanager {
    pub(super) endpoint: Endpoint,
}

/// As its API takes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<&'static str, String>,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL", skip_serializing_if = "Option::is_none")]
    generator: Option<String>,
}

/// A body that tells of all these.
pub(super) fn body<'a>(
    notifications: impl IntoIterator<Item = &'a Notification>,
    link: Option<&Url>,
    now: SystemTime,
) -> Body {
    let alerts = notifications.into_iter();
    let alerts: Vec<Alert> = alerts
        .flat_map(|notification| alerts_of(notification, link, now))
        .collect();
    Body::json(&alerts)
}

/// An alert is known by its labels, of which severity is one: when that changes, one alert ends and another begins.
fn alerts_of(notification: &Notification, link: Option<&Url>, now: SystemTime) -> Vec<Alert> {
    let alert = |status: Status, ends: SystemTime| Alert {
        labels: labels(notification, status),
        annotations: annotations(notification),
        // An alert that begins after its end is refused. It can seem to where the clock was set back since.
        starts_at: time(notification.since.min(now).min(ends)),
        ends_at: time(ends),
        generator: link.map(Url::to_string),
    };
    let (holds, ended) = (now + HOLDS, notification.at.min(now));
    let Notification {
        event,
        status,
        previous,
        ..
    } = notification;
    match (event, previous) {
        (Event::Resolved, previous) => vec![alert(previous.unwrap_or(*status), ended)],
        (_, Some(previous)) if severity(*previous) != severity(*status) => {
            vec![alert(*previous, ended), alert(*status, holds)]
        }
        _ => vec![alert(*status, holds)],
    }
}

/// What the check found comes first in the description, and then what the suite says of it.
fn annotations(notification: &Notification) -> BTreeMap<&'static str, String> {
    let check = &notification.check;
    let said = [&notification.summary].into_iter().chain(&check.description);
    let said: Vec<&str> = said.map(String::as_str).filter(|text| !text.is_empty()).collect();
    let mut annotations = BTreeMap::from([
        ("summary", notification.title()),
        ("description", said.join("\n\n")),
    ]);
    annotations.extend(check.runbook_url.clone().map(|url| ("runbook_url", url)));
    annotations
}

fn labels(notification: &Notification, status: Status) -> BTreeMap<String, String> {
    let check = &notification.check;
    let own = [
        ("alertname", "CanaryCheck"),
        ("check", check.id.as_str()),
        ("target", check.target.as_str()),
        ("plugin", check.plugin.as_str()),
        ("severity", severity(status)),
    ];
    // Its own win, since the alert is known by them.
    let labels = check
        .labels
        .iter()
        .map(|(name, value)| (label_name(name), value.clone()));
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    labels.chain(own).filter(|(_, value)| !value.is_empty()).collect()
}

pub(super) fn severity(status: Status) -> &'static str {
    match status {
        Status::Down => "critical",
        Status::Up | Status::Degraded | Status::Unknown => "warning",
    }
}

/// A name that every version takes: letters, digits and `_`.
fn label_name(name: &str) -> String {
    let part = |char: char| if char.is_ascii_alphanumeric() { char } else { '_' };
    let name: String = name.chars().map(part).collect();
    match name.starts_with(|char: char| char.is_ascii_digit()) {
        true => format!("_{name}"),
        false => name,
    }
}

fn time(moment: SystemTime) -> String {
    humantime::format_rfc3339_millis(moment).to_string()
}
