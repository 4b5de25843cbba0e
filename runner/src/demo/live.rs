//! The live table of the demo.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::app::{Host, supervisor};
use canary_alert::SuiteIndex;
use canary_console::Output;
use canary_net::ledger::Ledger;
use canary_run::account::MissReason;
use canary_run::outcome::Run;
use canary_run::publish::StatusStore;
use canary_run::report::{self, Screen};
use canary_run::status::CheckStatus;
use canary_state::Change;
use canary_suite::{Check, CheckId, Suite};
use canary_telemetry::Telemetry;

/// Minimum time between two redraws of the table.
const REDRAW: Duration = Duration::from_millis(200);

/// Redraws the table on a terminal; elsewhere prints a line for each transition.
pub(super) struct LiveTable {
    stdout: Output,
    checks: Vec<Arc<Check>>,
    ledger: Arc<Ledger>,
    screen: Screen,
    is_terminal: bool,
    drawn_at: Option<Instant>,
    /// Lines of the table on the terminal.
    height: usize,
    telemetry: Telemetry,
    last: Vec<Run>,
}

impl LiveTable {
    pub(super) fn new(host: &Host, telemetry: Telemetry, screen: Screen) -> Self {
        Self {
            stdout: host.settings().streams.stdout.clone(),
            checks: Vec::new(),
            ledger: Arc::clone(host.sandbox.ledger()),
            screen,
            is_terminal: canary_console::is_terminal(),
            drawn_at: None,
            height: 0,
            telemetry,
            last: Vec::new(),
        }
    }

    /// Returns the last run of each check that had one.
    pub(super) fn into_last_runs(self) -> Vec<Run> {
        self.last
    }

    fn render(&self, store: &StatusStore) -> String {
        let account = store.total_account();
        let (finished, missed) = (account.total_finished(), account.total_missed());
        format!(
            "{}\nruns: {} scheduled = {finished} finished + {missed} missed + {} in flight   \
             descriptors: {} of {} leased, {} reclaimed   Ctrl-C to quit\n",
            report::live(&store.live_rows(&self.checks), self.screen),
            account.scheduled(),
            store.in_flight(),
            self.ledger.leased(),
            self.ledger.capacity(),
            self.ledger.reclaimed(),
        )
    }

    fn draw(&mut self, store: &StatusStore) {
        let table = self.render(store);
        self.stdout.redraw(self.height, &table);
        self.height = table.lines().count();
        self.drawn_at = Some(Instant::now());
    }
}

impl supervisor::RunObserver for LiveTable {
    fn suite_changed(&mut self, suite: &Suite, _index: &mut SuiteIndex) -> Vec<Change> {
        self.telemetry.suite_changed(suite.checks.clone());
        self.checks.clone_from(&suite.checks);
        Vec::new()
    }

    fn run_finished(
        &mut self,
        run: &Arc<Run>,
        check_status: &CheckStatus,
        store: &StatusStore,
    ) -> Vec<Change> {
        self.telemetry.run_finished(run, check_status);
        if let Some(transition) = check_status.transition.as_ref().filter(|_| !self.is_terminal) {
            self.stdout
                .push(&report::transition(&run.check, transition, self.screen.colour));
        }
        self.last = self
            .checks
            .iter()
            .filter_map(|check| Some(Run::clone(&*store.last_run(&check.id)?)))
            .collect();
        if self.is_terminal && self.drawn_at.is_none_or(|drawn| drawn.elapsed() >= REDRAW) {
            self.draw(store);
        }
        Vec::new()
    }

    fn run_due(&mut self, check: &Arc<Check>) {
        self.telemetry.run_due(&check.id);
    }

    fn runs_missed(&mut self, check: &CheckId, reason: MissReason, count: u64) {
        self.telemetry.runs_missed(check, reason, count);
    }
}
