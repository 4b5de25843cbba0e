//! Whose turn it is in a pool by use: first the plugin's whose checks have used least, and of its checks the one's that
//! has used least.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::claim::Claim;
use super::queue::{Room, State};
use super::usage::{Usage, Used};
use crate::suite::CheckId;

/// Waiting claims that are looked at, from the first on, for one that holders should make room for.
const LOOKED_AT: usize = 32;

/// What was used, by plugin and by check.
#[derive(Debug, Default)]
pub(super) struct ByUse {
    plugins: Usage<Arc<str>>,
    checks: Usage<CheckId>,
    /// Claims of the checks that hold units, with these.
    held: HashMap<CheckId, Claim>,
}

/// What happens to a claim.
#[derive(Debug, Clone, Copy)]
pub(super) enum Note {
    Wait,
    StopWaiting,
    Hold,
    /// After so long.
    GiveBack(Duration, Used),
    /// After it was given back, which was so long after it was taken.
    TurnsOutWell(Duration),
}

impl ByUse {
    /// What counts as used by a plugin, in microseconds.
    pub(super) fn by_plugin(&self, plugin: &Arc<str>) -> u64 {
        self.plugins.of(plugin, Instant::now())
    }

    /// What counts as used by the check of a claim that comes now, in microseconds; nothing for the host.
    pub(super) fn by_check(&self, claim: &Claim) -> u64 {
        let check = claim.check.as_ref().filter(|_| !claim.is_host);
        check.map_or(0, |check| self.checks.with_advance(check, Instant::now()))
    }

    /// What counts as used by the plugin and by the check of a claim that waits or is granted.
    fn of(&self, claim: &Claim) -> (u64, u64) {
        let check = claim.check.as_ref().filter(|_| !claim.is_host);
        (
            claim.plugin.as_ref().map_or(0, |plugin| self.by_plugin(plugin)),
            check.map_or(0, |check| self.checks.of(check, Instant::now())),
        )
    }

    pub(super) fn note(&mut self, claim: &Claim, note: Note) {
        let (units, now) = (claim.units, Instant::now());
        if let Some(plugin) = &claim.plugin {
            note.on(&mut self.plugins, plugin, units, now);
        }
        if let Some(check) = &claim.check {
            note.on(&mut self.checks, check, units, now);
            match note {
                Note::Hold => self.hold(check, claim),
                Note::GiveBack(..) => self.give_back(check, units),
                Note::Wait | Note::StopWaiting | Note::TurnsOutWell(_) => {}
            }
        }
    }

    fn hold(&mut self, check: &CheckId, claim: &Claim) {
        let nothing = || claim.clone().units(0);
        self.held.entry(check.clone()).or_insert_with(nothing).units += claim.units;
    }

    fn give_back(&mut self, check: &CheckId, units: u64) {
        if let Some(held) = self.held.get_mut(check) {
            held.units = held.units.saturating_sub(units);
            if held.units == 0 {
                self.held.remove(check);
            }
        }
    }

    /// Units of checks that have used more.
    fn held_after(&self, own: (u64, u64)) -> u64 {
        let after = self.held.values().filter(|held| self.of(held) > own);
        after.map(|held| held.units).sum()
    }
}

impl Note {
    fn on<K: Clone + Eq + Hash>(self, usage: &mut Usage<K>, user: &K, units: u64, now: Instant) {
        match self {
            Self::Wait => usage.wait(user, units, now),
            Self::StopWaiting => usage.stop_waiting(user, units, now),
            Self::Hold => usage.hold(user, units, now),
            Self::TurnsOutWell(time) => usage.turns_out_well(user, units, time, now),
            Self::GiveBack(time, used) => usage.give_back(user, units, (time, used), now),
        }
    }
}

impl State {
    pub(super) fn used_lately(&self, claim: &Claim) -> Duration {
        let known = self.usage.as_ref().zip(claim.check.as_ref());
        known.map_or(Duration::ZERO, |(usage, check)| {
            usage.checks.in_vain(check, Instant::now())
        })
    }

    /// Whether the holder of a unit of `claim` should make room: more wait who come far before it than hold units who
    /// come after it.
    pub(super) fn should_give_way(&self, claim: &Claim) -> bool {
        let Some(usage) = &self.usage else { return false };
        let own = usage.of(claim);
        let is_far_before = |waiter: &Claim| {
            let (plugin, check) = usage.of(waiter);
            plugin < own.0 / 2 || waiter.plugin == claim.plugin && check < own.1 / 2
        };
        let first = self
            .waiting
            .in_order(|plugin| self.used_by(plugin))
            .take(LOOKED_AT);
        let first = first.map(|waiter| &waiter.claim);
        let wait = first.filter(|waiter| is_far_before(waiter) && self.room(waiter) == Room::Full);
        let wait = wait.map(|waiter| waiter.units).sum::<u64>();
        wait > 0 && wait > usage.held_after(own)
    }
}
