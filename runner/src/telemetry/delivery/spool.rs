//! The folder in which requests wait for their collector.
//!
//! `traces/00001732453200000000.request` is one encoded request, `.segment` the journal of an open batch, `.tmp` what
//! is being written: one file a folder, whatever becomes of it. A request is written under that name, synced,
//! renamed, and the folder synced, so that a `.request` is always whole. Files are for their owner only, and hold no header.
//!
//! All of it is done in line, on the telemetry thread: the files are small, a thread of their own would be one more
//! to end in order, and a disk that hangs holds up telemetry, never a check.

mod dead;
#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

#[cfg(test)]
use super::simulated;
use super::stamp::Stamp;
use crate::ledger::audit::{Held, Reserve};
use crate::telemetry::settings::Signal;
use dead::DeadLetters;

/// Bytes of the largest request.
const LARGEST: u64 = 1 << 20;
const REQUEST: &str = "request";
const SEGMENT: &str = "segment";
const TEMPORARY: &str = "tmp";
/// What is being written in a folder: a disk that neither takes nor removes files has one of them.
const NEXT: &str = "next.tmp";

/// The folder, locked for this process.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    dead: DeadLetters,
    /// Why a folder was not synced: what was done in it stands, unless the machine crashes.
    unsynced: Option<io::Error>,
    /// Two runners that took each other's files for leftovers would send and remove them twice.
    _lock: (File, Held),
    reserve: Reserve,
}

/// A file of the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A request that waits.
    Request,
    /// The journal of a batch.
    Segment,
}

/// What an earlier process left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leftover {
    /// A request that waits, with its size in bytes.
    Request(u64),
    /// A batch that was open or under way, with the bytes of its journal.
    Segment(u64),
}

impl Spool {
    /// Makes the folders that are missing and takes the lock.
    ///
    /// # Errors
    /// A folder cannot be made or read, or another process has the lock.
    pub(super) fn open(folder: &Path, reserve: &Reserve) -> io::Result<Self> {
        make_folders(folder)?;
        // The lock stays open, the folder of dead letters while it is read.
        let (held, _while_read) = (reserve.hold(), reserve.hold());
        let lock = lock(&folder.join("lock"))?;
        Ok(Self {
            folder: folder.to_owned(),
            dead: DeadLetters::open(dead_folder(folder))?,
            unsynced: None,
            _lock: (lock, held),
            reserve: reserve.clone(),
        })
    }

    /// Notes a file of the journal that is about to be opened, and stays open.
    pub(super) fn hold(&self) -> Held {
        self.reserve.hold()
    }

