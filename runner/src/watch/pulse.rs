//! The beat of the task that owns all runs. Whoever looks at it never waits for that task.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Written by the service, read by health. Cheap to clone; all clones are one pulse.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<Beats>);

#[derive(Debug)]
struct Beats {
    epoch: Instant,
    /// Milliseconds after the epoch when the service last came round.
    turned: AtomicU64,
    /// Milliseconds after the epoch, and one, when it began to publish; 0 when it does not.
    publishing: AtomicU64,
    /// Milliseconds after the epoch when a worker last came to a task.
    worked: AtomicU64,
    /// Milliseconds after the epoch, and one, when a run last got no descriptor; 0 when each did.
    starved: AtomicU64,
    unbalanced: AtomicBool,
    has_begun: AtomicBool,
}

/// What the pulse says at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Whether the service has begun.
    pub has_begun: bool,
    /// Since the service last came round; it does once a second at least.
    pub since_turn: Duration,
    /// How long it has been publishing one run.
    pub publishing_for: Option<Duration>,
    /// Since a thread that runs work on last came to the task that says so.
    pub since_work: Duration,
    /// Since a run last got no descriptor; absent when each did.
    pub since_starved: Option<Duration>,
    /// Whether the account of all runs came out even when it was last looked at.
    pub is_balanced: bool,
}

impl Default for Pulse {
    fn default() -> Self {
        Self(Arc::new(Beats {
            epoch: Instant::now(),
            turned: AtomicU64::new(0),
            publishing: AtomicU64::new(0),
            worked: AtomicU64::new(0),
            starved: AtomicU64::new(0),
            unbalanced: AtomicBool::new(false),
            has_begun: AtomicBool::new(false),
        }))
    }
}

impl Pulse {
    /// The service came round.
    pub fn turn(&self) {
        self.0.has_begun.store(true, Ordering::Release);
        self.0.turned.store(self.now(), Ordering::Release);
    }

    /// A thread that runs work on came to a task of no other use.
    pub fn work(&self) {
        self.0.worked.store(self.now(), Ordering::Release);
    }

    /// A run got no descriptor.
    pub fn starve(&self) {
        self.0.starved.store(self.now() + 1, Ordering::Release);
    }

    /// The service publishes a run until the guard is dropped.
    pub fn publishing(&self) -> Publishing<'_> {
        self.0.publishing.store(self.now() + 1, Ordering::Release);
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
        let publishing = self.0.publishing.load(Ordering::Acquire);
        let starved = self.0.starved.load(Ordering::Acquire);
        Reading {
            has_begun: self.0.has_begun.load(Ordering::Acquire),
            since_turn: since(self.0.turned.load(Ordering::Acquire)),
            publishing_for: publishing.checked_sub(1).map(since),
            since_work: since(self.0.worked.load(Ordering::Acquire)),
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
        self.0.publishing.store(0, Ordering::Release);
    }
}
