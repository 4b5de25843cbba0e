//! Certificate verification by the openssl command, where it is installed.
#![expect(
    clippy::expect_used,
    reason = "a file that cannot be written must fail its test"
)]

use std::fs;
use std::process::Command;

use rustls::pki_types::CertificateDer;

use super::pem;

/// Whether `openssl verify` accepts a chain (leaf first) for a server with this name; `None` where openssl is not
/// installed.
#[must_use]
pub fn openssl_verifies(chain: &[CertificateDer<'_>], root: &CertificateDer<'_>, name: &str) -> Option<bool> {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let file = |name: &str, certificates: &[CertificateDer<'_>]| {
        let path = folder.path().join(name);
        let text: String = certificates.iter().map(|der| pem(der)).collect();
        fs::write(&path, text).expect("there is room for a file");
        path
    };
    let (leaf, above) = chain.split_at_checked(1).unwrap_or_default();
    let mut command = Command::new("openssl");
    command.args(["verify", "-purpose", "sslserver", "-verify_hostname", name]);
    command
        .arg("-CAfile")
        .arg(file("root.pem", std::slice::from_ref(root)));
    if !above.is_empty() {
        command.arg("-untrusted").arg(file("above.pem", above));
    }
    let ran = command.arg(file("leaf.pem", leaf)).output().ok()?;
    Some(ran.status.success())
}
