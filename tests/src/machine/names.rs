//! A name server of a program's own.
#![expect(
    clippy::expect_used,
    reason = "a file that cannot be written must fail its test"
)]

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use crate::command::{Program, skip};

const UNSHARE: &str = "/usr/bin/unshare";

/// Has a program ask this server for names, at port 53, by a `resolv.conf` in `folder` that it sees in place of the
/// machine's. `None` where nobody may mount.
///
/// # Panics
/// The file cannot be written.
#[must_use]
pub fn resolving_by(program: Program, server: IpAddr, folder: &Path) -> Option<Program> {
    let conf = folder.join("resolv.conf");
    fs::write(
        &conf,
        format!("nameserver {server}\noptions timeout:5 attempts:2\n"),
    )
    .expect("a file");
    let mount = format!("mount --bind {} /etc/resolv.conf", conf.display());
    let may_mount = Program::at("/bin/sh").args(["-c", &format!("{UNSHARE} -m /bin/sh -c '{mount}'")]);
    if may_mount.run().code != 0 {
        skip("mount namespace");
        return None;
    }
    Some(program.after(&mount).by(UNSHARE, &["-m"]))
}
