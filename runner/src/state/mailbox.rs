//! What waits for the next transaction.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Batch, Change, Health, Kept, Request, Shelf};

/// A disk takes a batch in a moment; one that takes longer than this hangs.
const STALL: Duration = Duration::from_secs(5);
/// How long changes that can wait are gathered, so that hundreds of runs a second are some commits and not as many.
const GATHER: Duration = Duration::from_millis(50);
/// Keys that may wait. With more, they are dropped, and all that there is to keep is asked for once the disk is back.
const MAX_KEYS: usize = 1_000_000;

/// The latest text of each key that is not committed yet.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    /// Held for a few assignments, never while the disk is asked.
    waiting: Mutex<Waiting>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    batch: Batch,
    /// Whether the batch is all that there is to keep, whatever the database has.
    is_whole: bool,
    phase: Phase,
    /// Of the last change that was put.
    number: u64,
    is_closed: bool,
    /// Whether something is among what waits that is not gathered.
    is_urgent: bool,
    /// Whether the thread gathers: it need not be woken for what can wait.
    is_gathering: bool,
    failing: Option<String>,
    /// Since when something is not committed; absent when all is.
    since: Option<Instant>,
}

/// How what is put goes together with what the database has.
#[derive(Debug, Default)]
enum Phase {
    /// Nobody knows what it has. Nothing is committed, since that would lose it.
    #[default]
    Unread,
    /// It has rows that the service has to take in before anything is committed.
    Read(Kept),
    /// The service takes them in.
    Merging,
    /// It lacks what was committed before: the service has to put everything again.
    Behind,
    /// What is put can be committed.
    Open,
}

/// Changes to be committed together.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) batch: Batch,
    pub(super) is_whole: bool,
    /// Of the last of them.
    pub(super) number: u64,
}

impl Mailbox {
    pub(super) fn put(&self, changes: Vec<Change>) -> u64 {
        let mut waiting = self.waiting();
        for change in changes {
            waiting.add(change);
        }
        if waiting.batch.len() > MAX_KEYS && matches!(waiting.phase, Phase::Open) {
            (waiting.batch, waiting.phase) = (Batch::new(), Phase::Behind);
        }
        waiting.note_change();
        if waiting.is_urgent || !waiting.is_gathering {
            self.news.notify_one();
        }
        waiting.number
    }

    /// Takes everything that there is to keep, in place of what waits and of what the database has.
    pub(super) fn put_all(&self, changes: Vec<Change>) -> u64 {
        let mut waiting = self.waiting();
        (waiting.batch, waiting.is_whole, waiting.phase) = (Batch::new(), true, Phase::Open);
        for change in changes {
            waiting.add(change);
        }
        waiting.note_change();
        self.news.notify_one();
        waiting.number
    }

    /// What the service has to do before anything can be committed.
    pub(super) fn request(&self) -> Option<Request> {
        let mut waiting = self.waiting();
        match std::mem::replace(&mut waiting.phase, Phase::Merging) {
            Phase::Read(kept) => Some(Request::Merge(kept)),
            Phase::Behind => Some(Request::Everything),
            phase => {
                waiting.phase = phase;
                None
            }
        }
    }

    pub(super) fn close(&self) {
        self.waiting().is_closed = true;
        self.news.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.waiting().is_closed
    }

