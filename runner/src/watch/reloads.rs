//! How reading the suite again went.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::time::Instant;

/// Written by whoever reads suites, read by health and the admin address. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Reloads(Arc<Mutex<Report>>);

/// What became of every time that the suite was read again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Times that a suite was put in force.
    pub succeeded: u64,
    /// Times that the old one was kept.
    pub failed: u64,
    /// When the suite that is in force was read.
    pub in_force_since: Option<SystemTime>,
    /// When the reload that is going on began; nothing while none is.
    pub running_since: Option<Instant>,
    /// Whether the disk does not say if files of the suite changed.
    pub is_blind: bool,
    /// Why the last one was not put in force, and when; nothing when it was.
    pub refused: Option<Refused>,
}

/// A suite that was not put in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// When.
    pub at: SystemTime,
    /// Every problem, as `canary validate` shows them.
    pub problems: String,
    /// When it is read again by itself; nothing when somebody has to mend something.
    pub retry_at: Option<Instant>,
}

impl Reloads {
    /// The suite is being read again; what came of it is said afterwards.
    pub fn started(&self, now: Instant) {
        self.report().running_since = Some(now);
    }

    /// Whether the disk said what the files of the suite look like.
    pub fn see(&self, is_seen: bool) {
        self.report().is_blind = !is_seen;
    }

    /// A suite is in force from now on.
    pub fn succeeded(&self, now: SystemTime) {
        let mut report = self.report();
        report.running_since = None;
        report.succeeded += 1;
        report.in_force_since = Some(now);
        report.refused = None;
    }

    /// The first suite is in force; that is no reload.
    pub fn begun(&self, now: SystemTime) {
        self.report().in_force_since = Some(now);
    }

    /// The old one stays in force.
    pub fn failed(&self, problems: String, now: SystemTime, retry_at: Option<Instant>) {
        let mut report = self.report();
        report.running_since = None;
        report.failed += 1;
        report.refused = Some(Refused {
            at: now,
            problems,
            retry_at,
        });
    }

    /// How it goes.
    #[must_use]
    pub fn read(&self) -> Report {
        self.report().clone()
    }

    fn report(&self) -> MutexGuard<'_, Report> {
        // Every section is a few assignments.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
