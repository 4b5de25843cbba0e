//! The status of the runner and its checks, as in `/api/v1/status`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{ApiTime, HealthProblem};
use crate::account::{MissReason, OUTCOMES, RunAccount};
use crate::report::json::UsageObject;

/// The status of a runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunnerStatus {
    /// The version of canary.
    pub version: String,
    /// When the process started.
    pub started_at: Option<ApiTime>,
    /// The time since then.
    pub uptime_seconds: f64,
    /// The active suite.
    pub suite: SuiteState,
    /// The account of all runs, including those of removed checks.
    pub account: AccountState,
    /// The descriptors available to checks.
    pub descriptors: Descriptors,
    /// The current problems of the runner.
    pub problems: Vec<HealthProblem>,
    /// Number of matching checks; `checks` may have fewer because of `limit`.
    pub matched: u64,
    /// The matching checks in the requested order.
    pub checks: Vec<CheckState>,
}

/// The active suite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SuiteState {
    /// Its number of checks.
    pub checks: u64,
    /// When it was loaded.
    pub in_force_since: Option<ApiTime>,
    /// The number of reloads since the start.
    pub reloads: ReloadCounts,
    /// Why the latest reload failed, if it did.
    pub refused: Option<FailedReload>,
}

/// The number of reloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReloadCounts {
    /// Successful reloads.
    pub succeeded: u64,
    /// Failed reloads.
    pub failed: u64,
}

/// A failed reload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FailedReload {
    /// When it failed.
    pub at: Option<ApiTime>,
    /// The problems of the suite, in the format of `canary validate`.
    pub problems: String,
}

/// The account of all due times: scheduled = finished + missed + under_way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountState {
    /// Due times.
    pub scheduled: u64,
    /// Runs that got their permits.
    pub started: u64,
    /// Finished runs by outcome.
    #[schemars(schema_with = "finished_schema")]
    pub finished: BTreeMap<Cow<'static, str>, u64>,
    /// Missed due times by reason.
    #[schemars(schema_with = "missed_schema")]
    pub missed: BTreeMap<Cow<'static, str>, u64>,
    /// Runs in flight: waiting or running.
    pub under_way: u64,
}

impl From<&RunAccount> for AccountState {
    /// Includes every outcome and every reason, also those with a count of zero.
    fn from(account: &RunAccount) -> Self {
        let finished = |word: &'static str| {
            let count = account.finished().get(word).copied().unwrap_or_default();
            (Cow::Borrowed(word), count)
        };
        let missed = |reason: MissReason| {
            let count = account.missed().get(&reason).copied().unwrap_or_default();
            (Cow::Borrowed(reason.as_str()), count)
        };
        Self {
            scheduled: account.scheduled(),
            started: account.started(),
            finished: OUTCOMES.into_iter().map(finished).collect(),
            missed: MissReason::ALL.into_iter().map(missed).collect(),
            under_way: account.in_flight(),
        }
    }
}

fn finished_schema(_generator: &mut SchemaGenerator) -> Schema {
    counts_schema(&OUTCOMES)
}

fn missed_schema(_generator: &mut SchemaGenerator) -> Schema {
    counts_schema(&MissReason::ALL.map(MissReason::as_str))
}

/// The schema of an object with a count for each of these words.
fn counts_schema(words: &[&str]) -> Schema {
    let count = json!({"type": "integer", "minimum": 0});
    let counts = words.iter().map(|word| ((*word).to_owned(), count.clone()));
    let schema = [
        ("type", json!("object")),
        ("required", json!(words)),
        ("properties", Value::Object(counts.collect())),
    ];
    let schema = schema.into_iter().map(|(key, value)| (key.to_owned(), value));
    schema.collect::<Map<_, _>>().into()
}

/// The descriptors available to checks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Descriptors {
    /// Maximum number at once.
    pub budget: u64,
    /// Currently leased.
    pub leased: u64,
    /// Left open by plugins and closed by the host, since the start.
    pub reclaimed: u64,
    /// Currently open without a known owner.
    pub unaccounted: u64,
}

/// The state of one check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckState {
    /// Its name, and its target if it has several.
    pub id: String,
    /// Its name in the suite.
    pub name: String,
    /// Its target, with `***` in place of interpolated values.
    pub target: String,
    /// The name of its plugin in the suite.
    pub plugin: String,
    /// The group whose concurrency limit it shares.
    pub group: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its description in the suite, for alerts.
    #[serde(default)]
    pub description: Option<String>,
    /// The URL of its runbook, for alerts.
    #[serde(default)]
    #[schemars(extend("format" = "uri"))]
    pub runbook_url: Option<String>,
    /// Whether its target is expected to fail: a verdict of `fail` counts as `pass`, and `pass` or `warn` as `fail`.
    #[serde(default)]
    pub expect_failure: bool,
    /// `up`, `degraded`, `down` or `unknown`.
    #[schemars(extend("enum" = ["up", "degraded", "down", "unknown"]))]
    pub status: Cow<'static, str>,
    /// When the status last changed.
    pub status_since: Option<ApiTime>,
    /// `idle`, `waiting` or `running`.
    #[schemars(extend("enum" = ["idle", "waiting", "running"]))]
    pub stage: Cow<'static, str>,
    /// Its interval; absent if it has a cron expression.
    pub interval_seconds: Option<f64>,
    /// Its cron expression and time zone.
    #[serde(default)]
    pub schedule: Option<String>,
    /// Its next due time by the cron expression.
    #[serde(default)]
    pub next_due: Option<ApiTime>,
    /// Consecutive unsuccessful runs.
    pub consecutive_failures: u64,
    /// When the last run ended.
    pub last_finish: Option<ApiTime>,
    /// When the last successful run ended.
    pub last_success: Option<ApiTime>,
    /// The time from the last run's due time to its start.
    pub lag_seconds: Option<f64>,
    /// The last run that ended, possibly in an earlier process.
    pub last: Option<LastRun>,
    /// The account of its runs.
    pub account: AccountState,
    /// The resource usage of the last run; absent if that was in an earlier process.
    pub usage: Option<UsageObject>,
}

/// A summary of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LastRun {
    /// `pass`, `warn`, `fail`, `stopped` or `faulted`.
    #[schemars(extend("enum" = OUTCOMES))]
    pub outcome: String,
    /// Why it did not complete.
    pub cause: Option<String>,
    /// One line for people.
    pub summary: String,
    /// From the first attempt's start to the outcome.
    pub duration_seconds: f64,
    /// 1 for a run without retries.
    pub attempts: u32,
    /// Lower-case hexadecimal.
    pub trace_id: String,
}
