//! Everything that can be wrong with a runner.

use std::fmt;
use std::time::Duration;

use super::components::NotifierFailing;
use super::short::PoolShort;
use crate::liveness::{Impact, Stall};
use crate::suite::CheckId;
use crate::watch::slow_polls::SlowPoll;

/// One thing that is wrong; `Display` is the line for a person.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Complaint {
    /// The first suite is not in force yet.
    #[error("the suite is not running yet")]
    Starting,
    /// A run is being published, and that does not come to an end.
    #[error("a run has been being published for {}", seconds(*.time))]
    PublisherStalled {
        /// For how long.
        time: Duration,
    },
    /// The service does not come round: nothing is scheduled.
    #[error("nothing was scheduled or published for {}", seconds(*.time))]
    SchedulerStalled {
        /// Since when.
        time: Duration,
    },
    /// The threads that runs work on come to nothing else.
    #[error("the threads that run checks have been busy with others for {}", seconds(*.time))]
    WorkersStalled {
        /// Since when.
        time: Duration,
    },
    /// Scheduled runs are not those that finished, go on, or were missed.
    #[error("scheduled runs are not those that finished, go on, or were missed")]
    AccountUneven,
    /// Runs go on for longer than they can.
    #[error("{0} cannot take that long")]
    RunsOverdue(Stale),
    /// Checks of which nothing was heard for three intervals.
    #[error("nothing was heard of {0}")]
    ChecksStale(Stale),
    /// The thread that tells of runs does not come round.
    #[error("telemetry did not come round for {}", seconds(*.time))]
    TelemetryStalled {
        /// Since when.
        time: Duration,
    },
    /// Nothing gets through to the collector.
    #[error("exports of {signal} have failed for {}", seconds(*.time))]
    ExportsFailing {
        /// Of what.
        signal: &'static str,
        /// For how long.
        time: Duration,
    },
    /// The disk does not take what waits for the collector, or does not give it back.
    #[error(
        "the spool's disk fails ({reason}): telemetry waits in memory, or is left on disk until it can be read"
    )]
    SpoolFailing {
        /// What the matter is, in one word.
        reason: &'static str,
    },
    /// Runs get no descriptor: there are too few for what the suite wants at once.
    #[error(
        "runs get no descriptor, the last one {} ago: raise the limit on open files (ulimit -n), or lower \
         `--concurrency` or the checks' `sockets`",
        seconds(*.since)
    )]
    DescriptorsShort {
        /// Since the last such run.
        since: Duration,
    },
    /// What all checks share does not go round.
    #[error("{0}")]
    PoolShort(PoolShort),
    /// Descriptors are open that nobody owns.
    #[error("{count} open descriptors are nobody's")]
    DescriptorsUnaccounted {
        /// How many.
        count: u64,
    },
    /// A run held a worker thread up for longer than a second, less than a minute ago.
    #[error("{0}")]
    SlowPoll(SlowPoll),
    /// The host's trusted certificates cannot be read.
    #[error("the host's trusted certificates cannot be read: {reason}")]
    TrustStore {
        /// Why.
        reason: String,
    },
    /// The files with name servers and hosts cannot be read.
    #[error("name servers and hosts cannot be read, and those known before are used: {reason}")]
    NameServers {
        /// Which file, and why.
        reason: String,
    },
    /// The disk does not take what should survive a restart.
    #[error("state is not kept: {reason}")]
    StateNotKept {
        /// Why.
        reason: String,
    },
    /// A thread or task of the runner makes no progress.
    #[error("{0}")]
    ComponentStalled(Stall),
    /// A thread or task of the runner panicked or ended unasked, and does not come back.
    #[error("{0}")]
    ComponentDied(Stall),
    /// A receiver of alerts takes nothing.
    #[error("{0}")]
    NotifierFailing(NotifierFailing),
    /// What an earlier process kept cannot be read.
    #[error("state of an earlier run cannot be read yet: {reason}")]
    StateUnavailable {
        /// Why.
        reason: String,
    },
    /// The suite is being read again, and that does not come to an end.
    #[error("a reload has been running for {}; the current suite stays active", seconds(*.time))]
    ReloadStalled {
        /// For how long.
        time: Duration,
    },
    /// Nobody can see whether the suite changed.
    #[error(
        "changes of the suite's files cannot be seen for now; they are read again every five minutes at least"
    )]
    SuiteUnwatched,
    /// The suite that was read last is not in force.
    #[error("the changed suite has problems, and the old one goes on: {first}{}", again(*.retry))]
    SuiteRefused {
        /// The first of its problems.
        first: String,
        /// How long it is until it is read again by itself; absent when somebody has to mend something.
        retry: Option<Duration>,
    },
}

