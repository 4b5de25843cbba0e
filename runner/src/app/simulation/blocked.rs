//! An observer that blocks the supervisor's task while time goes on.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::time::{Instant, advance};

use super::collector::Collector;
use super::secs;
use crate::app::publisher::Publisher;
use crate::app::supervisor::RunObserver;
use canary_alert::SuiteIndex;
use canary_run::account::MissReason;
use canary_run::outcome::Run;
use canary_run::publish::StatusStore;
use canary_run::schedule::calendar;
use canary_run::status::CheckStatus;
use canary_state::{Change, PendingCommit, State, StoredRows};
use canary_suite::{Check, CheckId, Suite};
use canary_system::age::Now;
use canary_system::clock;
use canary_watch::health::{Health, HealthIssue};

/// For how many seconds the next run blocks its observer, and whether health reported it.
#[derive(Debug, Clone, Default)]
pub(super) struct Blocked {
    seconds: Rc<Cell<u64>>,
    is_reported: Rc<Cell<bool>>,
    /// When each check was last due.
    due: Rc<RefCell<HashMap<CheckId, Instant>>>,
}

impl Blocked {
    pub(super) fn set(&self, seconds: u64) {
        self.is_reported.set(false);
        self.seconds.set(seconds);
    }

    /// The next due time of any of these checks. A check with an unknown cadence is polled often enough to run nearly
    /// in time: up to a tenth of its interval late is in time.
    pub(super) fn next_due(&self, checks: &[Arc<Check>]) -> Instant {
        let (now, due) = (Instant::now(), self.due.borrow());
        let next = checks.iter().map(|check| {
            let wall = clock::wall();
            if let Some(next) = calendar::next_due(check, wall) {
                return now + next.duration_since(wall).unwrap_or_default();
            }
            let Some(last) = due.get(&check.id) else {
                return now + check.cadence.min_interval() / 20;
            };
            let passed = (now - *last).as_nanos() / check.cadence.min_interval().as_nanos();
            let passed = u32::try_from(passed).expect("it is due now and then");
            *last + check.cadence.min_interval() * (passed + 1)
        });
        next.min().unwrap_or(now)
    }

    /// Forgets the due times, because the cadence of checks changed.
    pub(super) fn forget_due_times(&self) {
        self.due.borrow_mut().clear();
    }

    pub(super) fn is_over(&self) -> bool {
        self.seconds.get() == 0
    }

    pub(super) fn is_reported(&self) -> bool {
        self.is_reported.get()
    }

    pub(super) fn into_observer(
        self,
        publisher: Publisher,
        health: Health,
        collector: Collector,
    ) -> Blocking {
        Blocking {
            blocked: self,
            collector,
            publisher,
            health,
        }
    }
}

/// The observer of the supervisor, which can be made to block.
pub(super) struct Blocking {
    blocked: Blocked,
    collector: Collector,
    publisher: Publisher,
    health: Health,
}

impl RunObserver for Blocking {
    fn suite_changed(&mut self, suite: &Suite, suite_index: &mut SuiteIndex) -> Vec<Change> {
        self.publisher.suite_changed(suite, suite_index)
    }

    fn run_due(&mut self, check: &Arc<Check>) {
        self.blocked
            .due
            .borrow_mut()
            .insert(check.id.clone(), Instant::now());
        self.publisher.run_due(check);
    }

    fn run_finished(
        &mut self,
        run: &Arc<Run>,
        check_status: &CheckStatus,
        statuses: &StatusStore,
    ) -> Vec<Change> {
        for _ in 0..self.blocked.seconds.take() {
            // The first poll advances the clock; no other task runs.
            let _blocked = advance(secs(1)).now_or_never();
            let issues = self.health.check().issues;
            let is_stalled = |issue: &HealthIssue| matches!(issue, HealthIssue::PublisherStalled { .. });
            self.blocked.is_reported.set(issues.iter().any(is_stalled));
        }
        self.collector.owe(run);
        self.publisher.run_finished(run, check_status, statuses)
    }

    fn runs_missed(&mut self, check: &CheckId, reason: MissReason, count: u64) {
        self.publisher.runs_missed(check, reason, count);
    }

    fn persisted(&mut self, commit: &PendingCommit) {
        self.publisher.persisted(commit);
    }

    fn state_read(&mut self, stored: &StoredRows, now: &Now) {
        self.publisher.state_read(stored, now);
    }

    fn catch_up(&mut self, last_runs: &[(Arc<Run>, CheckStatus)], now: &Now) {
        self.publisher.catch_up(last_runs, now);
    }

    fn persist_all(&mut self, changes: Vec<Change>, state: &State) -> PendingCommit {
        self.publisher.persist_all(changes, state)
    }

    fn tick(&mut self, now: &Now) -> Vec<Change> {
        self.publisher.tick(now)
    }
}
