//! Pseudo file systems: reading their files can block for ever, and can expose this process's own data.

use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::fs::FsWord;

use super::{FileInfo, Refused};

/// By magic numbers of `statfs(2)`, so that bind mounts elsewhere are detected as well.
const PSEUDO_FILE_SYSTEMS: [(FsWord, &str); 22] = [
    (0x9fa0, "procfs"),
    (0x6265_6572, "sysfs"),
    (0x0027_e0eb, "cgroup"),
    (0x6367_7270, "cgroup2"),
    (0x6462_6720, "debugfs"),
    (0x7472_6163, "tracefs"),
    (0x7363_6673, "securityfs"),
    (0xf97c_ff8c, "selinuxfs"),
    (0x4341_5d53, "smackfs"),
    (0x6165_676c, "pstorefs"),
    (0xde5e_81e4, "efivarfs"),
    (0xcafe_4a11, "bpffs"),
    (0x1cd1, "devpts"),
    (0x1980_0202, "mqueue"),
    (0x6265_6570, "configfs"),
    (0x4249_4e4d, "binfmt_misc"),
    (0x6573_5543, "fusectl"),
    (0x6e73_6673, "nsfs"),
    (0x6759_6969, "rpc_pipefs"),
    (0xabba_1974, "xenfs"),
    (0x0187, "autofs"),
    (0x0764_6f66, "resctrl"),
];

/// Conventional folders of pseudo-files. Files there on a common file system, such as devtmpfs, are detected by path
/// only.
const PSEUDO_FOLDERS: [&str; 3] = ["/proc", "/sys", "/dev"];

pub(super) fn reject_pseudo_file(file: BorrowedFd<'_>, found: &FileInfo) -> Result<(), std::io::Error> {
    let kind = rustix::fs::fstatfs(file)?.f_type;
    if let Some((_, name)) = PSEUDO_FILE_SYSTEMS.iter().find(|(number, _)| *number == kind) {
        return Err(Refused::Kernel(name).into());
    }
    let folder = PSEUDO_FOLDERS
        .iter()
        .find(|folder| found.path.starts_with(folder));
    match folder {
        Some(folder) => Err(Refused::Kernel(folder).into()),
        None if is_on_dev_fs(found) => Err(Refused::Kernel("devtmpfs").into()),
        None => Ok(()),
    }
}

/// Whether the file is on the file system of `/dev`, reached by another path.
fn is_on_dev_fs(found: &FileInfo) -> bool {
    let device = |path: &str| rustix::fs::stat(path).ok().map(|stat| stat.st_dev);
    // If nothing is mounted there, it is an ordinary folder.
    device("/dev").is_some_and(|devices| devices == found.device && device("/") != Some(devices))
}

/// The path by which a descriptor of this process can be opened again, without resolving the original path again.
pub(super) fn fd_path(file: BorrowedFd<'_>) -> PathBuf {
    Path::new("/proc/self/fd").join(file.as_raw_fd().to_string())
}
