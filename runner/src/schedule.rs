//! Which check is due when. Pure: time is an input.
//!
//! A check is due at `start + splay + k * interval` for every whole `k`, however late an earlier run was. The
//! splay spreads the checks over their interval and depends on the check's id alone, so that a restart or
//! another runner gives the same one.

pub mod ticker;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::suite::{Check, CheckId};

/// The longest that a check waits for its first due time.
pub const MAX_SPLAY: Duration = Duration::from_secs(60);

/// Shorter intervals are taken as this long.
const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// A due time that is not older than this, or a tenth of its interval, is still run. Older ones are missed: after a
/// long sleep all checks would run at once, and none at its time.
const STILL_FRESH: Duration = Duration::from_secs(1);

/// The due times of a suite's checks, soonest first.
#[derive(Debug)]
pub struct Schedule {
    plan: Plan,
    slots: BinaryHeap<Reverse<Slot>>,
}

/// The checks of a suite, and what their due times depend on. To make it takes long for many checks, and to put it in
/// force a moment: it is made, and released, where nobody waits for it.
#[derive(Debug, Default)]
pub struct Plan {
    checks: Vec<Arc<Check>>,
    /// From the start to the first due time of each.
    splays: Vec<Duration>,
    index: HashMap<CheckId, usize>,
}

impl From<Vec<Arc<Check>>> for Plan {
    fn from(checks: Vec<Arc<Check>>) -> Self {
        let index = checks.iter().enumerate();
        Self {
            splays: checks
                .iter()
                .map(|check| splay(&check.id, interval(check)))
                .collect(),
            index: index.map(|(index, check)| (check.id.clone(), index)).collect(),
            checks,
        }
    }
}

impl Plan {
    /// The first due times; `wait` says how long after `start` a check is due that has a cadence already.
    fn slots(&self, start: Instant, wait: impl Fn(&Check) -> Option<Duration>) -> BinaryHeap<Reverse<Slot>> {
        let checks = self.checks.iter().zip(&self.splays).enumerate();
        let slots = checks.filter_map(|(index, (check, splay))| {
            let due = start.checked_add(wait(check).unwrap_or(*splay))?;
            Some(Reverse(Slot { due, index }))
        });
        slots.collect::<Vec<_>>().into()
    }
}

/// The next due time of one check. Of checks due at once, the first in the suite comes first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    due: Instant,
    index: usize,
}

/// What a check's due times have come to.
#[derive(Debug, Clone)]
pub enum Tick {
    /// It is due.
    Due(Due),
    /// It was due, and that is too long ago.
    Passed(Passed),
}

/// A check that is due.
#[derive(Debug, Clone)]
pub struct Due {
    /// What to run.
    pub check: Arc<Check>,
    /// The due time that has come.
    pub due: Instant,
}

/// Due times that nobody asked for in time. They are never run.
#[derive(Debug, Clone)]
pub struct Passed {
    /// Whose they are.
    pub check: Arc<Check>,
    /// How many; at least 1.
    pub count: u64,
    /// The last of them.
    pub last: Instant,
}

impl Schedule {
    /// A schedule in which no check is due before `start`.
    #[must_use]
    pub fn new(checks: Vec<Arc<Check>>, start: Instant) -> Self {
        Self::going_on(checks, start, |_| None)
    }

    /// The same, with checks that have a cadence already: `wait` says how long after `start` such a check is due.
    #[must_use]
    pub fn going_on(
        checks: Vec<Arc<Check>>,
        start: Instant,
        wait: impl Fn(&Check) -> Option<Duration>,
    ) -> Self {
        let plan = Plan::from(checks);
        let slots = plan.slots(start, wait);
        Self { plan, slots }
    }

