//! Discord, by the webhook of a channel (<https://docs.discord.com/developers/resources/webhook#execute-webhook>).

use serde_json::json;
use url::Url;

use super::keys::{Keys, UrlPath};
use crate::http_sender::{Body, HttpSender};
use crate::notification::{Event, Notification, truncate};
use crate::notify::{Attempt, Notify, Sending};
use canary_run::status::Status;

/// Characters of a title, 256 at most. Each may need an escape.
const MAX_TITLE: usize = 128;
/// Characters of a summary and of a description, which together take 4,096 at most, with escapes and links.
const MAX_TEXT: usize = 900;
/// Characters of a footer, 2,048 at most. Discord accepts 6,000 in all.
const MAX_FOOTER: usize = 800;
/// Characters of a link; a longer one is left out.
const MAX_LINK: usize = 220;

/// A Discord channel.
#[derive(Debug, Clone)]
pub(super) struct Discord {
    sender: HttpSender,
}

impl Discord {
    pub(super) fn read(keys: &mut Keys<'_>) -> Option<Self> {
        let mut sender = keys.http_sender(UrlPath::Secret)?;
        // The receiver may quote it without the rest of the path.
        let token = sender.endpoint.url.path_segments().and_then(Iterator::last);
        keys.add_secret(token.unwrap_or_default());
        // Without it, Discord does not say that a message was not posted.
        sender.endpoint.url.query_pairs_mut().append_pair("wait", "true");
        Some(Self { sender })
    }
}

impl Notify for Discord {
    fn send<'a>(&'a self, notification: &'a Notification, attempt: Attempt<'a>) -> Sending<'a> {
        let body = body(notification, attempt.link);
        Box::pin(self.sender.send(body, attempt))
    }
}

/// Texts of others are escaped: a title and a description have Markdown, a footer has not.
fn body(notification: &Notification, link: Option<&Url>) -> Body {
    let check = &notification.check;
    let texts = [Some(&notification.summary), check.description.as_ref()];
    let texts = texts.into_iter().flatten().filter(|text| !text.is_empty());
    let texts = texts.map(|text| escape(&truncate(text, MAX_TEXT)));
    let links: Vec<String> = notification
        .links(link)
        .filter_map(|(url, text)| markdown_link(url, text))
        .collect();
    let paragraphs: Vec<String> = texts
        .chain((!links.is_empty()).then(|| links.join(" · ")))
        .collect();
    Body::json(&json!({
        "embeds": [{
            "title": escape(&truncate(&notification.title(), MAX_TITLE)),
            "description": paragraphs.join("\n\n"),
            "color": color(notification),
            "footer": {"text": truncate(&notification.facts(), MAX_FOOTER)},
        }],
        "allowed_mentions": {"parse": []},
    }))
}

/// As 24 bits of red, green and blue.
fn color(notification: &Notification) -> u32 {
    match (notification.event, notification.status) {
        (Event::Resolved, _) => 0x002e_7d32,
        (_, Status::Down) => 0x00d3_2f2f,
        (_, Status::Degraded) => 0x00f9_a825,
        (_, Status::Up | Status::Unknown) => 0x0075_7575,
    }
}

/// A link, unless it is too long. Discord shows no preview of an address in angle brackets, which it must not contain
/// itself.
fn markdown_link(url: &str, text: &str) -> Option<String> {
    let url = url.replace('<', "%3C").replace('>', "%3E").replace(' ', "%20");
    (url.chars().count() <= MAX_LINK).then(|| format!("[{text}](<{url}>)"))
}

/// Puts a backslash before every character that may have a meaning in Markdown, or in a mention.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_ascii_punctuation() {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use insta::assert_snapshot;
    use serde_json::Value;

    use super::*;
    use crate::notification::CheckFacts;
    use crate::sample_notification::sample;

    fn embed(notification: &Notification, link: Option<&Url>) -> Value {
        let body: Value = serde_json::from_str(&body(notification, link).text).unwrap();
        assert_eq!(
            body["allowed_mentions"]["parse"].as_array().map(Vec::len),
            Some(0)
        );
        body["embeds"][0].clone()
    }

    #[test]
    fn a_notification_is_an_embed_in_which_texts_of_others_are_escaped() {
        let link = Url::parse("https://canary.example.com").unwrap();
        let embed = embed(&sample(SystemTime::UNIX_EPOCH), Some(&link));
        assert_snapshot!(serde_json::to_string_pretty(&embed).unwrap(), @r#"
        {
          "color": 13840175,
          "description": "503\\, expected \\\"200\\\" \\\\ \\<nothing\\> else\n\\&c\\.\n\nThis is a test\\.\nNothing is \\\"down\\\"\\.\n\n[Runbook](<https://example.com/runbooks/test>) · [Open Canary](<https://canary.example.com/>)",
          "footer": {
            "text": "since 1970-01-01T00:00:00Z · https://example.com/ · team=web"
          },
          "title": "canary alert test is down"
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
        let firing = color(Event::Firing, Status::Down);
        let others = [
            color(Event::Changed, Status::Degraded),
            color(Event::Reminder, Status::Unknown),
            color(Event::Resolved, Status::Up),
        ];
        assert!(!others.contains(&firing), "{others:?}");
        assert_eq!(color(Event::Resolved, Status::Down), others[2]);
    }

    #[test]
    fn no_text_is_longer_than_discord_accepts() {
        for char in ['x', '*', 'é', '🔴'] {
            let text = |characters| char.to_string().repeat(characters);
            let sample = sample(SystemTime::UNIX_EPOCH);
            for link in [150, 220, 2_000] {
                let notification = Notification {
                    summary: text(1_000),
                    check: CheckFacts {
                        id: text(5_000),
                        target: text(5_000),
                        description: Some(text(2_000)),
                        runbook_url: Some(format!("https://example.com/{}", "x".repeat(link))),
                        ..sample.check.clone()
                    },
                    ..sample.clone()
                };
                let url = Url::parse(&format!("https://canary.example.com/{}", "x".repeat(link))).unwrap();
                let embed = embed(&notification, Some(&url));
                let limits = [
                    ("/title", 256),
                    ("/description", 4_096),
                    ("/footer/text", 2_048),
                    ("", 6_000),
                ];
                for (place, limit) in limits {
                    let texts = ["/title", "/description", "/footer/text"];
                    let texts = texts.iter().filter(|known| known.starts_with(place));
                    // Whether Discord counts characters or UTF-16.
                    let units = texts.map(|known| {
                        embed
                            .pointer(known)
                            .unwrap()
                            .as_str()
                            .unwrap()
                            .encode_utf16()
                            .count()
                    });
                    let units: usize = units.sum();
                    assert!(units <= limit, "{char}: {place} has {units}");
                }
                assert_eq!(
                    embed["description"].as_str().unwrap().contains("Runbook"),
                    link == 150
                );
            }
        }
    }
}
