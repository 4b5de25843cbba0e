//! Who has what of a pool, and who is next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Place;
use super::claim::Claim;
use super::reading::{Record, WaitKind};
use super::turns::{ByUse, Note};
use super::usage::Used;
use super::waiting::{Plugin, Rank, Waiter, Waiting};
use crate::suite::CheckId;

/// How much there is, and how much of it one holder may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Units that may be taken at once.
    pub capacity: u64,
    /// Units that one holder may have at once.
    pub share: u64,
    /// The last units of the capacity, which only holders of nothing may take.
    pub reserved: u64,
}

impl Limits {
    /// Everybody may have everything.
    #[must_use]
    pub fn of(capacity: u64) -> Self {
        Self {
            capacity,
            share: capacity,
            reserved: 0,
        }
    }

    /// One holder may have `share` units, and a quarter of the capacity is for holders of nothing.
    #[must_use]
    pub fn shared(capacity: u64, share: u64) -> Self {
        Self {
            capacity,
            share,
            reserved: capacity / 4,
        }
    }
}

/// What became of a claim.
pub(super) enum Entered {
    Now,
    Waits(Rank),
    Refused,
}

/// Whether there is room for a claim.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Enough,
    /// Its holder has too much.
    OverShare,
    /// All of them together have too much.
    Full,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Holding {
    pub(super) units: u64,
    waiting: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct HeldByCheck {
    pub(super) units: u64,
    pub(super) since: Instant,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) limits: Limits,
    used: u64,
    pub(super) holders: HashMap<Arc<str>, Holding>,
    pub(super) checks: HashMap<CheckId, HeldByCheck>,
    pub(super) waiting: Waiting,
    arrivals: u64,
    /// For a pool that serves those first who have used least.
    pub(super) usage: Option<ByUse>,
    /// Turns are measured from here.
    pub(super) began: Instant,
    /// What to make of a wait here.
    pub(super) wait_kind: WaitKind,
    /// Shared with the parts of this pool. Locked after the state.
    pub(super) record: Arc<Mutex<Record>>,
}

