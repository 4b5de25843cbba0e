//! Detects whether a file has changed.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

/// Identifies a file and its version.
///
/// Size and modification time are not enough: both can be the same after `cp -p`, `rsync -t` or `touch -r`, and the
/// resolution of timestamps may be low. The inode's change time (ctime) cannot be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileVersion {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    written: (i64, i64),
    changed: (i64, i64),
}

impl FileVersion {
    /// The version of a file by its metadata.
    #[must_use]
    pub fn from_metadata(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            written: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// Size in bytes.
    #[must_use]
    pub fn size(self) -> u64 {
        self.size
    }

    /// Device and inode: the same as long as it is the same file, whatever is written to it.
    #[must_use]
    pub fn identity(self) -> (u64, u64) {
        (self.device, self.inode)
    }
}
