//! The schedule: when each check is due. Pure: time is an input.
//!
//! Checks with a cron expression are in [`calendar`]. Any other check is due at `start + splay + k * interval` for
//! every integer `k`, however late an earlier run was. The splay spreads the checks over their interval and depends on
//! the check's id alone, so that it is the same after a restart or in another runner.

pub mod calendar;
mod extra_runs;
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

use canary_suite::{Cadence, Check, CheckId};

/// The upper bound of the splay: a check's first due time is earlier than this after the start.
pub const MAX_SPLAY: Duration = Duration::from_secs(60);

/// Shorter intervals are rounded up to this.
const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// A due time that is late by no more than this, or a tenth of its interval, is still run. Older ones are missed:
/// otherwise all checks would run at once after a long suspension, and none at its time.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// The due times of the checks with an interval, as a priority queue.
#[derive(Debug)]
pub(crate) struct Schedule {
    plan: Plan,
    slots: BinaryHeap<Reverse<Slot>>,
}

/// The checks with an interval, with precomputed splays.
#[derive(Debug, Default)]
pub struct Plan {
    checks: Vec<Arc<Check>>,
    /// The time from the start to the first due time of each check.
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
    /// The first due times. `next_due` returns the due time of a check that already has a cadence; any other check
    /// starts at `start`.
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

/// The next due time of one check. Checks that are due at the same time are ordered as in the suite.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    due: Instant,
    index: usize,
}

/// An event of the schedule.
#[derive(Debug, Clone)]
pub enum Tick {
    /// A check is due.
    Due(Due),
    /// Due times of a check are too long past to be run.
    Passed(Passed),
}

/// A check that is due.
#[derive(Debug, Clone)]
pub struct Due {
    /// The check to run.
    pub check: Arc<Check>,
    /// The due time.
    pub due: Instant,
    /// Whether this is an extra run outside the check's cadence, to confirm the last outcome.
    pub is_extra: bool,
}

/// Due times that were not handled in time. They are never run.
#[derive(Debug, Clone)]
pub struct Passed {
    /// The check.
    pub check: Arc<Check>,
    /// The number of due times; at least 1.
    pub count: u64,
    /// The last of them.
    pub last: Instant,
    /// The last of them by the wall clock, for a check with a cron expression.
    last_wall: Option<SystemTime>,
}

impl Passed {
    /// How many of them came after `moment`.
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
    /// A schedule in which no check has a cadence yet.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn new(checks: Vec<Arc<Check>>, start: Instant) -> Self {
        Self::resume(checks, start, |_| None)
    }

    /// A schedule in which no check is due before `start`. Of a check that already has a cadence, `wait` returns the
    /// time from `start` to the next due time.
    #[must_use]
    pub(crate) fn resume(
        checks: Vec<Arc<Check>>,
        start: Instant,
        wait: impl Fn(&Check) -> Option<Duration>,
    ) -> Self {
        let plan = Plan::from(checks);
        let slots = plan.slots(start, |check| start.checked_add(wait(check)?));
        Self { plan, slots }
    }

    /// Replaces the checks from `now` on. A check that stays with the same interval keeps its cadence, including a due
    /// time that is pending. Returns the replaced plan.
    pub(crate) fn replace(&mut self, plan: impl Into<Plan>, now: Instant) -> Plan {
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

    /// Moves every due time nearer by `slept`, after the monotonic clock stood still for that long, as in a suspended
    /// machine.
    pub(crate) fn skip(&mut self, slept: Duration) {
        let slots = std::mem::take(&mut self.slots).into_iter();
        self.slots = slots
            .map(|Reverse(slot)| {
                let due = slot.due.checked_sub(slept).unwrap_or(slot.due);
                Reverse(Slot { due, ..slot })
            })
            .collect();
    }

    /// When the next check is due; `None` if there are no checks.
    #[must_use]
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.slots.peek().map(|Reverse(slot)| slot.due)
    }

    /// The next event at `now`, if any, the longest due first. Call it until it returns `None`.
    ///
    /// A due time is delivered at most once, as due or as passed, so a late caller never gets a burst of runs.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Tick> {
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

/// The event for a due time that is `late`, and the next due time. Passed due times are reported together, then the
/// last one by itself if it is still fresh.
fn tick(check: Arc<Check>, due: Instant, late: Duration, interval: Duration) -> (Tick, Option<Instant>) {
    let before_last = u32::try_from(late.as_nanos() / interval.as_nanos()).unwrap_or(u32::MAX);
    let last = due + interval * before_last;
    let is_fresh = late.saturating_sub(last - due) <= FRESH_FOR.max(interval / 10);
    match (before_last, is_fresh) {
        (0, true) => {
            let is_extra = false;
            let due_now = Due { check, due, is_extra };
            (Tick::Due(due_now), due.checked_add(interval))
        }
        // The passed ones are reported first; the last one comes next.
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

/// How many due times passed in the time `elapsed` since one, and the time to the next.
#[must_use]
pub fn passed_since(elapsed: Duration, every: Duration) -> (u64, Duration) {
    let every = every.max(MIN_INTERVAL).as_nanos();
    let passed = u64::try_from(elapsed.as_nanos() / every).unwrap_or(u64::MAX);
    let into = elapsed.as_nanos() % every;
    let wait = u64::try_from(every - into).unwrap_or(u64::MAX);
    (passed, Duration::from_nanos(wait))
}

/// The time from `from` to the check's due time number `due_times` after it; for a check with an interval, that many
/// intervals.
#[must_use]
pub fn time_to_due(check: &Check, from: SystemTime, due_times: u32) -> Duration {
    let from = match check.cadence {
        Cadence::Every(_) => Some(from),
        Cadence::Cron(_) => from.checked_sub(splay(&check.id, MAX_SPLAY)),
    };
    from.map_or(Duration::MAX, |from| check.cadence.time_until(from, due_times))
}

fn interval(check: &Check) -> Duration {
    check.cadence.min_interval().max(MIN_INTERVAL)
}

/// The time from the start to a check's first due time: less than `interval` and less than [`MAX_SPLAY`].
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
