//! The one owner of what is known of every check: its status and its last run.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use crate::account::{Account, MissReason};
use crate::outcome::Run;
use crate::report::LiveRow;
use crate::status::{Standing, Status, Thresholds, Tracker};
use crate::suite::{Check, CheckId};

/// Statuses, last runs, and the account of all runs.
#[derive(Debug, Default)]
pub struct Board {
    checks: HashMap<CheckId, Entry>,
    account: Account,
}

#[derive(Debug, Default)]
struct Entry {
    tracker: Tracker,
    is_running: bool,
    failures: u64,
    last_success: Option<SystemTime>,
    last: Option<Arc<Run>>,
}

impl Entry {
    fn take(&mut self, run: Arc<Run>, now: SystemTime) -> Standing {
        let thresholds = Thresholds::from(run.check.as_ref());
        let transition = self.tracker.observe(&run.outcome, thresholds, now);
        match run.outcome.is_good() {
            true => (self.failures, self.last_success) = (0, Some(now)),
            false => self.failures += 1,
        }
        self.last = Some(run);
        Standing {
            status: self.tracker.status(),
            transition,
            consecutive_failures: self.failures,
            last_success: self.last_success,
        }
    }
}

impl Board {
    /// Notes that a run is due; false when the check's previous one still goes on, and this one is missed.
    pub fn schedule(&mut self, check: &Check, passed_by: u64) -> bool {
        let entry = self.checks.entry(check.id.clone()).or_default();
        self.account.schedule(1 + passed_by);
        self.account.miss(MissReason::ClockJump, passed_by);
        if entry.is_running {
            self.account.miss(MissReason::Overlap, 1);
            return false;
        }
        entry.is_running = true;
        true
    }

    /// Notes that a scheduled run will not start, since the runner goes down.
    pub fn abandon(&mut self, id: &CheckId) {
        self.account.miss(MissReason::Shutdown, 1);
        if let Some(entry) = self.checks.get_mut(id) {
            entry.is_running = false;
        }
    }

    /// Records the one outcome of a run.
    pub fn publish(&mut self, run: Arc<Run>, now: SystemTime) -> Standing {
        self.account.start();
        self.account.finish(&run.outcome);
        let entry = self.checks.entry(run.check.id.clone()).or_default();
        entry.is_running = false;
        entry.take(run, now)
    }

    /// What became of every scheduled run.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Runs that are under way or wait for a permit.
    #[must_use]
    pub fn under_way(&self) -> u64 {
        let running = self.checks.values().filter(|entry| entry.is_running).count();
        u64::try_from(running).unwrap_or(u64::MAX)
    }

    /// The last run of a check.
    #[must_use]
    pub fn last(&self, id: &CheckId) -> Option<&Run> {
        self.checks.get(id)?.last.as_deref()
    }

    /// The live table's rows, in the suite's order.
    #[must_use]
    pub fn rows<'a>(&'a self, checks: &'a [Arc<Check>]) -> Vec<LiveRow<'a>> {
        let row = |check: &'a Arc<Check>| {
            let entry = self.checks.get(&check.id);
            LiveRow {
                check: check.as_ref(),
                status: entry.map_or(Status::Unknown, |entry| entry.tracker.status()),
                is_running: entry.is_some_and(|entry| entry.is_running),
                last: entry.and_then(|entry| entry.last.as_deref()),
            }
        };
        checks.iter().map(row).collect()
    }
}