    /// What is there of a signal, oldest first, the journal of a request right after it. Removes what was never
    /// finished, and leaves alone what is not ours.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn leftovers(&self, signal: Signal) -> io::Result<Vec<(Stamp, Leftover)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.folder_of(signal))? {
            let entry = entry?;
            let path = entry.path();
            if path.ends_with(NEXT) {
                remove(&path)?;
                continue;
            }
            let name = path.file_stem().and_then(|name| name.to_str());
            let Some(stamp) = name.and_then(Stamp::parse) else {
                continue;
            };
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(REQUEST) => found.push((stamp, Leftover::Request(entry.metadata()?.len()))),
                Some(SEGMENT) => found.push((stamp, Leftover::Segment(entry.metadata()?.len()))),
                Some(TEMPORARY) => remove(&path)?,
                _ => {}
            }
        }
        found.sort_by_key(|(stamp, leftover)| (*stamp, matches!(leftover, Leftover::Segment(_))));
        Ok(found)
    }

    /// Writes a request so that it outlives a crash of the machine.
    ///
    /// # Errors
    /// The disk is full or refuses. Whether there is a file of the request then, [`Spool::size`] finds out.
    pub(super) fn keep(&mut self, signal: Signal, stamp: Stamp, request: &[u8]) -> io::Result<()> {
        let path = self.request(signal, stamp);
        match write_whole(&path, request) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Somebody cleared the folder away.
                make_folders(&self.folder)?;
                write_whole(&path, request)?;
            }
            result => result?,
        }
        self.sync(&self.folder_of(signal));
        Ok(())
    }

    /// Why a folder was not synced lately, though what was done in it stands.
    pub(super) fn take_unsynced(&mut self) -> Option<io::Error> {
        self.unsynced.take()
    }

    fn sync(&mut self, folder: &Path) {
        self.unsynced = sync_folder(folder).err();
    }

    /// Reads a request; none when its file is gone, though the folder is there: somebody removed it.
    ///
    /// # Errors
    /// It cannot be read now. That says nothing of what is in it.
    pub(super) fn read(&self, signal: Signal, stamp: Stamp) -> io::Result<Option<Vec<u8>>> {
        let path = self.request(signal, stamp);
        match fs::read(&path) {
            Ok(request) => Ok(Some(request)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A folder that is gone as well was unmounted or cleared away as a whole.
                self.folder_of(signal).metadata()?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The bytes of a file; those of the largest request where the disk does not say, and none where there is no file.
    pub(super) fn size(&self, signal: Signal, stamp: Stamp, kind: Kind) -> Option<u64> {
        match self.path(signal, stamp, kind).symlink_metadata() {
            Ok(found) => Some(found.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(_) => Some(LARGEST),
        }
    }

    /// # Errors
    /// The file is there and stays there.
    pub(super) fn remove(&self, signal: Signal, stamp: Stamp, kind: Kind) -> io::Result<()> {
        remove(&self.path(signal, stamp, kind))
    }

    fn path(&self, signal: Signal, stamp: Stamp, kind: Kind) -> PathBuf {
        match kind {
            Kind::Request => self.request(signal, stamp),
            Kind::Segment => self.segment(signal, stamp),
        }
    }

    /// Keeps a request that nobody will take, or a part of one, among the dead letters.
    ///
    /// # Errors
    /// The disk is full or refuses.
    pub(super) fn bury(
        &mut self,
        signal: Signal,
        stamp: Stamp,
        part: usize,
        request: &[u8],
    ) -> io::Result<()> {
        self.dead.keep(signal, stamp, part, request)?;
        self.sync(&dead_folder(&self.folder));
        Ok(())
    }

    /// Moves a segment of which something cannot be read among the dead letters.
    ///
    /// # Errors
    /// The disk refuses.
    pub(super) fn set_segment_aside(&mut self, signal: Signal, stamp: Stamp) -> io::Result<()> {
        self.dead.take(&self.segment(signal, stamp), signal, stamp)?;
        self.sync(&dead_folder(&self.folder));
        Ok(())
    }

    /// Where the journal of a batch is.
    pub(super) fn segment(&self, signal: Signal, stamp: Stamp) -> PathBuf {
        self.file(signal, stamp, SEGMENT)
    }

    fn request(&self, signal: Signal, stamp: Stamp) -> PathBuf {
        self.file(signal, stamp, REQUEST)
    }

    fn file(&self, signal: Signal, stamp: Stamp, extension: &str) -> PathBuf {
        self.folder_of(signal).join(format!("{stamp}.{extension}"))
    }

    fn folder_of(&self, signal: Signal) -> PathBuf {
        self.folder.join(signal.word())
    }
}

fn dead_folder(folder: &Path) -> PathBuf {
    folder.join("dead")
}

fn make_folders(folder: &Path) -> io::Result<()> {
    let make = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
    Signal::ALL
        .iter()
        .try_for_each(|signal| make(&folder.join(signal.word())))?;
    make(&dead_folder(folder))
}

fn lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).mode(0o600).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "another process uses this folder",
        )),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Writes a file that is whole once it has its name. After an error it may have it all the same: a disk may fail when it
/// has renamed it.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_file_name(NEXT);
    let written = write_and_sync(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The error that counts is the first one; what stays is written over by the next.
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

/// Some file systems have nothing to sync of a folder, and say so.
fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(test)]
    if let Some(error) = simulated::step_failure(simulated::Step::Sync) {
        return Err(error);
    }
    match File::open(folder)?.sync_all() {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => Ok(()),
        synced => synced,
    }
}

fn remove(path: &Path) -> io::Result<()> {
    #[cfg(test)]
    if let Some(error) = simulated::step_failure(simulated::Step::Remove) {
        return Err(error);
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
