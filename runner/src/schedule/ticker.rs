//! The schedule's clock.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep_until};

use super::calendar::{Calendar, CalendarPlan, Moment};
use super::repeats::Repeats;
use super::{Passed, Plan, Schedule, Tick};
use crate::clock;
use crate::suite::Check;

/// Waits for due times: those of intervals, of cron expressions, and of extra runs.
#[derive(Debug)]
pub struct Ticker {
    schedule: Schedule,
    calendar: Calendar,
    repeats: Repeats,
}

/// The checks of a suite by what their due times depend on. To make it takes long for many checks, and to put it in force
/// a moment: it is made, and released, where nobody waits for it.
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
    /// A ticker for these checks. None is due before now, but for those that have a cadence already: `wait` says how long
    /// it takes until such a check is due.
    #[must_use]
    pub fn new(checks: &[Arc<Check>], wait: impl Fn(&Check) -> Option<Duration>) -> Self {
        let Moment { now, wall } = moment();
        Self {
            schedule: Schedule::going_on(checks.to_vec(), now, wait),
            calendar: Calendar::new(CalendarPlan::from(checks), wall),
            repeats: Repeats::default(),
        }
    }

    /// These are the checks from now on. One that stays with its cadence goes on in it; extra runs are forgotten. Gives back
    /// those that were in force, and what has come of their due times until now: a check that is gone, or has another
    /// cadence, was due all the same.
    pub fn replace(&mut self, plans: Plans) -> (Plans, Vec<Tick>) {
        let moment = moment();
        // At one moment there is an end to it: two for each check at most.
        let come = std::iter::from_fn(|| self.pop_at(moment)).collect();
        self.repeats.clear();
        let before = Plans {
            intervals: self.schedule.replace(plans.intervals, moment.now),
            calendar: self.calendar.replace(plans.calendar, moment.wall),
        };
        (before, come)
    }

    /// One more run of a check, beside those of its cadence.
    pub fn repeat(&mut self, check: &Arc<Check>, wait: Duration) {
        if let Some(due) = Instant::now().checked_add(wait) {
            self.repeats.add(check, due);
        }
    }

    /// The machine slept for so long: every due time of an interval is that much nearer, and extra runs are too late.
    pub fn skip(&mut self, slept: Duration) {
        self.schedule.skip(slept);
        self.repeats.clear();
    }

    /// The time of day was set; it would be `unset` now without that. Gives back what had come of due times by then.
    pub fn come_before_step(&mut self, unset: SystemTime) -> Vec<Tick> {
        let moment = Moment {
            wall: unset,
            ..moment()
        };
        std::iter::from_fn(|| self.calendar.pop(moment)).collect()
    }

    /// The time of day was set. Gives back the due times that it was set past.
    pub fn clock_set(&mut self) -> Vec<Passed> {
        self.calendar.clock_set(moment())
    }

    /// Waits until a due time may have come; for ever when there are no checks.
    ///
    /// Cancellation: nothing is lost.
    pub async fn wait(&self) {
        let due = [
            self.schedule.next_due(),
            self.calendar.next_due(moment()),
            self.repeats.next_due(),
        ];
        match due.into_iter().flatten().min() {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// What is due now, if anything. Call it until it returns nothing.
    pub fn pop(&mut self) -> Option<Tick> {
        self.pop_at(moment())
    }

    fn pop_at(&mut self, moment: Moment) -> Option<Tick> {
        let (intervals, calendar) = (self.schedule.next_due(), self.calendar.next_due(moment));
        // The longest due first; where both are due at once, those of intervals.
        let is_calendar_first = calendar.is_some_and(|at| intervals.is_none_or(|first| at < first));
        let tick = match is_calendar_first {
            true => self
                .calendar
                .pop(moment)
                .or_else(|| self.schedule.pop(moment.now)),
            false => self
                .schedule
                .pop(moment.now)
                .or_else(|| self.calendar.pop(moment)),
        };
        tick.or_else(|| self.repeats.pop(moment.now).map(Tick::Due))
    }
}

fn moment() -> Moment {
    Moment {
        now: Instant::now(),
        wall: clock::wall(),
    }
}
