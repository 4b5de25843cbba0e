//! Alertmanager, by its API v2 (<https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>).
//!
//! Alertmanager expires alerts that are not resent: firing alerts are sent every minute, with an end five minutes
//! later.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use url::Url;

use super::keys::{Keys, UrlPath};
use crate::http_sender::{Body, HttpSender};
use crate::notification::{Event, Notification};
use crate::notify::{Attempt, Notify, Sending};
use canary_run::status::Status;

/// How often firing alerts are resent.
pub(crate) const RESEND_INTERVAL: Duration = Duration::from_secs(60);
/// How long an alert stays active without a resend, so that some of them may be lost.
const ACTIVE_FOR: Duration = Duration::from_secs(5 * 60);
/// Path of the alerts API, below the URL of the Alertmanager.
const PATH: &str = "/api/v2/alerts";

/// An Alertmanager receiver.
#[derive(Debug, Clone)]
pub(super) struct Alertmanager {
    sender: HttpSender,
}

impl Alertmanager {
    pub(super) fn read(keys: &mut Keys<'_>) -> Option<Self> {
        let mut sender = keys.http_sender(UrlPath::Public)?;
        let url = &mut sender.endpoint.url;
        let path = url.path().trim_end_matches('/').to_owned();
        if !path.ends_with(PATH) {
            url.set_path(&format!("{path}{PATH}"));
        }
        Some(Self { sender })
    }
}

impl Notify for Alertmanager {
    fn send<'a>(&'a self, notification: &'a Notification, attempt: Attempt<'a>) -> Sending<'a> {
        let body = body([notification], attempt.link, SystemTime::now());
        Box::pin(self.sender.send(body, attempt))
    }

    fn resend_interval(&self) -> Option<Duration> {
        Some(RESEND_INTERVAL)
    }

    fn resend<'a>(&'a self, firing: &'a [&'a Notification], attempt: Attempt<'a>) -> Sending<'a> {
        let body = body(firing.iter().copied(), attempt.link, SystemTime::now());
        Box::pin(self.sender.send(body, attempt))
    }
}

/// An alert in API v2.
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

/// The body with the alerts of all these notifications.
pub(crate) fn body<'a>(
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

/// Alertmanager identifies an alert by its labels, severity included: when the severity changes, one alert ends and
/// another one begins.
fn alerts_of(notification: &Notification, link: Option<&Url>, now: SystemTime) -> Vec<Alert> {
    let alert = |status: Status, ends: SystemTime| Alert {
        labels: labels(notification, status),
        annotations: annotations(notification),
        // Alertmanager rejects an alert that begins after its end, which happens when the clock was set back.
        starts_at: time(notification.since.min(now).min(ends)),
        ends_at: time(ends),
        generator: link.map(Url::to_string),
    };
    let (active_until, ended) = (now + ACTIVE_FOR, notification.at.min(now));
    let Notification {
        event,
        status,
        previous,
        ..
    } = notification;
    match (event, previous) {
        (Event::Resolved, previous) => vec![alert(previous.unwrap_or(*status), ended)],
        (_, Some(previous)) if severity(*previous) != severity(*status) => {
            vec![alert(*previous, ended), alert(*status, active_until)]
        }
        _ => vec![alert(*status, active_until)],
    }
}

/// The description has the check's result first, followed by the check's own description.
fn annotations(notification: &Notification) -> BTreeMap<&'static str, String> {
    let check = &notification.check;
    let description = [&notification.summary].into_iter().chain(&check.description);
    let description: Vec<&str> = description
        .map(String::as_str)
        .filter(|text| !text.is_empty())
        .collect();
    let mut annotations = BTreeMap::from([
        ("summary", notification.title()),
        ("description", description.join("\n\n")),
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
    // Canary's own labels win, since they identify the alert.
    let labels = check
        .labels
        .iter()
        .map(|(name, value)| (label_name(name), value.clone()));
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    labels.chain(own).filter(|(_, value)| !value.is_empty()).collect()
}

fn severity(status: Status) -> &'static str {
    match status {
        Status::Down => "critical",
        Status::Up | Status::Degraded | Status::Unknown => "warning",
    }
}

/// A label name valid in every version: letters, digits and `_`.
fn label_name(name: &str) -> String {
    let part = |char: char| if char.is_ascii_alphanumeric() { char } else { '_' };
    let name: String = name.chars().map(part).collect();
    if name.starts_with(|char: char| char.is_ascii_digit()) {
        format!("_{name}")
    } else {
        name
    }
}

fn time(moment: SystemTime) -> String {
    humantime::format_rfc3339_millis(moment).to_string()
}
