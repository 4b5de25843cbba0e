//! Health of the runner. Evaluated on each request from the progress that components leave behind: a stored status
//! would not notice that something stopped.

mod components;
mod exports;
mod issue;
mod log;
mod pools;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use issue::{AffectedChecks, HealthIssue, NotifierFailing};
pub use log::{Evaluations, IssueLine, IssueLog};
pub use pools::PoolShortage;

use super::reload_status::ReloadStatus;
use super::slow_polls::SlowPolls;
use super::supervisor_status::SupervisorStatus;
use canary_net::ledger::Ledger;
use canary_net::ledger::audit::Audit;
use canary_net::resolve::NameFiles;
use canary_net::tls::TrustStore;
use canary_outbound::alert_report::AlertReports;
use canary_run::publish::{CheckLiveness, Stage, StatusStore};
use canary_sandbox::dispatch::RETRY_BACKOFF;
use canary_state::State;
use canary_suite::Check;
use canary_system::liveness::Registry;
use canary_telemetry::MetricsHandle;

/// How much longer than its own bound a run may take: the delays between attempts are known, the load of the machine
/// is not.
const OVERDUE_MARGIN: Duration = Duration::from_secs(10);
/// Minimum time before a check counts as stale; shorter ones come from very short intervals.
const MIN_STALE: Duration = Duration::from_secs(5);
/// Longer than a reload that compiles a large plugin takes.
const RELOAD_STALL: Duration = Duration::from_secs(15);
/// How long a shortage stays a health issue.
const SHORTAGE_WINDOW: Duration = Duration::from_secs(60);
/// Maximum number of checks that an issue names; the others are counted.
const MAX_NAMED: usize = 10;

/// Configurable thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// How long exports may fail.
    pub exports_failing: Duration,
    /// How long a notifier may fail.
    pub notifier_failing: Duration,
    /// How long a notification may wait for a notifier that does not fail.
    pub notifier_late: Duration,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            exports_failing: Duration::from_secs(5 * 60),
            notifier_failing: Duration::from_secs(60),
            notifier_late: Duration::from_secs(5 * 60),
        }
    }
}

/// Inputs of the health checks.
pub struct Sources {
    /// Status of every check.
    pub statuses: StatusStore,
    /// Progress of the supervisor.
    pub supervisor_status: SupervisorStatus,
    /// Persistence.
    pub state: State,
    /// Results of reloads.
    pub reloads: ReloadStatus,
    /// Ownership of descriptors.
    pub ledger: Arc<Ledger>,
    /// Finds descriptors without an owner.
    pub audit: Audit,
    /// Export statistics.
    pub metrics: MetricsHandle,
    /// Runs that blocked a worker thread.
    pub slow_polls: SlowPolls,
    /// Trusted root certificates.
    pub trust: TrustStore,
    /// The resolver's files: name servers and hosts.
    pub names: NameFiles,
    /// Delivery of notifications; `None` without alerting.
    pub alerts: Option<AlertReports>,
    /// Progress of threads and tasks.
    pub liveness: Registry,
}

/// Evaluates the runner's health. Cheap to clone.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

struct Inner {
    sources: Sources,
    thresholds: Thresholds,
}

/// Result of a health check.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HealthReport {
    /// All issues, the worst first.
    pub issues: Vec<HealthIssue>,
}

impl HealthReport {
    /// Liveness: whether the runner works at all.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.issues.iter().any(HealthIssue::is_fatal)
    }

    /// Readiness: whether there is no issue.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn is_ready(&self) -> bool {
        self.issues.is_empty()
    }

    /// The issues that stop the heartbeat, on one line; `None` when it may continue.
    #[must_use]
    pub fn unhealthy_reason(&self) -> Option<String> {
        let severe = self.issues.iter().filter(|issue| issue.stops_heartbeat());
        let lines: Vec<String> = severe.map(ToString::to_string).collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    }
}

impl Health {
    /// Creates health checks of `sources`.
    #[must_use]
    pub fn new(sources: Sources, thresholds: Thresholds) -> Self {
        Self(Arc::new(Inner { sources, thresholds }))
    }

