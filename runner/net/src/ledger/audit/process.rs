//! The open descriptors of this process, as listed by the operating system.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use canary_system::regular_file;

/// Contains one link per descriptor of this process.
const FD_DIR: &str = "/proc/self/fd";

/// An open descriptor: its number and its link target.
pub(super) type Descriptor = (OsString, PathBuf);

/// Sources for the list of open descriptors; tests replace them.
#[derive(Debug, Clone)]
pub(super) struct ProcessFds {
    pub(super) dir: PathBuf,
    /// Returns the number of descriptors of files that are currently being read.
    pub(super) files_being_read: fn() -> u64,
}

impl Default for ProcessFds {
    fn default() -> Self {
        Self {
            dir: FD_DIR.into(),
            files_being_read: regular_file::open_descriptors,
        }
    }
}

impl ProcessFds {
    /// Open descriptors, excluding those of compiled plugins: they appear on a reload and disappear when the last
    /// instance of an old plugin leaves the pool, at an unpredictable time. They are files, whereas checks are lent
    /// sockets.
    pub(super) fn without_plugin_files(&self) -> io::Result<BTreeSet<Descriptor>> {
        let mut open = list_descriptors(&self.dir)?;
        open.retain(|(_, link)| {
            let bytes = link.as_os_str().as_bytes();
            !bytes.starts_with(b"/memfd:") && !bytes.ends_with(b".cwasm")
        });
        Ok(open)
    }
}

pub(super) fn count(descriptors: &BTreeSet<Descriptor>) -> u64 {
    u64::try_from(descriptors.len()).unwrap_or(u64::MAX)
}

/// Number of open descriptors of this process, excluding those used for reading the list.
///
/// # Errors
/// `/proc/self/fd` cannot be read because descriptors are exhausted or `/proc` is not mounted.
pub fn open_descriptors() -> io::Result<u64> {
    Ok(count(&list_descriptors(Path::new(FD_DIR))?))
}

fn list_descriptors(dir: &Path) -> io::Result<BTreeSet<Descriptor>> {
    let mut open = BTreeSet::new();
    for entry in fs::read_dir(dir)? {
        // A descriptor that was closed in the meantime is skipped.
        let Ok((number, link)) =
            entry.and_then(|entry| Ok((entry.file_name(), fs::read_link(entry.path())?)))
        else {
            continue;
        };
        let bytes = link.as_os_str().as_bytes();
        // Skip the descriptor used for reading the directory; several threads may be reading it at once.
        let is_listing = bytes.starts_with(b"/proc/") && bytes.ends_with(b"/fd");
        if !is_listing {
            open.insert((number, link));
        }
    }
    Ok(open)
}