impl Complaint {
    /// The word in JSON; a bounded set.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::PublisherStalled { .. } => "publisher_stalled",
            Self::SchedulerStalled { .. } => "scheduler_stalled",
            Self::WorkersStalled { .. } => "workers_stalled",
            Self::AccountUneven => "account_uneven",
            Self::RunsOverdue(_) => "runs_overdue",
            Self::ChecksStale(_) => "checks_stale",
            Self::TelemetryStalled { .. } => "telemetry_stalled",
            Self::ExportsFailing { .. } => "exports_failing",
            Self::SpoolFailing { .. } => "spool_failing",
            Self::DescriptorsShort { .. } => "descriptors_short",
            Self::PoolShort(_) => "pool_short",
            Self::DescriptorsUnaccounted { .. } => "descriptors_unaccounted",
            Self::SlowPoll(_) => "slow_poll",
            Self::TrustStore { .. } => "trust_store",
            Self::NameServers { .. } => "name_servers",
            Self::StateNotKept { .. } => "state_not_kept",
            Self::ComponentStalled(_) => "component_stalled",
            Self::ComponentDied(_) => "component_died",
            Self::NotifierFailing(_) => "notifier_failing",
            Self::StateUnavailable { .. } => "state_unavailable",
            Self::ReloadStalled { .. } => "reload_stalled",
            Self::SuiteUnwatched => "suite_unwatched",
            Self::SuiteRefused { .. } => "suite_refused",
        }
    }

    /// Whether a restart is the way out: what `/livez` and the watchdog go by.
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

    /// Whether somebody outside must hear that the checks cannot be relied upon. A suite that was refused leaves the
    /// old one at work, and so does a disk that keeps nothing. One run that held a thread up left the others theirs, and
    /// a check that has no roots to judge by says so itself. Where descriptors are short, some runs get theirs; when
    /// none does, no run comes to a verdict, which stops the heartbeat.
    #[must_use]
    pub fn stops_heartbeat(&self) -> bool {
        match self {
            Self::ComponentStalled(stall) | Self::ComponentDied(stall) => stall.impact >= Impact::Heartbeat,
            Self::NotifierFailing(failing) => failing.is_only,
            _ => !matches!(
                self,
                Self::StateNotKept { .. }
                    | Self::StateUnavailable { .. }
                    | Self::ReloadStalled { .. }
                    | Self::SuiteUnwatched
                    | Self::SuiteRefused { .. }
                    | Self::DescriptorsShort { .. }
                    | Self::SlowPoll(_)
                    | Self::TrustStore { .. }
                    | Self::NameServers { .. }
                    | Self::SpoolFailing { .. }
                    | Self::PoolShort(_)
            ),
        }
    }

    /// Checks that it is about.
    #[must_use]
    pub fn checks(&self) -> &[CheckId] {
        match self {
            Self::RunsOverdue(stale) | Self::ChecksStale(stale) => &stale.named,
            Self::SlowPoll(poll) => std::slice::from_ref(&poll.check),
            Self::PoolShort(short) => short.holders(),
            _ => &[],
        }
    }
}

/// Checks, and the longest time of one of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stale {
    /// How many there are.
    pub count: u64,
    /// Some of them.
    pub named: Vec<CheckId>,
    /// The longest of their times.
    pub longest: Duration,
}

impl Stale {
    pub(super) fn add(&mut self, check: &CheckId, time: Duration, most: usize) {
        self.count += 1;
        self.longest = self.longest.max(time);
        if self.named.len() < most {
            self.named.push(check.clone());
        }
    }
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.named.iter().map(CheckId::as_str).collect();
        let plural = if self.count == 1 { "" } else { "s" };
        write!(f, "{} check{plural} ({}", self.count, names.join(", "))?;
        if self.count > u64::try_from(self.named.len()).unwrap_or(u64::MAX) {
            f.write_str(", ...")?;
        }
        write!(f, "; {} at most)", seconds(self.longest))
    }
}

fn again(retry: Option<Duration>) -> String {
    let again = |wait: Duration| {
        let seconds = wait.as_millis().div_ceil(1_000);
        format!("; this may pass, and the suite is read again in {seconds} s")
    };
    retry.map(again).unwrap_or_default()
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs())
}