    /// These are the checks from `now` on. One that stays with its interval keeps its cadence. Gives back those that were
    /// in force.
    pub fn replace(&mut self, plan: impl Into<Plan>, now: Instant) -> Plan {
        let before = std::mem::replace(&mut self.plan, plan.into());
        let mut due = vec![None; before.checks.len()];
        for Reverse(slot) in &self.slots {
            if let Some(due) = due.get_mut(slot.index) {
                *due = Some(slot.due);
            }
        }
        let wait = |check: &Check| {
            let index = *before.index.get(&check.id)?;
            let due = due.get(index).copied().flatten()?;
            let is_same = before.checks.get(index)?.interval == check.interval;
            is_same.then(|| due.saturating_duration_since(now))
        };
        self.slots = self.plan.slots(now, wait);
        before
    }

    /// The clock of due times stood still for this long while the world went on, as in a suspended machine: every due
    /// time is that much nearer.
    pub fn skip(&mut self, slept: Duration) {
        let slots = std::mem::take(&mut self.slots).into_iter();
        self.slots = slots
            .map(|Reverse(slot)| {
                let due = slot.due.checked_sub(slept).unwrap_or(slot.due);
                Reverse(Slot { due, ..slot })
            })
            .collect();
    }

    /// When the next check is due; nothing when there are no checks.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.slots.peek().map(|Reverse(slot)| slot.due)
    }

    /// What is due at `now`, if anything, the longest due first. Call it until it returns nothing.
    ///
    /// A due time is delivered at most once, as due or as passed, so a late caller never gets a burst of runs.
    pub fn pop(&mut self, now: Instant) -> Option<Tick> {
        let mut next = self.slots.peek_mut()?;
        let Reverse(slot) = &mut *next;
        let late = now.checked_duration_since(slot.due)?;
        let check = Arc::clone(self.plan.checks.get(slot.index)?);
        let interval = interval(&check);
        let (tick, following) = tick(check, slot.due, late, interval);
        match following {
            Some(following) => slot.due = following,
            // Beyond the end of the clock.
            None => drop(PeekMut::pop(next)),
        }
        Some(tick)
    }
}

/// The longest due time first: passed ones all at once, the last one by itself when it is fresh.
fn tick(check: Arc<Check>, due: Instant, late: Duration, interval: Duration) -> (Tick, Option<Instant>) {
    let before_last = u32::try_from(late.as_nanos() / interval.as_nanos()).unwrap_or(u32::MAX);
    let last = due + interval * before_last;
    let is_fresh = late.saturating_sub(last - due) <= STILL_FRESH.max(interval / 10);
    match (before_last, is_fresh) {
        (0, true) => (Tick::Due(Due { check, due }), due.checked_add(interval)),
        // What passed is told first; the last one comes next.
        (passed, true) => {
            let count = u64::from(passed);
            let passed = Passed {
                check,
                count,
                last: last - interval,
            };
            (Tick::Passed(passed), Some(last))
        }
        (passed, false) => {
            let count = u64::from(passed) + 1;
            (
                Tick::Passed(Passed { check, count, last }),
                last.checked_add(interval),
            )
        }
    }
}

/// How many due times came in `elapsed` after one, and how long the next is still to come.
#[must_use]
pub fn since(elapsed: Duration, every: Duration) -> (u64, Duration) {
    let every = every.max(MIN_INTERVAL).as_nanos();
    let passed = u64::try_from(elapsed.as_nanos() / every).unwrap_or(u64::MAX);
    let into = elapsed.as_nanos() % every;
    let wait = u64::try_from(every - into).unwrap_or(u64::MAX);
    (passed, Duration::from_nanos(wait))
}

fn interval(check: &Check) -> Duration {
    check.interval.max(MIN_INTERVAL)
}

/// From `start` to a check's first due time: below `interval` and below [`MAX_SPLAY`].
fn splay(id: &CheckId, interval: Duration) -> Duration {
    let hash = Sha256::digest(id.as_str());
    let fraction = hash
        .iter()
        .take(8)
        .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let window = interval.min(MAX_SPLAY).as_nanos();
    let nanos = (u128::from(fraction) * window) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or_default())
}
