//! Owners whose data is deferred, because requests with it fail with a retryable error, so that the data of others is
//! sent first.
//!
//! A failing request looks the same whether the collector is down or cannot process the data of one check. So after a
//! few consecutive failures, and at the pace of the normal backoff, the request is split in halves (as after a
//! refusal), and data of a single check is sent only after the data of all others.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::request_id::RequestId;
use super::share::Owner;
use super::split::Item;
use canary_system::backoff::Policy;

/// Consecutive failures of a request before it is split or deferred, while no other request is known to succeed.
const MAX_TRIES: u32 = 3;
/// How long data is deferred; doubles with each failure while data of others is accepted.
const DEFERRAL: Policy = Policy::new(Duration::from_secs(30), Duration::from_secs(5 * 60));
/// Maximum number of deferred checks; beyond it, the one whose retry is due next is removed.
const MAX_DEFERRED: usize = 64;

/// The checks whose data is deferred, and the request that is failing.
#[derive(Debug, Default)]
pub(super) struct DeferredOwners {
    owners: HashMap<Owner, Deferral>,
    failing: Option<Failing>,
    /// When any request was last accepted.
    accepted: Option<Instant>,
}

#[derive(Debug)]
struct Deferral {
    since: Instant,
    /// Number of deferrals in a row, which determines the time.
    count: u32,
}

/// A failing request.
#[derive(Debug)]
struct Failing {
    id: RequestId,
    /// Consecutive failures since it was last split or deferred.
    failures: u32,
    since: Instant,
}

impl DeferredOwners {
    /// Whether no data is deferred, nor was recently.
    pub(super) fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Removes owners whose deferral ended long ago and whose data was not sent since.
    pub(super) fn remove_expired(&mut self, now: Instant) {
        self.owners
            .retain(|_, deferral| now < deferral.end() + DEFERRAL.max());
    }

    /// Whether the data of an owner is deferred, or is being retried after a deferral.
    pub(super) fn contains(&self, owner: Owner) -> bool {
        self.owners.contains_key(&owner)
    }

    /// Whether the data of all these owners is deferred now; false for an empty list.
    pub(super) fn contains_all(&self, owners: impl IntoIterator<Item = Owner>, now: Instant) -> bool {
        let mut owners = owners.into_iter().peekable();
        owners.peek().is_some()
            && owners.all(|owner| {
                self.owners
                    .get(&owner)
                    .is_some_and(|deferral| now < deferral.end())
            })
    }

    /// When the next deferral ends.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        self.owners
            .values()
            .map(Deferral::end)
            .filter(|end| *end > now)
            .min()
    }

    /// Records that a piece with these items was accepted.
    pub(super) fn accepted(&mut self, items: &[Item], now: Instant) {
        self.accepted = Some(now);
        for item in items {
            self.owners.remove(&item.owner);
        }
    }

    /// Records that a piece of a request failed; returns true if it should be split or deferred.
    pub(super) fn failed(&mut self, id: RequestId, items: &[Item], now: Instant) -> bool {
        let accepted = self.accepted;
        let is_on_trial = !items.is_empty() && items.iter().all(|item| self.contains(item.owner));
        let failing = self.failing.take().filter(|failing| failing.id == id);
        let mut failing = failing.unwrap_or(Failing {
            id,
            failures: 0,
            since: now,
        });
        failing.failures += 1;
        let is_up = accepted.is_some_and(|accepted| accepted > failing.since);
        let is_stuck = is_up || is_on_trial || failing.failures >= MAX_TRIES;
        if is_stuck {
            failing.failures = 0;
        }
        self.failing = Some(failing);
        is_stuck
    }

    /// Defers the data of an owner; returns true if it was not deferred before.
    pub(super) fn defer(&mut self, owner: Owner, now: Instant) -> bool {
        let before = self.owners.remove(&owner);
        let is_new = before.is_none();
        let count = match before {
            // Only if data of others was accepted is it known that the collector is up.
            Some(before) if self.accepted.is_some_and(|accepted| accepted > before.since) => {
                before.count.saturating_add(1)
            }
            _ => 1,
        };
        if self.owners.len() >= MAX_DEFERRED {
            let next = self.owners.iter().min_by_key(|(_, deferral)| deferral.end());
            if let Some(next) = next.map(|(owner, _)| *owner) {
                self.owners.remove(&next);
            }
        }
        self.owners.insert(owner, Deferral { since: now, count });
        is_new
    }
}

