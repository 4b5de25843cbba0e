//! Which check is due when. Pure: time is an input.
//!
//! [`calendar`] has those with a cron expression. Any other is due at `start + splay + k * interval` for every whole `k`, however late an earlier run was. The
//! splay spreads the checks over their interval and depends on the check's id alone, so that a restart or
//! another runner gives the same one.

pub mod calendar;
mod repeats;
pub mod ticker;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::suite::{Cadence, Check, CheckId};

/// The longest that a check waits for its first due time.
pub const MAX_SPLAY: Duration = Duration::from_secs(60);

/// Shorter intervals are taken as this long.
const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// A due time that is not older than this, or a tenth of its interval, is still run. Older ones are missed: after a
/// long sleep all checks would run at once, and none at its time.
const STILL_FRESH: Duration = Duration::from_secs(1);

/// The due times of the checks of a suite that have an interval, soonest first.
#[derive(Debug)]
pub struct Schedule {
    plan: Plan,
    slots: BinaryHeap<Reverse<Slot>>,
}

/// The checks with an interval, and what their due times depend on.
#[derive(Debug, Default)]
pub struct Plan {
    checks: Vec<Arc<Check>>,
    /// From the start to the first due time of each.
    splays: Vec<Duration>,
    index: HashMap<CheckId, usize>,
}

impl From<Vec<Arc<Check>>> for Plan {
    fn from(mut checks: Vec<Arc<Check>>) -> Self {
        checks.retain(|check| check.cadence.interval().is_some());
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
    /// The first due times; `next_due` is that of a check that has a cadence already, and any other begins at `start`.
    fn slots(
        &self,
        start: Instant,
        next_due: impl Fn(&Check) -> Option<Instant>,
    ) -> BinaryHeap<Reverse<Slot>> {
        let checks = self.checks.iter().zip(&self.splays).enumerate();
        let slots = checks.filter_map(|(index, (check, splay))| {
            let due = next_due(check).or_else(|| start.checked_add(*splay))?;
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
    /// Whether it is none of the check's cadence, but a run to confirm what the last one found.
    pub is_extra: bool,
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
    /// The same by the time of day, for a check with a cron expression.
    last_wall: Option<SystemTime>,
}

impl Passed {
    /// How many of them came after a moment.
    #[must_use]
    pub fn after(&self, moment: Instant) -> u64 {
        let since = self.last.saturating_duration_since(moment);
        let count = match (&self.check.cadence, self.last_wall) {
            (Cadence::Cron(cron), Some(last)) => {
                let began = last.checked_sub(since).unwrap_or(SystemTime::UNIX_EPOCH);
                let splay = splay(&self.check.id, MAX_SPLAY);
                let named = began.checked_sub(splay).zip(last.checked_sub(splay));
                named.map_or(0, |(began, last)| cron.count(began, last).0)
            }
            _ => {
                let intervals = since.as_nanos().div_ceil(interval(&self.check).as_nanos());
                u64::try_from(intervals).unwrap_or(u64::MAX)
            }
        };
        count.min(self.count)
    }
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
        let slots = plan.slots(start, |check| start.checked_add(wait(check)?));
        Self { plan, slots }
    }

    /// These are the checks from `now` on. One that stays with its interval keeps its cadence, and a due time that has
    /// come. Gives back those that were in force.
    pub fn replace(&mut self, plan: impl Into<Plan>, now: Instant) -> Plan {
        let before = std::mem::replace(&mut self.plan, plan.into());
        let mut due = vec![None; before.checks.len()];
        for Reverse(slot) in &self.slots {
            if let Some(due) = due.get_mut(slot.index) {
                *due = Some(slot.due);
            }
        }
        let next_due = |check: &Check| {
            let index = *before.index.get(&check.id)?;
            let is_same = before.checks.get(index)?.cadence == check.cadence;
            due.get(index).copied().flatten().filter(|_| is_same)
        };
        self.slots = self.plan.slots(now, next_due);
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
        (0, true) => {
            let is_extra = false;
            let due_now = Due { check, due, is_extra };
            (Tick::Due(due_now), due.checked_add(interval))
        }
        // What passed is told first; the last one comes next.
        (passed, true) => {
            let count = u64::from(passed);
            let passed = Passed {
                check,
                count,
                last: last - interval,
                last_wall: None,
            };
            (Tick::Passed(passed), Some(last))
        }
        (passed, false) => {
            let count = u64::from(passed) + 1;
            let passed = Passed {
                check,
                count,
                last,
                last_wall: None,
            };
            (Tick::Passed(passed), last.checked_add(interval))
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

/// The time from a moment to the due time of a check that is so many after it; so many intervals where it has one.
#[must_use]
pub fn reach(check: &Check, from: SystemTime, due_times: u32) -> Duration {
    let from = match check.cadence {
        Cadence::Every(_) => Some(from),
        Cadence::Cron(_) => from.checked_sub(splay(&check.id, MAX_SPLAY)),
    };
    from.map_or(Duration::MAX, |from| check.cadence.reach(from, due_times))
}

fn interval(check: &Check) -> Duration {
    check.cadence.shortest().max(MIN_INTERVAL)
}

/// From `start` to a check's first due time: below `interval` and below [`MAX_SPLAY`].
#[must_use]
pub fn splay(id: &CheckId, interval: Duration) -> Duration {
    let hash = Sha256::digest(id.as_str());
    let fraction = hash
        .iter()
        .take(8)
        .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let window = interval.min(MAX_SPLAY).as_nanos();
    let nanos = (u128::from(fraction) * window) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or_default())
}
