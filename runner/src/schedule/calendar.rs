//! Which check with a cron expression is due when: by the time of day, which can be set. Pure.
//!
//! A check is due in the minutes that its expression names, somewhere in the minute: the splay depends on the check's id
//! alone, as that of an interval does.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{Due, MAX_SPLAY, Passed, STILL_FRESH, Tick, splay};
use crate::suite::{Check, CheckId, Cron};

/// One moment by two clocks.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// By the clock that is waited for with.
    pub now: Instant,
    /// By the time of day.
    pub wall: SystemTime,
}

impl Moment {
    /// When it is, or was, so late, as the time of day is now.
    fn instant(&self, wall: SystemTime) -> Instant {
        match wall.duration_since(self.wall) {
            Ok(ahead) => self.now + ahead.min(FAR),
            Err(past) => self.now.checked_sub(past.duration()).unwrap_or(self.now),
        }
    }
}

/// What is further away is not waited for in one go.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

/// The due times of checks with a cron expression, soonest first.
#[derive(Debug, Default)]
pub struct Calendar {
    plan: CalendarPlan,
    slots: BinaryHeap<Reverse<Slot>>,
}

/// The checks with a cron expression.
#[derive(Debug, Default)]
pub struct CalendarPlan {
    entries: Vec<Entry>,
    index: HashMap<CheckId, usize>,
}

#[derive(Debug)]
struct Entry {
    check: Arc<Check>,
    cron: Arc<Cron>,
    /// From the start of a minute that is named to the due time.
    splay: Duration,
}

/// The next due time of one check. Of checks due at once, the first in the suite comes first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    due: SystemTime,
    index: usize,
}

impl From<&[Arc<Check>]> for CalendarPlan {
    fn from(checks: &[Arc<Check>]) -> Self {
        let entry = |check: &Arc<Check>| {
            Some(Entry {
                cron: Arc::clone(check.cadence.cron()?),
                splay: splay(&check.id, MAX_SPLAY),
                check: Arc::clone(check),
            })
        };
        let entries: Vec<Entry> = checks.iter().filter_map(entry).collect();
        let ids = entries.iter().enumerate();
        Self {
            index: ids
                .map(|(index, entry)| (entry.check.id.clone(), index))
                .collect(),
            entries,
        }
    }
}

/// When a check with a cron expression is due next after a time of day: in a minute that is named, at the check's own place
/// in it. Nothing for a check with an interval.
#[must_use]
pub fn next_due(check: &Check, wall: SystemTime) -> Option<SystemTime> {
    due_after(check.cadence.cron()?, splay(&check.id, MAX_SPLAY), wall)
}

fn due_after(cron: &Cron, splay: Duration, wall: SystemTime) -> Option<SystemTime> {
    cron.after(wall.checked_sub(splay)?)?.checked_add(splay)
}

impl Entry {
    /// The first due time after a time of day.
    fn after(&self, wall: SystemTime) -> Option<SystemTime> {
        due_after(&self.cron, self.splay, wall)
    }

    /// Whether a due time of this age is still run: it has come, and the next one is much further away.
    fn is_fresh(&self, due: SystemTime, late: Duration) -> bool {
        let next = self.after(due).and_then(|next| next.duration_since(due).ok());
        late <= STILL_FRESH.max(next.unwrap_or(Duration::MAX) / 10)
    }

    /// How many due times there are after one and until another moment, at most 10,080, and the last of them.
    fn count(&self, due: SystemTime, until: SystemTime) -> (u64, Option<SystemTime>) {
        let named = due.checked_sub(self.splay).zip(until.checked_sub(self.splay));
        let (count, last) = named.map_or((0, None), |(after, until)| self.cron.count(after, until));
        (count, last.and_then(|last| last.checked_add(self.splay)))
    }

    fn passed(&self, count: u64, last: SystemTime, moment: Moment) -> Tick {
        Tick::Passed(Passed {
            check: Arc::clone(&self.check),
            count,
            last: moment.instant(last),
            last_wall: Some(last),
        })
    }

