//! What waits for the next transaction, and the thread that makes it.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::store::Store;
use super::{Change, Health, Shelf};

/// Between two tries of a disk that fails.
const PAUSE: Duration = Duration::from_secs(1);
/// A disk takes a batch in a moment; one that takes longer than this hangs.
const STALL: Duration = Duration::from_secs(5);
/// The last commits at the end may fail this often.
const LAST_TRIES: u32 = 3;

type Batch = HashMap<(Shelf, Arc<str>), Option<String>>;

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
    /// Of the last change that was put.
    number: u64,
    is_closed: bool,
    failing: Option<String>,
    /// Since when something is not committed; absent when all is.
    since: Option<Instant>,
}

impl Mailbox {
    pub(super) fn put(&self, changes: Vec<Change>) -> u64 {
        let mut waiting = self.waiting();
        for change in changes {
            waiting.batch.insert((change.shelf, change.key), change.value);
        }
        waiting.number += 1;
        if !waiting.batch.is_empty() {
            waiting.since.get_or_insert_with(Instant::now);
        }
        self.news.notify_one();
        waiting.number
    }

    pub(super) fn close(&self) {
        self.waiting().is_closed = true;
        self.news.notify_one();
    }

    pub(super) fn health(&self) -> Health {
        let waiting = self.waiting();
        if let Some(reason) = &waiting.failing {
            return Health::Failing(reason.clone());
        }
        match waiting.since.map(|since| since.elapsed()) {
            Some(time) if time > STALL => {
                Health::Failing(format!("the disk has taken nothing for {} s", time.as_secs()))
            }
            _ => Health::Well,
        }
    }

    /// Everything that waits, as soon as there is something; nothing when the end has come.
    fn take(&self) -> Option<(Batch, u64)> {
        let waiting = self.news.wait_while(self.waiting(), |waiting| {
            waiting.batch.is_empty() && !waiting.is_closed
        });
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let batch = std::mem::take(&mut waiting.batch);
        (!batch.is_empty()).then_some((batch, waiting.number))
    }

    /// A batch is committed.
    fn committed(&self) {
        let mut waiting = self.waiting();
        waiting.failing = None;
        waiting.since = (!waiting.batch.is_empty()).then(Instant::now);
    }

    /// Takes a batch back whose commit failed; what was put meanwhile is newer. Says whether the end has come.
    fn take_back(&self, batch: Batch, reason: String) -> bool {
        let mut waiting = self.waiting();
        for (key, value) in batch {
            waiting.batch.entry(key).or_insert(value);
        }
        waiting.failing = Some(reason);
        waiting.is_closed
    }

    /// Waits for a while, or until the end has come.
    fn pause(&self) {
        let waited = self
            .news
            .wait_timeout_while(self.waiting(), PAUSE, |waiting| !waiting.is_closed);
        drop(waited);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Every section is a few assignments.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Commits what is put until the mailbox is closed and empty.
pub(super) fn work(mailbox: &Mailbox, mut store: Store, commits: &watch::Sender<u64>) {
    let mut tries_left = LAST_TRIES;
    while let Some((batch, number)) = mailbox.take() {
        match store.commit(&batch) {
            Ok(()) => {
                mailbox.committed();
                // Nobody may wait for it.
                commits.send_replace(number);
            }
            Err(error) => {
                let is_closed = mailbox.take_back(batch, error.to_string());
                if is_closed {
                    tries_left -= 1;
                    if tries_left == 0 {
                        return;
                    }
                }
                mailbox.pause();
                store.reopen();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn seconds(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_hangs_is_told_until_it_takes_something() {
        let mailbox = Mailbox::default();
        let put = || mailbox.put(vec![Change::forget(Shelf::Check, "a")]);
        put();
        let (batch, _) = mailbox.take().unwrap();
        seconds(3).await;
        put();
        assert_eq!(mailbox.health(), Health::Well);
        seconds(3).await;
        let told = Health::Failing("the disk has taken nothing for 6 s".to_owned());
        assert_eq!(mailbox.health(), told);
        drop(batch);
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
        let mailbox = Mailbox::default();
        mailbox.put(Vec::new());
        seconds(60).await;
        assert_eq!(mailbox.health(), Health::Well);
    }
}
