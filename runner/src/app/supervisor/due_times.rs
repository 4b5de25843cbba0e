//! Accounts for every due time, whatever clocks and suites do meanwhile: it is run, or recorded as missed with its
//! actual reason.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Supervisor, since};
use crate::app::clock_monitor::{ClockSample, ClockStep};
use canary_run::account::MissReason;
use canary_run::schedule::ticker::Plans;
use canary_run::schedule::{Due, Passed, Tick};
use canary_sandbox::dispatch::Execute;
use canary_suite::Check;
use canary_system::age::Since;

impl<E: Execute> Supervisor<'_, E> {
    /// Checks for suspend and clock steps before due times are evaluated.
    pub(super) fn check_clocks(&mut self) {
        let change = self.clock_monitor.observe(ClockSample::now());
        if change.slept.is_some() || change.step.is_some() {
            self.statuses.on_clock_step();
        }
        if let Some(slept) = change.slept {
            self.ticker.skip(slept);
            self.resumed_at = Some(Instant::now());
        }
        if let Some(ClockStep { seconds, unset }) = change.step {
            self.observer.clock_set(seconds);
            for tick in self.ticker.due_before_step(unset) {
                self.handle(tick);
            }
            for Passed {
                check, count, last, ..
            } in self.ticker.on_clock_step()
            {
                self.record_missed(&check, MissReason::ClockJump, count, since(last));
            }
        }
    }

    /// Handles one due time, if any has come. Clock changes are handled first, so that it is classified correctly.
    pub(super) fn on_due(&mut self) {
        self.check_clocks();
        if let Some(tick) = self.ticker.pop() {
            self.handle(tick);
        }
    }

    fn handle(&mut self, tick: Tick) {
        match tick {
            Tick::Due(due) => self.start_run(due),
            Tick::Passed(passed) => self.record_passed(&passed),
        }
    }

    /// Records due times that were not handled in time as missed: because the machine was suspended, or because the
    /// host was overloaded.
    fn record_passed(&mut self, passed: &Passed) {
        let Passed {
            check, count, last, ..
        } = passed;
        let awake = self
            .resumed_at
            .map_or(*count, |resumed_at| passed.after(resumed_at));
        let slept = *count - awake;
        if slept > 0 {
            self.record_missed(check, MissReason::ClockJump, slept, since(*last));
        }
        if awake > 0 {
            self.record_missed(check, MissReason::Overload, awake, since(*last));
        }
    }

    pub(super) fn record_missed(&mut self, check: &Arc<Check>, reason: MissReason, count: u64, last: Since) {
        self.statuses.record_missed(check, reason, count, last);
        self.observer.runs_missed(&check.id, reason, count);
        self.persist_check(&check.id, Vec::new());
    }

    /// Switches to new plans. Due times that have come until now belong to the old suite and its plugins, and are
    /// handled as such: the clocks may have advanced, or have been set, since the last check.
    pub(super) fn replace_plans(&mut self, plans: Plans) -> Plans {
        self.check_clocks();
        let (before, pending) = self.ticker.replace(plans);
        for tick in pending {
            self.handle(tick);
        }
        before
    }

    /// Starts no more runs for due times. Due times that have come but were not handled are recorded as missed with
    /// their reason; later ones are counted by the next process.
    pub(super) fn end_cadences(&mut self) {
        self.check_clocks();
        let (_plans, pending) = self.ticker.replace(Plans::default());
        for tick in pending {
            match tick {
                Tick::Due(due) if due.is_extra => {}
                Tick::Due(Due { check, due, .. }) => {
                    self.record_missed(&check, MissReason::Shutdown, 1, since(due))
                }
                Tick::Passed(passed) => self.record_passed(&passed),
            }
        }
    }
}
