//! The alerts of one unhealthy check, and what each notifier was last sent.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::notification::{
    CheckFacts, Event, Notification, deserialize_since, limit_summary, millis, unix_millis,
};
use canary_run::outcome::Run;
use canary_run::status::{CheckStatus, Status};
use canary_system::age::{Now, Since};

/// An unhealthy check and its alerts, as stored on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CheckAlerts {
    pub(super) check: CheckFacts,
    pub(super) status: Status,
    /// When the check got this status.
    #[serde(deserialize_with = "deserialize_since")]
    pub(super) since: Since,
    summary: String,
    consecutive_failures: u64,
    /// By notifier name.
    pub(super) alerts: BTreeMap<String, Alert>,
    /// Whether a dependency inhibits the alerts.
    #[serde(skip)]
    pub(super) inhibition: Inhibition,
}

/// The alert of a check at one notifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Alert {
    /// When the check got a status that the notifier subscribes to.
    #[serde(deserialize_with = "deserialize_since")]
    since: Since,
    /// When the alert began, which is later if the notifier did not subscribe at first. Part of the alert's key; two
    /// alerts of a check share it only if a clock is set back.
    #[serde(with = "millis")]
    begun: SystemTime,
    /// Number of notifications so far.
    count: u32,
    #[serde(rename = "told")]
    pub(super) last_sent: Option<LastSent>,
}

/// The last notification of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LastSent {
    pub(super) status: Status,
    #[serde(deserialize_with = "deserialize_since")]
    pub(super) at: Since,
}

/// Inhibition of alerts by a dependency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Inhibition {
    /// Not inhibited.
    #[default]
    None,
    /// A dependency is bad.
    Active,
    /// All dependencies recovered at this time since boot; this check may need a run to follow.
    EndedAt(Duration),
}

impl CheckAlerts {
    pub(super) fn new(check: CheckFacts, run: &Run, check_status: &CheckStatus, now: &Now) -> Self {
        Self {
            check,
            status: check_status.status,
            since: Since::now(now),
            summary: limit_summary(&run.outcome.summary()),
            consecutive_failures: check_status.consecutive_failures,
            alerts: BTreeMap::new(),
            inhibition: Inhibition::None,
        }
    }

    /// Observes a further run. Returns whether the status changed.
    pub(super) fn observe(&mut self, run: &Run, check_status: &CheckStatus, now: &Now) -> bool {
        self.summary = limit_summary(&run.outcome.summary());
        self.consecutive_failures = check_status.consecutive_failures;
        let changed = self.status != check_status.status;
        if changed {
            (self.status, self.since) = (check_status.status, Since::now(now));
        }
        changed
    }

    /// Records that the check was removed, or no longer notifies anybody.
    pub(super) fn mark_unwatched(&mut self) {
        self.summary = "the check is no longer watched for this notifier".to_owned();
    }

    /// Creates an alert that begins now.
    pub(super) fn new_alert(&self, now: &Now) -> Alert {
        Alert {
            since: self.since,
            begun: now.wall,
            count: 0,
            last_sent: None,
        }
    }

    /// The event to send for an alert now, if any. `reminder_interval` is the time between reminders.
    pub(super) fn due_event(
        &self,
        alert: &Alert,
        reminder_interval: Option<Duration>,
        now: &Now,
    ) -> Option<Event> {
        let Some(last) = alert.last_sent else {
            return Some(Event::Firing);
        };
        if last.status != self.status {
            return Some(Event::Changed);
        }
        reminder_interval
            .is_some_and(|interval| last.at.is_at_least(interval, now))
            .then_some(Event::Reminder)
    }

    /// Builds the next notification of an alert and records it as sent.
    pub(super) fn prepare_notification(&self, alert: &mut Alert, event: Event, now: &Now) -> Notification {
        alert.count = alert.count.saturating_add(1);
        let previous = alert.last_sent.map(|last| last.status);
        alert.last_sent = Some(LastSent {
            status: self.status,
            at: Since::now(now),
        });
        Notification {
            previous,
            ..self.build_notification(alert, event)
        }
    }

    /// Builds the notification of an alert's current state, as last sent.
    pub(super) fn build_notification(&self, alert: &Alert, event: Event) -> Notification {
        let at = alert.last_sent.map_or(alert.since, |last| last.at);
        Notification {
            alert: format!("{}/{}", self.check.id, unix_millis(alert.begun)),
            number: alert.count,
            event,
            check: self.check.clone(),
            status: alert.last_sent.map_or(self.status, |last| last.status),
            previous: None,
            since: alert.since.wall(),
            at: at.wall(),
            lasted_seconds: Some(alert.since.until(&at).as_secs()),
            summary: self.summary.clone(),
            consecutive_failures: self.consecutive_failures,
        }
    }
}
