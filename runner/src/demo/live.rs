//! The live table.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::account::MissReason;
use crate::alert::Roster;
use crate::app::{Host, serve};
use crate::console::{self, Output};
use crate::ledger::Ledger;
use crate::outcome::Run;
use crate::publish::Board;
use crate::report::{self, Screen};
use crate::state::Change;
use crate::status::Standing;
use crate::suite::{Check, CheckId, Suite};
use crate::telemetry::Telemetry;

/// Between two pictures of the table.
const REDRAW: Duration = Duration::from_millis(200);

/// Draws the table anew on a terminal; elsewhere writes a line a transition, and the table at the end.
pub(super) struct Watcher {
    stdout: Output,
    checks: Vec<Arc<Check>>,
    ledger: Arc<Ledger>,
    screen: Screen,
    is_terminal: bool,
    drawn_at: Option<Instant>,
    /// Lines of the picture on the terminal.
    height: usize,
    telemetry: Telemetry,
    last: Vec<Run>,
}

impl Watcher {
    pub(super) fn new(host: &Host, telemetry: Telemetry, screen: Screen) -> Self {
        Self {
            stdout: host.settings().streams.stdout.clone(),
            checks: Vec::new(),
            ledger: Arc::clone(host.sandbox.ledger()),
            screen,
            is_terminal: console::is_terminal(),
            drawn_at: None,
            height: 0,
            telemetry,
            last: Vec::new(),
        }
    }

    /// The last run of each check that had one.
    pub(super) fn finish(self) -> Vec<Run> {
        self.last
    }

    fn picture(&self, board: &Board) -> String {
        let account = board.account();
        let (finished, missed) = (account.finished_in_all(), account.missed_in_all());
        format!(
            "{}\nruns: {} scheduled = {finished} finished + {missed} missed + {} under way   \
             descriptors: {} lent of {}, {} reclaimed   Ctrl-C ends\n",
            report::live(&board.rows(&self.checks), self.screen),
            account.scheduled(),
            board.under_way(),
            self.ledger.leased(),
            self.ledger.capacity(),
            self.ledger.reclaimed(),
        )
    }

    fn draw(&mut self, board: &Board) {
        let picture = self.picture(board);
        self.stdout.redraw(self.height, &picture);
        self.height = picture.lines().count();
        self.drawn_at = Some(Instant::now());
    }
}

impl serve::Watcher for Watcher {
    fn laid_out(&mut self, suite: &Suite, _roster: &mut Roster) -> Vec<Change> {
        self.telemetry.suite(suite.checks.clone());
        self.checks.clone_from(&suite.checks);
        Vec::new()
    }

    fn finished(&mut self, run: &Arc<Run>, standing: &Standing, board: &Board) -> Vec<Change> {
        self.telemetry.finished(run, standing);
        if let Some(transition) = standing.transition.as_ref().filter(|_| !self.is_terminal) {
            self.stdout
                .push(&report::transition(&run.check, transition, self.screen.colour));
        }
        self.last = self
            .checks
            .iter()
            .filter_map(|check| Some(Run::clone(&*board.last(&check.id)?)))
            .collect();
        if self.is_terminal && self.drawn_at.is_none_or(|drawn| drawn.elapsed() >= REDRAW) {
            self.draw(board);
        }
        Vec::new()
    }

    fn due(&mut self, check: &Arc<Check>) {
        self.telemetry.started(&check.id);
    }

    fn missed(&mut self, check: &CheckId, reason: MissReason, count: u64) {
        self.telemetry.missed(check, reason, count);
    }
}
