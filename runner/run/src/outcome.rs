//! The outcome of a run, as plain data.
//!
//! Three things are never the same variant: the guest's verdict on the target, a run that the host stopped, and a
//! guest that failed. Everything that Canary reports is derived from a [`Run`].

mod details;
mod log;
#[cfg(any(test, feature = "test-util"))]
pub mod sample;
mod usage;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use log::{LogLevel, LogLine};
pub use usage::{OwnFault, Usage};

use canary_record::Text;
use canary_record::quota::QuotaKind;
use canary_record::trace::{CANCELLED, Shortage, TraceContext, Trail};
use canary_suite::Check;

/// The outcome of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The guest returned a verdict on the target.
    Completed(Verdict),
    /// The host stopped the run; nothing was learned about the target.
    Stopped(StopCause),
    /// The guest failed; nothing was learned about the target.
    Faulted(Fault),
}

impl Outcome {
    /// The status of the verdict, if there is one.
    #[must_use]
    pub fn verdict(&self) -> Option<VerdictStatus> {
        match self {
            Self::Completed(verdict) => Some(verdict.status),
            Self::Stopped(_) | Self::Faulted(_) => None,
        }
    }

    /// `completed`, `stopped` or `faulted`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Completed(_) => "completed",
            Self::Stopped(_) => "stopped",
            Self::Faulted(_) => "faulted",
        }
    }

    /// The status of the verdict, or else the kind: `pass`, `warn`, `fail`, `stopped` or `faulted`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        self.verdict().map_or_else(|| self.kind(), VerdictStatus::as_str)
    }

    /// A code for why the run did not complete; a bounded set, suitable as a metric label.
    #[must_use]
    pub fn cause(&self) -> Option<&'static str> {
        match self {
            Self::Completed(_) => None,
            Self::Stopped(cause) => Some(cause.as_str()),
            Self::Faulted(fault) => Some(fault.as_str()),
        }
    }

    /// One line for a person.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::Completed(verdict) => verdict.summary.to_string(),
            Self::Stopped(cause) => cause.to_string(),
            Self::Faulted(fault) => fault.to_string(),
        }
    }

    /// Whether the target is good enough: a verdict of pass or warn.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self.verdict(), Some(VerdictStatus::Pass | VerdictStatus::Warn))
    }
}

/// The guest's verdict on the target.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The status of the target.
    pub status: VerdictStatus,
    /// One line for a person.
    pub summary: Text,
    /// The expectations of the target, each with its result.
    pub assertions: Vec<Assertion>,
    /// Numbers that become metrics.
    pub measurements: Vec<Measurement>,
    /// Attributes of the target, for the run's span.
    pub attributes: Vec<(Text, Text)>,
}

/// The status that the guest assigns to the target, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VerdictStatus {
    /// As expected.
    Pass,
    /// Works, but someone should look at it.
    Warn,
    /// Not as expected.
    Fail,
}

impl VerdictStatus {
    /// `pass`, `warn` or `fail`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One expectation of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// Such as `status` or `header content-type`.
    pub name: Text,
    /// Whether it was met.
    pub status: VerdictStatus,
    /// What was found, for a person.
    pub message: Text,
}

/// A number that a plugin reports as a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// Such as `certificate.days_left`.
    pub name: Text,
    /// In `unit`.
    pub value: f64,
    /// UCUM, such as `s`, `By` or `{record}`.
    pub unit: Text,
    /// Attributes of the metric.
    pub attributes: Vec<(Text, Text)>,
}

/// Why the host stopped a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StopCause {
    /// The check's `timeout` passed.
    #[error("stopped at its deadline of {}", humantime::format_duration(*.limit))]
    Deadline {
        /// The check's `timeout`.
        limit: Duration,
    },
    /// A quota ran out that the guest cannot handle itself: memory or cpu.
    #[error("stopped: quota `{what}` is used up (limit {})", .what.format_value(*.limit))]
    Quota {
        /// Which quota.
        what: QuotaKind,
        /// Its limit, in the quota's unit.
        limit: u64,
    },
    /// The host had no descriptor to lease, and the guest failed without.
    #[error(
        "stopped: the host was out of file descriptors; raise the limit on open files, or lower `--concurrency`"
    )]
    Descriptors,
    /// The host's trusted certificates cannot be read, and the guest failed without.
    #[error(
        "stopped: the host's trusted certificates cannot be read; see SSL_CERT_FILE, or give the check its own `ca`"
    )]
    TrustStore,
    /// The host has too many DNS queries in flight, and the guest failed without an answer.
    #[error(
        "stopped: the host is busy with other DNS queries: name servers are slow, or other checks send too many"
    )]
    DnsBusy,
    /// The host had no slot for another instance of the plugin.
    #[error(
        "stopped: the host had no room for another instance of the plugin; lower `--concurrency`, or give checks of large plugins a group"
    )]
    Instances,
    /// The operating system had no memory for an instance of the plugin, or for it to grow.
    #[error(
        "stopped: the host is short of memory; raise its limits (`ulimit -v`, `ulimit -d`), or lower `--concurrency`"
    )]
    HostMemory,
    /// The runner is shutting down and the grace period has passed.
    #[error("stopped: the runner is shutting down")]
    Shutdown,
    /// The host was overloaded for so much of the check's `timeout` that a failure says nothing about the target.
    #[error(
        "stopped: the host was overloaded for {} of the run, so its failure says nothing about the target",
        humantime::format_duration(Duration::from_millis(u64::try_from(.lost.as_millis()).unwrap_or(u64::MAX)))
    )]
    Overload {
        /// The time for which the host was overloaded during the run.
        lost: Duration,
    },
}

