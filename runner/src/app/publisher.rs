//! Whatever happens, told to everyone who wants to know: a line for people, alerts, and telemetry for the rest.

use std::sync::Arc;

use super::serve::Watcher;
use crate::account::MissReason;
use crate::age::Now;
use crate::alert::{Desk, Roster};
use crate::console::Output;
use crate::outcome::Run;
use crate::publish::Board;
use crate::report::{self, Screen};
use crate::state::{Change, Kept, Shelf, State, Written};
use crate::status::Standing;
use crate::suite::{Check, CheckId, Suite};
use crate::telemetry::Telemetry;

/// Tells. Nothing here waits.
pub(super) struct Publisher {
    stdout: Output,
    screen: Screen,
    telemetry: Telemetry,
    /// Absent when nobody is to be told of alerts.
    desk: Option<Desk>,
}

impl Publisher {
    /// Writes lines to `stdout`.
    pub(super) fn new(stdout: Output, screen: Screen, telemetry: Telemetry, desk: Option<Desk>) -> Self {
        Self {
            stdout,
            screen,
            telemetry,
            desk,
        }
    }

    fn alert(&mut self, judge: impl FnOnce(&mut Desk) -> Vec<Change>) -> Vec<Change> {
        self.desk.as_mut().map(judge).unwrap_or_default()
    }
}

impl Watcher for Publisher {
    fn laid_out(&mut self, suite: &Suite, roster: &mut Roster) -> Vec<Change> {
        self.telemetry.suite(suite.checks.clone());
        self.alert(|desk| desk.keep(roster, &Now::read()))
    }

    fn due(&mut self, check: &Arc<Check>) {
        self.telemetry.started(&check.id);
    }

    fn finished(&mut self, run: &Arc<Run>, standing: &Standing, _board: &Board) -> Vec<Change> {
        self.telemetry.finished(run, standing);
        if let Some(transition) = &standing.transition {
            self.stdout
                .push(&report::transition(&run.check, transition, self.screen.colour));
        }
        self.alert(|desk| desk.observe(run, standing, &Now::read()))
    }

    fn beat(&mut self, now: &Now) -> Vec<Change> {
        self.alert(|desk| desk.tick(now))
    }

    fn kept(&mut self, written: &Written) {
        if let Some(desk) = &mut self.desk {
            desk.post(written);
        }
    }

    fn state_read(&mut self, kept: &Kept, now: &Now) {
        for note in &kept.notes {
            tracing::warn!("{note}");
        }
        if kept.notes.is_empty() {
            tracing::info!("state was read; statuses, streaks and alerts go on from it");
        }
        if let Some(desk) = &mut self.desk {
            let (alerts, notifications) = (rows(kept, Shelf::Alert), rows(kept, Shelf::Notification));
            for line in desk.adopt(&alerts, &notifications, now) {
                tracing::error!("{line}");
            }
        }
    }

    fn catch_up(&mut self, last_runs: &[(Arc<Run>, Standing)], now: &Now) {
        let Some(desk) = &mut self.desk else { return };
        desk.release(now);
        for (run, standing) in last_runs {
            let _persisted_with_all = desk.observe(run, standing, now);
        }
    }

    fn put_all(&mut self, changes: Vec<Change>, state: &State) -> Written {
        match &self.desk {
            Some(desk) => desk.put_all(changes, |all| state.put_all(all)),
            None => state.put_all(changes),
        }
    }

    fn missed(&mut self, check: &CheckId, reason: MissReason, count: u64) {
        self.telemetry.missed(check, reason, count);
    }

    fn clock_set(&mut self, seconds: i64) {
        tracing::warn!("the clock was set by {seconds} s");
    }
}

/// The rows of one shelf, as alerts take them.
pub(super) fn rows(kept: &Kept, shelf: Shelf) -> Vec<(Arc<str>, String)> {
    kept.of(shelf)
        .map(|(key, text)| (Arc::clone(key), text.to_owned()))
        .collect()
}
