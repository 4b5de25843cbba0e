//! Patterns with `*` for names and paths.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Maximum number of files that one pattern matches.
const MAX_MATCHES: usize = 10_000;

/// An entry of the list of permitted files, resolved at a point in time.
#[derive(Debug)]
pub(super) enum FilePattern {
    /// A file by its exact path.
    File(PathBuf),
    /// Everything below a folder, given as its path, or its path followed by `/**`.
    Below(PathBuf),
    /// Files of a folder by a pattern of their names, such as `/run/secrets/web-*`.
    Files(BTreeSet<PathBuf>),
}

impl FilePattern {
    pub(super) fn new(path: &Path) -> Self {
        let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let folder = path.parent().unwrap_or(Path::new(""));
        match path.file_name().and_then(|name| name.to_str()) {
            Some("**") => Self::Below(real(folder)),
            Some(name) if name.contains('*') => Self::Files(matches(folder, name)),
            _ if path.is_dir() => Self::Below(real(path)),
            _ => Self::File(real(path)),
        }
    }

    /// Whether this includes a file, given by its canonical path.
    pub(super) fn includes(&self, file: &Path) -> bool {
        match self {
            Self::File(path) => path == file,
            Self::Below(folder) => file.starts_with(folder),
            Self::Files(files) => files.contains(file),
        }
    }
}

/// The canonical paths of the files of a folder whose names match.
fn matches(folder: &Path, pattern: &str) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|name| is_match(pattern, name))
        })
        .filter_map(|entry| fs::canonicalize(entry.path()).ok())
        .take(MAX_MATCHES)
        .collect()
}

/// Whether `text` matches `pattern`, in which `*` matches any characters, or none. Linear in the length of both.
pub(crate) fn is_match(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for piece in middle.split('*') {
        match text.split_once(piece) {
            Some((_, behind)) => text = behind,
            None => return false,
        }
    }
    text.ends_with(last)
}
