//! Reading a file that a rule permits.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

use super::{FileRule, Found};

/// Reads a regular file of at most `limit` bytes, if `rule` permits that. The very file is judged that is read.
///
/// # Errors
/// `PermissionDenied` without a number of the operating system where the rule refuses it, `FileTooLarge` beyond
/// `limit`; otherwise as the system says.
pub(in crate::suite) fn read_permitted(path: &Path, limit: u64, rule: &FileRule) -> io::Result<Vec<u8>> {
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let found = Found {
        path: fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?,
        device: metadata.dev(),
        inode: metadata.ino(),
    };
    if ["/proc", "/sys", "/dev"]
        .iter()
        .any(|folder| found.path.starts_with(folder))
    {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a file of a disk",
        ));
    }
    let judged = rule.judge(&found);
    judged.map_err(|reason| io::Error::new(io::ErrorKind::PermissionDenied, reason))?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= limit => Ok(bytes),
        _ => Err(io::ErrorKind::FileTooLarge.into()),
    }
}
