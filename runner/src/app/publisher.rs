//! The production [`RunObserver`]: prints status changes, routes alerts, and feeds telemetry.

use std::sync::Arc;

use super::supervisor::RunObserver;
use canary_alert::{AlertRouter, SuiteIndex};
use canary_console::Output;
use canary_run::account::MissReason;
use canary_run::outcome::Run;
use canary_run::publish::StatusStore;
use canary_run::report::{self, Screen};
use canary_run::status::CheckStatus;
use canary_state::{Change, PendingCommit, State, StoredRows, Table};
use canary_suite::{Check, CheckId, Suite};
use canary_system::age::Now;
use canary_telemetry::Telemetry;

/// Publishes run events to stdout, alerts and telemetry. Never blocks.
pub(super) struct Publisher {
    stdout: Output,
    screen: Screen,
    telemetry: Telemetry,
    /// `None` if no notifier is configured.
    router: Option<AlertRouter>,
}

impl Publisher {
    /// Prints status changes to `stdout`.
    pub(super) fn new(
        stdout: Output,
        screen: Screen,
        telemetry: Telemetry,
        router: Option<AlertRouter>,
    ) -> Self {
        Self {
            stdout,
            screen,
            telemetry,
            router,
        }
    }

    fn alert(&mut self, route: impl FnOnce(&mut AlertRouter) -> Vec<Change>) -> Vec<Change> {
        self.router.as_mut().map(route).unwrap_or_default()
    }
}

impl RunObserver for Publisher {
    fn suite_changed(&mut self, suite: &Suite, suite_index: &mut SuiteIndex) -> Vec<Change> {
        self.telemetry.suite_changed(suite.checks.clone());
        self.alert(|router| router.apply_suite(suite_index, &Now::read()))
    }

    fn run_due(&mut self, check: &Arc<Check>) {
        self.telemetry.run_due(&check.id);
    }

    fn run_finished(
        &mut self,
        run: &Arc<Run>,
        check_status: &CheckStatus,
        _statuses: &StatusStore,
    ) -> Vec<Change> {
        self.telemetry.run_finished(run, check_status);
        if let Some(transition) = &check_status.transition {
            self.stdout
                .push(&report::transition(&run.check, transition, self.screen.colour));
        }
        self.alert(|router| router.observe(run, check_status, &Now::read()))
    }

    fn tick(&mut self, now: &Now) -> Vec<Change> {
        self.alert(|router| router.tick(now))
    }

    fn persisted(&mut self, commit: &PendingCommit) {
        if let Some(router) = &mut self.router {
            router.dispatch(commit);
        }
    }

    fn state_read(&mut self, stored: &StoredRows, now: &Now) {
        for note in &stored.notes {
            tracing::warn!("{note}");
        }
        if stored.notes.is_empty() {
            tracing::info!("state restored: statuses, streaks and alerts continue");
        }
        if let Some(router) = &mut self.router {
            let (alerts, notifications) = (rows(stored, Table::Alert), rows(stored, Table::Notification));
            for line in router.restore_late(&alerts, &notifications, now) {
                tracing::error!("{line}");
            }
        }
    }

    fn catch_up(&mut self, last_runs: &[(Arc<Run>, CheckStatus)], now: &Now) {
        let Some(router) = &mut self.router else { return };
        router.resume(now);
        for (run, check_status) in last_runs {
            let _persisted_with_all = router.observe(run, check_status, now);
        }
    }

    fn persist_all(&mut self, changes: Vec<Change>, state: &State) -> PendingCommit {
        match &self.router {
            Some(router) => router.persist_all(changes, |all| state.put_all(all)),
            None => state.put_all(changes),
        }
    }

    fn runs_missed(&mut self, check: &CheckId, reason: MissReason, count: u64) {
        self.telemetry.runs_missed(check, reason, count);
    }

    fn clock_set(&mut self, seconds: i64) {
        tracing::warn!("the system clock was stepped by {seconds} s");
    }
}

/// The rows of one table in the form that alerts take them.
pub(super) fn rows(stored: &StoredRows, table: Table) -> Vec<(Arc<str>, String)> {
    stored
        .rows_in(table)
        .map(|(key, text)| (Arc::clone(key), text.to_owned()))
        .collect()
}