impl State {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            used: 0,
            holders: HashMap::new(),
            checks: HashMap::new(),
            waiting: Waiting::default(),
            arrivals: 0,
            usage: None,
            began: Instant::now(),
            wait_kind: WaitKind::Shortage,
            record: Arc::default(),
        }
    }

    /// A part of the pool of this state.
    pub(super) fn part(&self, limits: Limits, wait_kind: WaitKind) -> Self {
        Self {
            began: self.began,
            wait_kind,
            record: Arc::clone(&self.record),
            ..Self::new(limits)
        }
    }

    /// Serves those first whose check has used least.
    pub(super) fn by_use(limits: Limits) -> Self {
        Self {
            usage: Some(ByUse::default()),
            ..Self::new(limits)
        }
    }

    pub(super) fn used(&self) -> u64 {
        self.used
    }

    pub(super) fn held_by(&self, holder: &str) -> u64 {
        self.holders.get(holder).map_or(0, |holding| holding.units)
    }

    /// Enters the claim when there is room, and nobody waits who comes first.
    pub(super) fn try_enter(&mut self, claim: &Claim) -> bool {
        let rank = self.rank(claim);
        let enters = self.room(claim) == Room::Enough && self.is_first(&rank);
        match enters {
            true => self.take(claim),
            false => self.note_refusal(claim, Instant::now()),
        }
        enters
    }

    /// Enters the claim, or has it wait for `tx`.
    pub(super) fn enter(&mut self, claim: &Claim, tx: oneshot::Sender<Place>) -> Entered {
        if self.waiting.is_empty() && self.room(claim) == Room::Enough {
            self.take(claim);
            return Entered::Now;
        }
        let now = Instant::now();
        // What nobody else has nobody else gives back.
        if self.used + claim.units > self.limits.capacity && self.held_by(&claim.holder) == self.used {
            self.note_refusal(claim, now);
            return Entered::Refused;
        }
        let rank = self.rank(claim);
        self.arrivals += 1;
        self.holding(claim).waiting += claim.units;
        self.note_use(claim, Note::Wait);
        let waiter = Waiter {
            claim: claim.clone(),
            wait: self.record().begin_wait(self.wait_kind, now),
            tx,
        };
        self.waiting.insert(rank.clone(), waiter);
        match self.serve_one(&rank) {
            true => Entered::Now,
            false => {
                self.record().waits += 1;
                Entered::Waits(rank)
            }
        }
    }

    /// The claim that just came may be the first for which there is room.
    fn serve_one(&mut self, rank: &Rank) -> bool {
        let has_room = self.waiting.get(rank).map(|waiter| self.room(&waiter.claim));
        let serves = has_room == Some(Room::Enough) && self.is_first(rank);
        if serves {
            self.grant(rank);
        }
        serves
    }

    /// Whether nobody waits before `rank` but for the holder's own share.
    fn is_first(&self, rank: &Rank) -> bool {
        let mut before = self.waiting.before(rank, |plugin| self.used_by(plugin));
        before.all(|waiter| self.room(&waiter.claim) == Room::OverShare)
    }

    /// Everybody for whom there is room now, in order. Whoever waits for the holder's own share is passed over;
    /// whoever waits for the pool holds up those behind, or a large claim would never have its turn.
    pub(super) fn serve(&mut self) -> Vec<Waiter> {
        let mut granted = Vec::new();
        for plugin in self.waiting.plugins(|plugin| self.used_by(plugin)) {
            let mut last = None;
            while let Some((rank, waiter)) = self.waiting.next(&plugin, last.as_ref()) {
                match self.room(&waiter.claim) {
                    Room::Enough => granted.extend(self.grant(&rank)),
                    Room::OverShare => {}
                    Room::Full => return granted,
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
        self.take(&waiter.claim);
        Some(waiter)
    }

    /// Takes a claim out that waits no longer.
    pub(super) fn give_up(&mut self, claim: &Claim, rank: &Rank, is_refusal: bool) {
        // It was granted in the same moment: the place finds nobody, and comes back.
        let Some(waiter) = self.waiting.remove(rank) else {
            return;
        };
        self.stop_waiting(claim);
        self.end_wait(waiter.wait);
        if is_refusal {
            self.note_refusal(claim, Instant::now());
        }
    }

    /// Gives back what was held for `time`.
    pub(super) fn leave(&mut self, claim: &Claim, time: Duration, used: Used) {
        self.used = self.used.saturating_sub(claim.units);
        let holding = self.holding(claim);
        holding.units = holding.units.saturating_sub(claim.units);
        self.forget_if_idle(claim);
        self.note_use(claim, Note::GiveBack(time, used));
        if let Some(check) = &claim.check
            && let Some(held) = self.checks.get_mut(check)
        {
            held.units = held.units.saturating_sub(claim.units);
            if held.units == 0 {
                self.checks.remove(check);
            }
        }
    }

    fn take(&mut self, claim: &Claim) {
        self.used += claim.units;
        self.holding(claim).units += claim.units;
        self.note_use(claim, Note::Hold);
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
        self.forget_if_idle(claim);
        self.note_use(claim, Note::StopWaiting);
    }

    pub(super) fn note_use(&mut self, claim: &Claim, note: Note) {
        if let Some(usage) = &mut self.usage {
            usage.note(claim, note);
        }
    }

    pub(super) fn room(&self, claim: &Claim) -> Room {
        let Limits {
            capacity,
            share,
            reserved,
        } = self.limits;
        let wanted = self.used + claim.units;
        if claim.is_host {
            return if wanted > capacity {
                Room::Full
            } else {
                Room::Enough
            };
        }
        let held = self.held_by(&claim.holder);
        let kept_back = if held > 0 { reserved } else { 0 };
        match held + claim.units {
            units if units > share.min(claim.share) => Room::OverShare,
            _ if wanted > capacity.saturating_sub(kept_back) => Room::Full,
            _ => Room::Enough,
        }
    }

    fn rank(&self, claim: &Claim) -> Rank {
        if let Some(at) = claim.turn {
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

    /// In a pool by use, what counts as used by a plugin.
    pub(super) fn used_by(&self, plugin: &Plugin) -> u64 {
        let usage = self.usage.as_ref().zip(plugin.as_ref());
        usage.map_or(0, |(usage, plugin)| usage.by_plugin(plugin))
    }

    fn holding(&mut self, claim: &Claim) -> &mut Holding {
        self.holders.entry(Arc::clone(&claim.holder)).or_default()
    }

    fn forget_if_idle(&mut self, claim: &Claim) {
        let holding = self.holders.get(&claim.holder);
        if holding.is_some_and(|holding| holding.units == 0 && holding.waiting == 0) {
            self.holders.remove(&claim.holder);
        }
    }
}
