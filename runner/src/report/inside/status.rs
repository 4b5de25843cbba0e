//! How the runner is, and each of its checks.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Moment, Trouble};
use crate::account::{Account, MissReason, OUTCOMES};
use crate::report::json::UsageObject;

/// Everything about a runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Of the runner.
    pub version: String,
    /// Of the process.
    pub started_at: Option<Moment>,
    /// Since then.
    pub uptime_seconds: f64,
    /// What is in force.
    pub suite: SuiteState,
    /// Of all runs, those of checks that are gone included.
    pub account: AccountState,
    /// Lent to checks.
    pub descriptors: Descriptors,
    /// What is wrong with the runner.
    pub problems: Vec<Trouble>,
    /// Checks that were asked for; [`Status::checks`] may have fewer.
    pub matched: u64,
    /// In the order that was asked for.
    pub checks: Vec<CheckState>,
}

/// The suite that is in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SuiteState {
    /// How many it has.
    pub checks: u64,
    /// When it was read.
    pub in_force_since: Option<Moment>,
    /// Since the start.
    pub reloads: ReloadCounts,
    /// Why the last one that was read is not in force.
    pub refused: Option<Refusal>,
}

/// Times that the suite was read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadCounts {
    /// And put in force.
    pub succeeded: u64,
    /// And refused.
    pub failed: u64,
}

/// A suite that was not put in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// When.
    pub at: Option<Moment>,
    /// As `canary validate` shows them.
    pub problems: String,
}

/// What became of every scheduled run: scheduled = finished + missed + under way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountState {
    /// Due times.
    pub scheduled: u64,
    /// Runs that got their permits.
    pub started: u64,
    /// By outcome.
    pub finished: BTreeMap<Cow<'static, str>, u64>,
    /// By reason.
    pub missed: BTreeMap<Cow<'static, str>, u64>,
    /// Waiting or going on.
    pub under_way: u64,
}

impl From<&Account> for AccountState {
    /// With every outcome and every reason, those that never came included.
    fn from(account: &Account) -> Self {
        let finished = |word: &'static str| {
            let count = account.finished().get(word).copied().unwrap_or_default();
            (Cow::Borrowed(word), count)
        };
        let missed = |reason: MissReason| {
            let count = account.missed().get(&reason).copied().unwrap_or_default();
            (Cow::Borrowed(reason.word()), count)
        };
        Self {
            scheduled: account.scheduled(),
            started: account.started(),
            finished: OUTCOMES.into_iter().map(finished).collect(),
            missed: MissReason::ALL.into_iter().map(missed).collect(),
            under_way: account.under_way(),
        }
    }
}

/// The descriptors that checks may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptors {
    /// At most, at once.
    pub budget: u64,
    /// Now.
    pub leased: u64,
    /// Left open by plugins and closed by the host, since the start.
    pub reclaimed: u64,
    /// Open now, and nobody's.
    pub unaccounted: u64,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckState {
    /// Its name, and its target where it has several.
    pub id: String,
    /// As the suite has it.
    pub name: String,
    /// With `***` for what a reference brought in.
    pub target: String,
    /// As the suite names it.
    pub plugin: String,
    /// Whose limit on runs at once it shares.
    pub group: Option<String>,
    /// Its own dimensions.
    pub labels: BTreeMap<String, String>,
    /// What the suite says of it for alerts.
    #[serde(default)]
    pub description: Option<String>,
    /// Where to read what to do when it alerts.
    #[serde(default)]
    pub runbook_url: Option<String>,
    /// Whether its target is to fail, so that a verdict of fail counts as a pass.
    #[serde(default)]
    pub expect_failure: bool,
    /// `up`, `degraded`, `down` or `unknown`.
    pub status: Cow<'static, str>,
    /// When that changed last.
    pub status_since: Option<Moment>,
    /// `idle`, `waiting` or `running`.
    pub stage: Cow<'static, str>,
    /// From one due time to the next; absent where a cron expression says when the check is due.
    pub interval_seconds: Option<f64>,
    /// That expression, and its time zone.
    #[serde(default)]
    pub schedule: Option<String>,
    /// The next minute that it names.
    #[serde(default)]
    pub next_due: Option<Moment>,
    /// Runs in a row that were not well.
    pub consecutive_failures: u64,
    /// When the last run ended.
    pub last_finish: Option<Moment>,
    /// When the last run ended that was well.
    pub last_success: Option<Moment>,
    /// From the last run's due time to its start.
    pub lag_seconds: Option<f64>,
    /// The last run that ended, in an earlier process perhaps.
    pub last: Option<LastRun>,
    /// Of its own runs.
    pub account: AccountState,
    /// What the last run used; absent when that was in an earlier process.
    pub usage: Option<UsageObject>,
}

/// A run in a few words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastRun {
    /// `pass`, `warn`, `fail`, `stopped` or `faulted`.
    pub outcome: String,
    /// Why it did not complete.
    pub cause: Option<String>,
    /// One line for a person.
    pub summary: String,
    /// From the first attempt's start to the outcome.
    pub duration_seconds: f64,
    /// 1 for a run without retries.
    pub attempts: u32,
    /// Lower-case hexadecimal.
    pub trace_id: String,
}
