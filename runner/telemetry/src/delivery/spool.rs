//! The spool: a folder of requests that wait for the collector.
//!
//! `traces/00001732453200000000.request` is one encoded request, `.segment` the journal of an open batch, `.tmp` the
//! file being written, of which there is one per folder. A request is written under the temporary name, synced and
//! renamed, and the folder is synced, so that a `.request` is always complete. Files are readable by their owner only
//! and contain no headers.
//!
//! All I/O is done inline on the telemetry thread: the files are small, another thread would be one more to shut down
//! in order, and a disk that hangs blocks telemetry but never a check.

mod dead_letters;
#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::request_id::RequestId;
#[cfg(any(test, feature = "test-util"))]
use super::simulated;
use crate::signal::Signal;
use canary_net::ledger::audit::{FdGuard, InternalFds};
use dead_letters::DeadLetters;

/// The maximum size of a request in bytes.
const MAX_REQUEST_BYTES: u64 = 1 << 20;
const REQUEST: &str = "request";
const SEGMENT: &str = "segment";
const TEMPORARY: &str = "tmp";
/// The name of the file being written: a disk that neither writes nor removes files leaves one per folder.
const TEMPORARY_NAME: &str = "next.tmp";

/// The open spool folder, locked for this process.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    dead_letters: DeadLetters,
    /// Why syncing a folder failed: the operation itself succeeded, and is lost only if the machine crashes.
    sync_error: Option<io::Error>,
    /// Without it, two runners would recover each other's files, and send and remove them twice.
    _lock: (File, FdGuard),
    internal_fds: InternalFds,
}

/// The kind of a spool file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FileKind {
    /// A queued request.
    Request,
    /// The journal of a batch.
    Segment,
}

/// A file found in the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SpoolEntry {
    /// A request, with its size in bytes.
    Request(u64),
    /// A journal segment, with its size in bytes.
    Segment(u64),
}

impl Spool {
    /// Creates missing folders and takes the lock.
    ///
    /// # Errors
    /// A folder cannot be created or read, or another process holds the lock.
    pub(super) fn open(folder: &Path, internal_fds: &InternalFds) -> io::Result<Self> {
        create_folders(folder)?;
        // The lock file stays open, the dead-letter folder only while it is read.
        let (fd, _while_read) = (internal_fds.acquire(), internal_fds.acquire());
        let lock = lock(&folder.join("lock"))?;
        Ok(Self {
            folder: folder.to_owned(),
            dead_letters: DeadLetters::open(dead_letter_folder(folder))?,
            sync_error: None,
            _lock: (lock, fd),
            internal_fds: internal_fds.clone(),
        })
    }

    /// Counts a journal file that is about to be opened and stays open.
    pub(super) fn fd_guard(&self) -> FdGuard {
        self.internal_fds.acquire()
    }

