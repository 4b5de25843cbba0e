//! Persistent state: a durable key-value store in an SQLite database, written by a dedicated thread. It does not know
//! what the values mean.
//!
//! ```text
//! put -> write buffer (the latest value of each key) -> thread -> one transaction -> committed
//! ```
//!
//! `put` never waits for the disk. Changes that are put together are committed together. The write buffer holds the
//! latest value of each key, so a hanging disk costs memory for the existing keys and no more. Changes to alerts and
//! notifications are committed immediately, all others within 50 ms. Killing the process loses what is not committed
//! yet, which a caller can wait for with [`PendingCommit`]; a power failure may also lose the most recent commits.
//!
//! A database that cannot be used is left untouched and retried. While it accepts no commits, a preallocated spill file
//! beside it holds what fits. A database that has not been read yet is never written to: once it has been,
//! [`State::take_sync_request`] hands over its rows, and [`State::put_all`] provides the contents from then on.

mod connection;
mod error;
mod files;
mod read;
#[cfg(any(test, feature = "test-util"))]
pub mod simulated;
mod spill;
mod store;
#[cfg(test)]
mod tests;
mod write_buffer;
mod writer;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use canary_system::liveness::{self, Component, Impact, Registry};
use read::Rows;
use store::Store;
use write_buffer::WriteBuffer;
use writer::{DatabaseWriter, Opened};

/// How long startup waits for the database to be read.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller waits for a commit before it continues without one.
const COMMIT_TIMEOUT: Duration = Duration::from_millis(500);
/// How long the final commit may take at shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

const COMPONENT: Component = Component {
    name: "state",
    impact: Impact::Readiness,
};

/// The latest value of each key; `None` deletes it.
type Batch = HashMap<(Table, Arc<str>), Option<String>>;

/// The table that a row belongs to; the first column of its primary key in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// A check, by its id.
    Check,
    /// An alert, by its check.
    Alert,
    /// A notification that has not been delivered yet.
    Notification,
    /// The runner itself.
    Runner,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 4] = [Self::Check, Self::Alert, Self::Notification, Self::Runner];

    /// Whether callers wait for changes to this table, and a power failure must not lose them. Alerts and notifications
    /// are on the disk before anything is sent; otherwise an alert would be repeated or lost.
    fn is_urgent(self) -> bool {
        matches!(self, Self::Alert | Self::Notification)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Alert => "alert",
            Self::Notification => "notification",
            Self::Runner => "runner",
        }
    }
}

/// One change to a row: put or delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The table of the row.
    pub table: Table,
    /// The key of the row within its table.
    pub key: Arc<str>,
    /// The new value; `None` deletes the row.
    pub value: Option<String>,
}

impl Change {
    /// Stores `text` under `key`.
    #[must_use]
    pub fn put(table: Table, key: &str, text: String) -> Self {
        Self {
            table,
            key: key.into(),
            value: Some(text),
        }
    }

    /// Deletes the row of `key`.
    #[must_use]
    pub fn delete(table: Table, key: &str) -> Self {
        Self {
            table,
            key: key.into(),
            value: None,
        }
    }
}

/// The rows of a database, by table and key, in key order.
#[derive(Debug, Clone, Default)]
pub struct StoredRows {
    rows: Rows,
    /// Messages for the operator about reading the database, such as a file that was quarantined.
    pub notes: Vec<String>,
}

impl StoredRows {
    fn new(rows: Rows, notes: Vec<String>) -> Self {
        Self { rows, notes }
    }

    /// The rows of one table.
    pub fn rows_in(&self, table: Table) -> impl Iterator<Item = (&Arc<str>, &str)> {
        let in_table = move |row: &(&(Table, Arc<str>), &String)| row.0.0 == table;
        self.rows
            .iter()
            .filter(in_table)
            .map(|((_, key), text)| (key, text.as_str()))
    }
}

