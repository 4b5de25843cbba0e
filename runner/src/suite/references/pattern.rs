//! Names and paths with `*` in them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Files of a folder that one pattern stands for.
const MAX_MATCHES: usize = 10_000;

/// What an entry of the list of files stands for at the moment, links followed.
#[derive(Debug)]
pub(super) enum FilePattern {
    /// One file that is named as such.
    File(PathBuf),
    /// Everything below a folder: its path, or that with `/**` behind it.
    Below(PathBuf),
    /// Files of a folder by a pattern of their names, such as `/run/secrets/web-*`.
    Files(BTreeSet<PathBuf>),
}

impl FilePattern {
    pub(super) fn of(path: &Path) -> Self {
        let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let folder = path.parent().unwrap_or(Path::new(""));
        match path.file_name().and_then(|name| name.to_str()) {
            Some("**") => Self::Below(real(folder)),
            Some(name) if name.contains('*') => Self::Files(matches(folder, name)),
            _ if path.is_dir() => Self::Below(real(path)),
            _ => Self::File(real(path)),
        }
    }

    /// Whether this stands for a file, whose links were followed.
    pub(super) fn covers(&self, file: &Path) -> bool {
        match self {
            Self::File(path) => path == file,
            Self::Below(folder) => file.starts_with(folder),
            Self::Files(files) => files.contains(file),
        }
    }
}

/// What the files of a folder are really called whose names match.
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

/// Whether `text` is `pattern`, in which each `*` stands for any characters, or none. Linear in the length of both.
pub(in crate::suite) fn is_match(pattern: &str, text: &str) -> bool {
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
