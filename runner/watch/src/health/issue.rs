//! Health issues.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::pools::PoolShortage;
use crate::slow_polls::SlowPoll;
use canary_suite::CheckId;
use canary_system::liveness::{Impact, Stall};

/// A health issue; its `Display` is the message for people.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum HealthIssue {
    /// The first suite is not active yet.
    #[error("the suite is not active yet")]
    Starting,
    /// Publishing a run blocks the supervisor.
    #[error("publishing a run has been blocked for {}", seconds(*.time))]
    PublisherStalled {
        /// For how long.
        time: Duration,
    },
    /// The supervisor's loop is stalled: nothing is scheduled.
    #[error("the scheduler has been stalled for {}", seconds(*.time))]
    SchedulerStalled {
        /// Since when.
        time: Duration,
    },
    /// The worker threads are saturated.
    #[error("the worker threads have been saturated for {}", seconds(*.time))]
    WorkersStalled {
        /// Since when.
        time: Duration,
    },
    /// The accounting of runs is inconsistent: scheduled is not finished + running + missed.
    #[error("run accounting mismatch: scheduled runs are not finished + running + missed")]
    RunAccountingMismatch,
    /// Runs exceed their maximum duration.
    #[error("{0} exceeded the maximum duration of a run")]
    RunsOverdue(AffectedChecks),
    /// Checks without an outcome for three intervals.
    #[error("no recent outcome of {0}")]
    ChecksStale(AffectedChecks),
    /// The telemetry thread is stalled.
    #[error("the telemetry thread has been stalled for {}", seconds(*.time))]
    TelemetryStalled {
        /// Since when.
        time: Duration,
    },
    /// Exports of a signal fail.
    #[error("exporting {signal} has been failing for {}", seconds(*.time))]
    ExportsFailing {
        /// The signal.
        signal: &'static str,
        /// For how long.
        time: Duration,
    },
    /// The spool's disk cannot be written or read.
    #[error(
        "the spool's disk is failing ({reason}): telemetry is buffered in memory, or stays on disk until it is \
         readable"
    )]
    SpoolFailing {
        /// The class of the error.
        reason: &'static str,
    },
    /// Runs get no descriptor: there are too few for the concurrency of the suite.
    #[error(
        "runs fail for lack of descriptors, last {} ago: raise the limit on open files (ulimit -n), or lower \
         `--concurrency` or the checks' `sockets`",
        seconds(*.since)
    )]
    DescriptorsShort {
        /// Time since the last such run.
        since: Duration,
    },
    /// A shared pool is exhausted.
    #[error("{0}")]
    PoolShortage(PoolShortage),
    /// Open descriptors have no owner.
    #[error("{count} open file descriptors are unaccounted for")]
    DescriptorsUnaccounted {
        /// How many.
        count: u64,
    },
    /// A run blocked a worker thread for longer than a second within the last minute.
    #[error("{0}")]
    SlowPoll(SlowPoll),
    /// The host's trusted certificates cannot be read.
    #[error("the host's trusted certificates cannot be read: {reason}")]
    TrustStore {
        /// Why.
        reason: String,
    },
    /// The resolver's files cannot be read.
    #[error("cannot read the resolver configuration, using the previous one: {reason}")]
    NameServers {
        /// Which file, and why.
        reason: String,
    },
    /// State cannot be persisted.
    #[error("state is not being persisted: {reason}")]
    StateNotPersisted {
        /// Why.
        reason: String,
    },
    /// A thread or task of the runner makes no progress.
    #[error("{0}")]
    ComponentStalled(Stall),
    /// A thread or task of the runner panicked or exited unexpectedly, and does not restart.
    #[error("{0}")]
    ComponentDied(Stall),
    /// A notifier cannot deliver.
    #[error("{0}")]
    NotifierFailing(NotifierFailing),
    /// State of an earlier process cannot be read.
    #[error("cannot read the stored state yet: {reason}")]
    StateUnavailable {
        /// Why.
        reason: String,
    },
    /// A reload does not end.
    #[error("a reload has been running for {}; the current suite stays active", seconds(*.time))]
    ReloadStalled {
        /// For how long.
        time: Duration,
    },
    /// Changes of the suite's files cannot be detected.
    #[error("cannot watch the suite's files for changes; reloading them at least every five minutes")]
    SuiteUnwatched,
    /// The last suite that was read was rejected.
    #[error("reload failed, keeping the current suite: {first}{}", retry_hint(*.retry))]
    SuiteRefused {
        /// Its first problem.
        first: String,
        /// Time until the automatic retry; `None` if the problems are permanent.
        retry: Option<Duration>,
    },
}

