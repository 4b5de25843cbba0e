//! The database file: attaching to it, committing, and spilling what cannot be committed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use tokio::time::Instant;

use super::connection::DatabaseConnection;
use super::error::StoreError;
use super::files::{FolderLock, quarantine};
use super::read::{COMMIT, Contents, Rows, last_commit, read};
use super::spill::{SpillFile, Spilled};
use super::write_buffer::PendingBatch;
use super::{Batch, DescriptorCounter};

/// After this many commits, the spill file is opened if that failed before, and extended if the database has grown.
const RESERVATION_COMMITS: u64 = 64;

/// The longest time that a commit stays in the kernel's page cache only. The kernel accepts a write before the disk
/// does, and SQLite does not report a later write error without a checkpoint.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(5);

const OUTDATED_NOTE: &str = "the state could not be written before the runner was killed, and its last changes did \
    not fit in the space that is allocated for that: it continues from an earlier moment, so that runs are missing and \
    notifications may be repeated";

/// The contents of a database compared with what this process committed last.
#[derive(Debug)]
pub(super) enum DatabaseState {
    /// Exactly the last commit of this process.
    Current,
    /// Empty, or an earlier commit of this process: everything has to be written again.
    Behind,
    /// Rows that this process has not seen.
    Rows(Rows),
}

/// A database that was read, with messages for the operator.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) found: DatabaseState,
    /// Changes from the spill file that are in `found` and not in the database itself.
    pub(super) pending: PendingBatch,
    pub(super) notes: Vec<String>,
}

/// The database of a folder, locked for this process.
pub(super) struct Store {
    folder: PathBuf,
    count_descriptor: DescriptorCounter,
    lock: Option<Counted<FolderLock>>,
    spill_file: Option<Counted<SpillFile>>,
    connection: Option<Counted<DatabaseConnection>>,
    /// Absent until the database was read for the first time.
    last: Option<LastCommit>,
    /// The time of the last checkpoint.
    checkpointed_at: Instant,
}

/// An open resource whose file descriptors are accounted for.
struct Counted<T> {
    // Declared first: closed before its descriptors are released.
    open: T,
    _descriptors: Vec<Box<dyn Send>>,
}

/// Descriptors of a connection: the database, its write-ahead log, and the index of the log, which is open twice.
const CONNECTION_DESCRIPTORS: usize = 4;

fn counted<T, E>(
    count_descriptor: &DescriptorCounter,
    descriptors: usize,
    open: impl FnOnce() -> Result<T, E>,
) -> Result<Counted<T>, E> {
    let guards = (0..descriptors).map(|_| count_descriptor()).collect();
    Ok(Counted {
        open: open()?,
        _descriptors: guards,
    })
}

/// The last commit that this process knows of.
#[derive(Debug)]
struct LastCommit {
    /// The name of the commit, as stored in the database.
    commit: Option<String>,
    /// The prefix shared by all commits of one database.
    lineage: String,
    number: u64,
}

impl LastCommit {
    fn new(commit: Option<String>) -> Self {
        let parts = commit.as_deref().and_then(|commit| commit.split_once(':'));
        let known = parts.and_then(|(lineage, number)| Some((lineage.to_owned(), number.parse().ok()?)));
        let (lineage, number) = known.unwrap_or_else(|| (format!("{:016x}", fastrand::u64(..)), 0));
        Self {
            commit,
            lineage,
            number,
        }
    }

    fn next(&self) -> String {
        format!("{}:{}", self.lineage, self.number + 1)
    }

    fn is_ancestor(&self, commit: &str) -> bool {
        commit
            .split_once(':')
            .is_some_and(|(lineage, _)| lineage == self.lineage)
    }
}

impl Store {
    pub(super) fn new(folder: &Path, count_descriptor: DescriptorCounter) -> Self {
        Self {
            folder: folder.to_owned(),
            count_descriptor,
            lock: None,
            spill_file: None,
            connection: None,
            last: None,
            checkpointed_at: Instant::now(),
        }
    }

    /// Locks the folder that exists now, which may not be the one that was locked before.
    fn lock_folder(&mut self) -> Result<(), StoreError> {
        let is_locked = |lock: &Counted<FolderLock>| lock.open.is_current(&self.folder);
        if !self.lock.as_ref().is_some_and(is_locked) {
            (self.lock, self.spill_file) = (None, None);
            self.lock = Some(counted(&self.count_descriptor, 1, || {
                FolderLock::acquire(&self.folder)
            })?);
        }
        Ok(())
    }

    /// Locks the folder and reads the database, without writing to it. A corrupt file is quarantined; after any other
    /// error nothing has changed.
    pub(super) fn attach(&mut self) -> Result<Attached, StoreError> {
        self.connection = None;
        self.lock_folder()?;
        let path = self.path();
        let mut notes = Vec::new();
        let contents = match counted(&self.count_descriptor, CONNECTION_DESCRIPTORS, || read(&path)) {
            Ok(read) => read.open,
            Err(error) if error.is_corrupt() => {
                notes.push(quarantine_note(&path, &quarantine(&path)?, &error));
                Contents::default()
            }
            Err(error) => return Err(error),
        };
        let Contents {
            mut rows,
            commit,
            unreadable,
        } = contents;
        if unreadable > 0 {
            notes.push(format!(
                "{unreadable} rows of `{}` cannot be read",
                path.display()
            ));
        }
        // Without it, changes that a full disk cannot accept are in memory only.
        if self.spill_file.is_none() {
            self.reserve_space();
        }
        if self.last.as_ref().is_some_and(|last| last.commit == commit) {
            return Ok(Attached {
                found: DatabaseState::Current,
                pending: PendingBatch::default(),
                notes,
            });
        }
        let pending = self.read_spilled(commit.as_deref(), &mut notes);
        if pending.replaces_all {
            rows.clear();
        }
        apply(&mut rows, &pending.batch);
        let found = self.compare(commit, rows);
        Ok(Attached {
            found,
            pending,
            notes,
        })
    }

