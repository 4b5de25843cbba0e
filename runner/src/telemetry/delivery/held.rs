//! Whose data a collector has no answer for, or an error of its own, so that the data of others go before them.
//!
//! A request that fails looks the same whether the collector is down or cannot digest what one check sends. So after a
//! few failures in a row something else is tried, at the pace of a collector that is down: the request in halves, as
//! when it was refused, and what is of one check only after all that is of others.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::share::Owner;
use super::split::Item;
use super::stamp::Stamp;

/// Failures of one request in a row before something else is tried, while nothing is known to be taken.
const TRIES: u32 = 3;
/// How long data are held back; twice as long each time that they fail while others are taken.
const FIRST: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// Checks that are remembered; beyond them, the one that is to be tried next is forgotten.
const MAX_HELD: usize = 64;

/// The checks whose data are held back, and what fails now.
#[derive(Debug, Default)]
pub(super) struct Held {
    owners: HashMap<Owner, Hold>,
    failing: Option<Failing>,
    /// When anything was taken last.
    accepted: Option<Instant>,
}

#[derive(Debug)]
struct Hold {
    since: Instant,
    time: Duration,
}

/// A request that fails.
#[derive(Debug)]
struct Failing {
    stamp: Stamp,
    /// In a row, since something else was tried.
    failures: u32,
    since: Instant,
}

impl Held {
    /// Whether data of nobody are held back, or were lately.
    pub(super) fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Forgets those of which nothing was tried for a while after their time.
    pub(super) fn forget_old(&mut self, now: Instant) {
        self.owners.retain(|_, hold| now < hold.end() + LONGEST);
    }

    /// Whether data of an owner are held back, or on trial.
    pub(super) fn knows(&self, owner: Owner) -> bool {
        self.owners.contains_key(&owner)
    }

    /// Whether data of all these owners are held back now; false of nobody.
    pub(super) fn has_all(&self, owners: impl IntoIterator<Item = Owner>, now: Instant) -> bool {
        let mut owners = owners.into_iter().peekable();
        owners.peek().is_some()
            && owners.all(|owner| self.owners.get(&owner).is_some_and(|hold| now < hold.end()))
    }

    /// When the next of those that are held back are tried.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        self.owners.values().map(Hold::end).filter(|end| *end > now).min()
    }

    /// A piece of these items was taken.
    pub(super) fn accepted(&mut self, items: &[Item], now: Instant) {
        self.accepted = Some(now);
        for item in items {
            self.owners.remove(&item.owner);
        }
    }

    /// A piece of a request has failed; true when something else is to be tried.
    pub(super) fn failed(&mut self, stamp: Stamp, items: &[Item], now: Instant) -> bool {
        let accepted = self.accepted;
        let is_on_trial = !items.is_empty() && items.iter().all(|item| self.knows(item.owner));
        let failing = self.failing.take().filter(|failing| failing.stamp == stamp);
        let mut failing = failing.unwrap_or(Failing {
            stamp,
            failures: 0,
            since: now,
        });
        failing.failures += 1;
        let is_up = accepted.is_some_and(|accepted| accepted > failing.since);
        let has_had_its_tries = is_up || is_on_trial || failing.failures >= TRIES;
        if has_had_its_tries {
            failing.failures = 0;
        }
        self.failing = Some(failing);
        has_had_its_tries
    }

    /// Holds the data of an owner back; true when they were not before.
    pub(super) fn hold(&mut self, owner: Owner, now: Instant) -> bool {
        let before = self.owners.remove(&owner);
        let is_new = before.is_none();
        let time = match before {
            // Only where others are taken it is known that the collector is there.
            Some(before) if self.accepted.is_some_and(|accepted| accepted > before.since) => before.time * 2,
            _ => FIRST,
        };
        if self.owners.len() >= MAX_HELD {
            let next = self.owners.iter().min_by_key(|(_, hold)| hold.end());
            if let Some(next) = next.map(|(owner, _)| *owner) {
                self.owners.remove(&next);
            }
        }
        let hold = Hold {
            since: now,
            time: time.min(LONGEST),
        };
        self.owners.insert(owner, hold);
        is_new
    }
}

impl Hold {
    fn end(&self) -> Instant {
        self.since + self.time
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_check_is_held_back_for_longer_only_while_others_are_taken() {
        let (mut held, owner) = (Held::default(), Owner::of("a"));
        let start = Instant::now();
        let mut now = start;
        let mut hold = |held: &mut Held, is_up: bool| {
            if is_up {
                held.accepted(&[], now + Duration::from_secs(1));
            }
            now += Duration::from_secs(600);
            held.hold(owner, now);
            held.next(now).unwrap() - now
        };
        let down = [false; 3].map(|is_up| hold(&mut held, is_up).as_secs());
        let up = [true; 5].map(|is_up| hold(&mut held, is_up).as_secs());
        assert_eq!((down, up), ([30; 3], [60, 120, 240, 300, 300]));
        assert!(!held.has_all([], now) && held.has_all([owner], now));
    }

    #[tokio::test(start_paused = true)]
    async fn something_else_is_tried_after_three_failures_or_one_where_others_are_taken() {
        let mut held = Held::default();
        let now = Instant::now();
        let stamp = Stamp::at(UNIX_EPOCH);
        let tried: Vec<bool> = (0..6).map(|_| held.failed(stamp, &[], now)).collect();
        assert_eq!(tried, [false, false, true, false, false, true]);
        held.accepted(&[], now + FIRST);
        assert!(held.failed(stamp, &[], now + FIRST));
    }

    #[tokio::test(start_paused = true)]
    async fn not_many_checks_are_remembered() {
        let mut held = Held::default();
        let now = Instant::now();
        for number in 0..1_000 {
            held.hold(Owner::of(&number.to_string()), now);
        }
        assert_eq!(held.owners.len(), MAX_HELD);
    }
}
