//! What waits for one notifier, and which of it goes when there is no room.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::Entry;
use crate::alert::notification::Event;
use crate::alert::report::{DropReason, NotifierReport};

/// Which one is to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::alert) enum Turn {
    /// The oldest of the check that had its last turn longest ago, so that one that flaps holds up no other.
    Fair,
    /// The same, of a check of which nothing was refused: what its receiver makes of that tells whether it takes none, or
    /// only not what it refused. Those of one check stay in their order.
    Unsuspected,
}

/// What waits for one notifier, oldest first.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) waiting: VecDeque<Entry>,
    /// The one that is being delivered.
    pub(super) under_way: Option<u64>,
    pub(super) report: NotifierReport,
    /// By the check's id.
    checks: HashMap<String, Held>,
    /// How many of an alert wait.
    alerts: HashMap<String, usize>,
    /// Checks that have something to make room with, by the bytes of all that they have.
    ranks: BTreeSet<(usize, String)>,
    bytes: usize,
    /// How many are for some of the receivers only, and how many were refused: mostly none, which need not be looked for.
    rests: usize,
    refused: usize,
    /// Turns that checks have had.
    turns: u64,
}

/// What one check has waiting.
#[derive(Debug, Default)]
struct Held {
    count: usize,
    bytes: usize,
    /// How many of them are not the last of their alert.
    overtaken: usize,
    /// Which one of all turns was its last since something of it waits; 0 for none.
    turn: u64,
}

impl Row {
    pub(super) fn new(kind: &'static str) -> Self {
        Self {
            waiting: VecDeque::new(),
            under_way: None,
            report: NotifierReport::new(kind),
            checks: HashMap::new(),
            alerts: HashMap::new(),
            ranks: BTreeSet::new(),
            bytes: 0,
            rests: 0,
            refused: 0,
            turns: 0,
        }
    }

