//! What waits for one notifier, and which of it goes when there is no room.

use std::collections::{BTreeSet, HashMap, VecDeque};

use tokio::time::Instant;

use super::Entry;
use super::turns::is_apart;
use crate::alert::notification::Event;
use crate::alert::report::{DropReason, NotifierReport};

/// What waits for one notifier, oldest first.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) waiting: VecDeque<Entry>,
    /// The one that is being delivered.
    pub(super) under_way: Option<u64>,
    pub(super) report: NotifierReport,
    /// How often the receiver took something, be it for some of those whom it was for.
    pub(super) taken: u64,
    /// By the check's id.
    pub(super) checks: HashMap<String, Held>,
    /// How many of an alert wait.
    alerts: HashMap<String, usize>,
    /// Checks that have something to make room with, by the bytes of all that they have.
    ranks: BTreeSet<(usize, String)>,
    bytes: usize,
    /// How many are left alone, or for some of the receivers only: mostly none, which need not be looked for.
    pub(super) apart: usize,
    /// Turns that checks have had.
    pub(super) turns: u64,
}

/// What one check has waiting.
#[derive(Debug, Default)]
pub(super) struct Held {
    count: usize,
    bytes: usize,
    /// How many of them are not the last of their alert.
    overtaken: usize,
    /// Which one of all turns was its last since something of it waits; 0 for none.
    pub(super) turn: u64,
    /// When something of it was last delivered or given up, since something of it waits.
    pub(super) concluded: Option<Instant>,
}

impl Row {
    pub(super) fn new(kind: &'static str) -> Self {
        Self {
            waiting: VecDeque::new(),
            under_way: None,
            report: NotifierReport::new(kind),
            taken: 0,
            checks: HashMap::new(),
            alerts: HashMap::new(),
            ranks: BTreeSet::new(),
            bytes: 0,
            apart: 0,
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
        self.apart += usize::from(is_apart(&entry));
        self.change(&entry.notification.check.id, |held| {
            held.count += 1;
            held.bytes += entry.bytes;
            held.overtaken += overtakes;
        });
        self.waiting.push_back(entry);
    }

    /// Takes out the one that was delivered, or is given up.
    pub(super) fn conclude(&mut self) -> Option<Entry> {
        let number = self.under_way.take()?;
        let entry = self.remove(self.place(number)?)?;
        self.end_turn(check(&entry));
        if let Some(held) = self.checks.get_mut(check(&entry)) {
            held.concluded = Some(Instant::now());
        }
        Some(entry)
    }

    /// The receiver took one, which counts once, however often it was tried for some of those whom it is for.
    pub(super) fn count(&mut self, entry: &Entry) {
        self.taken += 1;
        self.report.delivered += u64::from(!entry.is_counted);
    }

    /// The receiver took the one under way for some of those whom it is for.
    pub(super) fn count_part(&mut self) {
        let mut is_first = false;
        self.alter(|entry| is_first = !std::mem::replace(&mut entry.is_counted, true));
        self.taken += 1;
        self.report.delivered += u64::from(is_first);
    }

    /// Takes out what has waited for too long. All but the rests are in the order in which they began to wait.
    pub(super) fn remove_old(&mut self, is_old: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let mut gone = Vec::new();
        while self.waiting.front().is_some_and(&is_old) {
            gone.extend(self.remove(0));
        }
        if self.apart > 0 {
            gone.extend(self.remove_where(|entry| entry.is_rest() && is_old(entry)));
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

    /// Changes the one under way, and says how many bytes it had before and has now.
    pub(super) fn alter(&mut self, alter: impl FnOnce(&mut Entry)) -> Option<(usize, usize)> {
        let place = self.under_way.and_then(|number| self.place(number))?;
        let entry = self.waiting.get_mut(place)?;
        let (bytes, was_apart) = (entry.bytes, is_apart(entry));
        alter(entry);
        let now = entry.bytes;
        self.apart = self.apart - usize::from(was_apart) + usize::from(is_apart(entry));
        let check = check(entry).to_owned();
        self.bytes = self.bytes - bytes + now;
        self.change(&check, |held| held.bytes = held.bytes.saturating_sub(bytes) + now);
        Some((bytes, now))
    }

    pub(super) fn place(&self, number: u64) -> Option<usize> {
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
        self.apart -= usize::from(is_apart(&entry));
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

pub(super) fn check(entry: &Entry) -> &str {
    &entry.notification.check.id
}
