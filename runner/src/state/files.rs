//! The folder of the database: its lock, and files that are set aside. Nothing here deletes anything.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::error::StoreError;

/// Damaged databases that may lie in a folder; with more, state is not kept until somebody removes some.
const MAX_SET_ASIDE: usize = 16;
/// What SQLite keeps beside a database. The log has commits that the database itself does not have yet.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// Which file a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity(u64, u64);

impl Identity {
    /// Nothing when there is no such file.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self(found.dev(), found.ino()))
    }
}

/// The lock of a folder, held as long as the value lives: two runners on one database would undo each other's work.
#[derive(Debug)]
pub(super) struct Lock {
    _file: fs::File,
    identity: Option<Identity>,
}

impl Lock {
    /// Makes the folder if it is not there, and locks it.
    pub(super) fn take(folder: &Path) -> Result<Self, StoreError> {
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
                identity: Identity::of(&path),
            }),
            Err(fs::TryLockError::WouldBlock) => Err(StoreError::Taken),
            Err(fs::TryLockError::Error(error)) => Err(failed(&path)(error)),
        }
    }

    /// Whether it is still the lock of the folder: one that was deleted keeps nobody out.
    pub(super) fn is_of(&self, folder: &Path) -> bool {
        self.identity.is_some() && self.identity == Identity::of(&folder.join("lock"))
    }
}

/// A lock needs no right to write: where the file exists, reading is enough.
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

/// Whether commits are in the log that the database itself does not have yet.
pub(super) fn has_log(path: &Path) -> bool {
    // What cannot be looked at may be there.
    match fs::metadata(beside(path, "-wal")) {
        Ok(found) => found.len() > 0,
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// Gives a database another name, with all that belongs to it, and returns that name. It can be opened under it.
pub(super) fn set_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let aside = free_name(path)?;
    // The log first: a kill in between leaves a database that is looked at again, and never a log without one, which
    // SQLite would delete.
    for tail in BESIDE {
        rename(&beside(path, tail), &beside(&aside, tail))?;
    }
    rename(path, &aside)?;
    Ok(aside)
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
    let is_aside = |name: &Path| name.extension().is_some_and(|extension| extension == "broken");
    let entries = fs::read_dir(folder).map_err(failed)?.flatten();
    let count = entries.filter(|entry| is_aside(&entry.path())).count();
    if count >= MAX_SET_ASIDE {
        return Err(StoreError::TooManySetAside(count));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = now.unwrap_or_default().as_secs();
    let names =
        (0..=MAX_SET_ASIDE as u64).map(|more| path.with_extension(format!("{}.broken", seconds + more)));
    let is_free = |name: &PathBuf| {
        ["", "-wal", "-shm"]
            .iter()
            .all(|tail| !beside(name, tail).exists())
    };
    let mut names = names.filter(is_free);
    names.next().ok_or(StoreError::TooManySetAside(count))
}

fn beside(path: &Path, tail: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(tail);
    name.into()
}
