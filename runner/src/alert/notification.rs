//! What somebody is told of a check, as plain data; each notifier puts it into words of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::age::Since;
use crate::status::Status;
use crate::suite::Check;

/// The first moment that RFC 3339 cannot write, in Unix milliseconds.
const YEAR_10000: u64 = 253_402_300_800_000;
/// Characters of a summary that are told.
const MAX_SUMMARY: usize = 1_000;

/// One thing to tell, by one notifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Which alert it belongs to: the check's id and when the alert began, in Unix milliseconds. The same from its first
    /// notification to its last, so that whoever gets them can tell that they belong together.
    pub alert: String,
    /// Which one of the alert, from 1.
    pub number: u32,
    /// What happened.
    pub event: Event,
    /// To which check.
    pub check: CheckFacts,
    /// The check's status.
    pub status: Status,
    /// The status that was told before, if there was one.
    pub previous: Option<Status>,
    /// When the alert began.
    #[serde(with = "millis")]
    pub since: SystemTime,
    /// When this came about.
    #[serde(with = "millis")]
    pub at: SystemTime,
    /// Seconds from the one to the other, whatever the clock was set to meanwhile; absent in what an older version left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasted_seconds: Option<u64>,
    /// Of the run behind it, for a person; at most 1,000 characters.
    pub summary: String,
    /// Runs in a row, up to that one, that were not well.
    pub consecutive_failures: u64,
}

/// What there is to tell of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It begins.
    Firing,
    /// The check is in another bad state than was told.
    Changed,
    /// It goes on.
    Reminder,
    /// It is over.
    Resolved,
}

impl Event {
    /// The word in messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Changed => "changed",
            Self::Reminder => "reminder",
            Self::Resolved => "resolved",
        }
    }
}

/// What is told of a check; it outlives the check itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckFacts {
    /// Its id: the name, and the target where it has several.
    pub id: String,
    /// As the suite names it.
    pub name: String,
    /// Without secrets, credentials and query.
    pub target: String,
    /// Its plugin.
    pub plugin: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What the suite says of it; at most 2,000 characters. Absent in what an older version left, as the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where to read what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook_url: Option<String>,
    /// Whether its target is to fail.
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
    /// The same for every attempt to deliver this one, and another for any other.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}", self.alert, self.number)
    }

    /// One line: what is the matter with which check.
    #[must_use]
    pub fn title(&self) -> String {
        let id = &self.check.id;
        let state = State(self.status);
        match (self.event, self.previous) {
            (Event::Firing, _) => format!("{id} {state}"),
            (Event::Changed, Some(previous)) => format!("{id} {state}, was {previous}"),
            (Event::Changed, None) => format!("{id} {state}"),
            (Event::Reminder, _) => format!("{id} {state}, still"),
            (Event::Resolved, _) if self.status == Status::Up => format!("{id} is up again"),
            (Event::Resolved, _) => format!("{id}: the alert is over"),
        }
    }

    /// From the begin of the alert to this.
    #[must_use]
    pub fn lasted(&self) -> Duration {
        let by_clock = || self.at.duration_since(self.since).unwrap_or_default().as_secs();
        Duration::from_secs(self.lasted_seconds.unwrap_or_else(by_clock))
    }

    /// When the alert began, in words, and how long ago that was.
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

/// A status in a sentence.
struct State(Status);

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Status::Up => "is up",
            Status::Degraded => "is degraded",
            Status::Down => "is down",
            Status::Unknown => "cannot be judged",
        })
    }
}

/// A summary within its bound, in one line.
pub(super) fn summary(text: &str) -> String {
    bounded(
        &text.split_whitespace().collect::<Vec<_>>().join(" "),
        MAX_SUMMARY,
    )
}

/// At most so many characters of a text.
pub(super) fn bounded(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        None => text.to_owned(),
        Some(_) => {
            let kept: String = text.chars().take(characters.saturating_sub(1)).collect();
            format!("{kept}…")
        }
    }
}

/// Unix milliseconds; 0 for what came before.
pub(super) fn unix_millis(moment: SystemTime) -> u64 {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The moment itself; one that cannot be written in four digits of a year is as good as none.
fn from_unix_millis(millis: u64) -> SystemTime {
    let moment = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis));
    moment
        .filter(|_| millis < YEAR_10000)
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// When something began, which older versions wrote as Unix milliseconds.
pub(super) fn since<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Since, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Since(Since),
        Millis(u64),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::Since(since) => since,
        Written::Millis(millis) => Since::at(from_unix_millis(millis)),
    })
}

/// Moments as Unix milliseconds.
pub(super) mod millis {
    use std::time::SystemTime;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(in crate::alert) fn serialize<S: Serializer>(
        moment: &SystemTime,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(super::unix_millis(*moment))
    }

    pub(in crate::alert) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SystemTime, D::Error> {
        let millis = u64::deserialize(deserializer)?;
        Ok(super::from_unix_millis(millis))
    }

    /// A moment that may be absent.
    pub(in crate::alert) mod optional {
        use std::time::SystemTime;

        use serde::{Deserialize as _, Deserializer};

        pub(in crate::alert) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<SystemTime>, D::Error> {
            let millis = Option::<u64>::deserialize(deserializer)?;
            Ok(millis.map(crate::alert::notification::from_unix_millis))
        }
    }
}
