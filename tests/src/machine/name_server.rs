//! Replaces the name server of a program.
#![expect(
    clippy::expect_used,
    reason = "a file that cannot be written must fail its test"
)]

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use crate::command::{Program, skip};

const UNSHARE: &str = "/usr/bin/unshare";

/// Makes a program use this name server, on port 53, by mounting a `resolv.conf` from `folder` over the machine's.
/// `None` without permission to mount.
///
/// # Panics
/// The file cannot be written.
#[must_use]
pub fn with_name_server(program: Program, server: IpAddr, folder: &Path) -> Option<Program> {
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
