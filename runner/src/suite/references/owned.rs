//! The files that are the runner's own, by every name under which they can be found.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;

use super::{FilePattern, Found};
use crate::regular_file::{self, Owner};

/// Files and folders that are looked at below the runner's own folders.
const MAX_FILES: usize = 200_000;
/// How long a look at the next of them may take.
const LOOK: Duration = Duration::from_secs(3);
/// Folders within folders.
const MAX_DEPTH: usize = 16;

/// What a file is judged by before it is read.
#[derive(Debug)]
pub(in crate::suite) struct FileRule {
    /// Absent: all files.
    pub(super) listed: Option<Vec<FilePattern>>,
    pub(super) owned: Owned,
}

impl FileRule {
    /// Whether a suite may refer to a file. The reason why not ends a sentence.
    ///
    /// # Errors
    /// It is the runner's own, or not among those that are listed.
    pub(super) fn judge(&self, file: &Found) -> Result<(), &'static str> {
        let listed = self.listed.as_deref();
        let is_named =
            |pattern: &FilePattern| matches!(pattern, FilePattern::File(path) if *path == file.path);
        if listed.is_some_and(|listed| listed.iter().any(is_named)) {
            return Ok(());
        }
        if self.owned.holds(file) {
            return Err("it is the runner's own");
        }
        match listed {
            Some(listed) if !listed.iter().any(|pattern| pattern.covers(&file.path)) => {
                Err("it is not among those that this runner lets suites refer to")
            }
            _ => Ok(()),
        }
    }
}

/// A file wherever it is: hard links and bind mounts have the same.
pub(super) type Identities = HashSet<(u64, u64)>;

/// Files and folders of the runner, as they are at the moment.
#[derive(Debug, Default)]
pub(super) struct Owned {
    /// With all below, where they are folders.
    paths: Vec<PathBuf>,
    identities: Identities,
}

impl Owned {
    /// Every path is looked at by a thread of its own: those of a disk that hangs hold up no others.
    pub(super) fn of(paths: &BTreeSet<PathBuf>) -> Self {
        let mut owned = Self::default();
        let (tx, rx) = channel();
        let mut looks = Vec::new();
        for path in paths {
            // By its name, whatever is found out about it: what hangs now, or is missing, may be read later.
            owned.paths.extend(std::path::absolute(path));
            let (own, tx) = (path.clone(), tx.clone());
            // Nobody waits any more when it is late.
            let deliver = move |found| drop(tx.send(found));
            looks.extend(regular_file::start(
                Owner::OwnFiles,
                path,
                move || examine(&own),
                deliver,
            ));
        }
        drop(tx);
        while let Ok((real, identities)) = rx.recv_timeout(LOOK) {
            owned.paths.extend(real);
            owned.identities.extend(identities);
        }
        owned
    }

    fn holds(&self, file: &Found) -> bool {
        self.identities.contains(&(file.device, file.inode))
            || self.paths.iter().any(|path| file.path.starts_with(path))
    }
}

/// Where a file or folder really is, and what it is or holds.
fn examine(path: &Path) -> (Option<PathBuf>, Identities) {
    let mut identities = Identities::new();
    let real = fs::canonicalize(path).ok();
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            let folder = real.as_deref().unwrap_or(path);
            collect(folder, MAX_DEPTH, &mut identities);
        }
        Ok(metadata) => {
            identities.insert((metadata.dev(), metadata.ino()));
        }
        Err(_) => {}
    }
    (real, identities)
}

fn collect(folder: &Path, depth: usize, identities: &mut Identities) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        if identities.len() >= MAX_FILES {
            return;
        }
        if metadata.is_dir() && depth > 0 {
            collect(&entry.path(), depth - 1, identities);
        } else {
            identities.insert((metadata.dev(), metadata.ino()));
        }
    }
}
