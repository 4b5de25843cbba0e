//! Detects whether a process has a file open for writing.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

use canary_system::regular_file::{self, Owner};

/// `fcntl` command that sets the signal sent for a lease. The same value on every architecture that Linux supports.
const F_SETSIG: libc::c_int = 10;

/// Whether a file has writers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writers {
    /// None.
    None,
    /// At least one.
    Some,
    /// The operating system does not report it: the file is another user's, or the file system does not support
    /// leases.
    Unknown,
}

impl Writers {
    /// Checks a regular file.
    ///
    /// A read lease is granted only while no process has the file open for writing. It is returned at once.
    fn of_file(path: &Path) -> Self {
        match regular_file::with_open(path, try_lease) {
            Ok(()) => Self::None,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Self::Some,
            Err(_) => Self::Unknown,
        }
    }

    /// Checks several files; [`Writers::Unknown`] when the disk does not answer.
    pub(super) fn of_any(files: &BTreeSet<PathBuf>) -> Self {
        let Some(first) = files.first() else {
            return Self::None;
        };
        let all = files.clone();
        let check = move || {
            all.iter()
                .map(|path| Self::of_file(path))
                .fold(Self::None, Self::and)
        };
        regular_file::with_timeout(Owner::ChangeDetection, first, check).unwrap_or(Self::Unknown)
    }

    /// Combines the results of two files.
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
    // A process that opens the file for writing meanwhile triggers a signal, by default one that ends the process.
    // This one is ignored by default.
    control(F_SETSIG, libc::SIGURG)?;
    control(libc::F_SETLEASE, libc::F_RDLCK)?;
    control(libc::F_SETLEASE, libc::F_UNLCK)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, OpenOptions};

    use super::*;

    #[test]
    fn a_file_that_is_open_for_writing_is_distinguished_from_one_that_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "text").unwrap();
        assert_eq!(Writers::of_file(&path), Writers::None);
        let reader = File::open(&path).unwrap();
        assert_eq!(Writers::of_file(&path), Writers::None);
        let writer = OpenOptions::new().write(true).open(&path).unwrap();
        assert_eq!(Writers::of_file(&path), Writers::Some);
        drop((reader, writer));
        assert_eq!(Writers::of_file(&path), Writers::None);
        assert_eq!(Writers::of_file(&folder.path().join("none")), Writers::Unknown);
    }

    #[test]
    fn one_writer_is_enough_and_what_is_not_known_is_not_nobody() {
        let all = [Writers::None, Writers::Unknown, Writers::Some];
        for (index, one) in all.into_iter().enumerate() {
            for (other_index, other) in all.into_iter().enumerate() {
                assert_eq!(one.and(other), all[index.max(other_index)]);
            }
        }
    }
}
