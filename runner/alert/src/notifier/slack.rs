//! Slack, by an incoming webhook (<https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>).

use serde_json::{Value, json};
use url::Url;

use super::keys::{Keys, UrlPath};
use crate::http_sender::{Body, HttpSender};
use crate::notification::{Event, Notification, truncate};
use crate::notify::{Attempt, Notify, Sending};
use canary_run::status::Status;

/// Characters of a header block.
const MAX_HEADER: usize = 150;
/// Characters of a text block.
const MAX_TEXT: usize = 3_000;

/// A Slack channel.
#[derive(Debug, Clone)]
pub(super) struct Slack {
    sender: HttpSender,
}

impl Slack {
    pub(super) fn read(keys: &mut Keys<'_>) -> Option<Self> {
        let sender = keys.http_sender(UrlPath::Secret)?;
        Some(Self { sender })
    }
}

impl Notify for Slack {
    fn send<'a>(&'a self, notification: &'a Notification, attempt: Attempt<'a>) -> Sending<'a> {
        let body = body(notification, attempt.link);
        Box::pin(self.sender.send(body, attempt))
    }
}

/// Texts of others go into plain text blocks, which have no mentions, links or emphasis.
pub(crate) fn body(notification: &Notification, link: Option<&Url>) -> Body {
    let title = format!("{} {}", emoji(notification), notification.title());
    let check = &notification.check;
    let mut blocks = vec![json!({"type": "header", "text": plain_text(&title, MAX_HEADER)})];
    if !notification.summary.is_empty() {
        blocks.push(json!({"type": "section", "text": plain_text(&notification.summary, MAX_TEXT)}));
    }
    if let Some(description) = &check.description {
        blocks.push(json!({"type": "section", "text": plain_text(description, MAX_TEXT)}));
    }
    blocks.push(json!({"type": "context", "elements": [plain_text(&notification.facts(), MAX_TEXT)]}));
    let links = notification.links(link);
    let links: Vec<String> = links.map(|(url, text)| markdown_link(url, text)).collect();
    if !links.is_empty() {
        let text = links.join(" · ");
        blocks.push(json!({"type": "section", "text": {"type": "mrkdwn", "text": text}}));
    }
    // The text is what desktop notifications show.
    let text = escape(&truncate(&title, MAX_TEXT));
    Body::json(&json!({"text": text, "blocks": blocks}))
}

fn emoji(notification: &Notification) -> &'static str {
    match (notification.event, notification.status) {
        (Event::Resolved, _) => "🟢",
        (_, Status::Down) => "🔴",
        (_, Status::Degraded) => "🟡",
        (_, Status::Up | Status::Unknown) => "⚪",
    }
}

fn plain_text(text: &str, limit: usize) -> Value {
    json!({"type": "plain_text", "text": truncate(text, limit), "emoji": false})
}

/// A link; `|` would end the address.
fn markdown_link(url: &str, text: &str) -> String {
    format!("<{}|{text}>", escape(url).replace('|', "%7C"))
}

/// Escapes the three control characters of Slack's markup.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
