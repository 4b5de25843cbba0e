//! What a runner shows of itself: the answers of the admin address, as whoever asks reads them, and their tables.
//!
//! The keys are a contract with users. Times are RFC 3339 in UTC, spans of time are seconds.

mod connections;
mod status;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr as _;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::connections::{Connections, OpenConnection, ReclaimedConnection};
pub use self::status::{
    AccountState, CheckState, Descriptors, LastRun, Refusal, ReloadCounts, Status, SuiteState,
};
pub use self::table::{condition, connections, status, top};

/// A moment, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Timestamp);

impl Moment {
    /// A time; nothing for one that RFC 3339 has no words for.
    #[must_use]
    pub fn of(time: SystemTime) -> Option<Self> {
        Timestamp::try_from(time).ok().map(Self)
    }

    /// How long ago that was; nothing for a time to come.
    #[must_use]
    pub fn before(self, now: SystemTime) -> Duration {
        let passed = Timestamp::try_from(now).map(|now| now.duration_since(self.0));
        passed
            .ok()
            .and_then(|passed| Duration::try_from(passed).ok())
            .unwrap_or_default()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Timestamp::from_str(&text)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

/// Whether the runner is well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// `ok` or `failing`.
    pub status: String,
    /// What makes it failing.
    pub problems: Vec<Trouble>,
}

impl Condition {
    /// Failing exactly when something is wrong.
    #[must_use]
    pub fn of(problems: Vec<Trouble>) -> Self {
        let status = if problems.is_empty() { "ok" } else { "failing" };
        Self {
            status: status.to_owned(),
            problems,
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.status == "ok"
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trouble {
    /// One word of a bounded set.
    pub what: String,
    /// One line for a person.
    pub message: String,
    /// Checks that it is about; not all of them, if they are many.
    pub checks: Vec<String>,
}

/// What came of a reload that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reloaded {
    /// In force from now on.
    pub checks: usize,
}

/// Why the old suite goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotReloaded {
    /// As `canary validate` shows them.
    pub problems: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Declined {
    /// With the way out.
    pub error: String,
}

/// To the microsecond.
#[must_use]
pub fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

/// A time of the wire; nothing for one that no clock shows.
fn span(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
