//! Status of reloads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::time::Instant;

/// Written by the reloader, read by health and the admin API. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ReloadStatus(Arc<Mutex<ReloadReport>>);

/// Counts and results of reloads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReloadReport {
    /// Number of successful reloads.
    pub succeeded: u64,
    /// Number of failed reloads, after which the old suite stayed active.
    pub failed: u64,
    /// When the active suite was read.
    pub active_since: Option<SystemTime>,
    /// When the current reload began; `None` if there is none.
    pub running_since: Option<Instant>,
    /// Whether changes of the suite's files cannot be detected, because the disk does not answer.
    pub is_unwatched: bool,
    /// The rejected suite; `None` if the last reload succeeded.
    pub rejected: Option<RejectedSuite>,
}

/// A suite that was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedSuite {
    /// When.
    pub at: SystemTime,
    /// Every problem, formatted as by `canary validate`.
    pub problems: String,
    /// When the reload is retried automatically; `None` if the problems are permanent.
    pub retry_at: Option<Instant>,
}

impl ReloadStatus {
    /// A reload began.
    pub fn started(&self, now: Instant) {
        self.report().running_since = Some(now);
    }

    /// Records whether changes of the suite's files can be detected.
    pub fn set_watched(&self, is_watched: bool) {
        self.report().is_unwatched = !is_watched;
    }

    /// A reload succeeded, and its suite is active.
    pub fn succeeded(&self, now: SystemTime) {
        let mut report = self.report();
        report.running_since = None;
        report.succeeded += 1;
        report.active_since = Some(now);
        report.rejected = None;
    }

    /// The first suite is active; that does not count as a reload.
    pub fn initial_load(&self, now: SystemTime) {
        self.report().active_since = Some(now);
    }

    /// A reload failed, and the old suite stays active.
    pub fn failed(&self, problems: String, now: SystemTime, retry_at: Option<Instant>) {
        let mut report = self.report();
        report.running_since = None;
        report.failed += 1;
        report.rejected = Some(RejectedSuite {
            at: now,
            problems,
            retry_at,
        });
    }

    /// The current report.
    #[must_use]
    pub fn snapshot(&self) -> ReloadReport {
        self.report().clone()
    }

    fn report(&self) -> MutexGuard<'_, ReloadReport> {
        // Every critical section is a few assignments.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
