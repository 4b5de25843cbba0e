//! What waits for the next transaction.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Batch, Change, Health, Kept, Request, Shelf};

/// A disk takes a batch in a moment; one that takes longer than this hangs.
const STALL: Duration = Duration::from_secs(5);
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
        self.news.notify_one();
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

    /// Everything that waits, as soon as there is something that can be committed; nothing when the end has come.
    pub(super) fn take(&self) -> Option<Taken> {
        let waiting = self.news.wait_while(self.waiting(), |waiting| {
            !waiting.is_closed && !waiting.can_be_committed()
        });
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn seconds(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    fn open() -> Mailbox {
        let mailbox = Mailbox::default();
        mailbox.open(Batch::new());
        mailbox
    }

    fn keep(shelf: Shelf, key: &str) -> Vec<Change> {
        vec![Change::keep(shelf, key, "text".to_owned())]
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_hangs_is_told_until_it_takes_something() {
        let mailbox = open();
        let put = || mailbox.put(vec![Change::forget(Shelf::Check, "a")]);
        put();
        let taken = mailbox.take().unwrap();
        seconds(3).await;
        put();
        assert_eq!(mailbox.health(), Health::Well);
        seconds(3).await;
        let told = Health::Failing("the disk has taken nothing for 6 s".to_owned());
        assert_eq!(mailbox.health(), told);
        drop(taken);
        mailbox.committed();
        // What came meanwhile waits for the next batch.
        assert_eq!(mailbox.health(), Health::Well);
        seconds(6).await;
        assert_eq!(mailbox.health(), told);
        mailbox.take().unwrap();
        mailbox.committed();
        seconds(60).await;
        assert_eq!(mailbox.health(), Health::Well);
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_nobody_asks_for_anything_is_well() {
        let mailbox = open();
        mailbox.put(Vec::new());
        seconds(60).await;
        assert_eq!(mailbox.health(), Health::Well);
    }

    #[test]
    fn nothing_is_committed_before_the_database_was_read_and_its_rows_taken_in() {
        let mailbox = Mailbox::default();
        let number = mailbox.put(keep(Shelf::Check, "a"));
        assert!(mailbox.take_after(number - 1, Duration::ZERO).is_none());
        mailbox.offer(Kept::default());
        assert!(mailbox.take_after(number - 1, Duration::ZERO).is_none());
        assert!(matches!(mailbox.request(), Some(Request::Merge(_))));
        assert!(mailbox.request().is_none());
        mailbox.put_all(keep(Shelf::Check, "b"));
        let taken = mailbox.take().unwrap();
        assert!(taken.is_whole && taken.batch.len() == 1);
    }

    #[test]
    fn what_comes_and_goes_while_the_disk_takes_nothing_does_not_pile_up() {
        let mailbox = open();
        for number in 0..1_000 {
            mailbox.put(keep(Shelf::Notification, &number.to_string()));
            let taken = mailbox.take().unwrap();
            mailbox.take_back(taken);
            mailbox.put(vec![Change::forget(Shelf::Notification, &number.to_string())]);
        }
        mailbox.put(keep(Shelf::Check, "a"));
        assert_eq!(mailbox.take().unwrap().batch.len(), 1);
    }

    #[test]
    fn a_batch_that_was_not_committed_is_older_than_what_was_put_meanwhile() {
        let mailbox = open();
        mailbox.put(vec![Change::keep(Shelf::Check, "a", "old".to_owned())]);
        let taken = mailbox.take().unwrap();
        mailbox.put(vec![Change::keep(Shelf::Check, "a", "new".to_owned())]);
        mailbox.take_back(taken);
        let taken = mailbox.take().unwrap();
        assert_eq!(taken.batch.values().next().unwrap().as_deref(), Some("new"));
    }

    #[test]
    fn more_keys_than_there_is_room_for_are_asked_for_later() {
        let mailbox = open();
        let changes = (0..=MAX_KEYS).map(|key| Change::forget(Shelf::Check, &key.to_string()));
        mailbox.put(changes.collect());
        assert!(matches!(mailbox.request(), Some(Request::Everything)));
        mailbox.put_all(keep(Shelf::Check, "a"));
        assert!(mailbox.take().unwrap().is_whole);
    }
}
