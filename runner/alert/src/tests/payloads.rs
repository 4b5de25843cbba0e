//! The exact payload of each notifier.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use insta::assert_snapshot;
use serde_json::Value;
use url::Url;

use super::read;
use crate::http_sender::Body;
use crate::notification::{CheckFacts, Event, Notification};
use crate::notifier::email::Email;
use crate::notifier::webhook::{self, Webhook};
use crate::notifier::{alertmanager, pagerduty, slack};
use canary_run::status::Status;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_014_400 + seconds)
}

/// A check named by a prankster.
fn firing() -> Notification {
    Notification {
        alert: "shop <!channel>/1800014400000".to_owned(),
        number: 1,
        event: Event::Firing,
        check: CheckFacts {
            id: "shop <!channel>".to_owned(),
            name: "shop <!channel>".to_owned(),
            target: "https://example.com/shop".to_owned(),
            plugin: "http".to_owned(),
            labels: BTreeMap::from([
                ("k8s.pod/name".to_owned(), "shop-1".to_owned()),
                ("severity".to_owned(), "none of yours".to_owned()),
            ]),
            description: Some("Sells <things>.\n<!here> *Ann* knows it.".to_owned()),
            runbook_url: Some("https://wiki.example.com/shop?a=1&b=2|3".to_owned()),
            expect_failure: false,
        },
        status: Status::Down,
        previous: None,
        since: at(0),
        at: at(0),
        lasted_seconds: None,
        summary: "503 & <b>no</b> \"page\"".to_owned(),
        consecutive_failures: 2,
    }
}

fn changed() -> Notification {
    Notification {
        number: 2,
        event: Event::Changed,
        status: Status::Degraded,
        previous: Some(Status::Down),
        at: at(600),
        summary: "slow".to_owned(),
        consecutive_failures: 0,
        ..firing()
    }
}

fn resolved() -> Notification {
    Notification {
        number: 3,
        event: Event::Resolved,
        status: Status::Up,
        previous: Some(Status::Degraded),
        at: at(3_725),
        summary: "200 OK".to_owned(),
        ..firing()
    }
}

fn link() -> Url {
    Url::parse("https://canary.example.com/a&b").unwrap()
}

/// The body as indented JSON.
fn pretty(body: &Body) -> String {
    let value: Value = serde_json::from_str(&body.text).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

/// The payloads of a firing, a changed and a resolved notification.
fn all(make: impl Fn(&Notification) -> String) -> String {
    [firing(), changed(), resolved()]
        .iter()
        .map(|notification| make(notification) + "\n")
        .collect()
}

#[test]
fn alertmanager_gets_labels_that_stay_the_same_until_the_severity_changes() {
    let text = all(|notification| {
        pretty(&alertmanager::body(
            [notification],
            Some(&link()),
            notification.at,
        ))
    });
    assert_snapshot!(text);
}

#[test]
fn alertmanager_gets_no_begin_after_the_end_when_the_clock_was_set_back() {
    for notification in [firing(), changed(), resolved()] {
        let earlier = at(0) - Duration::from_secs(86_400);
        let body = alertmanager::body([&notification], None, earlier);
        let alerts: Vec<Value> = serde_json::from_str(&body.text).unwrap();
        for alert in alerts {
            let moment = |name: &str| humantime::parse_rfc3339(alert[name].as_str().unwrap()).unwrap();
            assert!(moment("startsAt") <= earlier, "{alert}");
            assert!(moment("startsAt") <= moment("endsAt"), "{alert}");
        }
    }
}

#[test]
fn slack_gets_plain_text_in_which_nothing_is_a_mention() {
    let text = all(|notification| pretty(&slack::body(notification, Some(&link()))));
    assert!(!text.contains("<!channel>\",\n      \"type\": \"mrkdwn\""));
    assert_snapshot!(text);
}

#[test]
fn pagerduty_gets_events_with_one_key() {
    assert_snapshot!(all(|notification| pretty(&pagerduty::body(
        "R0UT1NG",
        notification,
        Some(&link())
    ))));
}

#[test]
fn a_key_that_is_too_long_for_pagerduty_is_a_hash() {
    let notification = Notification {
        alert: "x".repeat(300),
        ..firing()
    };
    let body: Value = serde_json::from_str(&pagerduty::body("key", &notification, None).text).unwrap();
    assert_eq!(body["dedup_key"].as_str().unwrap().len(), 64);
}

fn hook(yaml: &str) -> Webhook {
    read(&format!("url: 'http://127.0.0.1/'{yaml}"), Webhook::read)
}

#[test]
fn a_webhook_gets_the_whole_notification() {
    let hook = hook("");
    assert_snapshot!(all(|notification| pretty(
        &webhook::body(&hook, notification, Some(&link())).unwrap()
    )));
}

#[test]
fn a_template_makes_the_body_of_a_webhook() {
    let hook = hook(
        ", method: PUT, template: '{\"text\": {{ title | tojson }}, \"labels\": {{ labels | tojson }}{% if link %}, \"link\": {{ link | tojson }}{% endif %}}'",
    );
    let body = webhook::body(&hook, &firing(), None).unwrap();
    assert_eq!(body.method, http::Method::PUT);
    assert_snapshot!(body.text);
}

fn mail(yaml: &str) -> Email {
    let yaml = format!("host: smtp.example.com, from: 'Canary <canary@example.com>'{yaml}");
    read(&yaml, Email::read)
}

#[test]
fn mails_of_one_alert_are_a_thread() {
    let mail = mail(", to: [one@example.com, 'Two <two@example.org>']");
    let text = all(|notification| {
        let message = mail.message(notification, Some(&link())).unwrap();
        String::from_utf8(message.formatted()).unwrap().replace('\r', "")
    });
    assert_snapshot!(text);
}
