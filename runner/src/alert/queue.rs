//! Notifications on their way: in order for each notifier, within bounds, each also on disk.

mod entry;
mod forgotten;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod row;
#[cfg(test)]
mod tests;
mod turns;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::notice::Notice;
use super::notification::Notification;
use super::report::{AlertReport, DropReason, NotifierReport};
use crate::age::{Clock, Since};
use crate::state::Change;
use crate::state::Shelf;
use crate::state::Written;
pub(super) use entry::{Entry, weigh};
use entry::{Kept, Read, key, number};
use forgotten::Restored;
use row::Row;
pub(super) use turns::{Fault, Turn};

/// Notifications that one notifier may have waiting.
pub(super) const MAX_WAITING: usize = 10_000;
/// Bytes of all that wait, as they are in memory.
pub(super) const MAX_BYTES: usize = 16 << 20;

/// Powers of two: numbers of entries that a second has room for, when they begin at the time of day.
const NUMBERS_A_SECOND: u32 = 20;

/// All that waits.
#[derive(Debug)]
pub(super) struct Queue {
    rows: BTreeMap<Arc<str>, Row>,
    /// Of the next entry.
    number: u64,
    /// Entries before this one may be delivered once `written` says so.
    released: u64,
    /// Whether what was released last is on disk.
    written: Option<Written>,
    /// For entries before this one nobody waits any more.
    settled: u64,
    /// Of the first entry of this process, when those of an earlier one may still come.
    late_since: Option<u64>,
    bytes: usize,
    clock: Clock,
    restored: Restored,
}

