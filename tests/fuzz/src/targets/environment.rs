//! The environment that references in suites read.

use std::io;
use std::path::Path;

use canary::suite::Environment;

/// Of the variable `TOKEN`.
pub(crate) const TOKEN: &str = "hunter2-from-the-environment";
/// Of every file whose name begins with `secret`.
pub(crate) const PASSWORD: &str = "Kj8-from-a-file";

/// An environment with the two secrets above and an empty variable `EMPTY`.
pub(crate) struct Fixed;

impl Environment for Fixed {
    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "TOKEN" => Some(TOKEN.to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        if name.starts_with(b"secret") {
            Ok(format!("{PASSWORD}\n").into_bytes())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }
}

/// Whether a text shows one of the secrets.
pub(crate) fn is_leak(text: &str) -> bool {
    text.contains(TOKEN) || text.contains(PASSWORD)
}
