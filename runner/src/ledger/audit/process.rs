//! What this process has open, as the operating system lists it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::regular_file;

/// A link for each descriptor of this process.
const FOLDER: &str = "/proc/self/fd";

/// An open descriptor: its number, and what it leads to.
pub(super) type Descriptor = (OsString, PathBuf);

/// Where to find out what is open, and by whom it is known.
#[derive(Debug, Clone)]
pub(super) struct Process {
    pub(super) folder: PathBuf,
    /// Descriptors of files that are being read.
    pub(super) reading: fn() -> u64,
}

impl Default for Process {
    fn default() -> Self {
        Self {
            folder: FOLDER.into(),
            reading: regular_file::open_descriptors,
        }
    }
}

impl Process {
    /// Descriptors without those of compiled plugins: these come with a reload, and go when the last instance of an old
    /// plugin is gone from the pool, which nobody can tell beforehand. They are files, and checks are lent sockets.
    pub(super) fn of_no_plugin(&self) -> io::Result<BTreeSet<Descriptor>> {
        let mut open = listed(&self.folder)?;
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

/// Descriptors that this process has open, without those that reading the list of them takes.
///
/// # Errors
/// `/proc/self/fd` cannot be read, for want of a descriptor or of `/proc`.
pub fn open_descriptors() -> io::Result<u64> {
    Ok(count(&listed(Path::new(FOLDER))?))
}

fn listed(folder: &Path) -> io::Result<BTreeSet<Descriptor>> {
    let mut open = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        // One that was closed meanwhile is none.
        let Ok((number, link)) =
            entry.and_then(|entry| Ok((entry.file_name(), fs::read_link(entry.path())?)))
        else {
            continue;
        };
        let bytes = link.as_os_str().as_bytes();
        // Nor is the one that reading the folder takes, which others do at the same time.
        let is_listing = bytes.starts_with(b"/proc/") && bytes.ends_with(b"/fd");
        if !is_listing {
            open.insert((number, link));
        }
    }
    Ok(open)
}
