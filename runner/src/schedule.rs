//! Which check is due when. Pure: time is an input.
//!
//! A check is due at `start + splay + k * interval` for every whole `k`, however late an earlier run was. The
//! splay spreads the checks over their interval and depends on the check's id alone, so that a restart or
//! another runner gives the same one.

pub mod ticker;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::suite::{Check, CheckId};

/// The longest that a check waits for its first due time.
pub const MAX_SPLAY: Duration = Duration::from_secs(60);

/// Shorter intervals are taken as this long.
const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// The due times of a suite's checks, soonest first.
#[derive(Debug)]
pub struct Schedule {
    checks: Vec<Arc<Check>>,
    slots: BinaryHeap<Reverse<Slot>>,
}

/// The next due time of one check. Of checks due at once, the first in the suite comes first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    due: Instant,
    index: usize,
}

/// A check that is due.
#[derive(Debug, Clone)]
pub struct Due {
    /// What to run.
    pub check: Arc<Check>,
    /// The latest due time that has come.
    pub due: Instant,
    /// Due times before `due` that nobody asked for in time. They are never run.
    pub missed: u64,
}

impl Schedule {
    /// A schedule in which no check is due before `start`.
    #[must_use]
    pub fn new(checks: Vec<Arc<Check>>, start: Instant) -> Self {
        let slot = |(index, check): (usize, &Arc<Check>)| {
            let due = start.checked_add(splay(&check.id, interval(check)))?;
            Some(Reverse(Slot { due, index }))
        };
        let slots = checks.iter().enumerate().filter_map(slot).collect();
        Self { checks, slots }
    }

    /// When the next check is due; nothing when there are no checks.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.slots.peek().map(|Reverse(slot)| slot.due)
    }

    /// The check that is due at `now`, if any, the longest due first. Call it until it returns nothing.
    ///
    /// A due time is delivered at most once. One that passed by an interval or more is not delivered but
    /// counted as missed, so a late caller never gets a burst of runs.
    pub fn pop_due(&mut self, now: Instant) -> Option<Due> {
        let mut next = self.slots.peek_mut()?;
        let Reverse(slot) = &mut *next;
        let late = now.checked_duration_since(slot.due)?;
        let check = Arc::clone(self.checks.get(slot.index)?);
        let interval = interval(&check);
        let (missed, due) = latest(slot.due, late, interval);
        match due.checked_add(interval) {
            Some(following) => slot.due = following,
            // Beyond the end of the clock.
            None => drop(PeekMut::pop(next)),
        }
        Some(Due { check, due, missed })
    }
}

/// How many due times passed by, and the one after them.
fn latest(due: Instant, late: Duration, interval: Duration) -> (u64, Instant) {
    let missed = u32::try_from(late.as_nanos() / interval.as_nanos()).unwrap_or(u32::MAX);
    (missed.into(), due + interval * missed)
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
