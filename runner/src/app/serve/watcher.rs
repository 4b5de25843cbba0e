//! Whoever is told what the service does.

use std::sync::Arc;

use crate::account::MissReason;
use crate::age::Now;
use crate::alert::Roster;
use crate::outcome::Run;
use crate::publish::Board;
use crate::state::{Change, Kept, State, Written};
use crate::status::Standing;
use crate::suite::{Check, CheckId, Suite};

/// What the service tells while it goes on. It is told in the service's own task: nothing here may wait. What is
/// returned is kept together with what caused it, all or nothing.
pub trait Watcher {
    /// This is the suite from now on; `roster` is that of its alerts, and afterwards the one that was in force: it is
    /// released where nobody waits for that.
    fn laid_out(&mut self, _suite: &Suite, _roster: &mut Roster) -> Vec<Change> {
        Vec::new()
    }

    /// A run is due and will start as soon as there is room.
    fn due(&mut self, _check: &Arc<Check>) {}

    /// A run was recorded.
    fn finished(&mut self, run: &Arc<Run>, standing: &Standing, board: &Board) -> Vec<Change>;

    /// Due times passed without an outcome.
    fn missed(&mut self, _check: &CheckId, _reason: MissReason, _count: u64) {}

    /// The time of day was set, by this many seconds.
    fn clock_set(&mut self, _seconds: i64) {}

    /// What was returned is on its way to the disk.
    fn kept(&mut self, _written: &Written) {}

    /// Rows of an earlier process could be read after all.
    fn state_read(&mut self, _kept: &Kept, _now: &Now) {}

    /// Nothing has to wait any longer for rows of an earlier process. Each check's last run follows.
    fn catch_up(&mut self, _last_runs: &[(Arc<Run>, Standing)], _now: &Now) {}

    /// Has everything persisted, `changes` included, in place of what is on disk.
    fn put_all(&mut self, changes: Vec<Change>, state: &State) -> Written {
        state.put_all(changes)
    }

    /// Some time went by, about a second.
    fn beat(&mut self, _now: &Now) -> Vec<Change> {
        Vec::new()
    }
}
