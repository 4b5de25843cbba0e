//! A made-up notification: what a test of a notifier sends, and what a template is tried with.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::notification::{CheckFacts, Event, Notification, unix_millis};
use canary_run::status::Status;

/// A notification with texts as awkward as a plugin can produce.
pub(crate) fn sample(now: SystemTime) -> Notification {
    Notification {
        alert: format!("canary alert test/{}", unix_millis(now)),
        number: 1,
        event: Event::Firing,
        check: CheckFacts {
            id: "canary alert test".to_owned(),
            name: "canary alert test".to_owned(),
            target: "https://example.com/".to_owned(),
            plugin: "http".to_owned(),
            labels: BTreeMap::from([("team".to_owned(), "web".to_owned())]),
            description: Some("This is a test.\nNothing is \"down\".".to_owned()),
            runbook_url: Some("https://example.com/runbooks/test".to_owned()),
            expect_failure: false,
        },
        status: Status::Down,
        previous: None,
        since: now,
        at: now,
        lasted_seconds: None,
        summary: "503, expected \"200\" \\ <nothing> else\n&c.".to_owned(),
        consecutive_failures: 2,
    }
}
