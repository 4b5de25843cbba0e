//! Whether a file is the one that it was.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

/// What tells a file from another, and from itself before it was written.
///
/// Size and time of the last write are not enough: both can be what they were after `cp -p`, `rsync -t` or `touch -r`, and
/// a disk's clock may be coarse. Nobody can set the time of the last change of the inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    written: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of a file that was found to be so.
    #[must_use]
    pub fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            written: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn size(self) -> u64 {
        self.size
    }

    /// Its device and its number there: the same for as long as it is the same file, whatever is written to it.
    #[must_use]
    pub fn identity(self) -> (u64, u64) {
        (self.device, self.inode)
    }
}
