//! The ticker: drives the schedule by the real clocks.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep_until};

use super::calendar::{Calendar, CalendarPlan, Moment};
use super::extra_runs::ExtraRuns;
use super::{Passed, Plan, Schedule, Tick};
use canary_suite::Check;
use canary_system::clock;

/// Waits for due times of intervals, of cron expressions, and of extra runs.
#[derive(Debug)]
pub struct Ticker {
    schedule: Schedule,
    calendar: Calendar,
    extra_runs: ExtraRuns,
}

/// The precomputed schedule of a suite. Building and freeing it takes long for many checks while applying it is cheap,
/// so it is built and freed outside of the service loop.
#[derive(Debug, Default)]
pub struct Plans {
    intervals: Plan,
    calendar: CalendarPlan,
}

impl From<&[Arc<Check>]> for Plans {
    fn from(checks: &[Arc<Check>]) -> Self {
        Self {
            intervals: Plan::from(checks.to_vec()),
            calendar: CalendarPlan::from(checks),
        }
    }
}

impl Ticker {
    /// A ticker for these checks, none of which is due before now. For a check that already has a cadence, `wait`
    /// returns the time until it is due.
    #[must_use]
    pub fn new(checks: &[Arc<Check>], wait: impl Fn(&Check) -> Option<Duration>) -> Self {
        let Moment { now, wall } = moment();
        Self {
            schedule: Schedule::resume(checks.to_vec(), now, wait),
            calendar: Calendar::new(CalendarPlan::from(checks), wall),
            extra_runs: ExtraRuns::default(),
        }
    }

    /// Replaces the checks. A check that stays with the same cadence continues it; extra runs are dropped. Returns the
    /// replaced plans, and their events up to now, including those of checks that are gone or have another cadence.
    pub fn replace(&mut self, plans: Plans) -> (Plans, Vec<Tick>) {
        let moment = moment();
        // Terminates: for a fixed moment there are at most two events per check.
        let events = std::iter::from_fn(|| self.pop_at(moment)).collect();
        self.extra_runs.clear();
        let before = Plans {
            intervals: self.schedule.replace(plans.intervals, moment.now),
            calendar: self.calendar.replace(plans.calendar, moment.wall),
        };
        (before, events)
    }

    /// Schedules one extra run of a check, after `wait`, in addition to its cadence.
    pub fn add_extra_run(&mut self, check: &Arc<Check>, wait: Duration) {
        if let Some(due) = Instant::now().checked_add(wait) {
            self.extra_runs.add(check, due);
        }
    }

    /// Handles a suspension of the machine: every due time of an interval is nearer by `slept`, and extra runs are
    /// dropped.
    pub fn skip(&mut self, slept: Duration) {
        self.schedule.skip(slept);
        self.extra_runs.clear();
    }

    /// Returns the events of the calendar up to `unset`, the time that the wall clock would show now if it had not been
    /// stepped. Call it before [`Self::on_clock_step`].
    pub fn due_before_step(&mut self, unset: SystemTime) -> Vec<Tick> {
        let moment = Moment {
            wall: unset,
            ..moment()
        };
        std::iter::from_fn(|| self.calendar.pop(moment)).collect()
    }

    /// Handles a step of the wall clock. Returns the due times that were skipped by it.
    pub fn on_clock_step(&mut self) -> Vec<Passed> {
        self.calendar.on_clock_step(moment())
    }

    /// Waits until a check may be due; forever if there are no checks.
    ///
    /// Cancellation: nothing is lost.
    pub async fn wait(&self) {
        let due = [
            self.schedule.next_due(),
            self.calendar.next_due(moment()),
            self.extra_runs.next_due(),
        ];
        match due.into_iter().flatten().min() {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// The next event now, if any. Call it until it returns `None`.
    pub fn pop(&mut self) -> Option<Tick> {
        self.pop_at(moment())
    }

    fn pop_at(&mut self, moment: Moment) -> Option<Tick> {
        let (intervals, calendar) = (self.schedule.next_due(), self.calendar.next_due(moment));
        // The longest due first; intervals before cron expressions if both are due at the same time.
        let is_calendar_first = calendar.is_some_and(|at| intervals.is_none_or(|first| at < first));
        let tick = if is_calendar_first {
            self.calendar
                .pop(moment)
                .or_else(|| self.schedule.pop(moment.now))
        } else {
            self.schedule
                .pop(moment.now)
                .or_else(|| self.calendar.pop(moment))
        };
        tick.or_else(|| self.extra_runs.pop(moment.now).map(Tick::Due))
    }
}

fn moment() -> Moment {
    Moment {
        now: Instant::now(),
        wall: clock::wall(),
    }
}