impl From<Shortage> for StopCause {
    fn from(shortage: Shortage) -> Self {
        match shortage {
            Shortage::Descriptors => Self::Descriptors,
            Shortage::Dns => Self::DnsBusy,
            Shortage::TrustStore => Self::TrustStore,
        }
    }
}

impl From<StopCause> for Outcome {
    fn from(cause: StopCause) -> Self {
        Self::Stopped(cause)
    }
}

impl StopCause {
    /// `deadline`, `quota`, `descriptors`, `trust_store`, `dns_busy`, `instances`, `host_memory`, `shutdown` or
    /// `overload`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Deadline { .. } => "deadline",
            Self::Quota { .. } => "quota",
            Self::Descriptors => "descriptors",
            Self::TrustStore => "trust_store",
            Self::DnsBusy => "dns_busy",
            Self::Instances => "instances",
            Self::HostMemory => "host_memory",
            Self::Shutdown => "shutdown",
            Self::Overload { .. } => "overload",
        }
    }
}

/// How a guest, or the host on its behalf, failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The guest trapped: a panic, an exhausted stack, a forbidden import.
    #[error("the plugin trapped: {0}")]
    Trap(Text),
    /// The guest returned an error instead of a verdict.
    #[error("the plugin gave up: {0}")]
    GaveUp(Text),
    /// The guest exceeded a limit of what it may hold or pass, such as component handles.
    #[error("the plugin exceeded a limit: {0}")]
    Limit(Text),
    /// The plugin could not be instantiated.
    #[error("the plugin could not be started: {0}")]
    Instantiate(Text),
    /// The host failed while it served the guest.
    #[error("the host failed while it ran the plugin: {0}")]
    Host(Text),
}

impl Fault {
    /// A code of a bounded set, suitable as a metric label.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Trap(_) => "trap",
            Self::GaveUp(_) => "gave_up",
            Self::Limit(_) => "limit",
            Self::Instantiate(_) => "instantiate",
            Self::Host(_) => "host",
        }
    }
}

/// One scheduled execution of a check: one or more attempts, one outcome.
#[derive(Debug, Clone)]
pub struct Run {
    /// The check.
    pub check: Arc<Check>,
    /// Digest of the plugin's wasm: lower-case hexadecimal SHA-256.
    pub plugin_digest: Arc<str>,
    /// From the scheduled time to the first attempt's start.
    pub lag: Duration,
    /// The part of the lag that was spent waiting for a permit.
    pub queued: Duration,
    /// When the first attempt started.
    pub started_at: SystemTime,
    /// From the first attempt's start to the outcome, waits between attempts included.
    pub duration: Duration,
    /// 1 for a run without retries.
    pub attempts: u32,
    /// Of the last attempt.
    pub outcome: Outcome,
    /// Of all attempts.
    pub usage: Usage,
    /// Of the last attempt.
    pub log: Vec<LogLine>,
    /// What all attempts did.
    pub trail: Trail,
    /// Of the run.
    pub trace: TraceContext,
}

/// The error type of a target that was expected to fail and did not.
const UNEXPECTED_PASS: &str = "unexpected_pass";

impl Run {
    fn works_unexpectedly(&self) -> bool {
        let has_failed = self.outcome.verdict() == Some(VerdictStatus::Fail);
        self.check.expect_failure && has_failed && self.usage.own_fault().is_none()
    }

    /// The error type of a run that is not good: why it did not complete, or else the error of the last failed
    /// exchange, `unexpected_pass` or `assertion`. A bounded set, suitable as a metric label; `None` for a verdict of
    /// pass or warn.
    #[must_use]
    pub fn error_type(&self) -> Option<&'static str> {
        if self.outcome.is_good() {
            return None;
        }
        if self.works_unexpectedly() {
            return Some(UNEXPECTED_PASS);
        }
        self.outcome.cause().or_else(|| {
            let last = self
                .trail
                .steps
                .iter()
                .filter(|step| step.attempt == self.attempts);
            let failed = last.filter_map(|step| step.error.as_ref());
            let mut words = failed.map(|error| error.code).filter(|word| *word != CANCELLED);
            Some(words.next_back().unwrap_or("assertion"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Outcome {
        Outcome::Completed(Verdict {
            status: VerdictStatus::Fail,
            summary: Text::default(),
            assertions: Vec::new(),
            measurements: Vec::new(),
            attributes: Vec::new(),
        })
    }

    #[test]
    fn a_target_that_is_to_fail_works_where_its_check_completed_and_was_not_at_fault() {
        let stopped = Outcome::Stopped(StopCause::Shutdown);
        for (expect_failure, outcome, denials, expected) in [
            (true, failed(), None, "unexpected_pass"),
            (true, failed(), Some(QuotaKind::LogLines), "unexpected_pass"),
            (true, failed(), Some(QuotaKind::Sockets), "assertion"),
            (false, failed(), None, "assertion"),
            (false, failed(), Some(QuotaKind::Sockets), "assertion"),
            (true, stopped.clone(), None, "shutdown"),
            (false, stopped, None, "shutdown"),
        ] {
            let check = Check {
                expect_failure,
                ..Check::minimal("page", Duration::from_secs(60))
            };
            let mut run = Run::plain(Arc::new(check), outcome, SystemTime::UNIX_EPOCH);
            run.usage.denials = denials.into_iter().map(|kind| (kind, 1)).collect();
            assert_eq!(run.error_type(), Some(expected), "{run:?}");
        }
    }
}
