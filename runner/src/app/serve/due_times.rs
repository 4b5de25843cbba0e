//! What becomes of each due time, whatever clocks and suites do meanwhile: it is run, or missed for its true reason.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Service, since};
use crate::account::MissReason;
use crate::age::Since;
use crate::app::clocks::{ClockStep, Reading};
use crate::dispatch::Execute;
use crate::schedule::ticker::Plans;
use crate::schedule::{Due, Passed, Tick};
use crate::suite::Check;

impl<E: Execute> Service<'_, E> {
    /// Due times go by clocks that may have gone on without the service, or been set.
    pub(super) fn look_at_clocks(&mut self) {
        let moved = self.clocks.look(Reading::take());
        if moved.slept.is_some() || moved.step.is_some() {
            self.board.clock_set();
        }
        if let Some(slept) = moved.slept {
            self.ticker.skip(slept);
            self.woke = Some(Instant::now());
        }
        if let Some(ClockStep { seconds, unset }) = moved.step {
            self.watcher.clock_set(seconds);
            for tick in self.ticker.come_before_step(unset) {
                self.take(tick);
            }
            for Passed {
                check, count, last, ..
            } in self.ticker.clock_set()
            {
                self.pass(&check, MissReason::ClockJump, count, since(last));
            }
        }
    }

    /// Takes one due time, if one has come. What has come is judged by clocks of which is known what they did.
    pub(super) fn tick(&mut self) {
        self.look_at_clocks();
        if let Some(tick) = self.ticker.pop() {
            self.take(tick);
        }
    }

    fn take(&mut self, tick: Tick) {
        match tick {
            Tick::Due(due) => self.start(due),
            Tick::Passed(passed) => self.miss(&passed),
        }
    }

    /// What nobody looked at in time is missed: because the machine slept, or because the host was busy.
    fn miss(&mut self, passed: &Passed) {
        let Passed {
            check, count, last, ..
        } = passed;
        let awake = self.woke.map_or(*count, |woke| passed.after(woke));
        let slept = *count - awake;
        if slept > 0 {
            self.pass(check, MissReason::ClockJump, slept, since(*last));
        }
        if awake > 0 {
            self.pass(check, MissReason::Overload, awake, since(*last));
        }
    }

    pub(super) fn pass(&mut self, check: &Arc<Check>, reason: MissReason, count: u64, last: Since) {
        self.board.pass(check, reason, count, last);
        self.watcher.missed(&check.id, reason, count);
        self.keep(&check.id, Vec::new());
    }

    /// What has come due until now was due by the suite and the plugins that were in force, and is taken as such: the clocks
    /// may have gone on, or have been set, since anybody looked.
    pub(super) fn replace_plans(&mut self, plans: Plans) -> Plans {
        self.look_at_clocks();
        let (before, come) = self.ticker.replace(plans);
        for tick in come {
            self.take(tick);
        }
        before
    }

    /// No due time is run from now on. One that has come, and that nobody has looked at, is missed for what it is; those still
    /// to come are for the next process to count.
    pub(super) fn end_cadences(&mut self) {
        self.look_at_clocks();
        let (_plans, come) = self.ticker.replace(Plans::default());
        for tick in come {
            match tick {
                Tick::Due(due) if due.is_extra => {}
                Tick::Due(Due { check, due, .. }) => self.pass(&check, MissReason::Shutdown, 1, since(due)),
                Tick::Passed(passed) => self.miss(&passed),
            }
        }
    }
}
