//! Reading the files that a suite or the settings name.
//!
//! Such a path can be anything: a pipe that nobody writes to, a device that acts when it is opened, a file that the
//! kernel makes up, a mount whose server is gone. What is read here is a regular file on a real file system, at most
//! as large as the caller allows, within [`LIMIT`]; everything else is an error that says which of these it is not.

mod deadline;
mod kernel;
mod owner;
mod session;
mod stamp;
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

pub use self::deadline::{LIMIT, Stalled, Started, start, within};
pub use self::owner::Owner;
pub use self::session::{CancelOnDrop, Session};
pub use self::stamp::Stamp;

/// Descriptors that reads hold now, those of reads that were given up included.
static OPEN: AtomicU64 = AtomicU64::new(0);

/// Why a file is not read, although it is there.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A folder, a pipe, a socket or a device.
    #[error("not a regular file")]
    NotRegular,
    /// A file of `/proc`, `/sys`, `/dev` or the like, however it is reached.
    #[error("a file that the kernel makes up ({0}), not one of a disk")]
    Kernel(&'static str),
    /// Another file than the caller allows to be read.
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

/// A file that was found and is about to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it really is: links followed.
    pub path: PathBuf,
    /// The device that it is on.
    pub device: u64,
    /// Its number on that device: the same for every name of the file.
    pub inode: u64,
    /// How many names it has.
    pub names: u64,
    /// The mount by which it was reached; absent where the kernel does not say.
    pub mount: Option<u64>,
}

/// Whether a file that was found may be read; the reason why not ends a sentence.
///
/// It is asked on the thread that reads, about the very file that is read afterwards.
pub type Policy = Arc<dyn Fn(&Found) -> Result<(), String> + Send + Sync>;

/// The bytes of a regular file, at most `limit` of them.
///
/// # Errors
/// `FileTooLarge` beyond `limit`, `InvalidInput` with [`Refused`] inside, `TimedOut` with [`Stalled`] inside; otherwise
/// as the operating system says.
pub fn read(owner: Owner, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_permitted(owner, path, limit, &anything())
}

/// The same for a caller that may wait for the disk, since [`start`] has started it.
///
/// # Errors
/// As [`read`], but for those of a disk that does not answer.
pub fn read_here(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_now(path, limit, &anything())
}

/// Does something with a regular file that is open for reading, for a caller that may wait for the disk.
///
/// # Errors
/// As [`read_here`], and those of `work`.
pub fn with_open<T>(path: &Path, work: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>) -> io::Result<T> {
    let _counted = Counted::new(2);
    work(open(path, &anything())?.as_fd())
}

fn anything() -> Policy {
    Arc::new(|_: &Found| Ok(()))
}

/// The same of a file that `policy` permits to be read.
///
/// # Errors
/// As [`read`], and `PermissionDenied` with [`Refused::Forbidden`] inside.
pub fn read_permitted(owner: Owner, path: &Path, limit: u64, policy: &Policy) -> io::Result<Vec<u8>> {
    let (file, policy) = (path.to_owned(), Arc::clone(policy));
    within(owner, path, move || read_now(&file, limit, &policy))?
}

/// What the operating system says of a file, links followed.
///
/// # Errors
/// `TimedOut` with [`Stalled`] inside; otherwise as the operating system says.
pub fn metadata(owner: Owner, path: &Path) -> io::Result<Metadata> {
    let own = path.to_owned();
    within(owner, path, move || std::fs::metadata(own))?
}

/// Descriptors of this process that belong to reads.
#[must_use]
pub fn open_descriptors() -> u64 {
    OPEN.load(Ordering::Acquire)
}

fn read_now(path: &Path, limit: u64, policy: &Policy) -> io::Result<Vec<u8>> {
    let _counted = Counted::new(2);
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

/// The mount by which a file or folder is reached, links followed; absent where the kernel does not say.
#[must_use]
pub fn mount(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statx(rustix::fs::CWD, path, AtFlags::empty(), StatxFlags::MNT_ID).ok()?;
    let is_said = stat.stx_mask & StatxFlags::MNT_ID.bits() != 0;
    is_said.then_some(stat.stx_mnt_id)
}

/// Opens what was examined: the name is followed once, for a handle that opens nothing yet. Opening a device can do
/// something, and opening a pipe can wait for ever.
fn open(path: &Path, policy: &Policy) -> io::Result<File> {
    let handle = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let stat = rustix::fs::fstat(&handle)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Refused::NotRegular.into());
    }
    let link = kernel::own_descriptor(handle.as_fd());
    let found = Found {
        path: std::fs::read_link(&link)?,
        device: stat.st_dev,
        inode: stat.st_ino,
        names: std::fs::metadata(&link)?.nlink(),
        mount: mount(&link),
    };
    kernel::refuse(handle.as_fd(), &found)?;
    policy(&found).map_err(Refused::Forbidden)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(rustix::fs::open(link, flags, Mode::empty())?.into())
}

/// Counts descriptors for as long as a read may hold them.
struct Counted(u64);

impl Counted {
    fn new(descriptors: u64) -> Self {
        OPEN.fetch_add(descriptors, Ordering::AcqRel);
        Self(descriptors)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        OPEN.fetch_sub(self.0, Ordering::AcqRel);
    }
}
