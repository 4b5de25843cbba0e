//! Errors of the database, classified by how they are handled.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

/// Why the database cannot be read or written.
///
/// Only a [corrupt](StoreError::is_corrupt) file is quarantined. Any other error is caused by the machine or by this
/// version and may be transient: the file is left untouched and retried.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// The file is not a valid database.
    #[error("corrupt database: {0}")]
    Corrupt(String),
    /// The schema is newer than this version supports. The newer version can still use the rows.
    #[error("written by a newer version of canary (schema {0}); run that version, or use another directory")]
    Newer(i64),
    /// For example by a backup or a person with a database tool.
    #[error("the database is locked by another process")]
    Busy(#[source] rusqlite::Error),
    #[error("the disk is full")]
    Full(#[source] rusqlite::Error),
    #[error("permission denied: {0}")]
    Permission(#[source] rusqlite::Error),
    #[error("input/output error: {0}")]
    Io(#[source] rusqlite::Error),
    /// Out of descriptors, a missing folder, or a file system that is not mounted.
    #[error("cannot open the database: {0}")]
    CannotOpen(#[source] rusqlite::Error),
    #[error(transparent)]
    Other(rusqlite::Error),
    /// Another runner holds the lock file.
    #[error("it is in use by another instance")]
    InUse,
    /// The path no longer refers to the opened file: it was deleted, replaced, or mounted over. Or the file was shortened.
    #[error("the database was deleted, replaced or shortened")]
    Moved,
    /// The same of the write-ahead log: commits that are not in the database file yet may be lost.
    #[error("the log of the database was deleted, replaced or shortened")]
    LogMoved,
    /// A file or folder beside the database.
    #[error("cannot use `{}`: {source}", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{0} damaged databases beside it; remove some to persist state again")]
    TooManyQuarantined(usize),
}

impl StoreError {
    /// Whether no version of canary can ever read the file.
    pub(super) fn is_corrupt(&self) -> bool {
        matches!(self, Self::Corrupt(_))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Corrupt(error.to_string()),
            Some(
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed,
            ) => Self::Busy(error),
            Some(ErrorCode::DiskFull) => Self::Full(error),
            Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => Self::Permission(error),
            Some(ErrorCode::SystemIoFailure) => Self::Io(error),
            Some(ErrorCode::CannotOpen) => Self::CannotOpen(error),
            _ => Self::Other(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn error(code: i32) -> StoreError {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None).into()
    }

    #[test]
    fn only_what_is_wrong_with_the_file_itself_is_corrupt() {
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB, ffi::SQLITE_CORRUPT_INDEX] {
            assert!(error(code).is_corrupt(), "{code}");
        }
        let of_the_machine = [
            ffi::SQLITE_ERROR,
            ffi::SQLITE_PERM,
            ffi::SQLITE_ABORT,
            ffi::SQLITE_BUSY,
            ffi::SQLITE_BUSY_RECOVERY,
            ffi::SQLITE_BUSY_SNAPSHOT,
            ffi::SQLITE_LOCKED,
            ffi::SQLITE_NOMEM,
            ffi::SQLITE_READONLY,
            ffi::SQLITE_READONLY_DIRECTORY,
            ffi::SQLITE_READONLY_DBMOVED,
            ffi::SQLITE_INTERRUPT,
            ffi::SQLITE_IOERR,
            ffi::SQLITE_IOERR_READ,
            ffi::SQLITE_IOERR_SHORT_READ,
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_IOERR_SHMSIZE,
            ffi::SQLITE_IOERR_LOCK,
            ffi::SQLITE_FULL,
            ffi::SQLITE_CANTOPEN,
            ffi::SQLITE_CANTOPEN_SYMLINK,
            ffi::SQLITE_PROTOCOL,
            ffi::SQLITE_SCHEMA,
            ffi::SQLITE_MISUSE,
            ffi::SQLITE_AUTH,
        ];
        for code in of_the_machine {
            assert!(!error(code).is_corrupt(), "{code}");
        }
    }
}
