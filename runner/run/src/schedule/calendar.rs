//! When each check with a cron expression is due, by the wall clock, which can be set. Pure: time is an input.
//!
//! A check is due in the minutes that match its expression, at an offset in the minute: the splay depends on the
//! check's id alone, as for intervals.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{Due, FRESH_FOR, MAX_SPLAY, Passed, Tick, splay};
use canary_suite::{Check, CheckId, Cron};

/// One moment by the monotonic clock and the wall clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// By the monotonic clock, which timers use.
    pub now: Instant,
    /// By the wall clock.
    pub wall: SystemTime,
}

impl Moment {
    /// Converts a wall-clock time, according to the wall clock as it is set now.
    fn instant(&self, wall: SystemTime) -> Instant {
        match wall.duration_since(self.wall) {
            Ok(ahead) => self.now + ahead.min(MAX_WAIT),
            Err(past) => self.now.checked_sub(past.duration()).unwrap_or(self.now),
        }
    }
}

/// The longest single wait for a due time; the clock is read again in between.
const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The due times of the checks with a cron expression, as a priority queue.
#[derive(Debug, Default)]
pub(crate) struct Calendar {
    plan: CalendarPlan,
    slots: BinaryHeap<Reverse<Slot>>,
}

/// The checks with a cron expression.
#[derive(Debug, Default)]
pub(crate) struct CalendarPlan {
    entries: Vec<Entry>,
    index: HashMap<CheckId, usize>,
}

#[derive(Debug)]
struct Entry {
    check: Arc<Check>,
    cron: Arc<Cron>,
    /// The time from the start of a matching minute to the due time.
    splay: Duration,
}

/// The next due time of one check. Checks that are due at the same time are ordered as in the suite.
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

/// The next due time of a check with a cron expression after `wall`: in a matching minute, at the check's own offset.
/// `None` for a check with an interval.
#[must_use]
pub fn next_due(check: &Check, wall: SystemTime) -> Option<SystemTime> {
    due_after(check.cadence.cron()?, splay(&check.id, MAX_SPLAY), wall)
}

fn due_after(cron: &Cron, splay: Duration, wall: SystemTime) -> Option<SystemTime> {
    cron.after(wall.checked_sub(splay)?)?.checked_add(splay)
}

impl Entry {
    /// The first due time after `wall`.
    fn after(&self, wall: SystemTime) -> Option<SystemTime> {
        due_after(&self.cron, self.splay, wall)
    }

    /// Whether a due time that is `late` is still run: within [`FRESH_FOR`], or a tenth of the time to the next one.
    fn is_fresh(&self, due: SystemTime, late: Duration) -> bool {
        let next = self.after(due).and_then(|next| next.duration_since(due).ok());
        late <= FRESH_FOR.max(next.unwrap_or(Duration::MAX) / 10)
    }

    /// The number of due times after `due` up to `until`, at most 10,080, and the last of them.
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

    /// The event for a due time and the following ones, and the next due time to wait for. Passed due times are
    /// reported together, then the last one by itself if it is still fresh.
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
    /// A calendar in which no check is due before `wall`.
    #[must_use]
    pub(crate) fn new(plan: CalendarPlan, wall: SystemTime) -> Self {
        let mut calendar = Self::default();
        calendar.replace(plan, wall);
        calendar
    }

    /// Replaces the checks. A check that stays with the same expression keeps a due time that is pending. Returns the
    /// replaced plan.
    pub(crate) fn replace(&mut self, plan: CalendarPlan, wall: SystemTime) -> CalendarPlan {
        let before = std::mem::replace(&mut self.plan, plan);
        let mut pending = vec![None; before.entries.len()];
        for Reverse(slot) in self.slots.iter().filter(|Reverse(slot)| slot.due <= wall) {
            if let Some(pending) = pending.get_mut(slot.index) {
                *pending = Some(slot.due);
            }
        }
        let still_pending = |entry: &Entry| {
            let index = *before.index.get(&entry.check.id)?;
            let is_same = before.entries.get(index)?.cron == entry.cron;
            pending.get(index).copied().flatten().filter(|_| is_same)
        };
        let entries = self.plan.entries.iter().enumerate();
        let slots = entries.filter_map(|(index, entry)| {
            let due = still_pending(entry).or_else(|| entry.after(wall))?;
            Some(Reverse(Slot { due, index }))
        });
        self.slots = slots.collect::<Vec<_>>().into();
        before
    }

    /// Handles a step of the wall clock. Each check waits for its next due time by the new time. A due time that the
    /// clock stepped over is still run if it is fresh; otherwise it is missed, once, however far the clock stepped,
    /// since no clock has shown the times in between. Returns what was missed.
    pub(crate) fn on_clock_step(&mut self, moment: Moment) -> Vec<Passed> {
        let mut skipped = Vec::new();
        let slots = std::mem::take(&mut self.slots).into_iter();
        let slots = slots.filter_map(|Reverse(Slot { due, index })| {
            let entry = self.plan.entries.get(index)?;
            let late = moment.wall.duration_since(due).ok();
            if late.is_some_and(|late| entry.is_fresh(due, late)) {
                return Some(Reverse(Slot { due, index }));
            }
            if late.is_some() {
                skipped.push(Passed {
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
        skipped
    }

    /// When the next check is due, or when to check again for one that is further away than `MAX_WAIT`.
    #[must_use]
    pub(crate) fn next_due(&self, moment: Moment) -> Option<Instant> {
        self.slots.peek().map(|Reverse(slot)| moment.instant(slot.due))
    }

    /// The next event, if any, the longest due first. Call it until it returns `None`.
    ///
    /// A due time is delivered at most once, as due or as passed.
    pub(crate) fn pop(&mut self, moment: Moment) -> Option<Tick> {
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
