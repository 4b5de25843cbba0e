//! What an error of a file system means for the file.

use std::io;

use rustix::io::Errno;

/// What kind of trouble there is. Only [`IoClass::Corrupt`] is about the data: with all others the file is left alone,
/// and tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IoClass {
    /// What is in the file is not what was written.
    Corrupt,
    /// Another process has it.
    Busy,
    /// There is no room, or no more than a quota allows.
    Full,
    /// It may not be used, or only be read.
    Permission,
    /// The process or the machine is short of descriptors or memory.
    Shortage,
    /// It is not there, or what should be above it is not.
    Gone,
    /// The device does not do what it should.
    Io,
}

impl IoClass {
    /// The class of an error.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        if let Some(errno) = Errno::from_io_error(error) {
            return Self::of_errno(errno);
        }
        match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::Corrupt,
            io::ErrorKind::ResourceBusy | io::ErrorKind::WouldBlock => Self::Busy,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::WriteZero => {
                Self::Full
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Permission,
            io::ErrorKind::NotFound => Self::Gone,
            io::ErrorKind::OutOfMemory => Self::Shortage,
            _ => Self::Io,
        }
    }

    fn of_errno(errno: Errno) -> Self {
        match errno {
            Errno::BUSY | Errno::AGAIN | Errno::TXTBSY | Errno::DEADLK | Errno::NOLCK => Self::Busy,
            Errno::NOSPC | Errno::DQUOT | Errno::FBIG => Self::Full,
            Errno::ACCESS | Errno::PERM | Errno::ROFS => Self::Permission,
            Errno::MFILE | Errno::NFILE | Errno::NOMEM => Self::Shortage,
            Errno::NOENT | Errno::NOTDIR | Errno::STALE | Errno::NODEV | Errno::NXIO => Self::Gone,
            _ => Self::Io,
        }
    }

    /// The word in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Corrupt => "corrupt",
            Self::Busy => "busy",
            Self::Full => "full",
            Self::Permission => "permission",
            Self::Shortage => "shortage",
            Self::Gone => "gone",
            Self::Io => "io",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_of_the_system_says_that_data_is_corrupt() {
        for number in 1..=133 {
            let error = io::Error::from_raw_os_error(number);
            assert_ne!(IoClass::of(&error), IoClass::Corrupt, "{error}");
        }
        let damaged = io::Error::new(io::ErrorKind::InvalidData, "a wrong sum");
        assert_eq!(IoClass::of(&damaged), IoClass::Corrupt);
    }

    #[test]
    fn each_trouble_has_its_word() {
        for (errno, word) in [
            (Errno::IO, "io"),
            (Errno::NOSPC, "full"),
            (Errno::DQUOT, "full"),
            (Errno::ROFS, "permission"),
            (Errno::ACCESS, "permission"),
            (Errno::MFILE, "shortage"),
            (Errno::NOENT, "gone"),
            (Errno::BUSY, "busy"),
        ] {
            let error = io::Error::from_raw_os_error(errno.raw_os_error());
            assert_eq!(IoClass::of(&error).as_str(), word, "{error}");
        }
    }
}
