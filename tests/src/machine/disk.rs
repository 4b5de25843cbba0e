//! Disks in trouble.
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

/// What a block device holds, in bytes.
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
    /// Mounts it over a folder. `None` without the right to mount.
    #[must_use]
    pub fn mount(path: &Path) -> Option<Self> {
        let options = ["-t", "tmpfs", "-o", "size=4m", "tmpfs"].map(OsStr::new);
        let mounted = run("mount", options.into_iter().chain([path.as_os_str()]));
        if !mounted {
            skip("mount");
        }
        mounted.then(|| Self(path.to_owned()))
    }

    /// Takes all the room that is left.
    ///
    /// # Panics
    /// There is no room for a file.
    pub fn fill(&self) {
        let mut filler = File::create(self.filler()).unwrap();
        for size in [1 << 16, 1 << 12] {
            while filler.write_all(&vec![1; size]).is_ok() {}
        }
    }

    /// Gives it back.
    ///
    /// # Panics
    /// It was not taken.
    pub fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Mounts it anew with this option: `ro`, `rw`.
    ///
    /// # Panics
    /// The kernel refuses, as where `ro` meets a file that is open for writing.
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

/// A file system on a block device, whose driver can be made to fail: ext4 without a journal, so that it can be mended
/// while it is in use.
#[derive(Debug)]
pub struct BlockDevice {
    /// Its blocks: a file that is on a disk.
    image: PathBuf,
    mounted_at: PathBuf,
    _folder: TempDir,
}

impl BlockDevice {
    /// Mounts it over a folder. `None` without the right to, or where the image is on a file system that knows no
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

    /// Its driver refuses to write: whoever does, or waits for it, gets `EIO`.
    ///
    /// # Panics
    /// It cannot be made to.
    pub fn fail(&self) {
        assert!(self.set_immutable("+i"));
    }

    /// Its driver writes again.
    ///
    /// # Panics
    /// It cannot be made to.
    pub fn mend(&self) {
        assert!(self.set_immutable("-i"));
    }

    /// Whoever writes waits, until [`Self::thaw`].
    ///
    /// # Panics
    /// It cannot be made to.
    pub fn freeze(&self) {
        assert!(run(
            "/sbin/fsfreeze",
            [OsStr::new("-f"), self.mounted_at.as_os_str()]
        ));
    }

    /// It writes again.
    ///
    /// # Panics
    /// It was not frozen.
    pub fn thaw(&self) {
        assert!(run(
            "/sbin/fsfreeze",
            [OsStr::new("-u"), self.mounted_at.as_os_str()]
        ));
    }

    /// The file system finds an error, and takes nothing more, as the kernel does it while files are open. Nothing but
    /// [`Self::mount_again`] helps.
    ///
    /// # Panics
    /// The kernel has no way to ask for it.
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

    /// Repairs it, and mounts it again. Nobody may use it at the time.
    ///
    /// # Panics
    /// Somebody does.
    pub fn mount_again(&self) {
        assert!(run("umount", [&self.mounted_at]), "somebody uses it");
        // It says that it has repaired something.
        run("/sbin/e2fsck", [OsStr::new("-fy"), self.image.as_os_str()]);
        assert!(self.attach());
    }
}

impl Drop for BlockDevice {
    fn drop(&mut self) {
        self.set_immutable("-i");
        // Where it is frozen, nothing else ends.
        run("/sbin/fsfreeze", [OsStr::new("-u"), self.mounted_at.as_os_str()]);
        run("umount", [OsStr::new("-l"), self.mounted_at.as_os_str()]);
    }
}
