//! The writer thread: reads the database and commits to it, retrying for as long as necessary.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::error::StoreError;
use super::read::Rows;
use super::store::{Attached, DatabaseState, Store};
use super::write_buffer::{PendingBatch, WriteBuffer};
use super::{Progress, StoredRows};
use canary_system::backoff::{Backoff, Policy};

/// The delay before a failing disk is retried.
const BACKOFF: Policy = Policy::new(Duration::from_millis(250), Duration::from_secs(5));
/// The minimum time between two writes to the spill file.
const SPILL_INTERVAL: Duration = Duration::from_millis(20);
/// How many commits may fail at shutdown.
const SHUTDOWN_ATTEMPTS: u32 = 3;

/// The result of the first attempt to read the database.
pub(super) enum Opened {
    /// The database was read.
    Read(StoredRows),
    /// It could not be read and is retried.
    Unread,
    /// Another runner uses the folder.
    InUse,
}

/// The loop of the writer thread.
pub(super) struct DatabaseWriter {
    write_buffer: Arc<WriteBuffer>,
    store: Store,
    progress: watch::Sender<Progress>,
    /// Whether the database is known to hold the last commit of this process.
    is_attached: bool,
    backoff: Backoff,
    shutdown_attempts: u32,
    /// The number of the last change in the spill file.
    spilled: u64,
}

impl DatabaseWriter {
    pub(super) fn new(
        write_buffer: Arc<WriteBuffer>,
        store: Store,
        progress: watch::Sender<Progress>,
    ) -> Self {
        Self {
            write_buffer,
            store,
            progress,
            is_attached: false,
            backoff: Backoff::new(BACKOFF),
            shutdown_attempts: SHUTDOWN_ATTEMPTS,
            spilled: 0,
        }
    }

    /// Commits changes until the write buffer is closed and empty. The result of the first read is sent to `opened_tx`;
    /// if the receiver no longer waits, the rows are handed over by [`WriteBuffer::take_request`] instead.
    pub(super) fn run(mut self, opened_tx: &SyncSender<Opened>) {
        match self.store.attach() {
            Ok(attached) => self.first_attach(attached, opened_tx),
            Err(StoreError::InUse) if opened_tx.send(Opened::InUse).is_ok() => return,
            Err(error) => {
                self.report_failure(&error);
                // The receiver may have timed out and continued without the rows.
                let _late = opened_tx.send(Opened::Unread);
                self.back_off();
            }
        }
        while self.is_attached || self.attach() {
            let Some(pending) = self.write_buffer.next_batch() else {
                return;
            };
            match self.store.commit(&pending.batch, pending.replaces_all) {
                Ok(()) => self.committed(pending.number),
                Err(error) => {
                    if !self.commit_failed(pending, &error) {
                        return;
                    }
                }
            }
        }
    }

    fn first_attach(&mut self, attached: Attached, opened_tx: &SyncSender<Opened>) {
        let Attached {
            found,
            pending,
            notes,
        } = attached;
        let DatabaseState::Rows(rows) = found else { return };
        self.is_attached = true;
        self.write_buffer.mark_ready(pending);
        if let Err(unsent) = opened_tx.send(Opened::Read(StoredRows::new(rows, notes)))
            && let Opened::Read(stored) = unsent.0
        {
            self.write_buffer.offer_rows(stored);
        }
    }

    /// Retries until the database was read. Returns false at shutdown.
    fn attach(&mut self) -> bool {
        loop {
            match self.store.attach() {
                Ok(Attached { found, notes, .. }) => {
                    self.is_attached = true;
                    self.offer_rows(found, notes);
                    return true;
                }
                Err(error) => self.report_failure(&error),
            }
            if self.write_buffer.is_closed() {
                return false;
            }
            self.back_off();
        }
    }

    fn offer_rows(&self, found: DatabaseState, notes: Vec<String>) {
        match found {
            DatabaseState::Current => {}
            DatabaseState::Rows(rows) => self.write_buffer.offer_rows(StoredRows::new(rows, notes)),
            DatabaseState::Behind if notes.is_empty() => self.write_buffer.request_rewrite(),
            // Without any rows, only to deliver the notes to the service.
            DatabaseState::Behind => self.write_buffer.offer_rows(StoredRows::new(Rows::new(), notes)),
        }
    }

    fn committed(&mut self, number: u64) {
        self.write_buffer.mark_committed();
        self.backoff.reset();
        // There may be no receiver.
        self.progress.send_replace(Progress {
            number,
            is_failing: false,
        });
    }

    /// Spills the batch and backs off. Returns false to give up at shutdown.
    fn commit_failed(&mut self, pending: PendingBatch, error: &StoreError) -> bool {
        self.report_failure(error);
        // A full disk or a lock is transient; after any other error the file may be another database.
        self.is_attached = matches!(error, StoreError::Full(_) | StoreError::Busy(_));
        self.spill(pending);
        if self.write_buffer.is_closed() {
            self.shutdown_attempts -= 1;
            return self.shutdown_attempts > 0;
        }
        self.back_off();
        true
    }

    fn report_failure(&self, error: &StoreError) {
        self.write_buffer.mark_failing(error.to_string());
        self.progress.send_modify(|progress| progress.is_failing = true);
    }

    /// Waits before the next attempt. Changes that are put meanwhile go to the spill file.
    fn back_off(&mut self) {
        let until = self.backoff.record_failure(None, Instant::now());
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Some(pending) = self.write_buffer.next_batch_after(self.spilled, left) else {
                return;
            };
            let began = Instant::now();
            self.spill(pending);
            // At most a fifth of the time, however much there is to write.
            let pause = SPILL_INTERVAL.max(4 * began.elapsed());
            self.write_buffer.sleep(pause.min(left));
        }
    }

    /// Writes uncommitted changes to the spill file, where they survive a kill.
    fn spill(&mut self, pending: PendingBatch) {
        let number = pending.number;
        let is_spilled = self.store.spill(&pending);
        // Changes of the previous write may be among them.
        let unspilled = if is_spilled { 0 } else { pending.batch.len() };
        if is_spilled {
            self.progress
                .send_modify(|progress| progress.number = progress.number.max(number));
        }
        self.spilled = number;
        self.write_buffer.put_back(pending);
        self.write_buffer.mark_unspilled(unspilled);
    }
}
