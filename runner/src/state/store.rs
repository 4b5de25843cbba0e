//! The database file.

use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};
use tokio::time::Instant;

use super::error::StoreError;
use super::files::{Identity, Lock, set_aside};
use super::read::{COMMIT, Contents, Rows, last_commit, read};
use super::reserve::Reserve;
use super::{Batch, Hold};

/// How long another process, such as a backup, may hold the database up.
pub(super) const BUSY: Duration = Duration::from_millis(250);
/// Commits before room is asked for again that the disk did not have.
const RESERVE_AFTER: u64 = 64;

/// The longest that what was committed is in the kernel's memory only. The kernel takes a write before the disk does, and
/// SQLite does not report what the disk then refuses unless a checkpoint is asked for.
const DURABLE_AFTER: Duration = Duration::from_secs(5);

const SETUP: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA wal_autocheckpoint = 1000;
    CREATE TABLE IF NOT EXISTS kept (
        shelf TEXT NOT NULL,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (shelf, key)
    ) WITHOUT ROWID;
    PRAGMA user_version = 1;
";

/// What a database has for this process.
#[derive(Debug)]
pub(super) enum Found {
    /// Exactly what this process wrote last.
    Own,
    /// Nothing, or an earlier state of what this process wrote: everything has to be written again.
    Behind,
    /// Rows that this process has not seen.
    Rows(Rows),
}

/// A database, and what an operator should hear of how it was opened.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) found: Found,
    /// What is in `found` and not in the database itself.
    pub(super) pending: Batch,
    pub(super) notes: Vec<String>,
}

/// The database of a folder. It is this process's alone.
pub(super) struct Store {
    folder: PathBuf,
    hold: Hold,
    lock: Option<Held<Lock>>,
    reserve: Option<Held<Reserve>>,
    connection: Option<Held<(Connection, Identity)>>,
    /// Absent before the first time that the database was read.
    last: Option<Last>,
    /// When the disk last had everything.
    durable: Instant,
}

/// Something open, and its descriptors, which are counted.
struct Held<T> {
    // Closed before it counts no longer.
    open: T,
    _descriptors: Vec<Box<dyn Send>>,
}

/// Descriptors of a connection: the database, its log, and the index of that.
const OF_CONNECTION: usize = 3;

fn held<T, E>(hold: &Hold, descriptors: usize, open: impl FnOnce() -> Result<T, E>) -> Result<Held<T>, E> {
    let held = (0..descriptors).map(|_| hold()).collect();
    Ok(Held {
        open: open()?,
        _descriptors: held,
    })
}

/// The last commit that this process knows of.
#[derive(Debug)]
struct Last {
    /// As it is in the database.
    commit: Option<String>,
    /// All commits of one database begin with it.
    lineage: String,
    number: u64,
}

