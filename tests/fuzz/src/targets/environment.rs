//! What references in suites get their values from.

use std::io;
use std::path::Path;

use canary::suite::Environment;

/// Of the variable `TOKEN`.
pub(crate) const TOKEN: &str = "hunter2-from-the-environment";
/// Of every file whose name begins with `secret`.
pub(crate) const PASSWORD: &str = "Kj8-from-a-file";

/// The two secrets above; `EMPTY` is set to nothing, and there is nothing else.
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
        match name.starts_with(b"secret") {
            true => Ok(format!("{PASSWORD}\n").into_bytes()),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// Whether a text shows one of the secrets.
pub(crate) fn is_leak(text: &str) -> bool {
    text.contains(TOKEN) || text.contains(PASSWORD)
}
