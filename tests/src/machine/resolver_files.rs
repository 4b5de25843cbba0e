//! Replaces the resolver files of a program, in its own network namespace.
#![expect(
    clippy::expect_used,
    reason = "a file that cannot be written must fail its test"
)]

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{Program, skip};

const UNSHARE: &str = "/usr/bin/unshare";

/// The resolver's files of a program; see [`ResolverFiles::mount_for`].
#[derive(Debug)]
pub struct ResolverFiles {
    folder: PathBuf,
}

impl ResolverFiles {
    /// Creates empty files in `folder`, or uses existing ones.
    ///
    /// # Panics
    /// A file cannot be written.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let files = Self {
            folder: folder.to_owned(),
        };
        for file in [files.resolv_conf(), files.hosts()] {
            if !file.exists() {
                fs::write(file, "").expect("a file");
            }
        }
        files
    }

    /// The file that the program sees as `/etc/resolv.conf`. Write to it, do not replace it.
    #[must_use]
    pub fn resolv_conf(&self) -> PathBuf {
        self.folder.join("resolv.conf")
    }

    /// The file that the program sees as `/etc/hosts`. Write to it, do not replace it.
    #[must_use]
    pub fn hosts(&self) -> PathBuf {
        self.folder.join("hosts")
    }

    /// Makes a program see these files, look up names in the hosts file first and then in DNS, and use its own loopback
    /// network with all ports free. `None` without permission for namespaces; the skip is printed.
    ///
    /// # Panics
    /// A file cannot be written.
    #[must_use]
    pub fn mount_for(&self, program: Program) -> Option<Program> {
        let bind = |name: &str, text: &str| {
            let file = self.folder.join(name);
            if !text.is_empty() {
                fs::write(&file, text).expect("a file");
            }
            format!("mount --bind {} /etc/{name}", file.display())
        };
        let steps = [
            "ip link set lo up".to_owned(),
            bind("resolv.conf", ""),
            bind("hosts", ""),
            bind("nsswitch.conf", "hosts: files dns\n"),
            bind("host.conf", "multi on\n"),
        ];
        let script = format!("PATH=/usr/sbin:/usr/bin:/sbin:/bin; {}", steps.join(" && "));
        let may = Program::at("/bin/sh").args(["-c", &format!("{UNSHARE} -m -n /bin/sh -c '{script}'")]);
        if may.run().code != 0 {
            skip("network and mount namespace");
            return None;
        }
        Some(program.after(&script).by(UNSHARE, &["-m", "-n"]))
    }
}
