//! The queue of one notifier, and which of its entries is dropped when there is no room.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, VecDeque};

use tokio::time::Instant;

use super::Entry;
use crate::notification::Event;
use canary_outbound::alert_report::{DropReason, NotifierReport};

/// The queue of one notifier, oldest entry first.
#[derive(Debug)]
pub(super) struct NotifierQueue {
    pub(super) entries: VecDeque<Entry>,
    /// Number of the entry being sent.
    pub(super) in_flight: Option<u64>,
    pub(super) report: NotifierReport,
    /// How many times the receiver accepted something, be it for some of its recipients.
    pub(super) accepted: u64,
    /// By check id.
    pub(super) checks: HashMap<String, CheckBacklog>,
    /// Number of queued entries of each alert.
    alerts: HashMap<String, usize>,
    /// Checks that have superseded entries, by the bytes of all of their entries.
    checks_by_bytes: BTreeSet<(usize, String)>,
    bytes: usize,
    /// Number of deferred or partially delivered entries; usually 0, which saves searching for them.
    pub(super) deferred: usize,
    /// Number of turns taken so far.
    pub(super) turns: u64,
}

/// Queued entries of one check.
#[derive(Debug, Default)]
pub(super) struct CheckBacklog {
    count: usize,
    bytes: usize,
    /// How many of them are not the last of their alert.
    superseded: usize,
    /// Number of its last turn since it has entries queued; 0 for none.
    pub(super) last_turn: u64,
    /// When an entry of it was last delivered or dropped since it has entries queued.
    pub(super) finished_at: Option<Instant>,
}

impl NotifierQueue {
    pub(super) fn new(kind: &'static str) -> Self {
        Self {
            entries: VecDeque::new(),
            in_flight: None,
            report: NotifierReport::new(kind),
            accepted: 0,
            checks: HashMap::new(),
            alerts: HashMap::new(),
            checks_by_bytes: BTreeSet::new(),
            bytes: 0,
            deferred: 0,
            turns: 0,
        }
    }