    /// The files of a signal, oldest first, a segment after the request with the same id. Removes unfinished files and
    /// ignores foreign ones.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn list(&self, signal: Signal) -> io::Result<Vec<(RequestId, SpoolEntry)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.signal_folder(signal))? {
            let entry = entry?;
            let path = entry.path();
            if path.ends_with(TEMPORARY_NAME) {
                remove(&path)?;
                continue;
            }
            let name = path.file_stem().and_then(|name| name.to_str());
            let Some(id) = name.and_then(RequestId::parse) else {
                continue;
            };
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(REQUEST) => found.push((id, SpoolEntry::Request(entry.metadata()?.len()))),
                Some(SEGMENT) => found.push((id, SpoolEntry::Segment(entry.metadata()?.len()))),
                Some(TEMPORARY) => remove(&path)?,
                _ => {}
            }
        }
        found.sort_by_key(|(id, entry)| (*id, matches!(entry, SpoolEntry::Segment(_))));
        Ok(found)
    }

    /// Writes a request durably, so that it survives a crash of the machine.
    ///
    /// # Errors
    /// The disk is full or failing. The file may exist nevertheless: check [`Spool::size`].
    pub(super) fn write(&mut self, signal: Signal, id: RequestId, request: &[u8]) -> io::Result<()> {
        let path = self.request(signal, id);
        match write_atomically(&path, request) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // The folder was removed by someone else.
                create_folders(&self.folder)?;
                write_atomically(&path, request)?;
            }
            result => result?,
        }
        self.sync(&self.signal_folder(signal));
        Ok(())
    }

    /// Takes the last error of syncing a folder; the operation itself succeeded.
    pub(super) fn take_sync_error(&mut self) -> Option<io::Error> {
        self.sync_error.take()
    }

    fn sync(&mut self, folder: &Path) {
        self.sync_error = sync_folder(folder).err();
    }

    /// Reads a request; `None` if its file was removed by someone else while the folder exists.
    ///
    /// # Errors
    /// It cannot be read now. That says nothing about its content.
    pub(super) fn read(&self, signal: Signal, id: RequestId) -> io::Result<Option<Vec<u8>>> {
        let path = self.request(signal, id);
        match fs::read(&path) {
            Ok(request) => Ok(Some(request)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // If the folder is missing too, it was unmounted or removed as a whole.
                self.signal_folder(signal).metadata()?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The size of a file in bytes; the maximum if that is unknown, and `None` if there is no file.
    pub(super) fn size(&self, signal: Signal, id: RequestId, kind: FileKind) -> Option<u64> {
        match self.path(signal, id, kind).symlink_metadata() {
            Ok(found) => Some(found.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(_) => Some(MAX_REQUEST_BYTES),
        }
    }

    /// Removes a file.
    ///
    /// # Errors
    /// The file exists and could not be removed.
    pub(super) fn remove(&self, signal: Signal, id: RequestId, kind: FileKind) -> io::Result<()> {
        remove(&self.path(signal, id, kind))
    }

    fn path(&self, signal: Signal, id: RequestId, kind: FileKind) -> PathBuf {
        match kind {
            FileKind::Request => self.request(signal, id),
            FileKind::Segment => self.segment(signal, id),
        }
    }

    /// Stores a refused request, or a part of one, as a dead letter.
    ///
    /// # Errors
    /// The disk is full or failing.
    pub(super) fn write_dead_letter(
        &mut self,
        signal: Signal,
        id: RequestId,
        part: usize,
        request: &[u8],
    ) -> io::Result<()> {
        self.dead_letters.write(signal, id, part, request)?;
        self.sync(&dead_letter_folder(&self.folder));
        Ok(())
    }

    /// Moves a partly unreadable segment to the dead letters.
    ///
    /// # Errors
    /// The disk is failing.
    pub(super) fn write_dead_segment(&mut self, signal: Signal, id: RequestId) -> io::Result<()> {
        self.dead_letters
            .move_segment(&self.segment(signal, id), signal, id)?;
        self.sync(&dead_letter_folder(&self.folder));
        Ok(())
    }

    /// The path of a journal segment.
    pub(super) fn segment(&self, signal: Signal, id: RequestId) -> PathBuf {
        self.file(signal, id, SEGMENT)
    }

    fn request(&self, signal: Signal, id: RequestId) -> PathBuf {
        self.file(signal, id, REQUEST)
    }

    fn file(&self, signal: Signal, id: RequestId, extension: &str) -> PathBuf {
        self.signal_folder(signal).join(format!("{id}.{extension}"))
    }

    fn signal_folder(&self, signal: Signal) -> PathBuf {
        self.folder.join(signal.as_str())
    }
}

fn dead_letter_folder(folder: &Path) -> PathBuf {
    folder.join("dead")
}

fn create_folders(folder: &Path) -> io::Result<()> {
    let make = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
    Signal::ALL
        .iter()
        .try_for_each(|signal| make(&folder.join(signal.as_str())))?;
    make(&dead_letter_folder(folder))
}

fn lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).mode(0o600).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "the folder is in use by another process",
        )),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Writes a file that is complete once it has its name. It may exist even after an error: a disk can fail after
/// renaming it.
fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_file_name(TEMPORARY_NAME);
    let written = write_and_sync(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one that counts; a remaining file is overwritten by the next write.
        drop(fs::remove_file(&temporary));
    }
    written
}

fn write_and_sync(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Some file systems do not support syncing a folder and say so.
fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(any(test, feature = "test-util"))]
    if let Some(error) = simulated::step_failure(simulated::Step::Sync) {
        return Err(error);
    }
    match File::open(folder)?.sync_all() {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => Ok(()),
        synced => synced,
    }
}

fn remove(path: &Path) -> io::Result<()> {
    #[cfg(any(test, feature = "test-util"))]
    if let Some(error) = simulated::step_failure(simulated::Step::Remove) {
        return Err(error);
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
