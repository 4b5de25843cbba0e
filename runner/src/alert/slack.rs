//! Slack, by an incoming webhook (<https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>).

use serde_json::{Value, json};
use url::Url;

use super::endpoint::{Body, Endpoint};
use super::notification::{Event, Notification, bounded};
use crate::status::Status;

/// Characters of a header block.
const MAX_HEADER: usize = 150;
/// Characters of a text block.
const MAX_TEXT: usize = 3_000;

/// A channel.
#[derive(Debug, Clone)]
pub(super) struct Slack {
    pub(super) endpoint: Endpoint,
}

/// What others wrote stands in plain text, where nothing has a meaning: no mention, no link, no emphasis.
pub(super) fn body(notification: &Notification, link: Option<&Url>) -> Body {
    let title = format!("{} {}", sign(notification), notification.title());
    let check = &notification.check;
    let mut blocks = vec![json!({"type": "header", "text": plain(&title, MAX_HEADER)})];
    if !notification.summary.is_empty() {
        blocks.push(json!({"type": "section", "text": plain(&notification.summary, MAX_TEXT)}));
    }
    if let Some(description) = &check.description {
        blocks.push(json!({"type": "section", "text": plain(description, MAX_TEXT)}));
    }
    let labels = check.labels.iter().map(|(name, value)| format!("{name}={value}"));
    let facts = [notification.span(), check.target.clone()]
        .into_iter()
        .chain(labels);
    let facts: Vec<String> = facts.filter(|fact| !fact.is_empty()).collect();
    blocks.push(json!({"type": "context", "elements": [plain(&facts.join(" · "), MAX_TEXT)]}));
    let runbook = check.runbook_url.as_deref().map(|url| (url, "Runbook"));
    let links = runbook
        .into_iter()
        .chain(link.map(|link| (link.as_str(), "Open Canary")));
    let links: Vec<String> = links.map(|(url, text)| linked(url, text)).collect();
    if !links.is_empty() {
        let text = links.join(" · ");
        blocks.push(json!({"type": "section", "text": {"type": "mrkdwn", "text": text}}));
    }
    // The text is what notifications of the desktop show.
    let text = escaped(&bounded(&title, MAX_TEXT));
    Body::json(&json!({"text": text, "blocks": blocks}))
}

fn sign(notification: &Notification) -> &'static str {
    match (notification.event, notification.status) {
        (Event::Resolved, _) => "🟢",
        (_, Status::Down) => "🔴",
        (_, Status::Degraded) => "🟡",
        (_, Status::Up | Status::Unknown) => "⚪",
    }
}

fn plain(text: &str, limit: usize) -> Value {
    json!({"type": "plain_text", "text": bounded(text, limit), "emoji": false})
}

/// An address without the character that ends it.
fn linked(url: &str, text: &str) -> String {
    format!("<{}|{text}>", escaped(url).replace('|', "%7C"))
}

/// The three characters that Slack's markup is made of.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
