//! The connection that writes to the database.

use std::fs;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::StoreError;
use super::files::FileId;
use super::read::BUSY_TIMEOUT;

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

/// An open database.
pub(super) struct DatabaseConnection {
    // Declared first: closing any descriptor of the index would release the locks that SQLite has on it.
    connection: Connection,
    database: GrowingFile,
    log: GrowingFile,
    index: Option<LogIndex>,
}

impl DatabaseConnection {
    /// Opens the database for writing, and creates it if necessary.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let created = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path);
        created.map_err(|source| StoreError::File {
            path: path.to_owned(),
            source,
        })?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let connection = Connection::open_with_flags(path, flags)?;
        let database = GrowingFile::at(path.to_owned());
        if database.known.is_none() {
            return Err(StoreError::Moved);
        }
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute_batch(SETUP)?;
        Ok(Self {
            connection,
            database,
            log: GrowingFile::at(path.with_extension("db-wal")),
            index: LogIndex::open(path)?,
        })
    }

    /// The connection, if the database and its log are still in place.
    pub(super) fn get(&mut self) -> Result<&mut Connection, StoreError> {
        if self.database.examine() != FileState::Whole {
            return Err(StoreError::Moved);
        }
        if self.log.examine() != FileState::Whole {
            return Err(StoreError::LogMoved);
        }
        self.repair_index()?;
        Ok(&mut self.connection)
    }

    /// Records how far a commit has extended the files.
    pub(super) fn committed(&mut self) -> Result<(), StoreError> {
        // What another process did to them meanwhile is reported before the next commit.
        let _states = [self.database.examine(), self.log.examine()];
        self.repair_index()
    }

    /// Repairs the index of the log, if another process has shortened it.
    fn repair_index(&mut self) -> Result<(), StoreError> {
        let Some(index) = &mut self.index else {
            return Ok(());
        };
        index.repair().map_err(|source| StoreError::File {
            path: index.path.clone(),
            source,
        })
    }
}

impl Drop for DatabaseConnection {
    fn drop(&mut self) {
        // A checkpoint would copy what is missing of the log, and then delete whatever is in its place. A log that was
        // only deleted is still open, with every commit.
        let states = [self.database.examine(), self.log.examine()];
        if self.repair_index().is_err() || states.contains(&FileState::Damaged) {
            // Without a checkpoint, neither the log nor the index is read.
            let _connection_closes_anyway = self
                .connection
                .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
    }
}

/// The database, or its write-ahead log. SQLite does not notice that another process deletes, replaces or shortens one:
/// later commits would go to a file that nobody opens again, or behind a gap, which a checkpoint copies into the
/// database as zeros.
struct GrowingFile {
    path: PathBuf,
    /// The identity of the file and its length in bytes, which only grows while the database is open.
    known: Option<(FileId, u64)>,
}

/// What another process has done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileState {
    Whole,
    Deleted,
    /// It is shorter, or another file is in its place.
    Damaged,
}

impl GrowingFile {
    fn at(path: PathBuf) -> Self {
        let mut file = Self { path, known: None };
        file.examine();
        file
    }

    fn examine(&mut self) -> FileState {
        let found = match fs::symlink_metadata(&self.path) {
            Ok(found) => Some((FileId::of(&found), found.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(_) => return FileState::Damaged,
        };
        match (self.known, found) {
            (Some(_), None) => return FileState::Deleted,
            (Some((identity, length)), Some(found)) if found.0 != identity || found.1 < length => {
                return FileState::Damaged;
            }
            _ => {}
        }
        self.known = found;
        FileState::Whole
    }
}

/// Size of the part of an index that SQLite maps at once, in bytes.
const INDEX_PART: u64 = 32 << 10;

/// The index of the write-ahead log, which SQLite maps into memory. If another process shortens the file, reading the
/// missing part ends this process with SIGBUS. Only commits read it, so it is repaired before each of them. An index in
/// private memory (`locking_mode = EXCLUSIVE`) would exclude backups while the service runs, and a rollback journal
/// would flush the disk several times for each commit.
struct LogIndex {
    file: fs::File,
    path: PathBuf,
    /// Length in bytes, which only grows while the database is open.
    length: u64,
}

impl LogIndex {
    /// `None` if SQLite does without.
    fn open(database: &Path) -> Result<Option<Self>, StoreError> {
        let path = database.with_extension("db-shm");
        let opened = fs::OpenOptions::new().read(true).write(true).open(&path);
        let opened = opened.and_then(|file| Ok((file.metadata()?.len(), file)));
        match opened {
            Ok((length, file)) => Ok(Some(Self {
                file,
                path,
                length: length.max(INDEX_PART),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::File { path, source }),
        }
    }

    fn repair(&mut self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length >= self.length {
            self.length = length;
            return Ok(());
        }
        // All of it: SQLite makes an index without a header anew, and believes a header that is left. Written, since a
        // part that is only missing has no blocks on a full disk.
        let empty = vec![0; usize::try_from(self.length).unwrap_or_default()];
        self.file.write_all_at(&empty, 0)
    }
}