impl Queue {
    /// An empty queue for these notifiers, each with its type.
    pub(super) fn new(notifiers: impl IntoIterator<Item = (Arc<str>, &'static str)>, clock: Clock) -> Self {
        let rows = notifiers.into_iter();
        Self {
            rows: rows.map(|(name, kind)| (name, Row::new(kind))).collect(),
            clock,
            number: 1,
            released: 1,
            written: None,
            settled: 1,
            late_since: None,
            bytes: 0,
            restored: Restored::default(),
        }
    }

    /// Entries of an earlier process may be restored later, and are before those of this one.
    pub(super) fn begin_late(&mut self, now: SystemTime) {
        let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let first = self.number.max(seconds.as_secs() << NUMBERS_A_SECOND);
        (self.number, self.released, self.settled) = (first, first, first);
        self.late_since = Some(first);
    }

    /// Everything that waits, as it belongs on disk.
    pub(super) fn all(&self) -> Vec<Change> {
        let entries = self.rows.iter();
        let entries = entries.flat_map(|(name, row)| row.waiting.iter().map(move |entry| (name, entry)));
        let change = |(notifier, entry): (&Arc<str>, &Entry)| {
            let text = Kept::of(entry, notifier).text();
            Change::keep(Shelf::Notification, &key(entry.number), text)
        };
        entries.map(change).collect()
    }

    /// Takes back what was on disk; what it returns is of no use there any more.
    pub(super) fn restore(&mut self, rows: &[(Arc<str>, String)]) -> Vec<Change> {
        let mut useless = Vec::new();
        let mut entries: Vec<(String, Entry)> = Vec::new();
        for (name, text) in rows {
            let number = number(name);
            let read = number.and_then(|_| serde_json::from_str::<Read>(text).ok());
            self.restored
                .note(read.as_ref(), |notifier| self.rows.contains_key(notifier));
            match (number, read) {
                (Some(number), Some(read)) if self.rows.contains_key(read.notifier.as_str()) => {
                    // A clock that was set back: the number may be that of an entry of this process.
                    let is_own = self.late_since.is_some_and(|first| number >= first);
                    let number = if is_own { self.number } else { number };
                    self.number = self.number.max(number.saturating_add(1));
                    let entry = Entry {
                        only: read.only.as_slice().into(),
                        is_counted: read.counted,
                        ..Entry::new(number, read.since(), read.notification, text)
                    };
                    entries.push((read.notifier, entry));
                }
                _ => useless.push(Change::forget(Shelf::Notification, name)),
            }
        }
        entries.sort_by_key(|(_, entry)| entry.number);
        for (notifier, entry) in entries {
            useless.extend(self.push(&notifier, entry));
        }
        for row in self.rows.values_mut() {
            let waiting = row.waiting.make_contiguous();
            waiting.sort_by_key(|entry| entry.number);
        }
        (self.released, self.settled) = (self.number, self.number);
        useless
    }

    /// Takes in one more; it is delivered once it is released. What it returns belongs on disk.
    pub(super) fn stage(&mut self, notifier: &str, notification: Notification) -> Vec<Change> {
        let since = Since::now(&self.clock.read());
        let kept = Kept {
            notifier,
            since,
            notification: &notification,
            only: &[],
            counted: false,
        };
        let text = kept.text();
        let entry = Entry::new(self.number, since, notification, &text);
        self.put(notifier, entry, text)
    }

    /// Takes in an entry that has the next number.
    fn put(&mut self, notifier: &str, entry: Entry, text: String) -> Vec<Change> {
        self.number += 1;
        let mut changes = vec![Change::keep(Shelf::Notification, &key(entry.number), text)];
        changes.extend(self.push(notifier, entry));
        changes
    }

    /// All that is staged may be delivered once it is `written`; says whether that is something new.
    pub(super) fn release(&mut self, written: &Written) -> bool {
        let is_new = self.released < self.number;
        if is_new {
            (self.released, self.written) = (self.number, Some(written.clone()));
        }
        is_new
    }

    /// What to wait for before this one is delivered, and which entry it is told of by [`Queue::settle`]; nothing when
    /// somebody has waited.
    pub(super) fn written(&self, entry: &Entry) -> Option<(Written, u64)> {
        let written = self.written.clone().filter(|_| entry.number >= self.settled)?;
        Some((written, self.released))
    }

    /// Nobody has to wait any more for what was released before the entry of this number.
    pub(super) fn settle(&mut self, number: u64) {
        self.settled = self.settled.max(number);
    }

    /// The next one for a notifier, which is under way until [`Queue::conclude`], [`Queue::refuse`],
    /// [`Queue::leave_rest`] or [`Queue::put_back`].
    pub(super) fn next(&mut self, notifier: &str, turn: Turn) -> Option<Entry> {
        let released = self.released;
        self.rows.get_mut(notifier)?.next(turn, released)
    }

    /// Whether there is one for this turn.
    pub(super) fn has_next(&self, notifier: &str, turn: Turn) -> bool {
        let row = self.rows.get(notifier);
        row.is_some_and(|row| row.has_next(turn, self.released))
    }

    /// When there is something to deliver that is left alone until then.
    pub(super) fn due(&self, notifier: &str) -> Option<Instant> {
        self.rows.get(notifier)?.due(self.released)
    }

    /// The one under way is delivered after all, or given up for a reason. What it returns is to be done on disk.
    pub(super) fn conclude(&mut self, notifier: &str, dropped: Option<DropReason>) -> Vec<Change> {
        let Some(row) = self.rows.get_mut(notifier) else {
            return Vec::new();
        };
        let Some(entry) = row.conclude() else {
            return Vec::new();
        };
        match dropped {
            None => row.count(&entry),
            Some(reason) => row.report.lose(reason),
        }
        self.forget(&[entry])
    }

    /// The receiver refused the one under way. That is given up if the receiver has taken another since it refused this
    /// one for the first time; what is to be done on disk then.
    pub(super) fn refuse(&mut self, notifier: &str) -> Option<Vec<Change>> {
        let is_given_up = self.rows.get_mut(notifier)?.refuse();
        is_given_up.then(|| self.conclude(notifier, Some(DropReason::Refused)))
    }

    /// The one under way is delivered, but for these receivers, for whom it is tried again after a while.
    pub(super) fn leave_rest(&mut self, notifier: &str, rest: &[String]) -> Vec<Change> {
        if let Some(row) = self.rows.get_mut(notifier) {
            row.count_part();
        }
        self.leave_for(notifier, rest)
    }

    /// The one under way is for these receivers only, after a while. It keeps its place: what follows it of its check
    /// does not reach them before it.
    pub(super) fn leave_for(&mut self, notifier: &str, rest: &[String]) -> Vec<Change> {
        let Some(row) = self.rows.get_mut(notifier) else {
            return Vec::new();
        };
        let mut changes = Vec::new();
        let altered = row.alter(|entry| {
            let kept = Kept {
                only: rest,
                ..Kept::of(entry, notifier)
            };
            let text = kept.text();
            entry.leave_for(rest, &text);
            changes.push(Change::keep(Shelf::Notification, &key(entry.number), text));
        });
        row.leave();
        let (before, now) = altered.unwrap_or_default();
        self.bytes = self.bytes - before + now;
        changes.extend(self.make_room());
        changes
    }

    /// The one under way is not delivered, and is tried again later; the receiver may have asked for a wait. Says whose
    /// fault that is.
    pub(super) fn put_back(&mut self, notifier: &str, asked: Option<Duration>) -> Fault {
        let row = self.rows.get_mut(notifier);
        row.map_or(Fault::Receiver, |row| row.put_back(asked))
    }

    /// Gives up what has waited for longer than `max_age`.
    pub(super) fn expire(&mut self, notifier: &str, max_age: Duration) -> Vec<Change> {
        let now = self.clock.read();
        let Some(row) = self.rows.get_mut(notifier).filter(|row| row.under_way.is_none()) else {
            return Vec::new();
        };
        let gone = row.remove_old(|entry| entry.since.is_older_than(max_age, &now));
        gone.iter().for_each(|_| row.report.lose(DropReason::Expired));
        self.forget(&gone)
    }

    /// Counts in what came of one notifier.
    pub(super) fn note(&mut self, notifier: &str, note: impl FnOnce(&mut NotifierReport)) {
        if let Some(row) = self.rows.get_mut(notifier) {
            note(&mut row.report);
        }
    }

    /// How many wait for a notifier.
    pub(super) fn waiting(&self, notifier: &str) -> usize {
        self.rows.get(notifier).map_or(0, |row| row.waiting.len())
    }

    /// How it goes with each notifier.
    pub(super) fn report(&mut self) -> BTreeMap<Arc<str>, NotifierReport> {
        let now = self.clock.read();
        let report = |row: &Row| NotifierReport {
            waiting: u64::try_from(row.waiting.len()).unwrap_or(u64::MAX),
            oldest_age: row.waiting.front().map(|oldest| oldest.since.age(&now)),
            late: row.late(),
            ..row.report.clone()
        };
        let rows = self.rows.iter();
        rows.map(|(name, row)| (Arc::clone(name), report(row))).collect()
    }

    /// How it goes with all of them.
    pub(super) fn report_all(&mut self) -> AlertReport {
        AlertReport {
            notifiers: self.report(),
            forgotten: self.restored.forgotten.clone(),
        }
    }

    /// Notes that an alert of an earlier process cannot be read.
    pub(super) fn forget_alert(&mut self) {
        self.restored.alerts += 1;
    }

    /// What was forgotten of an earlier process, to be said; each once.
    pub(super) fn forgotten(&mut self) -> Vec<Notice> {
        self.restored.say()
    }

    /// Puts an entry last. Where there is no room, the check that has most waiting for the notifier that has most makes
    /// it, by what later ones of its alerts overtook; only when there is no such thing, the oldest does.
    fn push(&mut self, notifier: &str, entry: Entry) -> Vec<Change> {
        let Some(row) = self.rows.get_mut(notifier) else {
            return Vec::new();
        };
        self.bytes += entry.bytes;
        row.push(entry);
        let mut gone = Vec::new();
        if row.waiting.len() > MAX_WAITING {
            gone.extend(row.make_room());
        }
        let mut changes = self.forget(&gone);
        changes.extend(self.make_room());
        changes
    }

    /// As long as all that waits takes more memory than it may.
    fn make_room(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        while self.bytes > MAX_BYTES {
            let heaviest = self.rows.values_mut().max_by_key(|row| row.bytes());
            let freed = heaviest.map(Row::make_room).unwrap_or_default();
            if freed.is_empty() {
                break;
            }
            changes.extend(self.forget(&freed));
        }
        changes
    }

    /// These wait no longer.
    fn forget(&mut self, gone: &[Entry]) -> Vec<Change> {
        self.bytes -= gone.iter().map(|entry| entry.bytes).sum::<usize>();
        let gone = gone.iter();
        gone.map(|entry| Change::forget(Shelf::Notification, &key(entry.number)))
            .collect()
    }
}
