//! Simulated targets of checks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::sleep;

use super::host::{Guest, Host};
use canary_net::ledger::Lease;
use canary_record::trace::EndCause;
use canary_run::outcome::{Fault, Outcome, StopCause, Verdict, VerdictStatus};
use canary_sandbox::dispatch::{AttemptRequest, Execute};
use canary_sandbox::{InstancePool, Report};
use canary_suite::Check;

/// Maximum number of concurrent runs.
pub(super) const CONCURRENCY: usize = 4;

/// How a target behaves, or what happens to its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    Passes,
    Warns,
    Fails,
    /// One in so many runs fails.
    Flaps(u32),
    /// Never responds, so that the run is stopped at its deadline.
    Hangs,
    /// The plugin traps.
    Breaks,
    /// The host panics.
    Panics,
    /// The host has no descriptor left.
    NoDescriptors,
    /// The run takes all that it gets of the shared pools, and keeps it.
    Hoards,
    /// The run ignores its deadline.
    NeverEnds,
}

/// All targets, by check. Cheap to clone; clones share their state.
#[derive(Debug, Clone)]
pub(super) struct Targets {
    inner: Arc<Mutex<Inner>>,
    room: Arc<InstancePool>,
}

#[derive(Debug)]
struct Inner {
    /// The host of the current process.
    host: Option<Host>,
    is_starved: bool,
    violation: Option<String>,
    behaviours: HashMap<String, Behaviour>,
    random: fastrand::Rng,
    running: usize,
    /// Maximum number of concurrent runs so far.
    most: usize,
}

/// Counts a running run.
struct Running(Targets);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.inner().running -= 1;
    }
}

impl Targets {
    pub(super) fn new(seed: u64) -> Self {
        let inner = Inner {
            host: None,
            is_starved: false,
            violation: None,
            behaviours: HashMap::new(),
            random: fastrand::Rng::with_seed(seed),
            running: 0,
            most: 0,
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            room: Arc::new(InstancePool::for_runs(4)),
        }
    }

    pub(super) fn set(&self, check: &str, behaviour: Behaviour) {
        self.inner().behaviours.insert(check.to_owned(), behaviour);
    }

    /// A process starts with this host.
    pub(super) fn run_on(&self, host: Host) {
        let mut inner = self.inner();
        if inner.is_starved {
            host.starve(true);
        }
        inner.host = Some(host);
    }

    /// Takes all descriptors from the host, or gives them back.
    pub(super) fn starve(&self, is_starved: bool) {
        let mut inner = self.inner();
        inner.is_starved = is_starved;
        if let Some(host) = &inner.host {
            host.starve(is_starved);
        }
    }

    pub(super) fn heal(&self) {
        self.inner().behaviours.clear();
        self.starve(false);
    }

    /// The first violation of a bound.
    pub(super) fn violation(&self) -> Option<String> {
        let inner = self.inner();
        let most = inner.most;
        let crowded = (most > CONCURRENCY).then(|| format!("{most} runs went on at once"));
        // What was lent before the budget shrank comes back in time.
        let host = inner.host.as_ref().filter(|_| !inner.is_starved);
        let overdrawn = host.and_then(Host::overdrawn);
        inner.violation.clone().or(crowded).or(overdrawn)
    }

    /// Number of lent descriptors beyond those of running runs.
    pub(super) fn leaked(&self) -> u64 {
        let inner = self.inner();
        let leased = inner.host.as_ref().map_or(0, |host| host.ledger.leased());
        leased.saturating_sub(inner.running as u64)
    }

    fn note(&self, violation: String) {
        self.inner().violation.get_or_insert(violation);
    }

    fn is_stuck(&self, check: &Check) -> bool {
        self.inner().behaviours.get(&check.name) == Some(&Behaviour::NeverEnds)
    }

    /// Counts one more run until it is dropped.
    fn begin(&self) -> Running {
        let mut inner = self.inner();
        inner.running += 1;
        inner.most = inner.most.max(inner.running);
        Running(self.clone())
    }

    /// The behaviour of the next run, and its latency.
    fn draw(&self, check: &Check) -> (Behaviour, Duration) {
        let mut inner = self.inner();
        let behaviour = inner
            .behaviours
            .get(&check.name)
            .copied()
            .unwrap_or(Behaviour::Passes);
        let behaviour = match behaviour {
            Behaviour::Flaps(of) if inner.random.u32(..of) == 0 => Behaviour::Fails,
            Behaviour::Flaps(_) => Behaviour::Passes,
            behaviour => behaviour,
        };
        (behaviour, Duration::from_millis(inner.random.u64(1..900)))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

impl Execute for Targets {
    async fn execute(&self, request: AttemptRequest<'_>) -> Report {
        let AttemptRequest { check, shutdown, .. } = request;
        let _running = self.begin();
        let (behaviour, latency) = self.draw(check);
        let host = self.inner().host.clone().expect("a process goes on");
        let guest = host.admit(&request);
        let mut left_open = Vec::new();
        let outcome = tokio::select! {
            () = shutdown.cancelled(), if behaviour != Behaviour::NeverEnds => Outcome::Stopped(StopCause::Shutdown),
            outcome = self.answer(&guest, check, (behaviour, latency), &mut left_open) => outcome,
        };
        guest.page.end(EndCause::Returned);
        Report {
            outcome,
            usage: guest.page.usage(),
            log: Vec::new(),
            trail: guest.page.take_trail(),
            queued: Duration::ZERO,
        }
    }

    fn room(&self) -> &InstancePool {
        &self.room
    }
}

impl Targets {
    async fn answer(
        &self,
        guest: &Guest,
        check: &Check,
        (behaviour, latency): (Behaviour, Duration),
        left_open: &mut Vec<Lease>,
    ) -> Outcome {
        match behaviour {
            Behaviour::Hangs => sleep(check.timeout).await,
            Behaviour::Hoards => {
                if let Err(violation) = guest.hoard(left_open).await {
                    self.note(violation);
                }
            }
            Behaviour::NeverEnds => {
                while self.is_stuck(check) {
                    sleep(Duration::from_secs(1)).await;
                }
            }
            _ => {
                if let Err(cause) = guest.reach(latency).await {
                    if !self.inner().is_starved {
                        self.note(format!("{} got nothing of what checks share: {cause}", check.id));
                    }
                    return Outcome::Stopped(cause);
                }
            }
        }
        outcome(behaviour, check.timeout)
    }
}

fn outcome(behaviour: Behaviour, timeout: Duration) -> Outcome {
    let verdict = |status: VerdictStatus| {
        Outcome::Completed(Verdict {
            status,
            summary: status.as_str().to_owned().into(),
            assertions: Vec::new(),
            measurements: Vec::new(),
            attributes: Vec::new(),
        })
    };
    match behaviour {
        Behaviour::Passes | Behaviour::Flaps(_) | Behaviour::NoDescriptors => verdict(VerdictStatus::Pass),
        Behaviour::Warns => verdict(VerdictStatus::Warn),
        Behaviour::Fails => verdict(VerdictStatus::Fail),
        Behaviour::Breaks => Outcome::Faulted(Fault::Trap("unreachable".to_owned().into())),
        Behaviour::Panics => std::panic::resume_unwind(Box::new("the host panics")),
        Behaviour::Hangs | Behaviour::NeverEnds | Behaviour::Hoards => {
            Outcome::Stopped(StopCause::Deadline { limit: timeout })
        }
    }
}
