//! What ails the runner. Judged anew each time that somebody asks, from what the service leaves behind while it goes
//! on: a constant never says that something stopped.

mod complaint;
mod components;
mod exports;
mod short;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use complaint::{Complaint, Stale};
pub use components::NotifierFailing;
pub use short::PoolShort;

use super::pulse::Pulse;
use super::reloads::Reloads;
use super::slow_polls::SlowPolls;
use crate::alert;
use crate::ledger::Ledger;
use crate::ledger::audit::Audit;
use crate::liveness::Registry;
use crate::net::resolve::NameFiles;
use crate::net::tls::TrustStore;
use crate::publish::{Board, Sign, Stage};
use crate::state::{self, State};
use crate::suite::Check;
use crate::telemetry::Exposition;

/// What a run may take beyond its own bound: the waits between attempts are known, a busy machine is not.
const OVERDUE: Duration = Duration::from_secs(10);
/// The longest wait between two attempts.
const BACKOFF: Duration = Duration::from_secs(2);
/// Shorter times without a word are of very short intervals.
const STALE_AT_LEAST: Duration = Duration::from_secs(5);
/// Longer than a reload takes that compiles a large plugin.
const RELOAD_STALL: Duration = Duration::from_secs(15);
/// How long it is told that a run got no descriptor.
const SHORT: Duration = Duration::from_secs(60);
/// Checks that a complaint names; more are counted.
const NAMED: usize = 10;

/// What an operator may want otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long exports may fail.
    pub exports_failing: Duration,
    /// How long a notifier may fail.
    pub notifier_failing: Duration,
    /// How long a notification may wait for a notifier that does not fail.
    pub notifier_late: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            exports_failing: Duration::from_secs(5 * 60),
            notifier_failing: Duration::from_secs(60),
            notifier_late: Duration::from_secs(5 * 60),
        }
    }
}

/// What health is judged by.
pub struct Sources {
    /// What is known of every check.
    pub board: Board,
    /// The beat of the service.
    pub pulse: Pulse,
    /// What survives a restart.
    pub state: State,
    /// How reading the suite again went.
    pub reloads: Reloads,
    /// Who owns which descriptor.
    pub ledger: Arc<Ledger>,
    /// Tells when there is one that nobody owns.
    pub audit: Audit,
    /// How exports go.
    pub exposition: Exposition,
    /// Runs that held a worker thread up.
    pub slow_polls: SlowPolls,
    /// The roots that the host trusts.
    pub trust: TrustStore,
    /// The files with name servers and hosts.
    pub names: NameFiles,
    /// How notifications fare, where there are alerts.
    pub alerts: Option<alert::Reports>,
    /// Which threads and tasks make no progress.
    pub liveness: Registry,
}

/// Judges the runner. Cheap to clone.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

struct Inner {
    sources: Sources,
    limits: Limits,
}

/// What was found at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checkup {
    /// Everything that is wrong, the worst first.
    pub complaints: Vec<Complaint>,
}

impl Checkup {
    /// Whether the runner goes on at all.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.complaints.iter().any(Complaint::is_fatal)
    }

    /// Whether all is well.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.complaints.is_empty()
    }

    /// What makes a heartbeat stop, in one line; nothing when it may go on.
    #[must_use]
    pub fn sickness(&self) -> Option<String> {
        let grave = self
            .complaints
            .iter()
            .filter(|complaint| complaint.stops_heartbeat());
        let lines: Vec<String> = grave.map(ToString::to_string).collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    }
}

impl Health {
    /// Judges by these.
    #[must_use]
    pub fn new(sources: Sources, limits: Limits) -> Self {
        Self(Arc::new(Inner { sources, limits }))
    }

    /// Looks at everything. Takes a moment: it walks over all checks, and reads `/proc/self/fd`.
    #[must_use]
    pub fn check(&self) -> Checkup {
        let sources = &self.0.sources;
        let pulse = sources.pulse.read();
        let mut complaints = components::complaints(sources, self.0.limits);
        self.checks(pulse.is_draining, &mut complaints);
        if let Some(delivery) = sources.exposition.delivery() {
            let found = exports::complaints(&delivery, self.0.limits, &complaints);
            complaints.extend(found);
        }
        if let Some(poll) = sources.slow_polls.recent() {
            complaints.push(Complaint::SlowPoll(poll));
        }
        if let Some(reason) = sources.trust.failure() {
            complaints.push(Complaint::TrustStore { reason });
        }
        if let Some(reason) = sources.names.failure() {
            complaints.push(Complaint::NameServers { reason });
        }
        match sources.state.health() {
            state::Health::Failing(reason) => complaints.push(Complaint::StateNotKept { reason }),
            state::Health::Unread(reason) => complaints.push(Complaint::StateUnavailable { reason }),
            state::Health::Well => {}
        }
        if let Some(since) = pulse.since_starved.filter(|since| *since < SHORT) {
            complaints.push(Complaint::DescriptorsShort { since });
        }
        complaints.extend(short::pools(&sources.ledger, SHORT).map(Complaint::PoolShort));
        if let Some(count) = self.unaccounted().filter(|count| *count > 0) {
            complaints.push(Complaint::DescriptorsUnaccounted { count });
        }
        if !pulse.is_balanced {
            complaints.push(Complaint::AccountUneven);
        }
        let reloads = sources.reloads.read();
        let running = reloads.running_since.map(|since| since.elapsed());
        if let Some(time) = running.filter(|time| *time > RELOAD_STALL) {
            complaints.push(Complaint::ReloadStalled { time });
        }
        if reloads.is_blind {
            complaints.push(Complaint::SuiteUnwatched);
        }
        if let Some(refused) = reloads.refused {
            let first = refused.problems.lines().next().unwrap_or_default().to_owned();
            let retry = refused.retry_at.map(|at| at - Instant::now());
            complaints.push(Complaint::SuiteRefused { first, retry });
        }
        Checkup { complaints }
    }

    /// Whether the runner goes down, and waits for runs under way.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.sources.pulse.read().is_draining
    }

    /// Complains of checks. While the runner goes down, none is due, and silence says nothing.
    fn checks(&self, is_draining: bool, complaints: &mut Vec<Complaint>) {
        let (mut overdue, mut stale) = (Stale::default(), Stale::default());
        self.0.sources.board.each(|check, sign| {
            if sign.stage == Stage::Running && sign.age > longest(check) {
                overdue.add(&check.id, sign.age, NAMED);
            }
            if !is_draining && is_stale(sign) {
                stale.add(&check.id, sign.silent_for, NAMED);
            }
        });
        if overdue.count > 0 {
            complaints.push(Complaint::RunsOverdue(overdue));
        }
        if stale.count > 0 {
            complaints.push(Complaint::ChecksStale(stale));
        }
    }

    fn unaccounted(&self) -> Option<u64> {
        let Sources { audit, ledger, .. } = &self.0.sources;
        // Without a descriptor left there is no reading either.
        audit.leaked(ledger).ok()
    }
}

/// The longest that a run of a check can take.
fn longest(check: &Check) -> Duration {
    let attempts = check.retries.saturating_add(1);
    (check.timeout + BACKOFF).saturating_mul(attempts) + OVERDUE
}

fn is_stale(sign: Sign) -> bool {
    sign.silent_for > sign.patience.stale.max(STALE_AT_LEAST)
}
