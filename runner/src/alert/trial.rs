//! A notification that is about nothing, to see whether a notifier works.

use std::collections::BTreeMap;
use std::time::SystemTime;

use url::Url;

use super::answer::Answer;
use super::notification::{CheckFacts, Event, Notification, unix_millis};
use super::notifier::Notifier;
use crate::ledger::audit::Reserve;
use crate::status::Status;

/// What came of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Of the begin of the alert.
    pub firing: Answer,
    /// Of its end; absent when the begin did not arrive.
    pub resolved: Option<Answer>,
}

impl Trial {
    /// Whether both arrived.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.firing == Answer::Delivered && self.resolved == Some(Answer::Delivered)
    }
}

/// Tells of an alert that begins and is over, each in one attempt.
///
/// Cancellation: as of [`Notifier::deliver`]; an alert that began may stay.
pub async fn try_out(notifier: &Notifier, link: Option<&Url>, reserve: &Reserve, now: SystemTime) -> Trial {
    let mut notification = Notification {
        summary: "this is a test: nothing is the matter".to_owned(),
        ..sample(now)
    };
    let firing = notifier.deliver(&notification, link, reserve).await;
    if !matches!(firing, Answer::Delivered | Answer::Partly(..)) {
        return Trial {
            firing,
            resolved: None,
        };
    }
    notification = Notification {
        number: 2,
        event: Event::Resolved,
        status: Status::Up,
        previous: Some(Status::Down),
        ..notification
    };
    let resolved = notifier.deliver(&notification, link, reserve).await;
    Trial {
        firing,
        resolved: Some(resolved),
    }
}

/// An alert with texts as awkward as a plugin can make them.
pub(super) fn sample(now: SystemTime) -> Notification {
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
