//! The database file.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use super::{Kept, Shelf};

/// The schema that this version writes; an older one is brought up to it, a newer one is set aside.
const VERSION: i64 = 1;
/// How long another process, such as a backup, may hold the database up.
const BUSY: Duration = Duration::from_millis(250);
/// Files that were set aside are kept up to this number; the oldest goes.
const ASIDE_KEPT: usize = 5;

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

/// An open database. It is this process's alone.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    connection: Option<Connection>,
    /// Held as long as the process lives: two runners on one file would undo each other's work.
    _lock: fs::File,
}

impl Store {
    /// Opens the database in `folder` and reads it.
    ///
    /// # Errors
    /// The folder cannot be used, or another runner uses it.
    pub(super) fn open(folder: &Path) -> io::Result<(Self, Kept)> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let lock = lock(folder)?;
        let path = folder.join("state.db");
        let mut kept = Kept::default();
        let connection = match read(&path) {
            Ok((connection, rows)) => {
                kept.rows = rows;
                connection
            }
            Err(error) => {
                kept.notes.push(set_aside(&path, &error)?);
                connect(&path).map_err(io::Error::other)?
            }
        };
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        let store = Self {
            path,
            connection: Some(connection),
            _lock: lock,
        };
        Ok((store, kept))
    }

    /// Makes all these changes, or none.
    pub(super) fn commit(
        &mut self,
        batch: &HashMap<(Shelf, Arc<str>), Option<String>>,
    ) -> rusqlite::Result<()> {
        if self.connection.is_none() {
            self.connection = Some(connect(&self.path)?);
        }
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        let transaction = connection.transaction()?;
        {
            let mut keep =
                transaction.prepare("INSERT OR REPLACE INTO kept (shelf, key, value) VALUES (?1, ?2, ?3)")?;
            let mut forget = transaction.prepare("DELETE FROM kept WHERE shelf = ?1 AND key = ?2")?;
            for ((shelf, key), value) in batch {
                match value {
                    Some(value) => keep.execute(params![shelf.word(), key, value])?,
                    None => forget.execute(params![shelf.word(), key])?,
                };
            }
        }
        transaction.commit()
    }

    /// Starts anew with the file as it is now: it may have been taken away, or its disk may be back.
    pub(super) fn reopen(&mut self) {
        self.connection = None;
    }
}

fn lock(folder: &Path) -> io::Result<fs::File> {
    let file = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(io::ErrorKind::ResourceBusy.into()),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.execute_batch(SETUP)?;
    Ok(connection)
}

type Rows = Vec<(Shelf, Arc<str>, String)>;

/// Why a database cannot be gone on with.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("it is damaged: {0}")]
    Damaged(String),
    #[error("it was written by a newer version (schema {0})")]
    Newer(i64),
}

fn read(path: &Path) -> Result<(Connection, Rows), Unreadable> {
    if path.exists() {
        judge(path)?;
    }
    let connection = connect(path)?;
    let rows = {
        let mut statement = connection.prepare("SELECT shelf, key, value FROM kept ORDER BY shelf, key")?;
        let rows = statement.query_map([], |row| {
            let (shelf, key, value): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let shelf = Shelf::ALL.into_iter().find(|known| known.word() == shelf);
            Ok(shelf.map(|shelf| (shelf, Arc::from(key), value)))
        })?;
        rows.filter_map(Result::transpose).collect::<Result<Rows, _>>()?
    };
    Ok((connection, rows))
}

/// Looks at a file before anything is written to it.
fn judge(path: &Path) -> Result<(), Unreadable> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(BUSY)?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version > VERSION {
        return Err(Unreadable::Newer(version));
    }
    let found: Option<String> = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .optional()?;
    match found {
        Some(found) if found != "ok" => Err(Unreadable::Damaged(found)),
        _ => Ok(()),
    }
}

/// Gives the file another name, with what belongs to it, and says so.
fn set_aside(path: &Path, why: &Unreadable) -> io::Result<String> {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let aside = path.with_extension(format!("{seconds}.broken"));
    fs::rename(path, &aside)?;
    for tail in ["-wal", "-shm"] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(tail);
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    make_room(path)?;
    Ok(format!(
        "state in `{}` cannot be read ({why}); it is set aside as `{}`, and statuses, streaks and waiting notifications \
         begin anew",
        path.display(),
        aside.display()
    ))
}

fn make_room(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    let mut broken: Vec<PathBuf> = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "broken"))
        .collect();
    broken.sort();
    let surplus = broken.len().saturating_sub(ASIDE_KEPT);
    broken.into_iter().take(surplus).try_for_each(fs::remove_file)
}