    /// Evaluates everything. Not free: it iterates over all checks and reads `/proc/self/fd`.
    #[must_use]
    pub fn check(&self) -> HealthReport {
        let sources = &self.0.sources;
        let supervisor = sources.supervisor_status.snapshot();
        let mut issues = components::issues(sources, self.0.thresholds);
        self.check_staleness(supervisor.is_draining, &mut issues);
        if let Some(delivery) = sources.metrics.delivery_status() {
            let found = exports::issues(&delivery, self.0.thresholds, &issues);
            issues.extend(found);
        }
        if let Some(poll) = sources.slow_polls.recent() {
            issues.push(HealthIssue::SlowPoll(poll));
        }
        if let Some(reason) = sources.trust.failure() {
            issues.push(HealthIssue::TrustStore { reason });
        }
        if let Some(reason) = sources.names.failure() {
            issues.push(HealthIssue::NameServers { reason });
        }
        match sources.state.health() {
            canary_state::Health::Failing(reason) => issues.push(HealthIssue::StateNotPersisted { reason }),
            canary_state::Health::Unread(reason) => issues.push(HealthIssue::StateUnavailable { reason }),
            canary_state::Health::Healthy => {}
        }
        if let Some(since) = supervisor
            .since_fd_exhausted
            .filter(|since| *since < SHORTAGE_WINDOW)
        {
            issues.push(HealthIssue::DescriptorsShort { since });
        }
        issues.extend(pools::issues(&sources.ledger, SHORTAGE_WINDOW).map(HealthIssue::PoolShortage));
        if let Some(count) = self.unaccounted().filter(|count| *count > 0) {
            issues.push(HealthIssue::DescriptorsUnaccounted { count });
        }
        if !supervisor.is_accounting_consistent {
            issues.push(HealthIssue::RunAccountingMismatch);
        }
        let reloads = sources.reloads.snapshot();
        let running = reloads.running_since.map(|since| since.elapsed());
        if let Some(time) = running.filter(|time| *time > RELOAD_STALL) {
            issues.push(HealthIssue::ReloadStalled { time });
        }
        if reloads.is_unwatched {
            issues.push(HealthIssue::SuiteUnwatched);
        }
        if let Some(rejected) = reloads.rejected {
            let first = rejected.problems.lines().next().unwrap_or_default().to_owned();
            let retry = rejected.retry_at.map(|at| at - Instant::now());
            issues.push(HealthIssue::SuiteRefused { first, retry });
        }
        HealthReport { issues }
    }

    /// Whether the runner is shutting down and waiting for active runs.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.sources.supervisor_status.snapshot().is_draining
    }

    /// Finds overdue and stale checks. During shutdown no check is due, so that silence is no issue.
    fn check_staleness(&self, is_draining: bool, issues: &mut Vec<HealthIssue>) {
        let (mut overdue, mut stale) = (AffectedChecks::default(), AffectedChecks::default());
        self.0.sources.statuses.for_each(|check, check_liveness| {
            if check_liveness.stage == Stage::Running && check_liveness.stage_age > max_duration(check) {
                overdue.add(&check.id, check_liveness.stage_age, MAX_NAMED);
            }
            if !is_draining && is_stale(check_liveness) {
                stale.add(&check.id, check_liveness.silent_for, MAX_NAMED);
            }
        });
        if overdue.count > 0 {
            issues.push(HealthIssue::RunsOverdue(overdue));
        }
        if stale.count > 0 {
            issues.push(HealthIssue::ChecksStale(stale));
        }
    }

    fn unaccounted(&self) -> Option<u64> {
        let Sources { audit, ledger, .. } = &self.0.sources;
        // Without a descriptor left they cannot be counted either.
        audit.leaked(ledger).ok()
    }
}

/// The longest that a run of a check can take.
fn max_duration(check: &Check) -> Duration {
    let attempts = check.retries.saturating_add(1);
    (check.timeout + RETRY_BACKOFF.max()).saturating_mul(attempts) + OVERDUE_MARGIN
}

fn is_stale(check_liveness: CheckLiveness) -> bool {
    check_liveness.silent_for > check_liveness.limits.stale_after.max(MIN_STALE)
}
