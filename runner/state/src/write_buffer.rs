//! The write buffer: changes that wait for the next transaction.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Batch, Change, Health, StoredRows, SyncRequest, Table};

/// A commit normally takes milliseconds; a disk that takes longer than this is stalled.
const STALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long changes that are not urgent are batched, so that hundreds of runs a second need few commits.
const BATCH_DELAY: Duration = Duration::from_millis(50);
/// Maximum number of buffered keys. Beyond it they are dropped, and the service has to put everything again later.
const MAX_KEYS: usize = 1_000_000;

/// The latest value of each key that is not committed yet.
#[derive(Debug, Default)]
pub(super) struct WriteBuffer {
    /// Locked for a few assignments, never during disk I/O.
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    batch: Batch,
    /// Whether the batch replaces the whole contents of the database.
    replaces_all: bool,
    phase: Phase,
    /// The number of the last change that was put.
    number: u64,
    is_closed: bool,
    /// Whether a buffered change must be committed without delay.
    is_urgent: bool,
    /// Whether the thread is batching: it need not be woken for changes that are not urgent.
    is_batching: bool,
    failing: Option<String>,
    /// How many of the changes that could not be committed are not in the spill file either.
    unspilled: usize,
    /// Since when there are uncommitted changes; absent when there are none.
    since: Option<Instant>,
}

/// How buffered changes relate to the contents of the database.
#[derive(Debug, Default)]
enum Phase {
    /// The contents are unknown. Nothing is committed, since that would overwrite them.
    #[default]
    Unread,
    /// The database has rows that the service has to merge before anything is committed.
    Read(StoredRows),
    /// The service is merging them.
    Merging,
    /// The database lost earlier commits: the service has to put everything again.
    Behind,
    /// Changes can be committed.
    Ready,
}

/// Changes to be committed in one transaction.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PendingBatch {
    pub(super) batch: Batch,
    pub(super) replaces_all: bool,
    /// The number of the last change in the batch.
    pub(super) number: u64,
}

impl WriteBuffer {
    /// Buffers these changes, and returns the number of the last one.
    pub(super) fn put(&self, changes: Vec<Change>) -> u64 {
        let mut inner = self.inner();
        for change in changes {
            inner.add(change);
        }
        if inner.batch.len() > MAX_KEYS && matches!(inner.phase, Phase::Ready) {
            (inner.batch, inner.phase) = (Batch::new(), Phase::Behind);
        }
        inner.record_change();
        if inner.is_urgent || !inner.is_batching {
            self.changed.notify_one();
        }
        inner.number
    }

    /// Replaces the buffered changes and the whole contents of the database by these changes.
    pub(super) fn put_all(&self, changes: Vec<Change>) -> u64 {
        let mut inner = self.inner();
        (inner.batch, inner.replaces_all, inner.phase) = (Batch::new(), true, Phase::Ready);
        for change in changes {
            inner.add(change);
        }
        inner.record_change();
        self.changed.notify_one();
        inner.number
    }

    /// What the service has to do before anything can be committed; returned once.
    pub(super) fn take_request(&self) -> Option<SyncRequest> {
        let mut inner = self.inner();
        match std::mem::replace(&mut inner.phase, Phase::Merging) {
            Phase::Read(stored) => Some(SyncRequest::Merge(stored)),
            Phase::Behind => Some(SyncRequest::RewriteAll),
            phase => {
                inner.phase = phase;
                None
            }
        }
    }

    pub(super) fn close(&self) {
        self.inner().is_closed = true;
        self.changed.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.inner().is_closed
    }