impl Last {
    fn of(commit: Option<String>) -> Self {
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
    pub(super) fn new(folder: &Path, hold: Hold) -> Self {
        Self {
            folder: folder.to_owned(),
            hold,
            lock: None,
            reserve: None,
            connection: None,
            last: None,
            durable: Instant::now(),
        }
    }

    /// Takes the lock of the folder that is there now: it may be another one than before.
    fn lock_folder(&mut self) -> Result<(), StoreError> {
        let is_locked = |lock: &Held<Lock>| lock.open.is_of(&self.folder);
        if !self.lock.as_ref().is_some_and(is_locked) {
            (self.lock, self.reserve) = (None, None);
            self.lock = Some(held(&self.hold, 1, || Lock::take(&self.folder))?);
        }
        Ok(())
    }

    /// Locks the folder and reads the database, without writing to it. A file that is corrupt is set aside; after any
    /// other error everything is as before.
    pub(super) fn attach(&mut self) -> Result<Attached, StoreError> {
        self.connection = None;
        self.lock_folder()?;
        let path = self.path();
        let mut notes = Vec::new();
        let contents = match held(&self.hold, OF_CONNECTION, || read(&path)) {
            Ok(read) => read.open,
            Err(error) if error.is_corrupt() => {
                notes.push(note(&path, &set_aside(&path)?, &error));
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
        // Without it, what a full disk does not take is in memory only.
        if self.reserve.is_none() {
            self.reserve = held(&self.hold, 1, || Reserve::open(&self.folder)).ok();
        }
        if self.last.as_ref().is_some_and(|last| last.commit == commit) {
            return Ok(Attached {
                found: Found::Own,
                pending: Batch::new(),
                notes,
            });
        }
        let pending = self
            .reserve
            .as_ref()
            .map(|reserve| reserve.open.read(commit.as_deref()));
        let pending = pending.unwrap_or_default();
        apply(&mut rows, &pending);
        let found = self.compare(commit, rows);
        Ok(Attached {
            found,
            pending,
            notes,
        })
    }

    fn compare(&mut self, commit: Option<String>, rows: Rows) -> Found {
        let is_behind = self.last.as_ref().is_some_and(|last| {
            let is_own = commit.as_deref().is_some_and(|commit| last.is_ancestor(commit));
            is_own || rows.is_empty()
        });
        if is_behind && let Some(last) = &mut self.last {
            last.commit = commit;
            return Found::Behind;
        }
        self.last = Some(Last::of(commit));
        Found::Rows(rows)
    }

    /// Makes all these changes, or none; `is_whole` when they are all that there is to keep.
    pub(super) fn commit(&mut self, batch: &Batch, is_whole: bool) -> Result<(), StoreError> {
        let path = self.path();
        let Some(last) = &mut self.last else {
            return Err(StoreError::Moved);
        };
        if self.connection.is_none() {
            self.connection = Some(held(&self.hold, OF_CONNECTION, || connect(&path))?);
        }
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        let (connection, identity) = &mut connection.open;
        // What is written to a file that was deleted is lost without an error.
        if Identity::of(&path) != Some(*identity) {
            return Err(StoreError::Moved);
        }
        let next = last.next();
        connection.pragma_update(None, "synchronous", synchronous(batch))?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if last_commit(&transaction)? != last.commit {
            return Err(StoreError::Moved);
        }
        write(&transaction, batch, is_whole, &next)?;
        transaction.commit()?;
        (last.commit, last.number) = (Some(next), last.number + 1);
        if self.durable.elapsed() >= DURABLE_AFTER {
            make_durable(connection)?;
            self.durable = Instant::now();
        }
        if self.reserve.is_none() && last.number.is_multiple_of(RESERVE_AFTER) {
            self.reserve = held(&self.hold, 1, || Reserve::open(&self.folder)).ok();
        }
        Ok(())
    }

    /// Keeps what the database does not take where a kill does not lose it. Returns whether that is all of it.
    pub(super) fn rescue(&mut self, batch: &Batch) -> bool {
        let Some(last) = &self.last else {
            return false;
        };
        let written = self
            .reserve
            .as_mut()
            .map(|reserve| reserve.open.write(last.commit.as_deref(), batch));
        matches!(written, Some(Ok(true)))
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

/// Opens the database for writing, and makes it if it is not there.
fn connect(path: &Path) -> Result<(Connection, Identity), StoreError> {
    let created = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path);
    created.map_err(|source| StoreError::File {
        path: path.to_owned(),
        source,
    })?;
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    let identity = Identity::of(path).ok_or(StoreError::Moved)?;
    connection.busy_timeout(BUSY)?;
    connection.execute_batch(SETUP)?;
    Ok((connection, identity))
}

/// How SQLite commits these changes.
fn synchronous(batch: &Batch) -> &'static str {
    match batch.keys().any(|(shelf, _)| shelf.is_urgent()) {
        true => "FULL",
        false => "NORMAL",
    }
}

/// Writes these changes and the name of the commit; `is_whole` when they are all that there is to keep.
fn write(transaction: &Transaction<'_>, batch: &Batch, is_whole: bool, commit: &str) -> rusqlite::Result<()> {
    if is_whole {
        transaction.execute("DELETE FROM kept", [])?;
    }
    let mut keep =
        transaction.prepare("INSERT OR REPLACE INTO kept (shelf, key, value) VALUES (?1, ?2, ?3)")?;
    let mut forget = transaction.prepare("DELETE FROM kept WHERE shelf = ?1 AND key = ?2")?;
    for ((shelf, key), value) in batch {
        match value {
            Some(value) => keep.execute(params![shelf.word(), key, value])?,
            None => forget.execute(params![shelf.word(), key])?,
        };
    }
    keep.execute(params![COMMIT.0, COMMIT.1, commit])?;
    Ok(())
}

/// Has the disk take what was committed. After an error the whole log is copied again, also what the kernel gave up.
fn make_durable(connection: &Connection) -> Result<(), StoreError> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    Ok(())
}

fn note(path: &Path, aside: &Path, why: &StoreError) -> String {
    format!(
        "state in `{}` cannot be read ({why}); it is set aside as `{}`, and statuses, streaks and waiting notifications \
         begin anew",
        path.display(),
        aside.display()
    )
}