    /// The changes that the spill file holds for this commit of the database.
    fn read_spilled(&mut self, commit: Option<&str>, notes: &mut Vec<String>) -> PendingBatch {
        let Some(spill_file) = &self.spill_file else {
            return PendingBatch::default();
        };
        let spilled = spill_file.open.read(commit);
        if spilled.is_outdated {
            notes.push(OUTDATED_NOTE.to_owned());
        } else if spilled == Spilled::default() {
            self.reserve_space();
        }
        spilled.pending
    }

    /// Allocates space for changes that cannot be committed. Not while the spill file holds any.
    fn reserve_space(&mut self) {
        let database = fs::metadata(self.path()).map_or(0, |found| found.len());
        match &mut self.spill_file {
            Some(spill_file) => spill_file.open.extend(database),
            None => {
                self.spill_file = counted(&self.count_descriptor, 1, || SpillFile::open(&self.folder)).ok();
            }
        }
    }

    fn compare(&mut self, commit: Option<String>, rows: Rows) -> DatabaseState {
        let is_behind = self.last.as_ref().is_some_and(|last| {
            let is_own = commit.as_deref().is_some_and(|commit| last.is_ancestor(commit));
            is_own || rows.is_empty()
        });
        if is_behind && let Some(last) = &mut self.last {
            last.commit = commit;
            return DatabaseState::Behind;
        }
        self.last = Some(LastCommit::new(commit));
        DatabaseState::Rows(rows)
    }

    /// Commits these changes atomically; with `replaces_all` they replace the whole contents.
    pub(super) fn commit(&mut self, batch: &Batch, replaces_all: bool) -> Result<(), StoreError> {
        let path = self.path();
        let Some(last) = &mut self.last else {
            return Err(StoreError::Moved);
        };
        if self.connection.is_none() {
            self.connection = Some(counted(&self.count_descriptor, CONNECTION_DESCRIPTORS, || {
                DatabaseConnection::open(&path)
            })?);
        }
        let Some(database) = &mut self.connection else {
            return Ok(());
        };
        let connection = database.open.get()?;
        let next = last.next();
        connection.pragma_update(None, "synchronous", synchronous_mode(batch))?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if last_commit(&transaction)? != last.commit {
            return Err(StoreError::Moved);
        }
        write(&transaction, batch, replaces_all, &next)?;
        transaction.commit()?;
        (last.commit, last.number) = (Some(next), last.number + 1);
        if self.checkpointed_at.elapsed() >= CHECKPOINT_INTERVAL {
            checkpoint(connection)?;
            self.checkpointed_at = Instant::now();
        }
        database.open.committed()?;
        if last.number.is_multiple_of(RESERVATION_COMMITS) {
            self.reserve_space();
        }
        Ok(())
    }

    /// Writes changes that cannot be committed to the spill file, where they survive a kill. Returns whether they do.
    pub(super) fn spill(&mut self, pending: &PendingBatch) -> bool {
        let (Some(last), Some(spill_file)) = (&self.last, &mut self.spill_file) else {
            return false;
        };
        matches!(spill_file.open.write(last.commit.as_deref(), pending), Ok(true))
    }

    fn path(&self) -> PathBuf {
        self.folder.join("state.db")
    }
}

fn apply(rows: &mut Rows, batch: &Batch) {
    for (key, value) in batch {
        match value {
            Some(value) => drop(rows.insert(key.clone(), value.clone())),
            None => drop(rows.remove(key)),
        }
    }
}

/// The `synchronous` mode of SQLite for these changes.
fn synchronous_mode(batch: &Batch) -> &'static str {
    if batch.keys().any(|(table, _)| table.is_urgent()) {
        "FULL"
    } else {
        "NORMAL"
    }
}

/// Writes these changes and the name of the commit; with `replaces_all` they replace the whole contents.
fn write(
    transaction: &Transaction<'_>,
    batch: &Batch,
    replaces_all: bool,
    commit: &str,
) -> rusqlite::Result<()> {
    if replaces_all {
        transaction.execute("DELETE FROM kept", [])?;
    }
    let mut insert =
        transaction.prepare("INSERT OR REPLACE INTO kept (shelf, key, value) VALUES (?1, ?2, ?3)")?;
    let mut delete = transaction.prepare("DELETE FROM kept WHERE shelf = ?1 AND key = ?2")?;
    for ((table, key), value) in batch {
        match value {
            Some(value) => insert.execute(params![table.as_str(), key, value])?,
            None => delete.execute(params![table.as_str(), key])?,
        };
    }
    insert.execute(params![COMMIT.0, COMMIT.1, commit])?;
    Ok(())
}

/// Checkpoints the write-ahead log, so that commits reach the disk. After an error the whole log is copied again,
/// including pages that the kernel gave up writing.
fn checkpoint(connection: &Connection) -> Result<(), StoreError> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    Ok(())
}

fn quarantine_note(path: &Path, quarantined: &Path, reason: &StoreError) -> String {
    format!(
        "cannot read the state in `{}` ({reason}); moved it to `{}`, starting without statuses, streaks and \
         queued notifications",
        path.display(),
        quarantined.display()
    )
}
