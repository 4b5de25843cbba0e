//! A disk in memory, and the task that commits to it in place of the thread: with the mailbox, as the writer does it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::mailbox::{Mailbox, Taken};
use super::read::Rows;
use super::{Batch, Kept, Progress, State};

/// From one look at the mailbox to the next.
const LOOK: Duration = Duration::from_millis(100);

/// How the disk fares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Well,
    /// A commit takes this many milliseconds.
    Slow(u64),
    /// It refuses commits, and the reserve takes them.
    Full,
    /// It answers nothing.
    Hangs,
}

/// What survives a kill. Cheap to clone; all clones are one disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    rows: Rows,
    /// Committed to the reserve only.
    reserve: BTreeMap<(super::Shelf, Arc<str>), Option<String>>,
    mood: Mood,
    /// When everything was committed that had been put.
    durable: Option<Instant>,
}

impl Disk {
    pub(crate) fn set(&self, mood: Mood) {
        self.inner().mood = mood;
    }

    pub(crate) fn mood(&self) -> Mood {
        self.inner().mood
    }

    /// Up to when a kill loses nothing.
    pub(crate) fn durable(&self) -> Option<Instant> {
        self.inner().durable
    }

    /// Rows of a shelf.
    pub(crate) fn count(&self, shelf: super::Shelf) -> usize {
        self.inner()
            .rows
            .keys()
            .filter(|(found, _)| *found == shelf)
            .count()
    }

    /// Opens it, as a process does that begins: what it has, and what commits. Without an answer of the disk the rows
    /// come later.
    pub(crate) fn open(&self) -> (State, Kept, impl Future<Output = ()> + use<>) {
        let (commits, progress) = watch::channel(Progress::default());
        let mailbox = Arc::new(Mailbox::default());
        let is_read = self.mood() != Mood::Hangs;
        let kept = if is_read {
            self.read(&mailbox)
        } else {
            Kept::default()
        };
        let state = State {
            mailbox: Some(Arc::clone(&mailbox)),
            progress,
        };
        let writer = Writer {
            disk: self.clone(),
            mailbox,
            commits,
            is_read,
            rescued: 0,
        };
        (state, kept, writer.run())
    }

    fn read(&self, mailbox: &Mailbox) -> Kept {
        mailbox.open(Batch::new());
        self.rows()
    }

    fn rows(&self) -> Kept {
        let mut inner = self.inner();
        let rescued = std::mem::take(&mut inner.reserve);
        inner.apply(rescued);
        Kept::new(inner.rows.clone(), Vec::new())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }
}

impl Inner {
    fn apply(&mut self, batch: impl IntoIterator<Item = ((super::Shelf, Arc<str>), Option<String>)>) {
        for (key, value) in batch {
            match value {
                Some(text) => drop(self.rows.insert(key, text)),
                None => drop(self.rows.remove(&key)),
            }
        }
    }
}

struct Writer {
    disk: Disk,
    mailbox: Arc<Mailbox>,
    commits: watch::Sender<Progress>,
    is_read: bool,
    rescued: u64,
}

impl Writer {
    async fn run(mut self) {
        loop {
            sleep(LOOK).await;
            match self.disk.mood() {
                Mood::Hangs => {}
                _ if !self.is_read => {
                    self.is_read = true;
                    self.mailbox.offer(self.disk.rows());
                }
                Mood::Full => self.rescue(),
                Mood::Slow(millis) => {
                    sleep(Duration::from_millis(millis)).await;
                    self.commit();
                }
                Mood::Well => self.commit(),
            }
        }
    }

    fn commit(&mut self) {
        let taken = self.take(0);
        self.is_durable();
        let Some(Taken {
            batch,
            is_whole,
            number,
        }) = taken
        else {
            return;
        };
        let mut inner = self.disk.inner();
        inner.reserve.clear();
        if is_whole {
            inner.rows.clear();
        }
        inner.apply(batch);
        drop(inner);
        self.mailbox.committed();
        self.commits.send_replace(Progress {
            number,
            is_failing: false,
        });
    }

    fn rescue(&mut self) {
        let taken = self.take(self.rescued);
        self.is_durable();
        let Some(taken) = taken else { return };
        self.mailbox.fail("the disk is full".to_owned());
        self.rescued = taken.number;
        let mut inner = self.disk.inner();
        if taken.is_whole {
            // It holds all that there is to keep.
            inner.rows.clear();
        }
        inner.reserve = taken.batch.clone().into_iter().collect();
        drop(inner);
        self.commits.send_replace(Progress {
            number: taken.number,
            is_failing: true,
        });
        self.mailbox.take_back(taken);
    }

    /// All that was put is where a kill does not lose it, if it could be committed.
    fn is_durable(&self) {
        if self.mailbox.is_read() {
            self.disk.inner().durable = Some(Instant::now());
        }
    }

    fn take(&self, after: u64) -> Option<Taken> {
        self.mailbox.take_after(after, Duration::ZERO)
    }
}
