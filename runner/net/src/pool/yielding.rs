//! When the holder of a unit of a fair pool gives way to claims that wait.

use std::time::Duration;

use super::claim::Claim;
use super::state::{Availability, State};

/// Waiting claims that are considered, from the first on, when deciding whether a holder should yield.
const MAX_WAITERS: usize = 32;

impl State {
    pub(super) fn recent_usage(&self, claim: &Claim) -> Duration {
        let known = self.usage.as_ref().zip(claim.check.as_ref());
        known.map_or(Duration::ZERO, |(usage, check)| usage.unproductive(check))
    }

    /// Whether the holder of a unit of `claim` should release it: more units are waited for by claims that come far
    /// before it than are held by claims that come after it.
    pub(super) fn should_yield(&self, claim: &Claim) -> bool {
        let Some(usage) = &self.usage else { return false };
        let own = usage.charged(claim);
        let is_far_before = |waiter: &Claim| {
            let (plugin, check) = usage.charged(waiter);
            plugin < own.0 / 2 || waiter.plugin == claim.plugin && check < own.1 / 2
        };
        let first = self
            .waiting
            .in_order(|plugin| self.used_by(plugin))
            .take(MAX_WAITERS);
        let first = first.map(|waiter| &waiter.claim);
        let wait =
            first.filter(|waiter| is_far_before(waiter) && self.availability(waiter) == Availability::Full);
        let wait = wait.map(|waiter| waiter.units).sum::<u64>();
        wait > 0 && wait > usage.held_after(own)
    }
}
