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

/// Whether what failed may succeed later although nobody changes the file: a disk or a server that does not answer, too
/// few descriptors, threads or memory, a right that a mount or a policy withholds for now.
///
/// What depends on the file or its name alone is final: it is missing, not a regular file, or too large.
#[must_use]
pub fn is_transient(error: &io::Error) -> bool {
    let Some(errno) = Errno::from_io_error(error) else {
        return matches!(
            error.kind(),
            io::ErrorKind::TimedOut
                | io::ErrorKind::Interrupted
                | io::ErrorKind::OutOfMemory
                | io::ErrorKind::ResourceBusy
                | io::ErrorKind::WouldBlock
                | io::ErrorKind::UnexpectedEof
        );
    };
    !matches!(
        errno,
        Errno::NOENT
            | Errno::NOTDIR
            | Errno::ISDIR
            | Errno::LOOP
            | Errno::NAMETOOLONG
            | Errno::INVAL
            | Errno::FBIG
            | Errno::ILSEQ
            | Errno::NOEXEC
    )
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
    fn what_may_pass_by_itself_is_told_from_what_somebody_has_to_mend() {
        let is_transient = |errno: Errno| is_transient(&io::Error::from_raw_os_error(errno.raw_os_error()));
        for errno in [
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOMEM,
            Errno::AGAIN,
            Errno::INTR,
            Errno::STALE,
            Errno::IO,
            Errno::NODEV,
            Errno::HOSTDOWN,
            Errno::TIMEDOUT,
            Errno::ACCESS,
            Errno::BUSY,
        ] {
            assert!(is_transient(errno), "{errno}");
        }
        for errno in [
            Errno::NOENT,
            Errno::NOTDIR,
            Errno::ISDIR,
            Errno::LOOP,
            Errno::NAMETOOLONG,
        ] {
            assert!(!is_transient(errno), "{errno}");
        }
        assert!(super::is_transient(&io::ErrorKind::TimedOut.into()));
        for kind in [
            io::ErrorKind::InvalidInput,
            io::ErrorKind::PermissionDenied,
            io::ErrorKind::FileTooLarge,
        ] {
            assert!(!super::is_transient(&kind.into()), "{kind}");
        }
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
