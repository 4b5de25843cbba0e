//! The thread that reads the database and writes to it, for as long as it takes.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::error::StoreError;
use super::mailbox::{Mailbox, Taken};
use super::read::Rows;
use super::store::{Attached, Found, Store};
use super::{Kept, Progress};

/// Before a disk that fails is tried again; it doubles with each try.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest of these pauses.
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// Between two writes to the reserve.
const RESCUE_PAUSE: Duration = Duration::from_millis(20);
/// The last commits at the end may fail this often.
const LAST_TRIES: u32 = 3;

/// What came of the first try.
pub(super) enum Opened {
    /// The database was read.
    Read(Kept),
    /// It is tried again, for this reason.
    Unread,
    /// Another runner is at work on it.
    Taken,
}

pub(super) struct Writer {
    mailbox: Arc<Mailbox>,
    store: Store,
    progress: watch::Sender<Progress>,
    /// Whether the database is known to be what this process wrote last.
    is_attached: bool,
    pause: Duration,
    last_tries: u32,
    /// The last change that the reserve has.
    rescued: u64,
}

impl Writer {
    pub(super) fn new(mailbox: Arc<Mailbox>, store: Store, progress: watch::Sender<Progress>) -> Self {
        Self {
            mailbox,
            store,
            progress,
            is_attached: false,
            pause: FIRST_PAUSE,
            last_tries: LAST_TRIES,
            rescued: 0,
        }
    }

    /// Commits what is put until the mailbox is closed and empty. Whoever waits for `opened` hears of the first try;
    /// when nobody does any more, the rows are kept for the service to ask for.
    pub(super) fn run(mut self, opened: &SyncSender<Opened>) {
        match self.store.attach() {
            Ok(attached) => self.first(attached, opened),
            Err(StoreError::Taken) if opened.send(Opened::Taken).is_ok() => return,
            Err(error) => {
                self.failing(&error);
                // It went on without.
                let _late = opened.send(Opened::Unread);
                self.wait();
            }
        }
        while self.is_attached || self.attach() {
            let Some(taken) = self.mailbox.take() else { return };
            match self.store.commit(&taken.batch, taken.is_whole) {
                Ok(()) => self.committed(taken.number),
                Err(error) => {
                    if !self.commit_failed(taken, &error) {
                        return;
                    }
                }
            }
        }
    }

    fn first(&mut self, attached: Attached, opened: &SyncSender<Opened>) {
        let Attached {
            found,
            pending,
            notes,
        } = attached;
        let Found::Rows(rows) = found else { return };
        self.is_attached = true;
        self.mailbox.open(pending);
        if let Err(unheard) = opened.send(Opened::Read(Kept::new(rows, notes)))
            && let Opened::Read(kept) = unheard.0
        {
            self.mailbox.offer(kept);
        }
    }

    /// Tries until the database is there. Returns false at the end.
    fn attach(&mut self) -> bool {
        loop {
            match self.store.attach() {
                Ok(Attached { found, notes, .. }) => {
                    self.is_attached = true;
                    self.offer(found, notes);
                    return true;
                }
                Err(error) => self.failing(&error),
            }
            if self.mailbox.is_closed() {
                return false;
            }
            self.wait();
        }
    }

    fn offer(&self, found: Found, notes: Vec<String>) {
        match found {
            Found::Own => {}
            Found::Rows(rows) => self.mailbox.offer(Kept::new(rows, notes)),
            Found::Behind if notes.is_empty() => self.mailbox.want_all(),
            // The service hears of it with the rows that there are none of.
            Found::Behind => self.mailbox.offer(Kept::new(Rows::new(), notes)),
        }
    }

    fn committed(&mut self, number: u64) {
        self.mailbox.committed();
        self.pause = FIRST_PAUSE;
        // Nobody may wait for it.
        self.progress.send_replace(Progress {
            number,
            is_failing: false,
        });
    }

    /// Returns false at the end.
    fn commit_failed(&mut self, taken: Taken, error: &StoreError) -> bool {
        self.failing(error);
        // What a full or locked disk refuses, it takes later; after anything else it may be another database.
        self.is_attached = matches!(error, StoreError::Full(_) | StoreError::Busy(_));
        self.rescue(taken);
        if self.mailbox.is_closed() {
            self.last_tries -= 1;
            return self.last_tries > 0;
        }
        self.wait();
        true
    }

    fn failing(&self, error: &StoreError) {
        self.mailbox.fail(error.to_string());
        self.progress.send_modify(|progress| progress.is_failing = true);
    }

    /// Waits before the next try. What is put meanwhile goes into the reserve.
    fn wait(&mut self) {
        let until = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(MAX_PAUSE);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Some(taken) = self.mailbox.take_after(self.rescued, left) else {
                return;
            };
            self.rescue(taken);
            self.mailbox.rest(RESCUE_PAUSE.min(left));
        }
    }

    /// Keeps what is not committed where a kill does not lose it.
    fn rescue(&mut self, taken: Taken) {
        let number = taken.number;
        if self.store.rescue(&taken.batch) {
            self.progress
                .send_modify(|progress| progress.number = progress.number.max(number));
        }
        self.rescued = number;
        self.mailbox.take_back(taken);
    }
}
