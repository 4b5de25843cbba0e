//! Microsoft Teams, by a workflow that posts the messages of a webhook
//! (<https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>), as
//! Adaptive Cards (<https://adaptivecards.io/explorer/>).
//!
//! A workflow answers 202 before it posts, so what it refuses later is not seen here. Beyond four requests a second the
//! answer is 429, which is retried.

use serde_json::{Value, json};
use url::Url;

use super::keys::{Keys, UrlPath};
use crate::http_sender::{Body, HttpSender};
use crate::notification::{Event, Notification, truncate};
use crate::notify::{Attempt, Notify, Sending};
use canary_run::status::Status;

/// Maximum size of a message in bytes, as Teams counts. It accepts 28 KiB, with what it adds.
const MAX_MESSAGE: usize = 24 << 10;
/// Maximum characters of a text.
const MAX_TEXT: usize = 3_000;
/// Characters that are shown of a text, however long the message is.
const MIN_TEXT: usize = 100;
/// The parameter of a workflow's URL that authorises requests.
const SIGNATURE: &str = "sig";

/// A Teams channel or chat.
#[derive(Debug, Clone)]
pub(super) struct Teams {
    sender: HttpSender,
}

impl Teams {
    pub(super) fn read(keys: &mut Keys<'_>) -> Option<Self> {
        let sender = keys.http_sender(UrlPath::Secret)?;
        // The receiver may quote it without the rest of the query.
        let parameters = sender.endpoint.url.query_pairs();
        for (_, signature) in parameters.filter(|(name, _)| name == SIGNATURE) {
            keys.add_secret(&signature);
        }
        Some(Self { sender })
    }
}

impl Notify for Teams {
    fn send<'a>(&'a self, notification: &'a Notification, attempt: Attempt<'a>) -> Sending<'a> {
        let body = body(notification, attempt.link);
        Box::pin(self.sender.send(body, attempt))
    }
}

/// Texts are shortened until the message is small enough.
fn body(notification: &Notification, link: Option<&Url>) -> Body {
    let mut limit = MAX_TEXT;
    loop {
        let body = Body::json(&message(notification, link, limit));
        if size(&body.text) <= MAX_MESSAGE || limit <= MIN_TEXT {
            return body;
        }
        limit /= 2;
    }
}

/// The size of a message as Teams counts, at most: a message is a text within the JSON of Teams, with escapes.
fn size(message: &str) -> usize {
    let escaped = |char: char| match char {
        '"' | '\\' => 2,
        char if char.is_ascii() => 1,
        // Such as `\uD83D\uDD34`.
        char => 6 * char.len_utf16(),
    };
    message.chars().map(escaped).sum()
}

/// A message with a card, of whose texts at most `limit` characters are shown.
fn message(notification: &Notification, link: Option<&Url>, limit: usize) -> Value {
    let check = &notification.check;
    let mut blocks = vec![plain_text(&json!({
        "type": "TextRun",
        "text": truncate(&notification.title(), limit),
        "size": "medium",
        "weight": "bolder",
        "color": color(notification),
    }))];
    let texts = [Some(&notification.summary), check.description.as_ref()];
    let texts = texts.into_iter().flatten().filter(|text| !text.is_empty());
    blocks.extend(texts.map(|text| plain_text(&json!({"type": "TextRun", "text": truncate(text, limit)}))));
    let facts = truncate(&notification.facts(), limit);
    blocks.push(plain_text(
        &json!({"type": "TextRun", "text": facts, "isSubtle": true}),
    ));
    let links = notification.links(link);
    let actions: Vec<Value> = links
        .map(|(url, title)| json!({"type": "Action.OpenUrl", "title": title, "url": url}))
        .collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.2",
                "msteams": {"width": "Full"},
                "body": blocks,
                "actions": actions,
            },
        }],
    })
}