    /// What has come of a due time and those after it, and the due time to wait for from now on. What passed comes first,
    /// all at once, and the last due time by itself where it is fresh.
    fn tick(&self, due: SystemTime, moment: Moment) -> (Tick, Option<SystemTime>) {
        let (more, found) = self.count(due, moment.wall);
        let last = found.unwrap_or(due);
        let late = moment.wall.duration_since(last).unwrap_or_default();
        if !self.is_fresh(last, late) {
            return (self.passed(more + 1, last, moment), self.after(last));
        }
        if more > 0 {
            let before = last.checked_sub(Duration::from_nanos(1));
            let (more, found) = before.map_or((0, None), |before| self.count(due, before));
            return (self.passed(more + 1, found.unwrap_or(due), moment), Some(last));
        }
        let due = Due {
            check: Arc::clone(&self.check),
            due: moment.instant(last),
            is_extra: false,
        };
        (Tick::Due(due), self.after(last))
    }
}

impl Calendar {
    /// No check is due before `wall`.
    #[must_use]
    pub fn new(plan: CalendarPlan, wall: SystemTime) -> Self {
        let mut calendar = Self::default();
        calendar.replace(plan, wall);
        calendar
    }

    /// These are the checks from now on. One that stays with its expression keeps a due time that has come. Gives back
    /// those that were in force.
    pub fn replace(&mut self, plan: CalendarPlan, wall: SystemTime) -> CalendarPlan {
        let before = std::mem::replace(&mut self.plan, plan);
        let mut come = vec![None; before.entries.len()];
        for Reverse(slot) in self.slots.iter().filter(|Reverse(slot)| slot.due <= wall) {
            if let Some(come) = come.get_mut(slot.index) {
                *come = Some(slot.due);
            }
        }
        let kept = |entry: &Entry| {
            let index = *before.index.get(&entry.check.id)?;
            let is_same = before.entries.get(index)?.cron == entry.cron;
            come.get(index).copied().flatten().filter(|_| is_same)
        };
        let entries = self.plan.entries.iter().enumerate();
        let slots = entries.filter_map(|(index, entry)| {
            let due = kept(entry).or_else(|| entry.after(wall))?;
            Some(Reverse(Slot { due, index }))
        });
        self.slots = slots.collect::<Vec<_>>().into();
        before
    }

    /// The time of day was set. Each check waits for its next due time by the new one. A due time that was left behind is
    /// still run where it is fresh; else it is missed, once, whatever lies between the old time and the new: no clock has
    /// shown that.
    pub fn clock_set(&mut self, moment: Moment) -> Vec<Passed> {
        let mut left_behind = Vec::new();
        let slots = std::mem::take(&mut self.slots).into_iter();
        let slots = slots.filter_map(|Reverse(Slot { due, index })| {
            let entry = self.plan.entries.get(index)?;
            let late = moment.wall.duration_since(due).ok();
            if late.is_some_and(|late| entry.is_fresh(due, late)) {
                return Some(Reverse(Slot { due, index }));
            }
            if late.is_some() {
                left_behind.push(Passed {
                    check: Arc::clone(&entry.check),
                    count: 1,
                    last: moment.now,
                    last_wall: Some(moment.wall),
                });
            }
            let due = entry.after(moment.wall)?;
            Some(Reverse(Slot { due, index }))
        });
        self.slots = slots.collect::<Vec<_>>().into();
        left_behind
    }

    /// When the next check is due, or when to look again for one that is days away.
    #[must_use]
    pub fn next_due(&self, moment: Moment) -> Option<Instant> {
        self.slots.peek().map(|Reverse(slot)| moment.instant(slot.due))
    }

    /// What is due, if anything, the longest due first. Call it until it returns nothing.
    ///
    /// A due time is delivered at most once, as due or as passed.
    pub fn pop(&mut self, moment: Moment) -> Option<Tick> {
        let mut next = self.slots.peek_mut()?;
        let Reverse(slot) = &mut *next;
        let entry = self
            .plan
            .entries
            .get(slot.index)
            .filter(|_| slot.due <= moment.wall)?;
        let (tick, following) = entry.tick(slot.due, moment);
        match following {
            Some(following) => slot.due = following,
            // Beyond the end of the calendar.
            None => drop(PeekMut::pop(next)),
        }
        Some(tick)
    }
}