    /// Whether the database was read, and what it has is known to the service.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.waiting().phase, Phase::Open | Phase::Behind)
    }

    pub(super) fn health(&self) -> Health {
        let waiting = self.waiting();
        match (&waiting.failing, &waiting.phase) {
            (Some(reason), Phase::Unread) => return Health::Unread(reason.clone()),
            (Some(reason), _) => return Health::Failing(reason.clone()),
            (None, Phase::Unread) => return Health::Unread("the disk does not answer".to_owned()),
            (None, _) => {}
        }
        match waiting.since.map(|since| since.elapsed()) {
            Some(time) if time > STALL => {
                Health::Failing(format!("the disk has taken nothing for {} s", time.as_secs()))
            }
            _ => Health::Well,
        }
    }

    /// The database was read. `pending` is still to be committed.
    pub(super) fn open(&self, pending: Batch) {
        let mut waiting = self.waiting();
        (waiting.phase, waiting.failing) = (Phase::Open, None);
        waiting.put_behind(pending);
        if !waiting.batch.is_empty() {
            waiting.since.get_or_insert_with(Instant::now);
        }
    }

    /// The database has these rows, and the service did not wait for them.
    pub(super) fn offer(&self, kept: Kept) {
        let mut waiting = self.waiting();
        (waiting.phase, waiting.failing) = (Phase::Read(kept), None);
        (waiting.batch, waiting.is_whole) = (Batch::new(), false);
    }

    /// The database lacks what was committed before.
    pub(super) fn want_all(&self) {
        let mut waiting = self.waiting();
        waiting.failing = None;
        // All of it is here.
        if !waiting.is_whole {
            (waiting.batch, waiting.phase) = (Batch::new(), Phase::Behind);
        }
    }

    /// Waits for a while, or until the end has come.
    pub(super) fn rest(&self, pause: Duration) {
        let waited = self
            .news
            .wait_timeout_while(self.waiting(), pause, |waiting| !waiting.is_closed);
        drop(waited);
    }

    /// The database cannot be used now.
    pub(super) fn fail(&self, reason: String) {
        self.waiting().failing = Some(reason);
    }

    /// Everything that waits, a moment after there is something that can be committed, and at once where that is urgent;
    /// nothing when the end has come.
    pub(super) fn take(&self) -> Option<Taken> {
        let waiting = self.news.wait_while(self.waiting(), |waiting| {
            !waiting.is_closed && !waiting.can_be_committed()
        });
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        waiting.is_gathering = true;
        let gathered = self.news.wait_timeout_while(waiting, GATHER, |waiting| {
            !waiting.is_closed && !waiting.is_urgent && !waiting.is_whole
        });
        let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        waiting.is_gathering = false;
        waiting.can_be_committed().then(|| waiting.take())
    }

    /// What can be committed, when a change was put after the one of `number`; nothing at `deadline`, or at the end.
    pub(super) fn take_after(&self, number: u64, pause: Duration) -> Option<Taken> {
        let waited = self.news.wait_timeout_while(self.waiting(), pause, |waiting| {
            !(waiting.is_closed || waiting.number > number && waiting.can_be_committed())
        });
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let is_new = waiting.number > number && waiting.can_be_committed();
        (is_new && !waiting.is_closed).then(|| waiting.take())
    }

    /// A batch is committed.
    pub(super) fn committed(&self) {
        let mut waiting = self.waiting();
        waiting.failing = None;
        waiting.since = (!waiting.batch.is_empty()).then(Instant::now);
    }

    /// Takes a batch back whose commit failed; what was put meanwhile is newer.
    pub(super) fn take_back(&self, taken: Taken) {
        let mut waiting = self.waiting();
        let is_superseded = waiting.is_whole || !matches!(waiting.phase, Phase::Open);
        if !is_superseded {
            waiting.is_whole = taken.is_whole;
            waiting.put_behind(taken.batch);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Every section is a few assignments.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn add(&mut self, change: Change) {
        // Otherwise the service is going to put everything.
        if !matches!(self.phase, Phase::Open) {
            return;
        }
        let key = (change.shelf, change.key);
        self.is_urgent |= key.0.is_urgent();
        if change.value.is_none() && self.is_only_here(&key) {
            self.batch.remove(&key);
        } else {
            self.batch.insert(key, change.value);
        }
    }

    /// Whether the database does not have a key, or not for long: then it is forgotten without a trace. Notifications
    /// that come and go would pile up while the disk takes nothing.
    fn is_only_here(&self, key: &(Shelf, Arc<str>)) -> bool {
        // A notification is put once.
        let is_new = key.0 == Shelf::Notification && matches!(self.batch.get(key), Some(Some(_)));
        self.is_whole || is_new
    }

    fn note_change(&mut self) {
        self.number += 1;
        if !self.batch.is_empty() {
            self.since.get_or_insert_with(Instant::now);
        }
    }

    fn can_be_committed(&self) -> bool {
        matches!(self.phase, Phase::Open) && (!self.batch.is_empty() || self.is_whole)
    }

    fn take(&mut self) -> Taken {
        self.is_urgent = false;
        Taken {
            batch: std::mem::take(&mut self.batch),
            is_whole: std::mem::take(&mut self.is_whole),
            number: self.number,
        }
    }

    /// Adds what is older than all that waits.
    fn put_behind(&mut self, older: Batch) {
        let newer = std::mem::replace(&mut self.batch, older);
        for (key, value) in newer {
            let (shelf, key) = key;
            self.add(Change { shelf, key, value });
        }
    }
}
