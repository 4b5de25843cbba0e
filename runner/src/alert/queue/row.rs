//! What waits for one notifier, and which of it goes when there is no room.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::Entry;
use crate::alert::notification::Event;
use crate::alert::report::{DropReason, NotifierReport};

/// What waits for one notifier, oldest first.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) waiting: VecDeque<Entry>,
    /// Whether the first one is being delivered.
    pub(super) busy: bool,
    pub(super) report: NotifierReport,
    /// By the check's id.
    checks: HashMap<String, Held>,
    /// How many of an alert wait.
    alerts: HashMap<String, usize>,
    /// Checks that have something to make room with, by the bytes of all that they have.
    ranks: BTreeSet<(usize, String)>,
    bytes: usize,
}

/// What one check has waiting.
#[derive(Debug, Default)]
struct Held {
    count: usize,
    bytes: usize,
    /// How many of them are not the last of their alert.
    overtaken: usize,
}

impl Row {
    pub(super) fn new(kind: &'static str) -> Self {
        Self {
            waiting: VecDeque::new(),
            busy: false,
            report: NotifierReport::new(kind),
            checks: HashMap::new(),
            alerts: HashMap::new(),
            ranks: BTreeSet::new(),
            bytes: 0,
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
        self.change(&entry.notification.check.id, |held| {
            held.count += 1;
            held.bytes += entry.bytes;
            held.overtaken += overtakes;
        });
        self.waiting.push_back(entry);
    }

    /// The first one, if it was released.
    pub(super) fn next(&mut self, released: u64) -> Option<Entry> {
        let entry = self.waiting.front().filter(|entry| entry.number < released)?;
        self.busy = true;
        Some(entry.clone())
    }

    /// Takes the first one out, which is done with.
    pub(super) fn conclude(&mut self) -> Option<Entry> {
        self.busy = false;
        self.remove(0)
    }

    /// Drops what makes room best, and says what that was; nothing if all that there is is on its way.
    pub(super) fn make_room(&mut self) -> Vec<Entry> {
        // What is on its way may be the only one that its check could do without.
        let heaviest = self.ranks.iter().rev().map(|(_, check)| check.as_str());
        let overtaken = heaviest.take(2).find_map(|check| self.overtaken(check));
        let dropped = match overtaken {
            Some((place, next)) => self.drop_overtaken(place, next),
            None => Vec::from_iter(self.remove(usize::from(self.busy))),
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
        let waiting = self.waiting.iter().enumerate().skip(usize::from(self.busy));
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (place, entry) in waiting.filter(|(_, entry)| entry.notification.check.id == check) {
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
