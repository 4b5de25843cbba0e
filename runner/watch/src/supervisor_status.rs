//! Progress of the supervisor, for health. Readers never wait for the supervisor's task.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use canary_system::liveness::{Impact, Progress, Registry, STALL, StallClock};

/// The component that schedules and publishes runs.
pub const SCHEDULER: &str = "scheduler";
/// The component that stands for all worker threads.
pub const WORKERS: &str = "workers";
/// Activity of the scheduler while it publishes a run.
pub const PUBLISHING: &str = "publishing";
/// Workers reach every task quickly, unless guests that compute saturate them.
const WORKERS_STALL: Duration = Duration::from_secs(3);

/// Written by the supervisor, read by health. Cheap to clone; all clones share their state.
#[derive(Debug, Clone)]
pub struct SupervisorStatus(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    scheduler: Progress,
    workers: Progress,
    stall_clock: StallClock,
    epoch: Instant,
    /// When a run last got no descriptor, as milliseconds after the epoch plus one; 0 for never.
    last_fd_exhausted: AtomicU64,
    accounting_mismatch: AtomicBool,
    has_started: AtomicBool,
    is_draining: AtomicBool,
}

/// A snapshot of the supervisor's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SupervisorSnapshot {
    /// Whether the supervisor has started.
    pub has_started: bool,
    /// Whether it starts no more runs because of shutdown.
    pub is_draining: bool,
    /// Time since a run last got no descriptor; `None` for never.
    pub since_fd_exhausted: Option<Duration>,
    /// Whether the accounting of all runs was consistent at the last check.
    pub is_accounting_consistent: bool,
}

impl SupervisorStatus {
    /// Registers the scheduler and the workers. Neither has to report before it has started.
    #[must_use]
    pub fn new(liveness: &Registry) -> Self {
        let component = |name| {
            let progress = liveness.register(name, Impact::Liveness);
            progress.idle();
            progress
        };
        Self(Arc::new(Inner {
            scheduler: component(SCHEDULER),
            workers: component(WORKERS),
            stall_clock: liveness.stall_clock().clone(),
            epoch: Instant::now(),
            last_fd_exhausted: AtomicU64::new(0),
            accounting_mismatch: AtomicBool::new(false),
            has_started: AtomicBool::new(false),
            is_draining: AtomicBool::new(false),
        }))
    }

    /// The supervisor completed an iteration of its loop.
    pub fn scheduler_alive(&self) {
        self.0.has_started.store(true, Ordering::Release);
        self.0.scheduler.beat();
    }

    /// No more runs are started.
    pub fn drain(&self) {
        self.0.is_draining.store(true, Ordering::Release);
    }

    /// A worker thread ran the probe task.
    pub fn workers_alive(&self) {
        self.0.workers.working("running", WORKERS_STALL);
        self.0.stall_clock.beat();
    }

    /// A run got no descriptor.
    pub fn record_fd_exhausted(&self) {
        self.0.last_fd_exhausted.store(self.now() + 1, Ordering::Release);
    }

    /// Marks a run as being published until the guard is dropped.
    pub fn publishing(&self) -> Publishing<'_> {
        self.0.scheduler.working(PUBLISHING, STALL);
        Publishing(&self.0)
    }

    /// Records whether the accounting of runs is consistent.
    pub fn record_accounting(&self, is_consistent: bool) {
        self.0
            .accounting_mismatch
            .store(!is_consistent, Ordering::Release);
    }

    /// The current status.
    #[must_use]
    pub fn snapshot(&self) -> SupervisorSnapshot {
        let now = self.now();
        let since = |millis: u64| Duration::from_millis(now.saturating_sub(millis));
        let last_fd_exhausted = self.0.last_fd_exhausted.load(Ordering::Acquire);
        SupervisorSnapshot {
            has_started: self.0.has_started.load(Ordering::Acquire),
            is_draining: self.0.is_draining.load(Ordering::Acquire),
            since_fd_exhausted: last_fd_exhausted.checked_sub(1).map(since),
            is_accounting_consistent: !self.0.accounting_mismatch.load(Ordering::Acquire),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Guard that marks a run as being published.
#[derive(Debug)]
#[must_use = "it tells how long this lives"]
pub struct Publishing<'a>(&'a Inner);

impl Drop for Publishing<'_> {
    fn drop(&mut self) {
        self.0.scheduler.beat();
    }
}
