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
    index: Option<LogIndex>,
    identity: FileId,
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
        let identity = FileId::from_path(path).ok_or(StoreError::Moved)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute_batch(SETUP)?;
        Ok(Self {
            connection,
            index: LogIndex::open(path)?,
            identity,
        })
    }

    /// The connection, if the database is still at this path.
    pub(super) fn get(&mut self, path: &Path) -> Result<&mut Connection, StoreError> {
        // Writes to a deleted file are lost without an error.
        if FileId::from_path(path) != Some(self.identity) {
            return Err(StoreError::Moved);
        }
        self.repair_index()?;
        Ok(&mut self.connection)
    }

    /// Repairs the index of the log, if another process has shortened it.
    pub(super) fn repair_index(&mut self) -> Result<(), StoreError> {
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
        if self.repair_index().is_err() {
            // Without a checkpoint, the index is not read.
            let _connection_closes_anyway = self
                .connection
                .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
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
