//! A simulated disk in memory, and a task that commits to it in place of the writer thread, through the same write
//! buffer.
#![expect(clippy::unwrap_used, reason = "what cannot be simulated must fail its test")]

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::read::Rows;
use super::write_buffer::{PendingBatch, WriteBuffer};
use super::{Progress, State, StoredRows};

/// How often the write buffer is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// How the simulated disk behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DiskMode {
    /// Every commit takes no time.
    #[default]
    Healthy,
    /// A commit takes this many milliseconds.
    Slow(u64),
    /// Commits fail, and go to the spill file.
    Full,
    /// No operation ever returns.
    Hangs,
}

/// A disk whose contents survive a simulated kill. Cheap to clone; clones share the disk.
#[derive(Debug, Clone, Default)]
pub struct Disk(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    rows: Rows,
    /// Committed to the spill file only.
    spill_file: BTreeMap<(super::Table, Arc<str>), Option<String>>,
    mode: DiskMode,
    /// The last time when every change put so far was committed.
    durable: Option<Instant>,
}

impl Disk {
    /// Changes how the disk behaves.
    pub fn set_mode(&self, mode: DiskMode) {
        self.inner().mode = mode;
    }

    /// How the disk behaves now.
    pub fn mode(&self) -> DiskMode {
        self.inner().mode
    }

    /// The moment up to which a kill loses nothing.
    pub fn durable(&self) -> Option<Instant> {
        self.inner().durable
    }

    /// The number of rows of a table.
    pub fn count(&self, table: super::Table) -> usize {
        self.inner()
            .rows
            .keys()
            .filter(|(found, _)| *found == table)
            .count()
    }

    /// Opens the disk as a starting process does: returns the state handle, the rows, and the task that commits. If the
    /// disk hangs, the rows arrive later.
    pub fn open(&self) -> (State, StoredRows, impl Future<Output = ()> + use<>) {
        let (progress_tx, progress) = watch::channel(Progress::default());
        let write_buffer = Arc::new(WriteBuffer::default());
        let is_read = self.mode() != DiskMode::Hangs;
        let stored = if is_read {
            self.read(&write_buffer)
        } else {
            StoredRows::default()
        };
        let state = State {
            write_buffer: Some(Arc::clone(&write_buffer)),
            progress,
        };
        let writer = SimulatedWriter {
            disk: self.clone(),
            write_buffer,
            progress_tx,
            is_read,
            spilled: 0,
        };
        (state, stored, writer.run())
    }

    fn read(&self, write_buffer: &WriteBuffer) -> StoredRows {
        write_buffer.mark_ready(PendingBatch::default());
        self.rows()
    }

    fn rows(&self) -> StoredRows {
        let mut inner = self.inner();
        let spilled = std::mem::take(&mut inner.spill_file);
        inner.apply(spilled);
        StoredRows::new(inner.rows.clone(), Vec::new())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }
}

impl Inner {
    fn apply(&mut self, batch: impl IntoIterator<Item = ((super::Table, Arc<str>), Option<String>)>) {
        for (key, value) in batch {
            match value {
                Some(text) => drop(self.rows.insert(key, text)),
                None => drop(self.rows.remove(&key)),
            }
        }
    }
}

struct SimulatedWriter {
    disk: Disk,
    write_buffer: Arc<WriteBuffer>,
    progress_tx: watch::Sender<Progress>,
    is_read: bool,
    spilled: u64,
}

impl SimulatedWriter {
    async fn run(mut self) {
        loop {
            sleep(POLL_INTERVAL).await;
            match self.disk.mode() {
                DiskMode::Hangs => {}
                _ if !self.is_read => {
                    self.is_read = true;
                    self.write_buffer.offer_rows(self.disk.rows());
                }
                DiskMode::Full => self.spill(),
                DiskMode::Slow(millis) => {
                    sleep(Duration::from_millis(millis)).await;
                    self.commit();
                }
                DiskMode::Healthy => self.commit(),
            }
        }
    }

    fn commit(&mut self) {
        let pending = self.next_batch(0);
        self.mark_durable();
        let Some(PendingBatch {
            batch,
            replaces_all,
            number,
        }) = pending
        else {
            return;
        };
        let mut inner = self.disk.inner();
        inner.spill_file.clear();
        if replaces_all {
            inner.rows.clear();
        }
        inner.apply(batch);
        drop(inner);
        self.write_buffer.mark_committed();
        self.progress_tx.send_replace(Progress {
            number,
            is_failing: false,
        });
    }

    fn spill(&mut self) {
        let pending = self.next_batch(self.spilled);
        self.mark_durable();
        let Some(pending) = pending else { return };
        self.write_buffer.mark_failing("the disk is full".to_owned());
        self.spilled = pending.number;
        let mut inner = self.disk.inner();
        if pending.replaces_all {
            // The batch is the complete contents.
            inner.rows.clear();
        }
        inner.spill_file = pending.batch.clone().into_iter().collect();
        drop(inner);
        self.progress_tx.send_replace(Progress {
            number: pending.number,
            is_failing: true,
        });
        self.write_buffer.put_back(pending);
    }

    /// Everything put so far survives a kill, if it could be committed.
    fn mark_durable(&self) {
        if self.write_buffer.is_read() {
            self.disk.inner().durable = Some(Instant::now());
        }
    }

    fn next_batch(&self, after: u64) -> Option<PendingBatch> {
        self.write_buffer.next_batch_after(after, Duration::ZERO)
    }
}
