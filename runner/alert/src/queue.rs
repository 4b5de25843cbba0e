//! Queue of notifications: ordered for each notifier, bounded, and mirrored on disk.

mod discarded;
mod entry;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod notifier_queue;
mod scheduling;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::notice::Notice;
use super::notification::Notification;
use canary_outbound::alert_report::{AlertReport, DropReason, NotifierReport};
use canary_state::{Change, PendingCommit, Table};
use canary_system::age::{Clock, Since};
use discarded::RestoreReport;
pub(super) use entry::{Entry, bytes_of};
use entry::{LoadedEntry, StoredEntry, key, parse_key};
use notifier_queue::NotifierQueue;
pub(super) use scheduling::{FailureSource, Selection};

/// Maximum number of queued notifications of one notifier.
pub(super) const MAX_QUEUED: usize = 10_000;
/// Maximum bytes in memory of all queued notifications.
pub(super) const MAX_BYTES: usize = 16 << 20;

/// Power of two: entry numbers reserved for each second when numbering starts at the time of day.
const NUMBERS_A_SECOND: u32 = 20;

/// All queued notifications.
#[derive(Debug)]
pub(super) struct Queue {
    notifiers: BTreeMap<Arc<str>, NotifierQueue>,
    /// Number of the next entry.
    next_number: u64,
    /// Entries below this number may be sent once `pending_commit` is durable.
    released: u64,
    /// The commit of the last release.
    pending_commit: Option<PendingCommit>,
    /// Entries below this number were committed, or were waited for already.
    committed: u64,
    /// First number of this process, while rows of an earlier one may still arrive.
    first_own_number: Option<u64>,
    bytes: usize,
    clock: Clock,
    restore_report: RestoreReport,
}

