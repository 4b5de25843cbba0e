//! A check that is not well, and who was told of it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::notification::{CheckFacts, Event, Notification, millis, since, summary, unix_millis};
use crate::age::{Now, Since};
use crate::outcome::Run;
use crate::status::Standing;
use crate::status::Status;

/// A check that is not up, as it is kept on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trouble {
    pub(super) check: CheckFacts,
    pub(super) status: Status,
    /// When it got this status.
    #[serde(deserialize_with = "since")]
    pub(super) since: Since,
    summary: String,
    consecutive_failures: u64,
    /// By notifier.
    pub(super) alerts: BTreeMap<String, Alert>,
    /// Whether a check that this one depends on is to blame.
    #[serde(skip)]
    pub(super) shadow: Shadow,
}

/// One notifier's view of the trouble.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Alert {
    /// When the check got a status that the notifier wants to hear of.
    #[serde(deserialize_with = "since")]
    since: Since,
    /// When the alert began, which is later if the notifier did not ask for it at first. Two alerts of a check have
    /// the same only if a clock is set back.
    #[serde(with = "millis")]
    begun: SystemTime,
    /// Notifications so far.
    count: u32,
    pub(super) told: Option<Told>,
}

/// What was last told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) status: Status,
    #[serde(deserialize_with = "since")]
    pub(super) at: Since,
}

/// The shadow of a check that this one depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Shadow {
    /// There is none.
    #[default]
    None,
    /// The other check is in trouble.
    Under,
    /// The other check is well since then, in time since the boot, and this one may need a run to follow.
    LeftAt(Duration),
}

impl Trouble {
    pub(super) fn new(check: CheckFacts, run: &Run, standing: &Standing, now: &Now) -> Self {
        Self {
            check,
            status: standing.status,
            since: Since::now(now),
            summary: summary(&run.outcome.summary()),
            consecutive_failures: standing.consecutive_failures,
            alerts: BTreeMap::new(),
            shadow: Shadow::None,
        }
    }

    /// Takes in a further run. Says whether the status is another one.
    pub(super) fn observe(&mut self, run: &Run, standing: &Standing, now: &Now) -> bool {
        self.summary = summary(&run.outcome.summary());
        self.consecutive_failures = standing.consecutive_failures;
        let changed = self.status != standing.status;
        if changed {
            (self.status, self.since) = (standing.status, Since::now(now));
        }
        changed
    }

    /// The check is no more, or tells nobody any more.
    pub(super) fn withdraw(&mut self) {
        self.summary = "the check is no longer watched for this notifier".to_owned();
    }

    /// Begins an alert.
    pub(super) fn alert(&self, now: &Now) -> Alert {
        Alert {
            since: self.since,
            begun: now.wall,
            count: 0,
            told: None,
        }
    }

    /// What there is to tell by an alert now. `remind` is from one reminder to the next.
    pub(super) fn due(&self, alert: &Alert, remind: Option<Duration>, now: &Now) -> Option<Event> {
        let Some(told) = alert.told else {
            return Some(Event::Firing);
        };
        if told.status != self.status {
            return Some(Event::Changed);
        }
        remind
            .is_some_and(|interval| told.at.is_at_least(interval, now))
            .then_some(Event::Reminder)
    }

    /// Puts into words what is told by an alert, and notes that it is told.
    pub(super) fn tell(&self, alert: &mut Alert, event: Event, now: &Now) -> Notification {
        alert.count = alert.count.saturating_add(1);
        let previous = alert.told.map(|told| told.status);
        alert.told = Some(Told {
            status: self.status,
            at: Since::now(now),
        });
        Notification {
            previous,
            ..self.standing(alert, event)
        }
    }

    /// What was told last, for receivers that want to hear it again and again.
    pub(super) fn standing(&self, alert: &Alert, event: Event) -> Notification {
        let at = alert.told.map_or(alert.since, |told| told.at);
        Notification {
            alert: format!("{}/{}", self.check.id, unix_millis(alert.begun)),
            number: alert.count,
            event,
            check: self.check.clone(),
            status: alert.told.map_or(self.status, |told| told.status),
            previous: None,
            since: alert.since.wall(),
            at: at.wall(),
            lasted_seconds: Some(alert.since.until(&at).as_secs()),
            summary: self.summary.clone(),
            consecutive_failures: self.consecutive_failures,
        }
    }
}
