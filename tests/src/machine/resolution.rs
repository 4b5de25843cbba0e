//! Files of a resolver that a program sees in place of the machine's, in a network of its own.
#![expect(
    clippy::expect_used,
    reason = "a file that cannot be written must fail its test"
)]

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{Program, skip};

const UNSHARE: &str = "/usr/bin/unshare";

/// The resolver's files of a program; see [`ResolverFiles::seen_by`].
#[derive(Debug)]
pub struct ResolverFiles {
    folder: PathBuf,
}

impl ResolverFiles {
    /// Empty files in `folder`, or those that are there.
    ///
    /// # Panics
    /// A file cannot be written.
    #[must_use]
    pub fn within(folder: &Path) -> Self {
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

    /// What the program sees as `/etc/resolv.conf`. Write to it, do not replace it.
    #[must_use]
    pub fn resolv_conf(&self) -> PathBuf {
        self.folder.join("resolv.conf")
    }

    /// What the program sees as `/etc/hosts`. Write to it, do not replace it.
    #[must_use]
    pub fn hosts(&self) -> PathBuf {
        self.folder.join("hosts")
    }

    /// Starts a program that sees these files, asks the hosts file first and name servers then, and has a loopback
    /// network of its own, with all ports free. `None` where nobody may make such namespaces, which is said aloud.
    ///
    /// # Panics
    /// A file cannot be written.
    #[must_use]
    pub fn seen_by(&self, program: Program) -> Option<Program> {
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