impl Deferral {
    fn end(&self) -> Instant {
        self.since + DEFERRAL.wait(self.count)
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_check_is_held_back_for_longer_only_while_others_are_taken() {
        let (mut deferred, owner) = (DeferredOwners::default(), Owner::of_check("a"));
        let start = Instant::now();
        let mut now = start;
        let mut hold = |deferred: &mut DeferredOwners, is_up: bool| {
            if is_up {
                deferred.accepted(&[], now + Duration::from_secs(1));
            }
            now += Duration::from_secs(600);
            deferred.defer(owner, now);
            deferred.next(now).unwrap() - now
        };
        let down = [false; 3].map(|is_up| hold(&mut deferred, is_up).as_secs());
        let up = [true; 5].map(|is_up| hold(&mut deferred, is_up).as_secs());
        assert_eq!((down, up), ([30; 3], [60, 120, 240, 300, 300]));
        assert!(!deferred.contains_all([], now) && deferred.contains_all([owner], now));
    }

    #[tokio::test(start_paused = true)]
    async fn something_else_is_tried_after_three_failures_or_one_where_others_are_taken() {
        let mut deferred = DeferredOwners::default();
        let now = Instant::now();
        let id = RequestId::from_wall_clock(UNIX_EPOCH);
        let tried: Vec<bool> = (0..6).map(|_| deferred.failed(id, &[], now)).collect();
        assert_eq!(tried, [false, false, true, false, false, true]);
        deferred.accepted(&[], now + DEFERRAL.wait(1));
        assert!(deferred.failed(id, &[], now + DEFERRAL.wait(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_is_held_back_until_its_time_is_over_and_forgotten_long_after_that() {
        let (mut deferred, now) = (DeferredOwners::default(), Instant::now());
        let [a, b] = ["a", "b"].map(Owner::of_check);
        assert!(deferred.is_empty());
        assert!(deferred.defer(a, now));
        assert!(!deferred.defer(a, now), "it was deferred before");
        assert!(deferred.contains(a) && !deferred.contains(b) && !deferred.is_empty());
        assert!(!deferred.contains_all([a, b], now));
        let end = now + DEFERRAL.wait(1);
        let just_before = end - Duration::from_nanos(1);
        assert!(deferred.contains_all([a], just_before) && !deferred.contains_all([a], end));
        assert_eq!(
            (deferred.next(just_before), deferred.next(end)),
            (Some(end), None)
        );
        let forgotten = end + DEFERRAL.max();
        deferred.remove_expired(forgotten - Duration::from_nanos(1));
        assert!(deferred.contains(a), "it is on trial");
        deferred.remove_expired(forgotten);
        assert!(deferred.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn one_failure_of_checks_on_trial_is_enough_if_there_is_no_other_in_the_request() {
        let (mut deferred, now) = (DeferredOwners::default(), Instant::now());
        let [a, b] = ["a", "b"].map(|check| Item::of(Owner::of_check(check)));
        deferred.defer(a.owner, now);
        let first = RequestId::from_wall_clock(UNIX_EPOCH);
        let second = first.next_part(Some(first));
        assert!(deferred.failed(first, std::slice::from_ref(&a), now));
        // Failures of another request are counted anew.
        assert!(!deferred.failed(second, &[a.clone(), b.clone()], now));
        assert!(!deferred.failed(first, std::slice::from_ref(&b), now));
        assert!(!deferred.failed(second, &[b], now));
        deferred.accepted(std::slice::from_ref(&a), now);
        assert!(deferred.is_empty(), "it was accepted");
    }

    #[tokio::test(start_paused = true)]
    async fn not_many_checks_are_remembered() {
        let mut deferred = DeferredOwners::default();
        let now = Instant::now();
        for number in 0..1_000 {
            deferred.defer(Owner::of_check(&number.to_string()), now);
        }
        assert_eq!(deferred.owners.len(), MAX_DEFERRED);
    }
}
