//! Whatever happens, told to everyone who wants to know: a line for people, telemetry for the rest.

use std::sync::Arc;

use super::serve::Watcher;
use crate::account::MissReason;
use crate::console::{self, Console};
use crate::outcome::Run;
use crate::publish::Board;
use crate::report::{self, Screen};
use crate::state::Change;
use crate::status::Standing;
use crate::suite::{Check, CheckId, Suite};
use crate::telemetry::Telemetry;

/// Tells. Nothing here waits.
pub(super) struct Publisher {
    pub(super) console: Console,
    pub(super) screen: Screen,
    pub(super) telemetry: Telemetry,
}

impl Watcher for Publisher {
    fn laid_out(&mut self, suite: &Suite) -> Vec<Change> {
        self.telemetry.suite(suite.checks.clone());
        Vec::new()
    }

    fn due(&mut self, check: &Arc<Check>) {
        self.telemetry.started(&check.id);
    }

    fn finished(&mut self, run: &Arc<Run>, standing: &Standing, _board: &Board) -> Vec<Change> {
        self.telemetry.finished(run, standing);
        if let Some(transition) = &standing.transition {
            self.console
                .print(report::transition(&run.check, transition, self.screen.colour));
        }
        Vec::new()
    }

    fn missed(&mut self, check: &CheckId, reason: MissReason, count: u64) {
        self.telemetry.missed(check, reason, count);
    }

    fn clock_set(&mut self, seconds: i64) {
        console::note(&format!("the clock was set by {seconds} s"));
    }
}