impl Queue {
    /// An empty queue for these notifiers, each with its type.
    pub(super) fn new(notifiers: impl IntoIterator<Item = (Arc<str>, &'static str)>, clock: Clock) -> Self {
        let notifiers = notifiers.into_iter();
        Self {
            notifiers: notifiers
                .map(|(name, kind)| (name, NotifierQueue::new(kind)))
                .collect(),
            clock,
            next_number: 1,
            released: 1,
            pending_commit: None,
            committed: 1,
            first_own_number: None,
            bytes: 0,
            restore_report: RestoreReport::default(),
        }
    }

    /// Reserves lower numbers for entries of an earlier process, which may be restored later.
    pub(super) fn reserve_earlier_numbers(&mut self, now: SystemTime) {
        let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let first = self.next_number.max(seconds.as_secs() << NUMBERS_A_SECOND);
        (self.next_number, self.released, self.committed) = (first, first, first);
        self.first_own_number = Some(first);
    }

    /// Changes that persist all queued notifications.
    pub(super) fn all_changes(&self) -> Vec<Change> {
        let entries = self.notifiers.iter();
        let entries = entries.flat_map(|(name, queue)| queue.entries.iter().map(move |entry| (name, entry)));
        let change = |(notifier, entry): (&Arc<str>, &Entry)| {
            let text = StoredEntry::new(entry, notifier).to_json();
            Change::put(Table::Notification, &key(entry.number), text)
        };
        entries.map(change).collect()
    }

    /// Restores stored rows. Returns the deletion of those that cannot be used.
    pub(super) fn restore(&mut self, rows: &[(Arc<str>, String)]) -> Vec<Change> {
        let mut unusable = Vec::new();
        let mut entries: Vec<(String, Entry)> = Vec::new();
        for (name, text) in rows {
            let number = parse_key(name);
            let loaded = number.and_then(|_| serde_json::from_str::<LoadedEntry>(text).ok());
            self.restore_report
                .record(loaded.as_ref(), |notifier| self.notifiers.contains_key(notifier));
            match (number, loaded) {
                (Some(number), Some(loaded)) if self.notifiers.contains_key(loaded.notifier.as_str()) => {
                    // The clock was set back: the number may be taken by an entry of this process.
                    let is_own = self.first_own_number.is_some_and(|first| number >= first);
                    let number = if is_own { self.next_number } else { number };
                    self.next_number = self.next_number.max(number.saturating_add(1));
                    let entry = Entry {
                        only: loaded.only.as_slice().into(),
                        is_counted: loaded.counted,
                        ..Entry::new(number, loaded.since(), loaded.notification, text)
                    };
                    entries.push((loaded.notifier, entry));
                }
                _ => unusable.push(Change::delete(Table::Notification, name)),
            }
        }
        entries.sort_by_key(|(_, entry)| entry.number);
        for (notifier, entry) in entries {
            unusable.extend(self.push(&notifier, entry));
        }
        for queue in self.notifiers.values_mut() {
            let waiting = queue.entries.make_contiguous();
            waiting.sort_by_key(|entry| entry.number);
        }
        (self.released, self.committed) = (self.next_number, self.next_number);
        unusable
    }

    /// Stages a notification, which is sent once it is released. Returns the changes to persist.
    pub(super) fn stage(&mut self, notifier: &str, notification: Notification) -> Vec<Change> {
        let since = Since::now(&self.clock.read());
        let stored = StoredEntry {
            notifier,
            since,
            notification: &notification,
            only: &[],
            counted: false,
        };
        let text = stored.to_json();
        let entry = Entry::new(self.next_number, since, notification, &text);
        self.append(notifier, entry, text)
    }

    /// Appends an entry that has the next number.
    fn append(&mut self, notifier: &str, entry: Entry, text: String) -> Vec<Change> {
        self.next_number += 1;
        let mut changes = vec![Change::put(Table::Notification, &key(entry.number), text)];
        changes.extend(self.push(notifier, entry));
        changes
    }

    /// Releases all staged entries, to be sent once `commit` is durable. Returns whether there were any.
    pub(super) fn release(&mut self, commit: &PendingCommit) -> bool {
        let is_new = self.released < self.next_number;
        if is_new {
            (self.released, self.pending_commit) = (self.next_number, Some(commit.clone()));
        }
        is_new
    }

    /// The commit to wait for before this entry is sent, and the number to pass to [`Queue::mark_committed`]
    /// afterwards; none if it was waited for already.
    pub(super) fn pending_commit(&self, entry: &Entry) -> Option<(PendingCommit, u64)> {
        let commit = self
            .pending_commit
            .clone()
            .filter(|_| entry.number >= self.committed)?;
        Some((commit, self.released))
    }

    /// Marks entries below this number as committed.
    pub(super) fn mark_committed(&mut self, number: u64) {
        self.committed = self.committed.max(number);
    }

    /// Takes the next entry of a notifier; it is in flight until [`Queue::finish`], [`Queue::refuse`],
    /// [`Queue::retry_for`], [`Queue::defer_for`] or [`Queue::put_back`].
    pub(super) fn next(&mut self, notifier: &str, selection: Selection) -> Option<Entry> {
        let released = self.released;
        self.notifiers.get_mut(notifier)?.next(selection, released)
    }

    /// Whether [`Queue::next`] would return an entry.
    pub(super) fn has_next(&self, notifier: &str, selection: Selection) -> bool {
        let queue = self.notifiers.get(notifier);
        queue.is_some_and(|queue| queue.has_next(selection, self.released))
    }

    /// When the next deferred entry is due.
    pub(super) fn next_due(&self, notifier: &str) -> Option<Instant> {
        self.notifiers.get(notifier)?.next_due(self.released)
    }

    /// Finishes the entry in flight: delivered, or dropped for a reason. Returns the changes to persist.
    pub(super) fn finish(&mut self, notifier: &str, dropped: Option<DropReason>) -> Vec<Change> {
        let Some(queue) = self.notifiers.get_mut(notifier) else {
            return Vec::new();
        };
        let Some(entry) = queue.finish() else {
            return Vec::new();
        };
        match dropped {
            None => queue.count(&entry),
            Some(reason) => queue.report.count_dropped(reason),
        }
        self.delete(&[entry])
    }

    /// Records that the receiver refused the entry in flight. Drops it if the receiver has accepted another one since
    /// the first refusal; returns the changes to persist in that case.
    pub(super) fn refuse(&mut self, notifier: &str) -> Option<Vec<Change>> {
        let is_given_up = self.notifiers.get_mut(notifier)?.refuse();
        is_given_up.then(|| self.finish(notifier, Some(DropReason::Refused)))
    }

    /// The entry in flight was delivered except to these recipients, for whom it is retried later.
    pub(super) fn retry_for(&mut self, notifier: &str, rest: &[String]) -> Vec<Change> {
        if let Some(queue) = self.notifiers.get_mut(notifier) {
            queue.count_partial();
        }
        self.defer_for(notifier, rest)
    }

    /// Defers the entry in flight for these recipients only. It keeps its position: later entries of its check do not
    /// reach them first.
    pub(super) fn defer_for(&mut self, notifier: &str, rest: &[String]) -> Vec<Change> {
        let Some(queue) = self.notifiers.get_mut(notifier) else {
            return Vec::new();
        };
        let mut changes = Vec::new();
        let updated = queue.update_in_flight(|entry| {
            let stored = StoredEntry {
                only: rest,
                ..StoredEntry::new(entry, notifier)
            };
            let text = stored.to_json();
            entry.defer_for(rest, &text);
            changes.push(Change::put(Table::Notification, &key(entry.number), text));
        });
        queue.release_in_flight();
        let (before, now) = updated.unwrap_or_default();
        self.bytes = self.bytes - before + now;
        changes.extend(self.make_room());
        changes
    }

    /// Puts the entry in flight back after a temporary failure, to be retried after the `Retry-After` if there is one.
    /// Returns what is to blame.
    pub(super) fn put_back(&mut self, notifier: &str, retry_after: Option<Duration>) -> FailureSource {
        let queue = self.notifiers.get_mut(notifier);
        queue.map_or(FailureSource::Receiver, |queue| queue.put_back(retry_after))
    }

    /// Drops what has been queued for longer than `max_age`.
    pub(super) fn expire(&mut self, notifier: &str, max_age: Duration) -> Vec<Change> {
        let now = self.clock.read();
        let Some(queue) = self
            .notifiers
            .get_mut(notifier)
            .filter(|queue| queue.in_flight.is_none())
        else {
            return Vec::new();
        };
        let gone = queue.remove_expired(|entry| entry.since.is_older_than(max_age, &now));
        gone.iter()
            .for_each(|_| queue.report.count_dropped(DropReason::Expired));
        self.delete(&gone)
    }

    /// Updates the statistics of a notifier.
    pub(super) fn update_report(&mut self, notifier: &str, update: impl FnOnce(&mut NotifierReport)) {
        if let Some(queue) = self.notifiers.get_mut(notifier) {
            update(&mut queue.report);
        }
    }

    /// Number of queued notifications of a notifier.
    pub(super) fn len(&self, notifier: &str) -> usize {
        self.notifiers
            .get(notifier)
            .map_or(0, |queue| queue.entries.len())
    }

    /// Statistics of each notifier.
    pub(super) fn report(&mut self) -> BTreeMap<Arc<str>, NotifierReport> {
        let now = self.clock.read();
        let report = |queue: &NotifierQueue| NotifierReport {
            waiting: u64::try_from(queue.entries.len()).unwrap_or(u64::MAX),
            oldest_age: queue.entries.front().map(|oldest| oldest.since.age(&now)),
            late: queue.longest_wait(),
            ..queue.report.clone()
        };
        let queues = self.notifiers.iter();
        queues
            .map(|(name, queue)| (Arc::clone(name), report(queue)))
            .collect()
    }

    /// Statistics of all notifiers, and what was discarded.
    pub(super) fn report_all(&mut self) -> AlertReport {
        AlertReport {
            notifiers: self.report(),
            discarded: self.restore_report.discarded.clone(),
        }
    }

    /// Counts an alert of an earlier process that cannot be parsed.
    pub(super) fn count_unreadable_alert(&mut self) {
        self.restore_report.alerts += 1;
    }

    /// Notices about rows discarded since the last call.
    pub(super) fn take_notices(&mut self) -> Vec<Notice> {
        self.restore_report.take_notices()
    }

    /// Appends an entry. If the queue is full, the check with the most bytes queued, of the notifier with the most,
    /// makes room with superseded entries; the oldest entry is dropped only when there are none.
    fn push(&mut self, notifier: &str, entry: Entry) -> Vec<Change> {
        let Some(queue) = self.notifiers.get_mut(notifier) else {
            return Vec::new();
        };
        self.bytes += entry.bytes;
        queue.push(entry);
        let mut gone = Vec::new();
        if queue.entries.len() > MAX_QUEUED {
            gone.extend(queue.make_room());
        }
        let mut changes = self.delete(&gone);
        changes.extend(self.make_room());
        changes
    }

    /// Drops entries while the queue takes more memory than allowed.
    fn make_room(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        while self.bytes > MAX_BYTES {
            let largest = self.notifiers.values_mut().max_by_key(|queue| queue.bytes());
            let freed = largest.map(NotifierQueue::make_room).unwrap_or_default();
            if freed.is_empty() {
                break;
            }
            changes.extend(self.delete(&freed));
        }
        changes
    }

    /// Releases the memory of dropped or finished entries and deletes their rows.
    fn delete(&mut self, gone: &[Entry]) -> Vec<Change> {
        self.bytes -= gone.iter().map(|entry| entry.bytes).sum::<usize>();
        let gone = gone.iter();
        gone.map(|entry| Change::delete(Table::Notification, &key(entry.number)))
            .collect()
    }
}