    /// Whether the database was read and its rows have been merged.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.inner().phase, Phase::Ready | Phase::Behind)
    }

    pub(super) fn health(&self) -> Health {
        let inner = self.inner();
        match (&inner.failing, &inner.phase) {
            (Some(reason), Phase::Unread) => return Health::Unread(reason.clone()),
            (Some(reason), _) => return Health::Failing(inner.with_unspilled(reason)),
            (None, Phase::Unread) => return Health::Unread("the disk is not responding".to_owned()),
            (None, _) => {}
        }
        match inner.since.map(|since| since.elapsed()) {
            Some(time) if time > STALL_TIMEOUT => {
                Health::Failing(format!("state writes have been stalled for {} s", time.as_secs()))
            }
            _ => Health::Healthy,
        }
    }

    /// Marks the database as read. `pending` still has to be committed.
    pub(super) fn mark_ready(&self, pending: PendingBatch) {
        let mut inner = self.inner();
        (inner.phase, inner.failing) = (Phase::Ready, None);
        inner.replaces_all = pending.replaces_all;
        inner.put_older(pending.batch);
        if !inner.batch.is_empty() {
            inner.since.get_or_insert_with(Instant::now);
        }
    }

    /// Provides rows that were read after the service had started without them.
    pub(super) fn offer_rows(&self, stored: StoredRows) {
        let mut inner = self.inner();
        (inner.phase, inner.failing, inner.unspilled) = (Phase::Read(stored), None, 0);
        (inner.batch, inner.replaces_all) = (Batch::new(), false);
    }

    /// Asks the service to put everything again, since the database lost earlier commits.
    pub(super) fn request_rewrite(&self) {
        let mut inner = self.inner();
        (inner.failing, inner.unspilled) = (None, 0);
        // Otherwise everything is buffered already.
        if !inner.replaces_all {
            (inner.batch, inner.phase) = (Batch::new(), Phase::Behind);
        }
    }

    /// Sleeps for `pause`, or until the buffer is closed.
    pub(super) fn sleep(&self, pause: Duration) {
        let waited = self
            .changed
            .wait_timeout_while(self.inner(), pause, |inner| !inner.is_closed);
        drop(waited);
    }

    /// Records that the database cannot be used now.
    pub(super) fn mark_failing(&self, reason: String) {
        self.inner().failing = Some(reason);
    }

    /// Records how many changes are neither committed nor in the spill file.
    pub(super) fn mark_unspilled(&self, changes: usize) {
        self.inner().unspilled = changes;
    }

    /// Waits for the next batch: until there is something to commit, and then [`BATCH_DELAY`] longer unless it is
    /// urgent. Returns `None` once the buffer is closed and empty.
    pub(super) fn next_batch(&self) -> Option<PendingBatch> {
        let inner = self.changed.wait_while(self.inner(), |inner| {
            !inner.is_closed && !inner.can_be_committed()
        });
        let mut inner = inner.unwrap_or_else(PoisonError::into_inner);
        inner.is_batching = true;
        let gathered = self.changed.wait_timeout_while(inner, BATCH_DELAY, |inner| {
            !inner.is_closed && !inner.is_urgent && !inner.replaces_all
        });
        let (mut inner, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        inner.is_batching = false;
        inner.can_be_committed().then(|| inner.take_batch())
    }

    /// Waits up to `pause` for a change that was put after change `number`, and returns all changes that can be
    /// committed. Returns `None` after the time-out, or once the buffer is closed.
    pub(super) fn next_batch_after(&self, number: u64, pause: Duration) -> Option<PendingBatch> {
        let waited = self.changed.wait_timeout_while(self.inner(), pause, |inner| {
            !(inner.is_closed || inner.number > number && inner.can_be_committed())
        });
        let (mut inner, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let is_new = inner.number > number && inner.can_be_committed();
        (is_new && !inner.is_closed).then(|| inner.take_batch())
    }

    /// Records that a batch was committed.
    pub(super) fn mark_committed(&self) {
        let mut inner = self.inner();
        (inner.failing, inner.unspilled) = (None, 0);
        inner.since = (!inner.batch.is_empty()).then(Instant::now);
    }

    /// Puts back a batch whose commit failed; changes that were put meanwhile take precedence.
    pub(super) fn put_back(&self, pending: PendingBatch) {
        let mut inner = self.inner();
        let is_superseded = inner.replaces_all || !matches!(inner.phase, Phase::Ready);
        if !is_superseded {
            inner.replaces_all = pending.replaces_all;
            inner.put_older(pending.batch);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A critical section is a few assignments and cannot leave the state inconsistent.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn add(&mut self, change: Change) {
        // In any other phase the service is going to put everything.
        if !matches!(self.phase, Phase::Ready) {
            return;
        }
        let key = (change.table, change.key);
        self.is_urgent |= key.0.is_urgent();
        if change.value.is_none() && self.is_buffered_only(&key) {
            self.batch.remove(&key);
        } else {
            self.batch.insert(key, change.value);
        }
    }

    /// Whether a key exists in the buffer only, so that a deletion need not be committed. Otherwise short-lived
    /// notifications would accumulate while the disk accepts no writes.
    fn is_buffered_only(&self, key: &(Table, Arc<str>)) -> bool {
        // A notification is put only once.
        let is_new = key.0 == Table::Notification && matches!(self.batch.get(key), Some(Some(_)));
        self.replaces_all || is_new
    }

    fn record_change(&mut self) {
        self.number += 1;
        if !self.batch.is_empty() {
            self.since.get_or_insert_with(Instant::now);
        }
    }

    /// The reason of a failure, with what a kill of the process would lose.
    fn with_unspilled(&self, reason: &str) -> String {
        match self.unspilled {
            0 => reason.to_owned(),
            1 => format!("{reason}, and 1 change would be lost if the runner were killed now"),
            changes => {
                format!("{reason}, and up to {changes} changes would be lost if the runner were killed now")
            }
        }
    }

    fn can_be_committed(&self) -> bool {
        matches!(self.phase, Phase::Ready) && (!self.batch.is_empty() || self.replaces_all)
    }

    fn take_batch(&mut self) -> PendingBatch {
        self.is_urgent = false;
        PendingBatch {
            batch: std::mem::take(&mut self.batch),
            replaces_all: std::mem::take(&mut self.replaces_all),
            number: self.number,
        }
    }

    /// Adds changes that are older than everything in the buffer.
    fn put_older(&mut self, older: Batch) {
        let newer = std::mem::replace(&mut self.batch, older);
        for (key, value) in newer {
            let (table, key) = key;
            self.add(Change { table, key, value });
        }
    }
}
