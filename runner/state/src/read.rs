//! Reads a database without writing to it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use super::Table;
use super::error::StoreError;
use super::files::has_log;

/// How long to wait for a lock of another process, such as a backup.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_millis(250);
/// The schema version that this version supports. An older database is upgraded; a newer one is left untouched.
const VERSION: i64 = 1;
/// The row with the name of the last commit.
pub(super) const COMMIT: (&str, &str) = ("state", "commit");

/// Values by table and key.
pub(super) type Rows = BTreeMap<(Table, Arc<str>), String>;

/// The contents of a database.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) rows: Rows,
    pub(super) commit: Option<String>,
    /// Rows that are not valid text.
    pub(super) unreadable: u64,
}

/// Reads all rows. Writes nothing.
pub(super) fn read(path: &Path) -> Result<Contents, StoreError> {
    let failed = |source| StoreError::File {
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        // SQLite would delete a log without its database, and the commits in it.
        Err(_) if has_log(path) => return Err(StoreError::Corrupt("only its log exists".to_owned())),
        Err(_) => return Ok(Contents::default()),
        Ok(found) if !found.is_file() => {
            return Err(failed(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            )));
        }
        Ok(_) => {}
    }
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let read = Connection::open_with_flags(path, flags)
        .map_err(StoreError::from)
        .and_then(|connection| read_all(&connection));
    match read {
        // Without a log everything is in the database file, which can be read without free space or write permission.
        Err(error) if !error.is_corrupt() && !has_log(path) => read_immutable(path).map_err(|_| error),
        read => read,
    }
}

fn read_immutable(path: &Path) -> Result<Contents, StoreError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let url = url::Url::from_file_path(path).map_err(|()| StoreError::Moved)?;
    let connection = Connection::open_with_flags(format!("{url}?immutable=1"), flags)?;
    read_all(&connection)
}

fn read_all(connection: &Connection) -> Result<Contents, StoreError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // The last connection to close checkpoints and deletes the log: not before the database is known to be intact.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    verify(connection)?;
    let mut contents = Contents::default();
    if !has_table(connection)? {
        return Ok(contents);
    }
    let mut statement = connection.prepare("SELECT shelf, key, value FROM kept")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, key, value) = (row.get::<_, String>(0), row.get::<_, String>(1), row.get(2));
        let (Ok(table), Ok(key), Ok(value)) = (table, key, value) else {
            contents.unreadable += 1;
            continue;
        };
        // A later version may have more tables.
        if let Some(table) = Table::ALL.into_iter().find(|known| known.as_str() == table) {
            contents.rows.insert((table, Arc::from(key)), value);
        }
    }
    contents.commit = last_commit(connection)?;
    Ok(contents)
}

fn verify(connection: &Connection) -> Result<(), StoreError> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version > VERSION {
        return Err(StoreError::Newer(version));
    }
    let found: Option<String> = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .optional()?;
    match found {
        Some(found) if found != "ok" => Err(StoreError::Corrupt(found)),
        _ => Ok(()),
    }
}

fn has_table(connection: &Connection) -> Result<bool, StoreError> {
    let columns = "SELECT count(*), count(*) FILTER (WHERE name IN ('shelf', 'key', 'value'))
        FROM pragma_table_info('kept')";
    let counts = connection.query_row(columns, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    match counts {
        (0, _) => Ok(false),
        (_, 3) => Ok(true),
        (_, _) => Err(StoreError::Corrupt("not written by canary".to_owned())),
    }
}

pub(super) fn last_commit(connection: &Connection) -> rusqlite::Result<Option<String>> {
    connection
        .query_row(
            "SELECT value FROM kept WHERE shelf = ?1 AND key = ?2",
            params![COMMIT.0, COMMIT.1],
            |row| row.get(0),
        )
        .optional()
}