    /// Bytes of all queued entries.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, entry: Entry) {
        let count_of_alert = self.alerts.entry(entry.notification.alert.clone()).or_default();
        *count_of_alert += 1;
        let supersedes = usize::from(*count_of_alert > 1);
        self.bytes += entry.bytes;
        self.deferred += usize::from(is_deferred(&entry));
        self.update_check(&entry.notification.check.id, |backlog| {
            backlog.count += 1;
            backlog.bytes += entry.bytes;
            backlog.superseded += supersedes;
        });
        self.entries.push_back(entry);
    }

    /// Removes the entry in flight, which was delivered or is dropped.
    pub(super) fn finish(&mut self) -> Option<Entry> {
        let number = self.in_flight.take()?;
        let entry = self.remove(self.position(number)?)?;
        self.end_turn(check_id(&entry));
        if let Some(backlog) = self.checks.get_mut(check_id(&entry)) {
            backlog.finished_at = Some(Instant::now());
        }
        Some(entry)
    }

    /// Counts an accepted entry once, however often it was tried for some of its recipients.
    pub(super) fn count(&mut self, entry: &Entry) {
        self.accepted += 1;
        self.report.delivered += u64::from(!entry.is_counted);
    }

    /// Counts the entry in flight, which was accepted for some of its recipients.
    pub(super) fn count_partial(&mut self) {
        let mut is_first = false;
        self.update_in_flight(|entry| is_first = !std::mem::replace(&mut entry.is_counted, true));
        self.accepted += 1;
        self.report.delivered += u64::from(is_first);
    }

    /// Removes entries that were queued for too long. They are ordered by age.
    pub(super) fn remove_expired(&mut self, is_expired: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let mut gone = Vec::new();
        while self.entries.front().is_some_and(&is_expired) {
            gone.extend(self.remove(0));
        }
        gone
    }

    /// Modifies the entry in flight. Returns its bytes before and after.
    pub(super) fn update_in_flight(&mut self, update: impl FnOnce(&mut Entry)) -> Option<(usize, usize)> {
        let position = self.in_flight.and_then(|number| self.position(number))?;
        let entry = self.entries.get_mut(position)?;
        let (bytes, was_deferred) = (entry.bytes, is_deferred(entry));
        update(entry);
        let now = entry.bytes;
        self.deferred = self.deferred - usize::from(was_deferred) + usize::from(is_deferred(entry));
        let check = check_id(entry).to_owned();
        self.bytes = self.bytes - bytes + now;
        self.update_check(&check, |backlog| {
            backlog.bytes = backlog.bytes.saturating_sub(bytes) + now
        });
        Some((bytes, now))
    }

    pub(super) fn position(&self, number: u64) -> Option<usize> {
        self.entries.iter().position(|entry| entry.number == number)
    }

    fn is_in_flight(&self, entry: &Entry) -> bool {
        self.in_flight == Some(entry.number)
    }

    /// Drops the entry that is missed least. Returns what was dropped; nothing if everything is in flight.
    pub(super) fn make_room(&mut self) -> Vec<Entry> {
        // The entry in flight may be the only one that its check can spare.
        let largest = self.checks_by_bytes.iter().rev().map(|(_, check)| check.as_str());
        let superseded = largest.take(2).find_map(|check| self.superseded(check));
        let dropped = match superseded {
            Some((position, next)) => self.drop_superseded(position, next),
            None => {
                let mut entries = self.entries.iter();
                let position = entries.position(|entry| !self.is_in_flight(entry));
                Vec::from_iter(position.and_then(|position| self.remove(position)))
            }
        };
        for _ in &dropped {
            self.report.count_dropped(DropReason::Full);
        }
        dropped
    }

    /// Drops an entry superseded by the next one of its alert, and that one too if it resolves an alert that the
    /// receiver was never notified of.
    fn drop_superseded(&mut self, position: usize, next: usize) -> Vec<Entry> {
        let is_first = self.entries.get(position).is_some_and(|entry| entry.is_first);
        let mut dropped = Vec::new();
        if is_first && self.mark_first(next) {
            dropped.extend(self.remove(next));
        }
        dropped.extend(self.remove(position));
        dropped
    }

    /// Positions of the oldest entry of a check that is superseded and not in flight, and of the next entry of that
    /// alert.
    fn superseded(&self, check: &str) -> Option<(usize, usize)> {
        let entries = self.entries.iter().enumerate();
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let is_candidate = |entry: &Entry| entry.notification.check.id == check && !self.is_in_flight(entry);
        for (position, entry) in entries.filter(|(_, entry)| is_candidate(entry)) {
            let alert = entry.notification.alert.as_str();
            if let Some(before) = seen.insert(alert, position) {
                return Some((before, position));
            }
        }
        None
    }

    /// Marks an entry as the first of its alert for the receiver. Returns whether it is the resolution and so
    /// unnecessary.
    fn mark_first(&mut self, position: usize) -> bool {
        let Some(entry) = self.entries.get_mut(position) else {
            return false;
        };
        entry.is_first = true;
        entry.notification.event == Event::Resolved
    }

    fn remove(&mut self, position: usize) -> Option<Entry> {
        let entry = self.entries.remove(position)?;
        self.bytes = self.bytes.saturating_sub(entry.bytes);
        self.deferred -= usize::from(is_deferred(&entry));
        let alert = &entry.notification.alert;
        let left = self.alerts.get_mut(alert).map(|count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == Some(0) {
            self.alerts.remove(alert);
        }
        let was_superseded = usize::from(left.is_some_and(|left| left > 0));
        self.update_check(&entry.notification.check.id, |backlog| {
            backlog.count = backlog.count.saturating_sub(1);
            backlog.bytes = backlog.bytes.saturating_sub(entry.bytes);
            backlog.superseded = backlog.superseded.saturating_sub(was_superseded);
        });
        Some(entry)
    }

    fn update_check(&mut self, check: &str, update: impl FnOnce(&mut CheckBacklog)) {
        let backlog = self.checks.entry(check.to_owned()).or_default();
        self.checks_by_bytes.remove(&(backlog.bytes, check.to_owned()));
        update(backlog);
        if backlog.superseded > 0 {
            self.checks_by_bytes.insert((backlog.bytes, check.to_owned()));
        }
        if backlog.count == 0 {
            self.checks.remove(check);
        }
    }
}

pub(super) fn check_id(entry: &Entry) -> &str {
    &entry.notification.check.id
}

/// Whether it is deferred, or for some recipients only.
pub(super) fn is_deferred(entry: &Entry) -> bool {
    entry.not_before.is_some() || entry.is_partial()
}