    /// Bytes of all that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, entry: Entry) {
        let of_alert = self.alerts.entry(entry.notification.alert.clone()).or_default();
        *of_alert += 1;
        let overtakes = usize::from(*of_alert > 1);
        self.bytes += entry.bytes;
        self.rests += usize::from(!entry.only.is_empty());
        self.change(&entry.notification.check.id, |held| {
            held.count += 1;
            held.bytes += entry.bytes;
            held.overtaken += overtakes;
        });
        self.waiting.push_back(entry);
    }

    /// The one whose turn it is, if it was released.
    pub(super) fn next(&mut self, turn: Turn, released: u64) -> Option<Entry> {
        let now = Instant::now();
        let suspected = match turn {
            Turn::Fair => HashSet::new(),
            Turn::Unsuspected => self.suspected(),
        };
        let due = self.waiting.iter().filter(|entry| {
            let is_due = entry.not_before.is_none_or(|moment| moment <= now);
            is_due && entry.number < released && !suspected.contains(check(entry))
        });
        let entry = self.fairest(due)?.clone();
        self.under_way = Some(entry.number);
        Some(entry)
    }

    /// The first of the check that had its last turn longest ago.
    fn fairest<'a>(&self, due: impl Iterator<Item = &'a Entry>) -> Option<&'a Entry> {
        let mut fairest: Option<(u64, &Entry)> = None;
        for entry in due {
            let turn = self.checks.get(check(entry)).map_or(0, |held| held.turn);
            if turn == 0 {
                return Some(entry);
            }
            if fairest.is_none_or(|(least, _)| turn < least) {
                fairest = Some((turn, entry));
            }
        }
        fairest.map(|(_, entry)| entry)
    }

    /// Checks of which something was refused.
    fn suspected(&self) -> HashSet<&str> {
        let refused = self.waiting.iter().filter(|entry| entry.refused.is_some());
        refused.take(self.refused).map(check).collect()
    }

    /// How long the oldest has waited in this process of those that are not left alone on purpose.
    pub(super) fn late(&self) -> Option<Duration> {
        let oldest = self.waiting.iter().find(|entry| entry.only.is_empty())?;
        Some(oldest.taken.elapsed())
    }

    /// When the next one is due of those that are left alone until a moment.
    pub(super) fn due(&self) -> Option<Instant> {
        let rests = self.waiting.iter().filter_map(|entry| entry.not_before);
        rests.take(self.rests).min()
    }

    /// Takes out the one that was delivered, or is given up.
    pub(super) fn conclude(&mut self) -> Option<Entry> {
        let number = self.under_way.take()?;
        let entry = self.remove(self.place(number)?)?;
        self.turns += 1;
        if let Some(held) = self.checks.get_mut(check(&entry)) {
            held.turn = self.turns;
        }
        Some(entry)
    }

    /// Takes out what has waited for too long. All but the rests are in the order in which they began to wait.
    pub(super) fn remove_old(&mut self, is_old: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let mut gone = Vec::new();
        while self.waiting.front().is_some_and(&is_old) {
            gone.extend(self.remove(0));
        }
        if self.rests > 0 {
            gone.extend(self.remove_where(|entry| !entry.only.is_empty() && is_old(entry)));
        }
        gone
    }

    fn remove_where(&mut self, goes: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let mut gone = Vec::new();
        while let Some(place) = self.waiting.iter().position(&goes) {
            gone.extend(self.remove(place));
        }
        gone
    }

    /// The receiver refused the one under way. Says whether it is given up: the receiver has taken something since it
    /// refused this one for the first time.
    pub(super) fn refuse(&mut self) -> bool {
        let delivered = self.report.delivered;
        let place = self.under_way.and_then(|number| self.place(number));
        let Some(entry) = place.and_then(|place| self.waiting.get_mut(place)) else {
            return false;
        };
        self.refused += usize::from(entry.refused.is_none());
        let before = *entry.refused.get_or_insert(delivered);
        let is_given_up = delivered > before;
        if !is_given_up {
            self.under_way = None;
        }
        is_given_up
    }

    fn place(&self, number: u64) -> Option<usize> {
        self.waiting.iter().position(|entry| entry.number == number)
    }

    fn is_under_way(&self, entry: &Entry) -> bool {
        self.under_way == Some(entry.number)
    }

    /// Drops what makes room best, and says what that was; nothing if all that there is is on its way.
    pub(super) fn make_room(&mut self) -> Vec<Entry> {
        // What is on its way may be the only one that its check could do without.
        let heaviest = self.ranks.iter().rev().map(|(_, check)| check.as_str());
        let overtaken = heaviest.take(2).find_map(|check| self.overtaken(check));
        let dropped = match overtaken {
            Some((place, next)) => self.drop_overtaken(place, next),
            None => {
                let mut waiting = self.waiting.iter();
                let place = waiting.position(|entry| !self.is_under_way(entry));
                Vec::from_iter(place.and_then(|place| self.remove(place)))
            }
        };
        for _ in &dropped {
            self.report.lose(DropReason::Full);
        }
        dropped
    }

    /// Drops a notification that the next of its alert overtook; and that one as well, if it says that an alert is over
    /// of which nobody has heard.
    fn drop_overtaken(&mut self, place: usize, next: usize) -> Vec<Entry> {
        let is_first = self.waiting.get(place).is_some_and(|entry| entry.is_first);
        let mut dropped = Vec::new();
        if is_first && self.inherits(next) {
            dropped.extend(self.remove(next));
        }
        dropped.extend(self.remove(place));
        dropped
    }

    /// The place of the oldest of a check that is neither on its way nor the last of its alert, and of the next of that
    /// alert.
    fn overtaken(&self, check: &str) -> Option<(usize, usize)> {
        let waiting = self.waiting.iter().enumerate();
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let is_meant = |entry: &Entry| entry.notification.check.id == check && !self.is_under_way(entry);
        for (place, entry) in waiting.filter(|(_, entry)| is_meant(entry)) {
            let alert = entry.notification.alert.as_str();
            if let Some(before) = seen.insert(alert, place) {
                return Some((before, place));
            }
        }
        None
    }

    /// Makes an entry the first that its receiver hears of its alert; true if there is nothing to hear any more.
    fn inherits(&mut self, place: usize) -> bool {
        let Some(entry) = self.waiting.get_mut(place) else {
            return false;
        };
        entry.is_first = true;
        entry.notification.event == Event::Resolved
    }

    fn remove(&mut self, place: usize) -> Option<Entry> {
        let entry = self.waiting.remove(place)?;
        self.bytes = self.bytes.saturating_sub(entry.bytes);
        self.rests -= usize::from(!entry.only.is_empty());
        self.refused -= usize::from(entry.refused.is_some());
        let alert = &entry.notification.alert;
        let left = self.alerts.get_mut(alert).map(|count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == Some(0) {
            self.alerts.remove(alert);
        }
        let was_overtaken = usize::from(left.is_some_and(|left| left > 0));
        self.change(&entry.notification.check.id, |held| {
            held.count = held.count.saturating_sub(1);
            held.bytes = held.bytes.saturating_sub(entry.bytes);
            held.overtaken = held.overtaken.saturating_sub(was_overtaken);
        });
        Some(entry)
    }

    fn change(&mut self, check: &str, change: impl FnOnce(&mut Held)) {
        let held = self.checks.entry(check.to_owned()).or_default();
        self.ranks.remove(&(held.bytes, check.to_owned()));
        change(held);
        if held.overtaken > 0 {
            self.ranks.insert((held.bytes, check.to_owned()));
        }
        if held.count == 0 {
            self.checks.remove(check);
        }
    }
}

fn check(entry: &Entry) -> &str {
    &entry.notification.check.id
}