impl HealthIssue {
    /// The stable code in JSON; from a bounded set.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::PublisherStalled { .. } => "publisher_stalled",
            Self::SchedulerStalled { .. } => "scheduler_stalled",
            Self::WorkersStalled { .. } => "workers_stalled",
            Self::RunAccountingMismatch => "account_uneven",
            Self::RunsOverdue(_) => "runs_overdue",
            Self::ChecksStale(_) => "checks_stale",
            Self::TelemetryStalled { .. } => "telemetry_stalled",
            Self::ExportsFailing { .. } => "exports_failing",
            Self::SpoolFailing { .. } => "spool_failing",
            Self::DescriptorsShort { .. } => "descriptors_short",
            Self::PoolShortage(_) => "pool_short",
            Self::DescriptorsUnaccounted { .. } => "descriptors_unaccounted",
            Self::SlowPoll(_) => "slow_poll",
            Self::TrustStore { .. } => "trust_store",
            Self::NameServers { .. } => "name_servers",
            Self::StateNotPersisted { .. } => "state_not_kept",
            Self::ComponentStalled(_) => "component_stalled",
            Self::ComponentDied(_) => "component_died",
            Self::NotifierFailing(_) => "notifier_failing",
            Self::StateUnavailable { .. } => "state_unavailable",
            Self::ReloadStalled { .. } => "reload_stalled",
            Self::SuiteUnwatched => "suite_unwatched",
            Self::SuiteRefused { .. } => "suite_refused",
        }
    }

    /// Whether only a restart helps: `/livez` and the watchdog fail with it.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::ComponentStalled(stall) | Self::ComponentDied(stall) => stall.impact >= Impact::Liveness,
            _ => matches!(
                self,
                Self::PublisherStalled { .. }
                    | Self::SchedulerStalled { .. }
                    | Self::WorkersStalled { .. }
                    | Self::RunsOverdue(_)
            ),
        }
    }

    /// Whether the heartbeat has to stop, because checks cannot be relied upon. A rejected suite leaves the old one
    /// active, and a disk that persists nothing does not affect checks either. One run that blocked a thread did not
    /// affect the others, and a check without root certificates reports that itself. When descriptors are short, some
    /// runs still get theirs; if none does, there are no verdicts, which stops the heartbeat as well.
    #[must_use]
    pub fn stops_heartbeat(&self) -> bool {
        match self {
            Self::ComponentStalled(stall) | Self::ComponentDied(stall) => stall.impact >= Impact::Heartbeat,
            Self::NotifierFailing(failing) => failing.is_only,
            _ => !matches!(
                self,
                Self::StateNotPersisted { .. }
                    | Self::StateUnavailable { .. }
                    | Self::ReloadStalled { .. }
                    | Self::SuiteUnwatched
                    | Self::SuiteRefused { .. }
                    | Self::DescriptorsShort { .. }
                    | Self::SlowPoll(_)
                    | Self::TrustStore { .. }
                    | Self::NameServers { .. }
                    | Self::SpoolFailing { .. }
                    | Self::PoolShortage(_)
            ),
        }
    }

    /// The affected checks.
    #[must_use]
    pub fn checks(&self) -> &[CheckId] {
        match self {
            Self::RunsOverdue(stale) | Self::ChecksStale(stale) => &stale.named,
            Self::SlowPoll(poll) => std::slice::from_ref(&poll.check),
            Self::PoolShortage(pools) => pools.holders(),
            _ => &[],
        }
    }
}

/// Affected checks, and the longest of their times.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AffectedChecks {
    /// Number of affected checks.
    pub count: u64,
    /// Some of them, by id.
    pub named: Vec<CheckId>,
    /// The longest of their times.
    pub longest: Duration,
}

impl AffectedChecks {
    pub(super) fn add(&mut self, check: &CheckId, time: Duration, max_named: usize) {
        self.count += 1;
        self.longest = self.longest.max(time);
        if self.named.len() < max_named {
            self.named.push(check.clone());
        }
    }
}

impl fmt::Display for AffectedChecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.named.iter().map(CheckId::as_str).collect();
        let plural = if self.count == 1 { "" } else { "s" };
        write!(f, "{} check{plural} ({}", self.count, names.join(", "))?;
        if self.count > u64::try_from(self.named.len()).unwrap_or(u64::MAX) {
            f.write_str(", ...")?;
        }
        write!(f, "; longest {})", seconds(self.longest))
    }
}

/// A notifier that cannot deliver, or cannot keep up.
#[derive(Debug, Clone, PartialEq)]
pub struct NotifierFailing {
    /// Name of the notifier.
    pub notifier: Arc<str>,
    /// Time since the first failure after the last success; for a notifier that does not fail, how long a
    /// notification has waited.
    pub time: Duration,
    /// Number of queued notifications.
    pub waiting: u64,
    /// Error of the last attempt, if it failed.
    pub message: Option<String>,
    /// Whether no other notifier works.
    pub is_only: bool,
}

impl fmt::Display for NotifierFailing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            notifier,
            waiting,
            message,
            ..
        } = self;
        let time = self.time.as_secs();
        match message {
            Some(message) => write!(
                f,
                "notifier `{notifier}` has been failing for {time} s, {waiting} notifications queued: \
                 {message}"
            ),
            None => write!(
                f,
                "notifier `{notifier}` is behind: {waiting} notifications queued, one of them for {time} s"
            ),
        }
    }
}

fn retry_hint(retry: Option<Duration>) -> String {
    let retry_hint = |wait: Duration| {
        let seconds = wait.as_millis().div_ceil(1_000);
        format!("; retrying in {seconds} s")
    };
    retry.map(retry_hint).unwrap_or_default()
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs())
}
