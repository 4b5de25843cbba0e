//! The queue of a pool: whose claim is granted, waits or is refused, and which is next.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::PoolPermit;
use super::claim::Claim;
use super::fair_queue::UsageEvent;
use super::state::{Availability, HeldByCheck, HolderUnits, State};
use super::usage::UseResult;
use super::wait_queue::{PluginKey, Rank, Waiter};

/// The result of admitting a claim.
pub(super) enum Admission {
    Granted,
    Queued(Rank),
    Refused,
}

impl State {
    /// Grants the claim if it can be granted and no claim waits that comes first.
    pub(super) fn try_admit(&mut self, claim: &Claim) -> bool {
        let rank = self.rank(claim);
        let is_admitted = self.availability(claim) == Availability::Available && self.is_first(&rank);
        if is_admitted {
            self.allocate(claim);
        } else {
            self.record_refusal(claim, Instant::now());
        }
        is_admitted
    }

    /// Grants the claim, or queues it with `tx` as its waiter.
    pub(super) fn admit(&mut self, claim: &Claim, tx: oneshot::Sender<PoolPermit>) -> Admission {
        if self.waiting.is_empty() && self.availability(claim) == Availability::Available {
            self.allocate(claim);
            return Admission::Granted;
        }
        let now = Instant::now();
        // Units that only this holder holds can be released by no other.
        if self.used + claim.units > self.limits.capacity && self.held_by(&claim.holder) == self.used {
            self.record_refusal(claim, now);
            return Admission::Refused;
        }
        let rank = self.rank(claim);
        self.arrivals += 1;
        self.holding(claim).waiting += claim.units;
        self.record_use(claim, UsageEvent::Wait);
        let waiter = Waiter {
            claim: claim.clone(),
            wait: self.stats().begin_wait(self.wait_kind, now),
            tx,
        };
        self.waiting.insert(rank.clone(), waiter);
        if self.serve_one(&rank) {
            Admission::Granted
        } else {
            self.stats().waits += 1;
            Admission::Queued(rank)
        }
    }

    /// Grants a claim that was just queued if it is the first one that can be granted.
    fn serve_one(&mut self, rank: &Rank) -> bool {
        let availability = self
            .waiting
            .get(rank)
            .map(|waiter| self.availability(&waiter.claim));
        let serves = availability == Some(Availability::Available) && self.is_first(rank);
        if serves {
            self.grant(rank);
        }
        serves
    }

    /// Whether no claim before `rank` waits for anything but its holder's own share.
    fn is_first(&self, rank: &Rank) -> bool {
        let mut before = self.waiting.before(rank, |plugin| self.used_by(plugin));
        before.all(|waiter| self.availability(&waiter.claim) == Availability::OverShare)
    }

    /// Grants all claims that can be granted now, in order. Those that wait for their holder's own share are skipped;
    /// one that waits for the pool blocks those behind it, or a large claim would never be served.
    pub(super) fn serve(&mut self) -> Vec<Waiter> {
        let mut granted = Vec::new();
        for plugin in self.waiting.plugins(|plugin| self.used_by(plugin)) {
            let mut last = None;
            while let Some((rank, waiter)) = self.waiting.next(&plugin, last.as_ref()) {
                match self.availability(&waiter.claim) {
                    Availability::Available => granted.extend(self.grant(&rank)),
                    Availability::OverShare => {}
                    Availability::Full => return granted,
                }
                last = Some(rank);
            }
        }
        granted
    }

    fn grant(&mut self, rank: &Rank) -> Option<Waiter> {
        let waiter = self.waiting.remove(rank)?;
        self.stop_waiting(&waiter.claim);
        self.end_wait(waiter.wait);
        self.allocate(&waiter.claim);
        Some(waiter)
    }

    /// Removes a claim that no longer waits.
    pub(super) fn cancel_wait(&mut self, claim: &Claim, rank: &Rank, is_refusal: bool) {
        // It was granted at the same moment: the permit is dropped by its sender and comes back.
        let Some(waiter) = self.waiting.remove(rank) else {
            return;
        };
        self.stop_waiting(claim);
        self.end_wait(waiter.wait);
        if is_refusal {
            self.record_refusal(claim, Instant::now());
        }
    }

    /// Releases what was held for `time`.
    pub(super) fn release(&mut self, claim: &Claim, time: Duration, used: UseResult) {
        self.used = self.used.saturating_sub(claim.units);
        let holding = self.holding(claim);
        holding.units = holding.units.saturating_sub(claim.units);
        self.remove_if_idle(claim);
        self.record_use(claim, UsageEvent::Release(time, used));
        if let Some(check) = &claim.check
            && let Some(held) = self.checks.get_mut(check)
        {
            held.units = held.units.saturating_sub(claim.units);
            if held.units == 0 {
                self.checks.remove(check);
            }
        }
    }

    fn allocate(&mut self, claim: &Claim) {
        self.used += claim.units;
        self.holding(claim).units += claim.units;
        self.record_use(claim, UsageEvent::Hold);
        if let Some(check) = &claim.check {
            let nothing = || HeldByCheck {
                units: 0,
                since: Instant::now(),
            };
            self.checks.entry(check.clone()).or_insert_with(nothing).units += claim.units;
        }
    }

    fn stop_waiting(&mut self, claim: &Claim) {
        let holding = self.holding(claim);
        holding.waiting = holding.waiting.saturating_sub(claim.units);
        self.remove_if_idle(claim);
        self.record_use(claim, UsageEvent::StopWaiting);
    }

    pub(super) fn record_use(&mut self, claim: &Claim, event: UsageEvent) {
        if let Some(usage) = &mut self.usage {
            usage.record(claim, event);
        }
    }

    fn rank(&self, claim: &Claim) -> Rank {
        if let Some(at) = claim.scheduled_at {
            let turn = at.saturating_duration_since(self.began).as_micros();
            return Rank::new(None, u64::try_from(turn).unwrap_or(u64::MAX), self.arrivals);
        }
        let Some(usage) = &self.usage else {
            let holding = self.holders.get(&claim.holder).copied().unwrap_or_default();
            let before = if claim.is_host {
                0
            } else {
                holding.units + holding.waiting
            };
            return Rank::new(None, before, self.arrivals);
        };
        Rank::new(claim.plugin.clone(), usage.by_check(claim), self.arrivals)
    }

    /// The usage of a plugin, in a fair pool.
    pub(super) fn used_by(&self, plugin: &PluginKey) -> u64 {
        let usage = self.usage.as_ref().zip(plugin.as_ref());
        usage.map_or(0, |(usage, plugin)| usage.by_plugin(plugin))
    }

    fn holding(&mut self, claim: &Claim) -> &mut HolderUnits {
        self.holders.entry(Arc::clone(&claim.holder)).or_default()
    }

    fn remove_if_idle(&mut self, claim: &Claim) {
        let holding = self.holders.get(&claim.holder);
        if holding.is_some_and(|holding| holding.units == 0 && holding.waiting == 0) {
            self.holders.remove(&claim.holder);
        }
    }
}
