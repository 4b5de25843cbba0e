//! The beat of the task that owns all runs. Whoever looks at it never waits for that task.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::liveness::{Impact, Progress, Registry, STALL, StallClock};

/// The component that schedules runs and publishes them.
pub const SCHEDULER: &str = "scheduler";
/// The threads that run checks, together.
pub const WORKERS: &str = "workers";
/// What the scheduler does while it publishes a run.
pub const PUBLISHING: &str = "publishing";
/// Workers come to every task in a moment, unless guests that compute fill them.
const WORKERS_STALL: Duration = Duration::from_secs(3);

/// Written by the service, read by health. Cheap to clone; all clones are one pulse.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<Beats>);

#[derive(Debug)]
struct Beats {
    scheduler: Progress,
    workers: Progress,
    stall_clock: StallClock,
    epoch: Instant,
    /// Milliseconds after the epoch, and one, when a run last got no descriptor; 0 when each did.
    starved: AtomicU64,
    unbalanced: AtomicBool,
    has_begun: AtomicBool,
    is_draining: AtomicBool,
}

/// What the pulse says at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Whether the service has begun.
    pub has_begun: bool,
    /// Whether it starts no more runs, since the runner goes down.
    pub is_draining: bool,
    /// Since a run last got no descriptor; absent when each did.
    pub since_starved: Option<Duration>,
    /// Whether the account of all runs came out even when it was last looked at.
    pub is_balanced: bool,
}

impl Pulse {
    /// Registers the scheduler and the workers. Neither has to report before it has begun.
    #[must_use]
    pub fn new(liveness: &Registry) -> Self {
        let component = |name| {
            let progress = liveness.register(name, Impact::Liveness);
            progress.idle();
            progress
        };
        Self(Arc::new(Beats {
            scheduler: component(SCHEDULER),
            workers: component(WORKERS),
            stall_clock: liveness.stall_clock().clone(),
            epoch: Instant::now(),
            starved: AtomicU64::new(0),
            unbalanced: AtomicBool::new(false),
            has_begun: AtomicBool::new(false),
            is_draining: AtomicBool::new(false),
        }))
    }

    /// The service came round.
    pub fn turn(&self) {
        self.0.has_begun.store(true, Ordering::Release);
        self.0.scheduler.beat();
    }

    /// No run is started from now on.
    pub fn drain(&self) {
        self.0.is_draining.store(true, Ordering::Release);
    }

    /// A thread that runs work on came to a task of no other use.
    pub fn work(&self) {
        self.0.workers.working("running", WORKERS_STALL);
        self.0.stall_clock.beat();
    }

    /// A run got no descriptor.
    pub fn starve(&self) {
        self.0.starved.store(self.now() + 1, Ordering::Release);
    }

    /// The service publishes a run until the guard is dropped.
    pub fn publishing(&self) -> Publishing<'_> {
        self.0.scheduler.working(PUBLISHING, STALL);
        Publishing(&self.0)
    }

    /// Whether the account came out even.
    pub fn balance(&self, is_balanced: bool) {
        self.0.unbalanced.store(!is_balanced, Ordering::Release);
    }

    /// What it says now.
    #[must_use]
    pub fn read(&self) -> Reading {
        let now = self.now();
        let since = |millis: u64| Duration::from_millis(now.saturating_sub(millis));
        let starved = self.0.starved.load(Ordering::Acquire);
        Reading {
            has_begun: self.0.has_begun.load(Ordering::Acquire),
            is_draining: self.0.is_draining.load(Ordering::Acquire),
            since_starved: starved.checked_sub(1).map(since),
            is_balanced: !self.0.unbalanced.load(Ordering::Acquire),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A run is being published.
#[derive(Debug)]
#[must_use = "it tells how long this lives"]
pub struct Publishing<'a>(&'a Beats);

impl Drop for Publishing<'_> {
    fn drop(&mut self) {
        self.0.scheduler.beat();
    }
}