/// A paragraph of one run. Runs have no markup, while a `TextBlock` has links and emphasis in Markdown.
fn plain_text(run: &Value) -> Value {
    json!({"type": "RichTextBlock", "inlines": [run]})
}

fn color(notification: &Notification) -> &'static str {
    match (notification.event, notification.status) {
        (Event::Resolved, _) => "good",
        (_, Status::Down) => "attention",
        (_, Status::Degraded) => "warning",
        (_, Status::Up | Status::Unknown) => "default",
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use insta::assert_snapshot;

    use super::*;
    use crate::notification::CheckFacts;
    use crate::sample_notification::sample;

    #[test]
    fn a_notification_is_a_card_of_texts_without_markup() {
        let link = Url::parse("https://canary.example.com").unwrap();
        let message = message(&sample(SystemTime::UNIX_EPOCH), Some(&link), MAX_TEXT);
        assert_snapshot!(serde_json::to_string_pretty(&message).unwrap(), @r#"
        {
          "attachments": [
            {
              "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "actions": [
                  {
                    "title": "Runbook",
                    "type": "Action.OpenUrl",
                    "url": "https://example.com/runbooks/test"
                  },
                  {
                    "title": "Open Canary",
                    "type": "Action.OpenUrl",
                    "url": "https://canary.example.com/"
                  }
                ],
                "body": [
                  {
                    "inlines": [
                      {
                        "color": "attention",
                        "size": "medium",
                        "text": "canary alert test is down",
                        "type": "TextRun",
                        "weight": "bolder"
                      }
                    ],
                    "type": "RichTextBlock"
                  },
                  {
                    "inlines": [
                      {
                        "text": "503, expected \"200\" \\ <nothing> else\n&c.",
                        "type": "TextRun"
                      }
                    ],
                    "type": "RichTextBlock"
                  },
                  {
                    "inlines": [
                      {
                        "text": "This is a test.\nNothing is \"down\".",
                        "type": "TextRun"
                      }
                    ],
                    "type": "RichTextBlock"
                  },
                  {
                    "inlines": [
                      {
                        "isSubtle": true,
                        "text": "since 1970-01-01T00:00:00Z · https://example.com/ · team=web",
                        "type": "TextRun"
                      }
                    ],
                    "type": "RichTextBlock"
                  }
                ],
                "msteams": {
                  "width": "Full"
                },
                "type": "AdaptiveCard",
                "version": "1.2"
              },
              "contentType": "application/vnd.microsoft.card.adaptive",
              "contentUrl": null
            }
          ],
          "type": "message"
        }
        "#);
    }

    #[test]
    fn a_color_shows_the_status() {
        let color = |event, status| {
            let sample = sample(SystemTime::UNIX_EPOCH);
            color(&Notification {
                event,
                status,
                ..sample
            })
        };
        assert_eq!(color(Event::Firing, Status::Down), "attention");
        assert_eq!(color(Event::Changed, Status::Degraded), "warning");
        assert_eq!(color(Event::Reminder, Status::Unknown), "default");
        assert_eq!(color(Event::Resolved, Status::Up), "good");
    }

    #[test]
    fn no_message_is_larger_than_teams_accepts() {
        for char in ['x', '"', '\\', 'é', '🔴'] {
            let text = |characters| char.to_string().repeat(characters);
            let sample = sample(SystemTime::UNIX_EPOCH);
            let notification = Notification {
                summary: text(1_000),
                check: CheckFacts {
                    id: text(5_000),
                    target: text(5_000),
                    description: Some(text(2_000)),
                    runbook_url: Some(format!("https://example.com/{}", "x".repeat(2_000))),
                    ..sample.check
                },
                ..sample
            };
            let body = body(&notification, None);
            assert!(size(&body.text) <= MAX_MESSAGE, "{char}: {}", size(&body.text));
            assert!(body.text.matches(char).count() > 4 * MIN_TEXT, "{char}");
        }
    }
}