/// Accounts for one of the runner's own file descriptors for as long as the returned guard lives.
pub(crate) type DescriptorCounter = Box<dyn Fn() -> Box<dyn Send> + Send>;

/// Whether state can be persisted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Writes succeed, or persistence is disabled.
    Healthy,
    /// Writes fail or stall; they are retried.
    Failing(String),
    /// The state of an earlier process cannot be read; reading is retried.
    Unread(String),
}

/// What the service has to do before anything can be committed. It responds with [`State::put_all`].
#[derive(Debug)]
pub enum SyncRequest {
    /// Merge these rows, which could not be read earlier.
    Merge(StoredRows),
    /// Write everything again: the database lost earlier commits.
    RewriteAll,
}

/// A handle that persists changes. Cheap to clone; the thread behind it ends with the [`StateWriter`].
#[derive(Debug, Clone)]
pub struct State {
    /// Absent when persistence is disabled.
    write_buffer: Option<Arc<WriteBuffer>>,
    progress: watch::Receiver<Progress>,
}

/// How far the writer thread is.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// The number of the last change that survives a kill of the process.
    number: u64,
    /// Whether the last attempt to read or commit failed.
    is_failing: bool,
}

/// Owns the writer thread, which ends when this is dropped, after a final commit that takes 5 s at most.
#[derive(Debug)]
pub struct StateWriter(Option<Thread>);

#[derive(Debug)]
struct Thread {
    write_buffer: Arc<WriteBuffer>,
    handle: JoinHandle<()>,
}

/// Why persistence cannot be set up; the runner should not start.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another runner uses the folder.
    #[error(
        "state directory `{}` is in use by another instance; set another one, or `none`, with `--state-dir`",
        .path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The writer thread cannot be started.
    #[error("cannot start the state thread")]
    Thread(#[source] io::Error),
}

impl State {
    /// A handle that persists nothing.
    #[must_use]
    pub fn none() -> (Self, StateWriter) {
        let (_, progress) = watch::channel(Progress::default());
        let state = Self {
            write_buffer: None,
            progress,
        };
        (state, StateWriter(None))
    }

    /// Opens `folder`/state.db, creating it if necessary, and returns its rows. A corrupt file is quarantined under
    /// another name and reported in [`StoredRows::notes`]: a runner that lost its state still has to run checks.
    ///
    /// If the database cannot be read for any other reason, or not within 5 s, no rows are returned:
    /// [`State::is_unread`] is true then, and [`State::take_sync_request`] provides the rows later.
    ///
    /// `count_descriptor` is called before each descriptor is opened, since a failing disk causes the files to be
    /// reopened.
    ///
    /// # Errors
    /// Another runner uses the folder, or the thread cannot be started.
    pub fn open(
        folder: &Path,
        count_descriptor: DescriptorCounter,
        liveness: &Registry,
    ) -> Result<(Self, StateWriter, StoredRows), StateError> {
        let (progress_tx, progress) = watch::channel(Progress::default());
        let write_buffer = Arc::new(WriteBuffer::default());
        let writer = DatabaseWriter::new(
            Arc::clone(&write_buffer),
            Store::new(folder, count_descriptor),
            progress_tx,
        );
        // Unbuffered, so the writer knows whether the rows were received.
        let (opened_tx, opened_rx) = sync_channel(0);
        let work = move |progress: &liveness::Progress| {
            // `Health` reports disk failures; the liveness registry only has to notice a panic.
            progress.idle();
            writer.run(&opened_tx);
        };
        let handle = liveness::spawn(COMPONENT, liveness, work).map_err(StateError::Thread)?;
        let thread = Thread {
            write_buffer: Arc::clone(&write_buffer),
            handle,
        };
        let writer = StateWriter(Some(thread));
        let stored = match opened_rx.recv_timeout(OPEN_TIMEOUT) {
            Ok(Opened::Read(stored)) => stored,
            Ok(Opened::InUse) => {
                let path = folder.to_owned();
                return Err(StateError::InUse { path });
            }
            Ok(Opened::Unread) | Err(_) => StoredRows::default(),
        };
        let state = Self {
            write_buffer: Some(write_buffer),
            progress,
        };
        Ok((state, writer, stored))
    }

