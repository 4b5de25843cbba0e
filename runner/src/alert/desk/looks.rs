//! When checks that are not well are looked at without a run, and how many of them at once.

use std::time::Duration;

use super::Desk;
use crate::age::Now;
use crate::state::Change;
use crate::suite::CheckId;

/// How long what is held back is left alone before it is looked at again.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Checks that one tick, or a new suite, looks at; the others have their turn in the next tick.
pub(super) const LOOKS: usize = 1_000;
/// Names and windows that may be looked at for these checks, which takes some milliseconds.
pub(super) const STEPS: u64 = 50_000;

impl Desk {
    /// Has every check that is not well looked at in the next ticks.
    pub(super) fn look_at_all(&mut self, now: &Now) {
        let ids: Vec<CheckId> = self.troubles.keys().cloned().collect();
        for id in &ids {
            self.disarm(id);
            self.arm(id, now.since_boot());
        }
    }

    /// Looks at checks whose time has come, and leaves some to the next tick where that costs much: nothing else goes on
    /// meanwhile.
    pub(super) fn settle_due(&mut self, now: &Now) -> Vec<Change> {
        let mut changes = Vec::new();
        let limit = self.roster.steps() + STEPS;
        for _ in 0..LOOKS {
            let due = self.timers.first().filter(|(at, _)| *at <= now.since_boot());
            let Some((_, id)) = due.filter(|_| self.roster.steps() < limit).cloned() else {
                break;
            };
            changes.extend(self.settle(&id, None, false, now));
        }
        changes
    }

    pub(super) fn arm(&mut self, id: &CheckId, at: Duration) {
        self.timers.insert((at, id.clone()));
        self.timer_of.insert(id.clone(), at);
    }

    pub(super) fn disarm(&mut self, id: &CheckId) {
        if let Some(at) = self.timer_of.remove(id) {
            self.timers.remove(&(at, id.clone()));
        }
    }
}
