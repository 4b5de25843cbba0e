//! Whether somebody has a file open for writing.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

use crate::regular_file::{self, Owner};

/// `fcntl`: which signal comes of a lease. The same on every architecture that Linux has it on.
const F_SETSIG: libc::c_int = 10;

/// Who may be writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writers {
    /// Nobody.
    None,
    /// Somebody.
    Some,
    /// The operating system does not say: the file is another user's, or the file system cannot tell.
    Unknown,
}

impl Writers {
    /// Of a regular file.
    ///
    /// A lease for reading is granted only while nobody has the file open for writing. It is given back at once.
    fn of(path: &Path) -> Self {
        match regular_file::with_open(path, try_lease) {
            Ok(()) => Self::None,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Self::Some,
            Err(_) => Self::Unknown,
        }
    }

    /// Of any of some files; not known when the disk does not answer.
    pub(super) fn of_any(files: &BTreeSet<PathBuf>) -> Self {
        let Some(first) = files.first() else {
            return Self::None;
        };
        let all = files.clone();
        let look = move || all.iter().map(|path| Self::of(path)).fold(Self::None, Self::and);
        regular_file::within(Owner::Changes, first, look).unwrap_or(Self::Unknown)
    }

    /// Of this file and others.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Some, _) | (_, Self::Some) => Self::Some,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::None, Self::None) => Self::None,
        }
    }
}

#[expect(unsafe_code, reason = "leases have no safe wrapper")]
fn try_lease(file: BorrowedFd<'_>) -> io::Result<()> {
    let control = |command, argument: libc::c_int| {
        // SAFETY: the descriptor is open as long as it is borrowed, and these commands take a number.
        match unsafe { libc::fcntl(file.as_raw_fd(), command, argument) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    };
    // Whoever opens it for writing meanwhile has a signal sent here, by default one that ends the process. This one is
    // ignored by default.
    control(F_SETSIG, libc::SIGURG)?;
    control(libc::F_SETLEASE, libc::F_RDLCK)?;
    control(libc::F_SETLEASE, libc::F_UNLCK)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, OpenOptions};

    use super::*;

    #[test]
    fn a_file_that_is_open_for_writing_is_told_from_one_that_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "text").unwrap();
        assert_eq!(Writers::of(&path), Writers::None);
        let reader = File::open(&path).unwrap();
        assert_eq!(Writers::of(&path), Writers::None);
        let writer = OpenOptions::new().write(true).open(&path).unwrap();
        assert_eq!(Writers::of(&path), Writers::Some);
        drop((reader, writer));
        assert_eq!(Writers::of(&path), Writers::None);
        assert_eq!(Writers::of(&folder.path().join("none")), Writers::Unknown);
    }

    #[test]
    fn one_writer_is_enough_and_what_is_not_known_is_not_nobody() {
        let all = [Writers::None, Writers::Unknown, Writers::Some];
        for (place, one) in all.into_iter().enumerate() {
            for (other_place, other) in all.into_iter().enumerate() {
                assert_eq!(one.and(other), all[place.max(other_place)]);
            }
        }
    }
}
