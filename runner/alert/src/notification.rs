//! A notification as plain data; each notifier formats it for its service.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use url::Url;

use canary_run::status::Status;
use canary_suite::Check;
use canary_system::age::Since;

/// The first moment that RFC 3339 cannot write, in Unix milliseconds.
const YEAR_10000: u64 = 253_402_300_800_000;
/// Maximum characters of a summary.
const MAX_SUMMARY: usize = 1_000;

/// One notification of an alert, for one notifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Key of the alert: the check's id and when the alert began, in Unix milliseconds. The same for all notifications
    /// of an alert, so that receivers can correlate them.
    pub alert: String,
    /// Sequence number within the alert, from 1.
    pub number: u32,
    /// What happened.
    pub event: Event,
    /// The check that the alert is about.
    pub check: CheckFacts,
    /// The check's status.
    pub status: Status,
    /// The status last notified, if any.
    pub previous: Option<Status>,
    /// When the alert began.
    #[serde(with = "millis")]
    pub since: SystemTime,
    /// When this event happened.
    #[serde(with = "millis")]
    pub at: SystemTime,
    /// Seconds between them on a monotonic clock; absent in rows of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasted_seconds: Option<u64>,
    /// Summary of the run behind it; at most 1,000 characters.
    pub summary: String,
    /// Number of consecutive runs, up to that one, without a pass or warning.
    pub consecutive_failures: u64,
}

/// What happened to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It began.
    Firing,
    /// The check is in another bad status than last notified.
    Changed,
    /// It is still firing.
    Reminder,
    /// It ended.
    Resolved,
}

impl Event {
    /// The name in messages and payloads.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Changed => "changed",
            Self::Reminder => "reminder",
            Self::Resolved => "resolved",
        }
    }
}

/// What notifications show of a check; it outlives the check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckFacts {
    /// Its id: the name, plus the target if there are several.
    pub id: String,
    /// Its name in the suite.
    pub name: String,
    /// Without secrets, credentials and query.
    pub target: String,
    /// Its plugin.
    pub plugin: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The description in the suite; at most 2,000 characters. Absent in rows of an older version, like the next field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Link to the runbook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook_url: Option<String>,
    /// Whether its target is expected to fail.
    #[serde(default)]
    pub expect_failure: bool,
}

impl From<&Check> for CheckFacts {
    fn from(check: &Check) -> Self {
        Self {
            id: check.id.as_str().to_owned(),
            name: check.name.clone(),
            target: check.target.public(),
            plugin: check.plugin.clone(),
            labels: (*check.labels).clone(),
            description: check.annotations.description.as_deref().map(str::to_owned),
            runbook_url: check.annotations.runbook_url.as_deref().map(str::to_owned),
            expect_failure: check.expect_failure,
        }
    }
}

impl Notification {
    /// Id of this notification: the same for every attempt to send it.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}", self.alert, self.number)
    }

    /// One line: the check and its status.
    #[must_use]
    pub fn title(&self) -> String {
        let id = &self.check.id;
        let phrase = StatusPhrase(self.status);
        match (self.event, self.previous) {
            (Event::Firing, _) => format!("{id} {phrase}"),
            (Event::Changed, Some(previous)) => format!("{id} {phrase}, was {previous}"),
            (Event::Changed, None) => format!("{id} {phrase}"),
            (Event::Reminder, _) => format!("{id} {phrase}, still"),
            (Event::Resolved, _) if self.status == Status::Up => format!("{id} is up again"),
            (Event::Resolved, _) => format!("{id}: alert resolved"),
        }
    }

    /// Time from the beginning of the alert to this event.
    #[must_use]
    pub(crate) fn lasted(&self) -> Duration {
        let by_clock = || self.at.duration_since(self.since).unwrap_or_default().as_secs();
        Duration::from_secs(self.lasted_seconds.unwrap_or_else(by_clock))
    }

    /// One line: when the alert began, and the check's target and labels.
    #[must_use]
    pub fn facts(&self) -> String {
        let labels = self.check.labels.iter();
        let labels = labels.map(|(name, value)| format!("{name}={value}"));
        let facts = [self.span(), self.check.target.clone()].into_iter().chain(labels);
        let facts: Vec<String> = facts.filter(|fact| !fact.is_empty()).collect();
        facts.join(" · ")
    }

    /// Addresses to follow, each with a label: the runbook, and the link to this runner.
    pub(crate) fn links<'n>(
        &'n self,
        link: Option<&'n Url>,
    ) -> impl Iterator<Item = (&'n str, &'static str)> {
        let runbook = self.check.runbook_url.as_deref().map(|url| (url, "Runbook"));
        let runner = link.map(|link| (link.as_str(), "Open Canary"));
        runbook.into_iter().chain(runner)
    }

    /// Text with the beginning of the alert, and its duration so far.
    #[must_use]
    pub fn span(&self) -> String {
        let since = humantime::format_rfc3339_seconds(self.since);
        match (self.event, self.lasted()) {
            (Event::Firing, _) | (_, Duration::ZERO) => format!("since {since}"),
            (Event::Resolved, lasted) => {
                format!("began {since}, lasted {}", humantime::format_duration(lasted))
            }
            (_, lasted) => format!("since {since}, for {}", humantime::format_duration(lasted)),
        }
    }
}

/// A status as a phrase.
struct StatusPhrase(Status);

impl fmt::Display for StatusPhrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Status::Up => "is up",
            Status::Degraded => "is degraded",
            Status::Down => "is down",
            Status::Unknown => "is unknown",
        })
    }
}

/// Limits a summary to [`MAX_SUMMARY`] characters on one line.
pub(super) fn limit_summary(text: &str) -> String {
    truncate(
        &text.split_whitespace().collect::<Vec<_>>().join(" "),
        MAX_SUMMARY,
    )
}

/// Limits a text to so many characters.
pub(super) fn truncate(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        None => text.to_owned(),
        Some(_) => {
            let start: String = text.chars().take(characters.saturating_sub(1)).collect();
            format!("{start}…")
        }
    }
}

/// Unix milliseconds; 0 for what came before.
pub(super) fn unix_millis(moment: SystemTime) -> u64 {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The time itself; one whose year has more than four digits becomes the epoch.
fn from_unix_millis(millis: u64) -> SystemTime {
    let moment = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis));
    moment
        .filter(|_| millis < YEAR_10000)
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Reads a time, which older versions wrote as Unix milliseconds.
pub(super) fn deserialize_since<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Since, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored {
        Since(Since),
        Millis(u64),
    }
    Ok(match Stored::deserialize(deserializer)? {
        Stored::Since(since) => since,
        Stored::Millis(millis) => Since::at(from_unix_millis(millis)),
    })
}

/// Times as Unix milliseconds.
pub(super) mod millis {
    use std::time::SystemTime;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(moment: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(super::unix_millis(*moment))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let millis = u64::deserialize(deserializer)?;
        Ok(super::from_unix_millis(millis))
    }

    /// A time that may be absent.
    pub(crate) mod optional {
        use std::time::SystemTime;

        use serde::{Deserialize as _, Deserializer};

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<SystemTime>, D::Error> {
            let millis = Option::<u64>::deserialize(deserializer)?;
            Ok(millis.map(crate::notification::from_unix_millis))
        }
    }
}
