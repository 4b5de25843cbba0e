//! The order of a fair pool: first the plugin whose checks have used least, and of its checks the one that has used
//! least.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::claim::Claim;
use super::usage::{RecentUsage, UseResult};
use canary_suite::CheckId;

/// Usage by plugin and by check.
#[derive(Debug, Default)]
pub(super) struct FairOrder {
    plugins: RecentUsage<Arc<str>>,
    checks: RecentUsage<CheckId>,
    /// The claims of checks that hold units, each with the number of units it holds.
    held: HashMap<CheckId, Claim>,
}

/// An event of a claim that changes usage.
#[derive(Debug, Clone, Copy)]
pub(super) enum UsageEvent {
    Wait,
    StopWaiting,
    Hold,
    /// After being held for so long.
    Release(Duration, UseResult),
    /// After it was released, when it had been held for so long.
    MarkProductive(Duration),
}

impl FairOrder {
    /// The usage of a plugin, in microseconds.
    pub(super) fn by_plugin(&self, plugin: &Arc<str>) -> u64 {
        self.plugins.charged(plugin, Instant::now())
    }

    /// The usage of the check of a new claim, in microseconds; zero for the host.
    pub(super) fn by_check(&self, claim: &Claim) -> u64 {
        let check = claim.check.as_ref().filter(|_| !claim.is_host);
        check.map_or(0, |check| self.checks.with_advance(check, Instant::now()))
    }

    /// The recent unproductive usage of a check.
    pub(super) fn unproductive(&self, check: &CheckId) -> Duration {
        self.checks.unproductive(check, Instant::now())
    }

    /// The usage of the plugin and of the check of a claim that waits or holds units.
    pub(super) fn charged(&self, claim: &Claim) -> (u64, u64) {
        let check = claim.check.as_ref().filter(|_| !claim.is_host);
        (
            claim.plugin.as_ref().map_or(0, |plugin| self.by_plugin(plugin)),
            check.map_or(0, |check| self.checks.charged(check, Instant::now())),
        )
    }

    pub(super) fn record(&mut self, claim: &Claim, event: UsageEvent) {
        let (units, now) = (claim.units, Instant::now());
        if let Some(plugin) = &claim.plugin {
            event.apply_to(&mut self.plugins, plugin, units, now);
        }
        if let Some(check) = &claim.check {
            event.apply_to(&mut self.checks, check, units, now);
            match event {
                UsageEvent::Hold => self.hold(check, claim),
                UsageEvent::Release(..) => self.release(check, units),
                UsageEvent::Wait | UsageEvent::StopWaiting | UsageEvent::MarkProductive(_) => {}
            }
        }
    }

    fn hold(&mut self, check: &CheckId, claim: &Claim) {
        let nothing = || claim.clone().units(0);
        self.held.entry(check.clone()).or_insert_with(nothing).units += claim.units;
    }

    fn release(&mut self, check: &CheckId, units: u64) {
        if let Some(held) = self.held.get_mut(check) {
            held.units = held.units.saturating_sub(units);
            if held.units == 0 {
                self.held.remove(check);
            }
        }
    }

    /// Units held by checks that have used more.
    pub(super) fn held_after(&self, own: (u64, u64)) -> u64 {
        let after = self.held.values().filter(|held| self.charged(held) > own);
        after.map(|held| held.units).sum()
    }
}

impl UsageEvent {
    fn apply_to<K: Clone + Eq + Hash>(self, usage: &mut RecentUsage<K>, user: &K, units: u64, now: Instant) {
        match self {
            Self::Wait => usage.wait(user, units, now),
            Self::StopWaiting => usage.stop_waiting(user, units, now),
            Self::Hold => usage.hold(user, units, now),
            Self::MarkProductive(time) => usage.mark_productive(user, units, time, now),
            Self::Release(time, used) => usage.release(user, units, (time, used), now),
        }
    }
}
