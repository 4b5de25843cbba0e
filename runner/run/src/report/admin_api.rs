//! The JSON types of the admin API, used by server and client, and their rendering as tables.
//!
//! The keys are a contract with users. Times are RFC 3339 in UTC; durations are in seconds. The doc comments are
//! descriptions in the OpenAPI document.

mod connections;
mod status;
mod table;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr as _;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::connections::{Connections, OpenConnection, ReclaimedConnection};
pub use self::status::{
    AccountState, CheckState, Descriptors, FailedReload, LastRun, ReloadCounts, RunnerStatus, SuiteState,
};
pub use self::table::{connections, health, status, top};

/// A point in time, serialised as RFC 3339 with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiTime(Timestamp);

impl ApiTime {
    /// Converts a time; `None` if RFC 3339 cannot represent it.
    #[must_use]
    pub fn new(time: SystemTime) -> Option<Self> {
        Timestamp::try_from(time).ok().map(Self)
    }

    /// How long ago that was; zero for a time in the future.
    #[must_use]
    pub fn before(self, now: SystemTime) -> Duration {
        let passed = Timestamp::try_from(now).map(|now| now.duration_since(self.0));
        passed
            .ok()
            .and_then(|passed| Duration::try_from(passed).ok())
            .unwrap_or_default()
    }
}

impl fmt::Display for ApiTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl Serialize for ApiTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ApiTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Timestamp::from_str(&text)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for ApiTime {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ApiTime".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = String::json_schema(generator);
        schema.insert("format".to_owned(), "date-time".into());
        schema
    }
}

/// The health of the runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HealthStatus {
    /// `ok` or `failing`.
    #[schemars(extend("enum" = ["ok", "failing"]))]
    pub status: String,
    /// The current problems.
    pub problems: Vec<HealthProblem>,
}

impl HealthStatus {
    /// Failing if there is any problem.
    #[must_use]
    pub fn new(problems: Vec<HealthProblem>) -> Self {
        let status = if problems.is_empty() { "ok" } else { "failing" };
        Self {
            status: status.to_owned(),
            problems,
        }
    }

    /// Whether there are no problems.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.status == "ok"
    }
}

/// A problem of the runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HealthProblem {
    /// A code from a bounded set, such as `scheduler_stalled`.
    pub what: String,
    /// One line for people.
    pub message: String,
    /// Ids of the affected checks; not all of them if there are many.
    pub checks: Vec<String>,
}

/// The response to a successful reload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reloaded {
    /// The number of checks of the new suite.
    pub checks: usize,
}

/// The response to a failed reload, after which the previous suite stays active.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReloadFailed {
    /// The problems of the suite, in the format of `canary validate`.
    pub problems: String,
}

/// The body of an error response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    /// The reason, and how to resolve it.
    pub error: String,
}

/// A duration in seconds, rounded to the microsecond.
#[must_use]
pub fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

/// Converts received seconds to a duration; zero if they are out of range.
fn to_duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
