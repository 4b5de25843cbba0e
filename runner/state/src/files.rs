//! The folder of the database: its lock file, and quarantined files. Nothing here deletes a file.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::error::StoreError;

/// Quarantined databases allowed in a folder. Beyond that, state is not persisted until someone removes some.
const MAX_QUARANTINED: usize = 16;
/// Suffixes of the files that SQLite keeps beside a database. The write-ahead log holds commits that are not in the
/// database file yet.
const SIDE_FILES: [&str; 2] = ["-wal", "-shm"];

/// The identity of a file: device and inode number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId(u64, u64);

impl FileId {
    /// `None` if the file does not exist.
    pub(super) fn from_path(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|found| Self::of(&found))
    }

    pub(super) fn of(found: &fs::Metadata) -> Self {
        Self(found.dev(), found.ino())
    }
}

/// The lock of a folder, held as long as the value lives: two runners on one database would overwrite each other.
#[derive(Debug)]
pub(super) struct FolderLock {
    _file: fs::File,
    identity: Option<FileId>,
}

impl FolderLock {
    /// Creates the folder if necessary, and locks it.
    pub(super) fn acquire(folder: &Path) -> Result<Self, StoreError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::File { path, source }
        };
        let mut builder = fs::DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed(folder))?;
        let path = folder.join("lock");
        let file = open(&path).map_err(failed(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self {
                _file: file,
                identity: FileId::from_path(&path),
            }),
            Err(fs::TryLockError::WouldBlock) => Err(StoreError::InUse),
            Err(fs::TryLockError::Error(error)) => Err(failed(&path)(error)),
        }
    }

    /// Whether this is still the lock file of the folder: a deleted lock file does not exclude another process.
    pub(super) fn is_current(&self, folder: &Path) -> bool {
        self.identity.is_some() && self.identity == FileId::from_path(&folder.join("lock"))
    }
}

/// Opens the lock file. Locking needs no write permission: read access to an existing file is enough.
fn open(path: &Path) -> io::Result<fs::File> {
    let created = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path);
    match created {
        Err(error) if error.kind() != io::ErrorKind::NotFound => fs::File::open(path).map_err(|_| error),
        created => created,
    }
}

/// Whether the write-ahead log may hold commits that are not in the database file yet.
pub(super) fn has_log(path: &Path) -> bool {
    // If it cannot be inspected, assume that it exists.
    match fs::metadata(side_file(path, "-wal")) {
        Ok(found) => found.len() > 0,
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// Renames a database together with its side files, and returns the new name, under which it can be opened.
pub(super) fn quarantine(path: &Path) -> Result<PathBuf, StoreError> {
    let quarantined = free_name(path)?;
    // The log first: a kill in between leaves a database that is examined again, and never a log without its database,
    // which SQLite would delete.
    for tail in SIDE_FILES {
        rename(&side_file(path, tail), &side_file(&quarantined, tail))?;
    }
    rename(path, &quarantined)?;
    Ok(quarantined)
}

fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    match fs::rename(from, to) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(StoreError::File {
            path: from.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

fn free_name(path: &Path) -> Result<PathBuf, StoreError> {
    let folder = path.parent().unwrap_or(path);
    let failed = |source| StoreError::File {
        path: folder.to_owned(),
        source,
    };
    let is_quarantined = |name: &Path| name.extension().is_some_and(|extension| extension == "broken");
    let entries = fs::read_dir(folder).map_err(failed)?.flatten();
    let count = entries.filter(|entry| is_quarantined(&entry.path())).count();
    if count >= MAX_QUARANTINED {
        return Err(StoreError::TooManyQuarantined(count));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = now.unwrap_or_default().as_secs();
    let names =
        (0..=MAX_QUARANTINED as u64).map(|more| path.with_extension(format!("{}.broken", seconds + more)));
    let is_free = |name: &PathBuf| {
        ["", "-wal", "-shm"]
            .iter()
            .all(|tail| !side_file(name, tail).exists())
    };
    let mut names = names.filter(is_free);
    names.next().ok_or(StoreError::TooManyQuarantined(count))
}

fn side_file(path: &Path, tail: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(tail);
    name.into()
}