    /// Applies these changes atomically. Never waits.
    pub fn put(&self, changes: Vec<Change>) -> PendingCommit {
        self.pending(|write_buffer| write_buffer.put(changes))
    }

    /// Replaces the whole contents of the database by these changes. Never waits.
    pub fn put_all(&self, changes: Vec<Change>) -> PendingCommit {
        self.pending(|write_buffer| write_buffer.put_all(changes))
    }

    fn pending(&self, put: impl FnOnce(&WriteBuffer) -> u64) -> PendingCommit {
        PendingCommit {
            number: self.write_buffer.as_deref().map_or(0, put),
            progress: self.progress.clone(),
        }
    }

    /// What the service has to do before anything can be committed; returned once. Never waits.
    #[must_use]
    pub fn take_sync_request(&self) -> Option<SyncRequest> {
        self.write_buffer.as_ref()?.take_request()
    }

    /// Whether rows of an earlier process may exist that have not been merged yet.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.write_buffer
            .as_ref()
            .is_some_and(|write_buffer| !write_buffer.is_read())
    }

    /// Whether state can be persisted at the moment.
    #[must_use]
    pub fn health(&self) -> Health {
        self.write_buffer
            .as_ref()
            .map_or(Health::Healthy, |write_buffer| write_buffer.health())
    }
}

/// Changes that have been put and may not be committed yet.
#[derive(Debug, Clone)]
pub struct PendingCommit {
    number: u64,
    progress: watch::Receiver<Progress>,
}

impl PendingCommit {
    /// Waits until the changes survive a kill of the process, for 500 ms at most, since nothing may depend on a hanging
    /// disk. Returns whether they do.
    ///
    /// Cancellation: has no effect on the commit.
    pub async fn wait(mut self) -> bool {
        if self.number == 0 {
            return true;
        }
        let number = self.number;
        let committed = self.progress.wait_for(|progress| progress.number >= number);
        matches!(timeout(COMMIT_TIMEOUT, committed).await, Ok(Ok(_)))
    }

    /// Like [`Self::wait`], but returns at once while the disk is known to fail. For frequent operations.
    ///
    /// Cancellation: has no effect on the commit.
    pub async fn wait_unless_failing(mut self) -> bool {
        if self.number == 0 {
            return true;
        }
        let number = self.number;
        let is_over = |progress: &Progress| progress.number >= number || progress.is_failing;
        let reached = timeout(COMMIT_TIMEOUT, self.progress.wait_for(is_over)).await;
        matches!(reached, Ok(Ok(progress)) if progress.number >= number)
    }
}

impl Drop for StateWriter {
    fn drop(&mut self) {
        if let Some(Thread { write_buffer, handle }) = self.0.take() {
            write_buffer.close();
            // A hanging disk must not block shutdown as well.
            liveness::join(handle, SHUTDOWN_TIMEOUT);
        }
    }
}

#[cfg(any(test, feature = "test-util"))]
impl State {
    /// Like [`State::open`], without accounting for descriptors.
    pub fn open_uncounted(folder: &Path) -> Result<(Self, StateWriter, StoredRows), StateError> {
        Self::open(folder, Box::new(|| Box::new(())), &Registry::default())
    }
}

#[cfg(any(test, feature = "test-util"))]
impl PendingCommit {
    /// A pending commit that completes when the returned function is called.
    pub fn pending() -> (impl FnOnce(), Self) {
        let (progress_tx, progress) = watch::channel(Progress::default());
        let commit = move || {
            progress_tx.send_replace(Progress {
                number: 1,
                is_failing: false,
            });
        };
        (commit, Self { number: 1, progress })
    }
}
