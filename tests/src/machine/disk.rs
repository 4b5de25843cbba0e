//! Disks that fail, hang, fill up or turn read-only.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a disk that cannot be had must fail its test"
)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::command::skip;

/// Size of a block device in bytes.
const BLOCK_DEVICE: u64 = 64 << 20;

fn run<A: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = A>) -> bool {
    let status = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// A file system in memory, of 4 MiB.
#[derive(Debug)]
pub struct Disk(PathBuf);

impl Disk {
    /// Mounts it over a folder. `None` without permission to mount.
    #[must_use]
    pub fn mount(path: &Path) -> Option<Self> {
        let options = ["-t", "tmpfs", "-o", "size=4m", "tmpfs"].map(OsStr::new);
        let mounted = run("mount", options.into_iter().chain([path.as_os_str()]));
        if !mounted {
            skip("mount");
        }
        mounted.then(|| Self(path.to_owned()))
    }

    /// Fills the disk.
    ///
    /// # Panics
    /// There is no room for a file.
    pub fn fill(&self) {
        let mut filler = File::create(self.filler()).unwrap();
        for size in [1 << 16, 1 << 12] {
            while filler.write_all(&vec![1; size]).is_ok() {}
        }
    }

    /// Frees the space again.
    ///
    /// # Panics
    /// The disk was not filled.
    pub fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Remounts it with this option: `ro` or `rw`.
    ///
    /// # Panics
    /// The kernel refuses, for example `ro` while a file is open for writing.
    pub fn remount(&self, how: &str) {
        let option = format!("remount,{how}");
        let options = [OsStr::new("-o"), option.as_ref(), self.0.as_os_str()];
        assert!(run("mount", options));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", [OsStr::new("-l"), self.0.as_os_str()]);
    }
}

/// A file system on a block device whose driver can be made to fail: ext4 without a journal, so that it can recover
/// while it is in use.
#[derive(Debug)]
pub struct BlockDevice {
    /// The image file.
    image: PathBuf,
    mounted_at: PathBuf,
    _folder: TempDir,
}

impl BlockDevice {
    /// Mounts it over a folder. `None` without permission, or where the file system of the image does not support
    /// immutable files.
    ///
    /// # Panics
    /// There is no room for the image.
    #[must_use]
    pub fn mount(path: &Path) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let image = folder.path().join("image");
        File::create(&image)
            .and_then(|file| file.set_len(BLOCK_DEVICE))
            .expect("room");
        let device = Self {
            image,
            mounted_at: path.to_owned(),
            _folder: folder,
        };
        let format = ["-q", "-O", "^has_journal", "-E", "nodiscard"].map(OsStr::new);
        let can_be_had = run(
            "/sbin/mkfs.ext4",
            format.into_iter().chain([device.image.as_os_str()]),
        ) && device.set_immutable("+i")
            && device.set_immutable("-i")
            && device.attach();
        if !can_be_had {
            skip("block device");
        }
        can_be_had.then_some(device)
    }

    fn set_immutable(&self, how: &str) -> bool {
        run("chattr", [OsStr::new(how), self.image.as_os_str()])
    }

    fn attach(&self) -> bool {
        let options = [OsStr::new("-o"), OsStr::new("loop,errors=continue")];
        let places = [self.image.as_os_str(), self.mounted_at.as_os_str()];
        run("mount", options.into_iter().chain(places))
    }

    /// Makes all writes and syncs fail with `EIO`.
    ///
    /// # Panics
    /// The driver cannot be changed.
    pub fn fail(&self) {
        assert!(self.set_immutable("+i"));
    }

    /// Makes writes succeed again.
    ///
    /// # Panics
    /// The driver cannot be changed.
    pub fn repair(&self) {
        assert!(self.set_immutable("-i"));
    }

    /// Makes all writes block until [`Self::thaw`].
    ///
    /// # Panics
    /// The file system cannot be frozen.
    pub fn freeze(&self) {
        assert!(run(
            "/sbin/fsfreeze",
            [OsStr::new("-f"), self.mounted_at.as_os_str()]
        ));
    }

    /// Ends [`Self::freeze`].
    ///
    /// # Panics
    /// It was not frozen.
    pub fn thaw(&self) {
        assert!(run(
            "/sbin/fsfreeze",
            [OsStr::new("-u"), self.mounted_at.as_os_str()]
        ));
    }

    /// Turns the file system read-only as the kernel does after an error, while files are open. Only
    /// [`Self::mount_again`] ends that.
    ///
    /// # Panics
    /// The kernel does not support it.
    pub fn turn_read_only(&self) {
        let options = [OsStr::new("-o"), OsStr::new("remount,errors=remount-ro")];
        assert!(run(
            "mount",
            options.into_iter().chain([self.mounted_at.as_os_str()])
        ));
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let is_meant = |line: &&str| line.split(' ').nth(1).map(Path::new) == Some(&self.mounted_at);
        let mount = mounts.lines().find(is_meant).expect("it is mounted");
        let device = mount
            .split(' ')
            .next()
            .and_then(|device| device.rsplit('/').next());
        let switch = format!("/sys/fs/ext4/{}/trigger_fs_error", device.unwrap());
        fs::write(switch, "1").expect("the kernel takes it");
    }

    /// Repairs and remounts it. It must not be in use.
    ///
    /// # Panics
    /// It is in use.
    pub fn mount_again(&self) {
        assert!(run("umount", [&self.mounted_at]), "somebody uses it");
        // A non-zero exit code reports that something was repaired.
        run("/sbin/e2fsck", [OsStr::new("-fy"), self.image.as_os_str()]);
        assert!(self.attach());
    }
}

impl Drop for BlockDevice {
    fn drop(&mut self) {
        self.set_immutable("-i");
        // A frozen file system would block everything that follows.
        run("/sbin/fsfreeze", [OsStr::new("-u"), self.mounted_at.as_os_str()]);
        run("umount", [OsStr::new("-l"), self.mounted_at.as_os_str()]);
    }
}
