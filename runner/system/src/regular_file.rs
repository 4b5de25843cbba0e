//! Bounded reads of the files that a suite or the settings refer to.
//!
//! Such a path can be anything: a pipe without a writer, a device with side effects on open, a pseudo-file of the
//! kernel, a mount whose server is gone. Only a regular file on a real file system is read, up to a size limit, within
//! [`READ_TIMEOUT`]; everything else is an error that says which of these it is.

mod deadline;
mod file_version;
mod owner;
mod pseudo_fs;
mod session;
#[cfg(test)]
mod tests;

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, StatxFlags};

pub use self::deadline::{PendingRead, READ_TIMEOUT, Stalled, spawn, with_timeout};
pub use self::file_version::FileVersion;
pub use self::owner::Owner;
pub use self::session::{CancelOnDrop, Session};

/// Descriptors that are held by reads, including abandoned ones.
static OPEN_DESCRIPTORS: AtomicU64 = AtomicU64::new(0);

/// Why an existing file is not read.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A folder, a pipe, a socket or a device.
    #[error("not a regular file")]
    NotRegular,
    /// A pseudo-file such as in `/proc`, `/sys` or `/dev`, by any path.
    #[error("a kernel pseudo-file ({0})")]
    Kernel(&'static str),
    /// A file that the caller's policy forbids.
    #[error("{0}")]
    Forbidden(String),
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        let kind = match refused {
            Refused::Forbidden(_) => io::ErrorKind::PermissionDenied,
            Refused::NotRegular | Refused::Kernel(_) => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, refused)
    }
}

/// An opened file that is about to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// Its canonical path.
    pub path: PathBuf,
    /// The device that it is on.
    pub device: u64,
    /// Its inode, which is the same for every name of the file.
    pub inode: u64,
    /// Number of hard links.
    pub links: u64,
    /// The mount by which it was reached; absent if the kernel does not report it.
    pub mount: Option<u64>,
}

/// Whether a file may be read; the reason why not is the end of a sentence.
///
/// Called on the reading thread, for the opened file.
pub type Policy = Arc<dyn Fn(&FileInfo) -> Result<(), String> + Send + Sync>;

/// The bytes of a regular file, at most `limit` of them.
///
/// # Errors
/// `FileTooLarge` beyond `limit`, `InvalidInput` with a [`Refused`], `TimedOut` with a [`Stalled`]; otherwise as
/// reported by the operating system.
pub fn read(owner: Owner, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_permitted(owner, path, limit, &allow_all())
}

/// The same for a caller that may block on the disk, because it runs on a thread of [`spawn`].
///
/// # Errors
/// As [`read`], except for timeouts.
pub fn read_blocking(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_file(path, limit, &allow_all())
}

/// Calls `work` with an opened regular file, for a caller that may block on the disk.
///
/// # Errors
/// As [`read_blocking`], and those of `work`.
pub fn with_open<T>(path: &Path, work: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>) -> io::Result<T> {
    let _counted = CountedDescriptors::new(2);
    work(open(path, &allow_all())?.as_fd())
}

fn allow_all() -> Policy {
    Arc::new(|_: &FileInfo| Ok(()))
}

/// Reads a file if `policy` permits it.
///
/// # Errors
/// As [`read`], and `PermissionDenied` with a [`Refused::Forbidden`].
pub fn read_permitted(owner: Owner, path: &Path, limit: u64, policy: &Policy) -> io::Result<Vec<u8>> {
    let (file, policy) = (path.to_owned(), Arc::clone(policy));
    with_timeout(owner, path, move || read_file(&file, limit, &policy))?
}

/// The metadata of a file, following links.
///
/// # Errors
/// `TimedOut` with a [`Stalled`]; otherwise as reported by the operating system.
pub fn metadata(owner: Owner, path: &Path) -> io::Result<Metadata> {
    let own = path.to_owned();
    with_timeout(owner, path, move || std::fs::metadata(own))?
}

/// Number of descriptors of this process that are held by reads.
#[must_use]
pub fn open_descriptors() -> u64 {
    OPEN_DESCRIPTORS.load(Ordering::Acquire)
}

fn read_file(path: &Path, limit: u64, policy: &Policy) -> io::Result<Vec<u8>> {
    let _counted = CountedDescriptors::new(2);
    let file = open(path, policy)?;
    if file.metadata()?.len() > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= limit => Ok(bytes),
        _ => Err(io::ErrorKind::FileTooLarge.into()),
    }
}

/// The mount by which a file or folder is reached, following links; absent if the kernel does not report it.
#[must_use]
pub fn mount_id(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statx(rustix::fs::CWD, path, AtFlags::empty(), StatxFlags::MNT_ID).ok()?;
    let is_reported = stat.stx_mask & StatxFlags::MNT_ID.bits() != 0;
    is_reported.then_some(stat.stx_mnt_id)
}

/// Opens a file in two steps: a handle that opens nothing (`O_PATH`) is examined first, because opening a device can
/// have side effects, and opening a pipe can block for ever. The path is resolved only once.
fn open(path: &Path, policy: &Policy) -> io::Result<File> {
    let handle = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let stat = rustix::fs::fstat(&handle)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Refused::NotRegular.into());
    }
    let link = pseudo_fs::fd_path(handle.as_fd());
    let found = FileInfo {
        path: std::fs::read_link(&link)?,
        device: stat.st_dev,
        inode: stat.st_ino,
        links: std::fs::metadata(&link)?.nlink(),
        mount: mount_id(&link),
    };
    pseudo_fs::reject_pseudo_file(handle.as_fd(), &found)?;
    policy(&found).map_err(Refused::Forbidden)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(rustix::fs::open(link, flags, Mode::empty())?.into())
}

/// Counts the descriptors that a read may hold.
struct CountedDescriptors(u64);

impl CountedDescriptors {
    fn new(descriptors: u64) -> Self {
        OPEN_DESCRIPTORS.fetch_add(descriptors, Ordering::AcqRel);
        Self(descriptors)
    }
}

impl Drop for CountedDescriptors {
    fn drop(&mut self) {
        OPEN_DESCRIPTORS.fetch_sub(self.0, Ordering::AcqRel);
    }
}
