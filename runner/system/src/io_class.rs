//! Classifies errors of a file system.

use std::io;

use rustix::io::Errno;

/// Class of an I/O error. Only [`IoClass::Corrupt`] is about the data: with all others the file is left alone, and
/// the operation is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IoClass {
    /// The content is not what was written.
    Corrupt,
    /// Another process holds it.
    Busy,
    /// No space is left, or a quota is used up.
    Full,
    /// Access is denied, or read-only.
    Permission,
    /// The process or the machine is short of descriptors or memory.
    Shortage,
    /// The file or its folder does not exist.
    Gone,
    /// The device failed.
    Io,
}

impl IoClass {
    /// Classifies an error.
    #[must_use]
    pub fn classify(error: &io::Error) -> Self {
        if let Some(errno) = Errno::from_io_error(error) {
            return Self::classify_errno(errno);
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

    fn classify_errno(errno: Errno) -> Self {
        match errno {
            Errno::BUSY | Errno::AGAIN | Errno::TXTBSY | Errno::DEADLK | Errno::NOLCK => Self::Busy,
            Errno::NOSPC | Errno::DQUOT | Errno::FBIG => Self::Full,
            Errno::ACCESS | Errno::PERM | Errno::ROFS => Self::Permission,
            Errno::MFILE | Errno::NFILE | Errno::NOMEM => Self::Shortage,
            Errno::NOENT | Errno::NOTDIR | Errno::STALE | Errno::NODEV | Errno::NXIO => Self::Gone,
            _ => Self::Io,
        }
    }

    /// The label value in metrics.
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

/// Whether a retry may succeed although nobody changes the file: a disk or a server that does not answer, too few
/// descriptors, threads or memory, a permission that a mount or a policy withholds for now.
///
/// What depends on the file or its name alone is permanent: it is missing, not a regular file, or too large.
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
            assert_ne!(IoClass::classify(&error), IoClass::Corrupt, "{error}");
        }
        let damaged = io::Error::new(io::ErrorKind::InvalidData, "a wrong sum");
        assert_eq!(IoClass::classify(&damaged), IoClass::Corrupt);
    }

    #[test]
    fn transient_errors_are_distinguished_from_permanent_ones() {
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
    fn each_class_has_its_label() {
        for (errno, code) in [
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
            assert_eq!(IoClass::classify(&error).as_str(), code, "{error}");
        }
    }
}
