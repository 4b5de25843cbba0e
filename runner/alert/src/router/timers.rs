//! Timers: when unhealthy checks are re-evaluated without a run, and how many of them in one tick.

use std::time::Duration;

use super::AlertRouter;
use canary_state::Change;
use canary_suite::CheckId;
use canary_system::age::Now;

/// How long a suppressed check waits before it is evaluated again.
pub(super) const RECHECK_INTERVAL: Duration = Duration::from_secs(5);
/// Checks evaluated in one tick or for one new suite; the rest follow in the next ticks.
pub(super) const MAX_CHECKS_PER_TICK: usize = 1_000;
/// Names and windows visited for these checks in one tick, which takes a few milliseconds.
pub(super) const MAX_STEPS_PER_TICK: u64 = 50_000;

impl AlertRouter {
    /// Schedules every unhealthy check for the next ticks.
    pub(super) fn schedule_all(&mut self, now: &Now) {
        let ids: Vec<CheckId> = self.unhealthy.keys().cloned().collect();
        for id in &ids {
            self.disarm(id);
            self.arm(id, now.since_boot());
        }
    }

    /// Reconciles the checks that are due. Expensive work is left to the next tick because it blocks the publisher.
    pub(super) fn reconcile_due(&mut self, now: &Now) -> Vec<Change> {
        let mut changes = Vec::new();
        let limit = self.index.steps() + MAX_STEPS_PER_TICK;
        for _ in 0..MAX_CHECKS_PER_TICK {
            let due = self.timers.first().filter(|(at, _)| *at <= now.since_boot());
            let Some((_, id)) = due.filter(|_| self.index.steps() < limit).cloned() else {
                break;
            };
            changes.extend(self.reconcile(&id, None, false, now));
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
